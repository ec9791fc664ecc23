from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from heuristic_core.analysis.separation import (
    MOST_D_PRIME,
    RESOLUTION,
    auc_interval,
    auc_variance,
    placements,
    separation,
)
from heuristic_core.errors import InputError

scores = st.lists(st.integers(-4, 4).map(float), min_size=1, max_size=8).map(np.array)


def test_by_hand():
    s = separation(np.array([1.0, 3.0]), np.array([0.0, 1.0, 2.0]))
    # Of six pairs four are in order and one is tied.
    assert s.auc == pytest.approx(4.5 / 6)
    # Means 2 and 1, variances 2 and 1.
    assert s.d_prime == pytest.approx(1 / 1.5**0.5)
    assert s.bias == pytest.approx(1.5)


@given(scores, scores)
def test_auc_is_the_share_of_ordered_pairs(one, other):
    pairs = np.sign(one[:, None] - other[None, :])
    found = separation(one, other)
    assert found.auc == pytest.approx((pairs.mean() + 1) / 2)
    assert np.isfinite([found.auc, found.d_prime, found.bias]).all()
    assert abs(found.d_prime) <= MOST_D_PRIME


@given(scores, scores, st.floats(-100, 100))
def test_a_shift_of_all_scores_is_bias_alone(one, other, shift):
    before, after = separation(one, other), separation(one + shift, other + shift)
    assert after.bias == pytest.approx(before.bias + shift, abs=1e-9)
    if abs(shift) in (0, 1, 4):  # others may round scores that were equal apart
        assert after.auc == before.auc
        assert after.d_prime == pytest.approx(before.d_prime, abs=1e-9)


@given(scores, scores)
def test_exchanged_kinds_are_mirrored(one, other):
    here, there = separation(one, other), separation(other, one)
    assert here.auc == pytest.approx(1 - there.auc)
    assert here.d_prime == pytest.approx(-there.d_prime)
    assert here.bias == pytest.approx(there.bias)


def test_scores_that_do_not_vary():
    same = separation(np.full(3, 0.1), np.full(7, 0.1))
    assert same.auc == 0.5
    assert same.d_prime == pytest.approx(0, abs=1e-9)
    assert same.bias == pytest.approx(0.1)
    apart = separation(np.full(3, 0.1), np.full(7, 0.3))
    assert (apart.auc, apart.d_prime) == (0.0, -MOST_D_PRIME)
    assert separation(np.array([5.0]), np.array([1.0])).d_prime == MOST_D_PRIME
    # A spread so small that d' would be larger is cut to the same number.
    assert separation(np.array([9.0, 9.001]), np.array([0.0, 0.001])).d_prime == MOST_D_PRIME


def test_scores_that_differ_by_rounding_are_ties():
    """A saturated model: both kinds score 6 nats, and 1e-5 nats in some order of sums."""
    one, other = 6 + 1e-5 * np.array([3.0, 4.0, 5.0]), 6 + 1e-5 * np.array([0.0, 1.0, 2.0])
    found = separation(one, other)
    assert found.auc == 0.5
    # Means 3e-5 apart, held against a thousandth.
    assert found.d_prime == pytest.approx(3e-5 / RESOLUTION)
    assert found.bias == pytest.approx(6 + 2.5e-5)
    # Where a score lies on a grid makes no difference, and a real distance still counts.
    assert separation(one - 0.00048, other - 0.00048).auc == 0.5
    assert separation(one + 0.002, other).auc == 1.0


def test_placements_by_hand():
    # 1 ties with 1.0005 and is above 0; 2 is above both; 0.9996 ties with 1.0005 as well.
    above, below = placements(np.array([1.0, 2.0, 0.9996]), np.array([1.0005, 0.0]))
    assert above.tolist() == [0.75, 1.0, 0.75]
    # 1.0005 is below 2 and ties with the others; 0 is below all.
    assert below == pytest.approx([2 / 3, 1.0])
    assert above.mean() == pytest.approx(below.mean())


@pytest.mark.parametrize("bad", [[], [np.nan], [np.inf, 1.0]])
def test_what_cannot_be_compared_is_refused(bad):
    for kinds in ((np.array(bad), np.ones(2)), (np.ones(2), np.array(bad))):
        with pytest.raises(InputError):
            separation(*kinds)


def test_d_prime_and_auc_agree_for_normal_scores():
    rng = np.random.default_rng(0)
    s = separation(rng.normal(1.2, 1, 20_000), rng.normal(0, 1, 20_000))
    assert s.d_prime == pytest.approx(1.2, abs=0.03)
    assert s.auc == pytest.approx(stats.norm.cdf(1.2 / 2**0.5), abs=0.01)


def test_the_interval_by_hand_and_at_the_ends():
    # 0.8 (0.2) {1 + 9 (0.2 / 1.2 + 0.8 / 1.8)} / 100
    assert auc_variance(0.8, 10, 10) == pytest.approx(0.16 * (1 + 9 * (1 / 6 + 4 / 9)) / 100)
    e = auc_interval(0.8, 10, 10)
    for end in (e.low, e.high):
        assert abs(end - 0.8) == pytest.approx(1.959964 * auc_variance(end, 10, 10) ** 0.5)
    perfect = auc_interval(1.0, 20, 20)
    assert (perfect.value, perfect.high) == (1, 1)
    assert 0.8 < perfect.low < 1
    assert auc_interval(0.0, 20, 20).high == pytest.approx(1 - perfect.low)
    assert auc_interval(0.9, 200, 200).low > auc_interval(0.9, 20, 20).low


@pytest.mark.parametrize("distance", [0.0, 1.0, 2.0])
def test_the_interval_covers(distance):
    rng = np.random.default_rng(1)
    truth = stats.norm.cdf(distance / 2**0.5)
    hits = 0
    for _ in range(400):
        auc = separation(rng.normal(distance, 1, 30), rng.normal(0, 1, 50)).auc
        e = auc_interval(auc, 30, 50)
        hits += e.low <= truth <= e.high
    assert 0.90 <= hits / 400 <= 0.99
