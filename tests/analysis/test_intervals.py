from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from heuristic_core.analysis.intervals import bootstrap, holm, wilson


def test_wilson_against_a_known_value():
    # 8 of 10, z = 1.959964: (p + z^2/2n +- z sqrt(p(1-p)/n + z^2/4n^2)) / (1 + z^2/n)
    e = wilson(8, 10)
    assert (e.value, e.low, e.high) == pytest.approx((0.8, 0.490162, 0.943318), abs=1e-5)
    assert wilson(0, 50).low == 0.0
    assert wilson(50, 50).high == pytest.approx(1.0)


def test_bootstrap_repeats_and_covers():
    rng = np.random.default_rng(0)
    hits = 0
    for trial in range(200):
        sample = rng.normal(3.0, 1.0, size=30)
        e = bootstrap(sample, seed=trial, n_draws=500)
        hits += e.low <= 3.0 <= e.high
    assert 0.90 <= hits / 200 <= 0.99
    assert bootstrap(sample, 1) == bootstrap(sample, 1)
    one = bootstrap(np.array([2.0]), 0)
    assert (one.value, one.low, one.high) == (2.0, 2.0, 2.0)


def test_holm_by_hand():
    corrected = holm(np.array([0.01, 0.04, 0.03, 0.005]))
    assert corrected == pytest.approx([0.03, 0.06, 0.06, 0.02])


@given(st.lists(st.floats(0, 1), min_size=1, max_size=20))
def test_holm_never_lowers_and_keeps_the_order(p):
    values = np.array(p)
    corrected = holm(values)
    assert (corrected >= values).all()
    assert (corrected <= 1).all()
    order = np.argsort(values, kind="stable")
    assert (np.diff(corrected[order]) >= 0).all()
