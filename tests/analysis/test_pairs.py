from __future__ import annotations

import numpy as np
import pytest

from heuristic_core.analysis.pairs import jaccard, pair_mean


def test_jaccard_by_hand():
    sets = np.array([[1, 1, 0, 0], [0, 1, 1, 0], [0, 0, 0, 0], [0, 0, 0, 0]], bool)
    assert jaccard(sets)[0, 1] == pytest.approx(1 / 3)
    assert jaccard(sets)[0, 0] == 1
    assert jaccard(sets)[0, 2] == 0
    assert jaccard(sets)[2, 3] == 1
    assert (jaccard(np.stack([sets, sets]))[1] == jaccard(sets)).all()


def test_the_interval_of_three_sets_by_hand():
    """Leave-one-out values are single pairs: 0.2, 0.3, 0.7; mean 0.4."""
    values = np.array([[1, 0.2, 0.3], [0.2, 1, 0.7], [0.3, 0.7, 1]])
    estimate = pair_mean(values)
    variance = 2 / 3 * (0.2**2 + 0.1**2 + 0.3**2)
    half = 4.30265 * variance**0.5
    assert estimate.value == pytest.approx(0.4)
    assert (estimate.low, estimate.high) == (0, 1)
    assert half > 0.6  # three sets say little
    narrow = pair_mean(0.39 + values / 100)
    assert narrow.high - narrow.value == pytest.approx(half / 100, rel=1e-4)


def test_two_sets_have_no_interval_and_equal_ones_a_narrow_one():
    one = pair_mean(np.array([[1, 0.4], [0.4, 1]]))
    assert one.value == 0.4
    assert np.isnan(one.low)
    same = pair_mean(np.ones((5, 5)))
    assert (same.value, same.low, same.high) == (1, 1, 1)


# With four sets whose pairs vary for themselves alone the interval is wider than it must be.
@pytest.mark.parametrize(("n", "own"), [(4, 0.05), (8, 0.0), (8, 0.05), (12, 0.0), (12, 0.05)])
def test_coverage(n, own):
    """Pairs that vary for themselves alone, and pairs that also vary with either set."""
    rng = np.random.default_rng(n)
    hits = 0
    for _ in range(600):
        effect = own * rng.normal(size=n)
        noise = np.triu(0.05 * rng.normal(size=(n, n)), k=1)
        estimate = pair_mean(0.5 + effect[:, None] + effect + noise + noise.T)
        hits += estimate.low <= 0.5 <= estimate.high
    assert 0.90 <= hits / 600 <= 0.99


def test_coverage_on_sets():
    """Searches that prefer some heads: the truth is the mean over very many of them."""
    rng = np.random.default_rng(1)
    preference = rng.normal(size=24)

    def draw(n):
        scores = preference + (0.5 + rng.exponential(1.5, size=(n, 1))) * rng.normal(size=(n, 24))
        return (-scores).argsort(-1).argsort(-1) < 12

    many = jaccard(draw(1500))
    truth = many[np.triu_indices(1500, k=1)].mean()
    hits = 0
    for _ in range(600):
        estimate = pair_mean(jaccard(draw(8)))
        hits += estimate.low <= truth <= estimate.high
    assert 0.90 <= hits / 600 <= 0.99
