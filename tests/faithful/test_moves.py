"""Exchanges of units: their probabilities, and where many of them lead."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from faithful.toy_subjects import every_choice
from heuristic_core.faithful.moves import Exchanges

CHOICES = every_choice(6, 3)
SHARES = np.array([0.9, 0.7, 0.5, 0.5, 0.3, 0.1])


def test_the_probabilities_of_all_exchanges_sum_to_1():
    for x in CHOICES:
        pairs = [(o, b) for o in np.flatnonzero(x) for b in np.flatnonzero(~x)]
        out, back = np.array(pairs).T
        exchanges = Exchanges(np.tile(SHARES, (len(pairs), 1)))
        logs = exchanges._log(np.tile(x, (len(pairs), 1)), out, back)
        assert np.exp(logs).sum() == pytest.approx(1)


def test_a_unit_that_is_seldom_kept_is_seldom_taken_up():
    one = Exchanges(SHARES[None])
    assert CHOICES[0].tolist() == [True] * 3 + [False] * 3
    likely, unlikely = (one._log(CHOICES[:1], np.array([0]), np.array([b]))[0] for b in (3, 5))
    assert likely - unlikely == pytest.approx(np.log(0.5 / 0.1))


@pytest.mark.parametrize("seed", [0, 1])
def test_many_exchanges_lead_to_the_density_asked_for(seed):
    """Whatever units are preferred: Hastings' ratio undoes it."""
    rng = np.random.default_rng(seed)
    height = rng.normal(size=len(CHOICES))
    at = {choice.tobytes(): i for i, choice in enumerate(CHOICES)}

    def density(choices):
        return height[[at[choice.tobytes()] for choice in choices]]

    starts = np.tile(CHOICES[:1], (6000, 1))
    for wanted, given in ((np.exp(height), density), (np.ones(len(CHOICES)), None)):
        ends, rise = Exchanges(np.tile(SHARES, (6000, 1))).wander(starts, 60, given, rng)
        assert (ends.sum(1) == 3).all()
        if given is not None:
            np.testing.assert_allclose(rise, density(ends) - density(starts), atol=1e-12)
        counts = np.bincount([at[end.tobytes()] for end in ends], minlength=len(CHOICES))
        assert stats.chisquare(counts, wanted / wanted.sum() * 6000).pvalue > 0.001
