from __future__ import annotations

from collections import Counter

import numpy as np
import pytest

from heuristic_core.analysis.controls import freedom, widening


def test_widening_is_the_ratio_of_deviations():
    rng = np.random.default_rng(0)
    layers, core = Counter({0: 8, 1: 6}), Counter({0: 3, 1: 1})
    effects = {layer: rng.normal(size=(20000, n)) for layer, n in layers.items()}
    # Heads in random order: the first are the core, the next a control, then all others.
    whole = sum(effects[i][:, :n].sum(1) for i, n in core.items())
    control = sum(effects[i][:, n : 2 * n].sum(1) for i, n in core.items())
    mean = sum(n * effects[i][:, n:].mean(1) for i, n in core.items())
    ratio = (whole - mean).std() / (control - mean).std()
    assert widening(layers, core) == pytest.approx(ratio, rel=0.03)


def test_widening_where_heads_are_few():
    assert widening(Counter({0: 4, 1: 4}), Counter({0: 3})) == pytest.approx((8 / 2) ** 0.5)
    assert widening(Counter({0: 4}), Counter({0: 2})) is None
    assert widening(Counter(), Counter({0: 2})) is None


def test_freedom_is_of_groups_and_of_heads():
    # Ten others in each of two layers, of which one is drawn: 18 free; 19 groups: 18 free.
    assert freedom(Counter({0: 11, 1: 11}), Counter({0: 1, 1: 1}), 19) == pytest.approx(9)
    assert freedom(Counter({0: 11}), Counter({0: 1}), 10**9) == pytest.approx(9)
