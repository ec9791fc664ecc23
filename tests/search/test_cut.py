from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from heuristic_core.errors import InputError
from heuristic_core.search.cut import cut
from heuristic_core.units import n_kept


@given(
    st.lists(st.tuples(st.floats(0, 1), st.booleans()), min_size=1, max_size=40).filter(
        lambda rows: any(p for _, p in rows)
    ),
    st.floats(0, 1, exclude_max=True),
)
def test_exactly_the_best_are_kept(rows, sparsity):
    soft = np.array([s for s, _ in rows])
    prunable = np.array([p for _, p in rows])
    n = n_kept(int(prunable.sum()), sparsity)
    mask = cut(soft, n, prunable)
    assert mask[~prunable].all()
    assert mask[prunable].sum() == n
    kept, dropped = soft[mask & prunable], soft[~mask]
    assert not len(kept) or not len(dropped) or kept.min() >= dropped.max()


def test_ties_follow_the_order_of_units():
    mask = cut(np.full(6, 0.5), 3, np.ones(6, bool))
    assert mask.tolist() == [True] * 3 + [False] * 3


def test_a_diverged_search_is_refused():
    with pytest.raises(InputError, match="diverged"):
        cut(np.array([0.1, np.nan]), 1, np.ones(2, bool))
