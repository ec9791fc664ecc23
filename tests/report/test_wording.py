from __future__ import annotations

import math

from heuristic_core.report.wording import SPACE, percent


def test_means_that_differ_in_their_last_bits_read_alike_at_a_tie():
    mean = 0.7565
    written = {percent(x, 1) for x in (math.nextafter(mean, 0), mean, math.nextafter(mean, 1))}
    assert written == {f"75.7{SPACE}%"}
