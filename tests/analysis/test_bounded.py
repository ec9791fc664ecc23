"""Intervals of mean shares over seeds."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from scipy import stats
from scipy.special import expit, logit

from heuristic_core.analysis.bounded import mean_share
from heuristic_core.analysis.paired import over_both


def test_towards_the_end_it_is_the_plain_one_and_towards_the_middle_that_on_logits():
    shares = pd.Series([0.9, 0.85, 0.95, 0.7])
    found, plain = mean_share(shares, 0.001), over_both(shares, 0.001)
    half = plain.high - plain.value
    assert found.value == plain.value == pytest.approx(0.85)
    assert found.high == min(1.0, plain.high)
    # By hand: the error on the logit scale is that of the mean over the slope of the share.
    expected = expit(logit(0.85) - half / (0.85 * 0.15))
    assert found.low == pytest.approx(max(expected, 0.85 - 3 * half))
    assert found.low < plain.low


def test_it_does_not_depend_on_which_end_is_called_one():
    shares = pd.Series([0.9, 0.85, 0.95, 0.7])
    one, other = mean_share(shares, 0.001), mean_share(1 - shares, 0.001)
    assert [1 - other.high, 1 - other.low] == pytest.approx([one.low, one.high])


@pytest.mark.parametrize("value", [0.0, 1.0, 0.9999])
def test_at_an_end_it_stays_near(value):
    found = mean_share(pd.Series([value] * 3), 1e-6)
    half = 1.96 * 1e-3
    assert found.low >= value - 3.01 * half
    assert found.high <= value + 3.01 * half
    assert 0 <= found.low <= value <= found.high <= 1


def test_a_single_seed_has_no_interval():
    assert np.isnan(mean_share(pd.Series([0.8]), 0.01).low)


@pytest.mark.parametrize("n", [3, 6, 12])
@pytest.mark.parametrize(("mean", "spread"), [(1.0, 0.8), (0.8, 0.6), (0.0, 0.5), (-1.0, 0.8)])
def test_the_interval_holds_the_mean_of_shares_that_are_normal_before_they_are_bounded(
    n, mean, spread
):
    rng = np.random.default_rng([n, int(10 * spread)])
    true = stats.norm.cdf(mean / np.hypot(1, spread))
    within = 0
    for _ in range(1000):
        found = mean_share(pd.Series(stats.norm.cdf(rng.normal(mean, spread, n))))
        within += found.low <= true <= found.high
    assert 0.925 <= within / 1000 <= 0.985
