"""Random sets of units, and the rank of one among them."""

from __future__ import annotations

import itertools
from collections import Counter

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from heuristic_core.card_tables import DRAWN
from heuristic_core.faithful.random_sets import pools, rank_p, redrawn
from heuristic_core.units import UnitSpace

SPACE = UnitSpace((4, 3))


@given(
    st.lists(st.booleans(), min_size=9, max_size=9),
    st.lists(st.booleans(), min_size=9, max_size=9),
    st.integers(0, 99),
)
def test_random_sets_have_as_many_units_of_each_kind_and_leave_the_others(chosen, free, seed):
    chosen, free = np.array(chosen), np.array(free)
    for drawn in DRAWN:
        rng = np.random.default_rng(seed)
        sets = redrawn(chosen, pools(SPACE, free, drawn), 20, rng)
        assert (sets[:, ~free] == chosen[~free]).all()
        assert (sets.sum(1) == chosen.sum()).all()
        if drawn == "in layers":
            for some in ([0, 1, 2, 3], [5, 6, 7], [4, 8]):  # each layer's heads, and the MLPs
                inside = np.isin(np.arange(9), some) & free
                assert (sets[:, inside].sum(1) == chosen[inside].sum()).all()


@pytest.mark.parametrize("drawn", DRAWN)
def test_all_sets_are_equally_likely(drawn):
    chosen = SPACE.mask(["L0H0", "L0H3", "L1MLP"])
    free = np.ones(9, dtype=bool)
    sets = redrawn(chosen, pools(SPACE, free, drawn), 8000, np.random.default_rng(0))
    times = Counter(map(tuple, np.argwhere(sets)[:, 1].reshape(-1, 3).tolist()))
    # Any three of nine; or two heads of the first layer and one of two MLPs.
    expected = {
        "anywhere": set(itertools.combinations(range(9), 3)),
        "in layers": {
            tuple(sorted((*pair, mlp)))
            for pair in itertools.combinations(range(4), 2)
            for mlp in (4, 8)
        },
    }[drawn]
    assert set(times) == expected
    assert stats.chisquare(list(times.values())).pvalue > 0.001


@pytest.mark.parametrize(
    ("value", "drawn", "possible"),
    [
        (0.0, [1.0, 2.0, 3.0], {1 / 4}),
        (2.5, [1.0, 2.0, 3.0], {3 / 4}),
        (9.0, [1.0, 2.0, 3.0], {1.0}),
        (2.0, [1.0, 2.0, 2.0 + 1e-13, 3.0], {2 / 5, 3 / 5, 4 / 5}),
    ],
)
def test_ranks_by_hand(value, drawn, possible):
    rngs = map(np.random.default_rng, range(50))
    assert {rank_p(value, np.array(drawn), rng) for rng in rngs} == possible


@pytest.mark.parametrize("n_values", [2, 5, 10**6])
def test_ranks_of_one_more_random_number_are_uniform_whatever_is_alike(n_values):
    rng = np.random.default_rng(0)
    p = []
    for _ in range(2000):
        own, *others = rng.integers(n_values, size=200) / n_values
        p.append(rank_p(own, np.array(others), rng))
    assert stats.kstest(p, "uniform").pvalue > 0.01
    assert min(p) == 1 / 200
    assert max(p) == 1
