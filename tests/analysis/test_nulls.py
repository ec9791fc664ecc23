from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from heuristic_core.analysis.nulls import (
    at_least,
    expected_jaccard,
    intersection_distribution,
    labelled_sum,
    pooled_intersection,
    relabelled,
)

sizes_of = st.integers(1, 6).flatmap(
    lambda n: st.tuples(st.just(n), st.lists(st.integers(0, n), min_size=1, max_size=4))
)


def sets_of(pools: tuple[int, ...], counts: list[int]) -> list[set]:
    """All sets with these numbers of members of each pool."""
    parts = [
        [{(i, j) for j in some} for some in itertools.combinations(range(n), k)]
        for i, (n, k) in enumerate(zip(pools, counts, strict=True))
    ]
    return [set().union(*choice) for choice in itertools.product(*parts)]


def brute_force(pools: tuple[int, ...], counts: list[list[int]]) -> np.ndarray:
    found = np.zeros(sum(pools) + 1)
    for combination in itertools.product(*(sets_of(pools, row) for row in counts)):
        found[len(set.intersection(*combination))] += 1
    return found / found.sum()


@pytest.mark.parametrize(
    ("n", "sizes"),
    [(4, [2]), (4, [2, 3]), (5, [3, 3, 4]), (5, [1, 2]), (4, [4, 2, 0]), (3, [3, 3])],
)
def test_the_null_equals_counting_all_possibilities(n, sizes):
    truth = brute_force((n,), [[size] for size in sizes])
    assert intersection_distribution(n, sizes) == pytest.approx(truth, abs=1e-12)


@pytest.mark.parametrize(
    ("pools", "counts"),
    [((3, 4), [[1, 2], [2, 3]]), ((2, 3, 2), [[1, 1, 2], [2, 0, 1]]), ((3, 3), [[2, 1]] * 3)],
)
def test_the_null_in_layers_equals_counting_all_possibilities(pools, counts):
    truth = brute_force(pools, counts)
    assert pooled_intersection(pools, np.array(counts)) == pytest.approx(truth, abs=1e-12)
    # A pool that all sets keep whole is shared whole.
    whole = pooled_intersection((*pools, 2), np.array([[*row, 2] for row in counts]))
    assert whole[2:] == pytest.approx(truth, abs=1e-12)


def test_one_pool_is_the_null_anywhere():
    counts = np.array([[5], [7], [6]])
    assert (pooled_intersection((12,), counts) == intersection_distribution(12, [5, 7, 6])).all()


def test_the_null_equals_simulation():
    rng = np.random.default_rng(0)
    n, sizes = 72, [34, 33, 36, 30]
    hits = np.zeros(n + 1)
    for _ in range(4000):
        shared = np.ones(n, bool)
        for k in sizes:
            mask = np.zeros(n, bool)
            mask[rng.choice(n, k, replace=False)] = True
            shared &= mask
        hits[shared.sum()] += 1
    exact = intersection_distribution(n, sizes)
    assert np.abs(hits / 4000 - exact).max() < 0.03


@given(sizes_of)
def test_the_null_is_a_distribution_with_the_right_mean(case):
    n, sizes = case
    p = intersection_distribution(n, sizes)
    assert p.sum() == pytest.approx(1)
    found = [at_least(p, k) for k in range(n + 2)]
    # A head is in all of them with the product of the shares that they keep.
    assert found[0].expected == pytest.approx(n * np.prod(np.array(sizes) / n), abs=1e-9)
    assert found[0].p_value == pytest.approx(1)
    assert found[-1].p_value == 0
    assert all(a.p_value >= b.p_value for a, b in itertools.pairwise(found))


def test_the_papers_own_expectation():
    """Section 5: 144 heads, twelve subnetworks at 70 %: 144 x 0.3^12 = 7.7e-5 heads."""
    whole = at_least(intersection_distribution(144, [43] * 6 + [44] * 6), 1)
    assert whole.expected == pytest.approx(7.7e-5, rel=0.1)
    assert whole.expected == pytest.approx(144 * (43 * 44 / 144**2) ** 6, rel=1e-9)


def test_sums_over_labelled_heads_equal_counting_all_labellings():
    values, pools = np.array([3, 0, 1, 2, 2, 0, 3]), np.array([0, 0, 0, 1, 1, 1, 1])
    labelled = np.array([1, 0, 1, 0, 1, 0, 0], bool)
    truth = np.zeros(values.sum() + 1)
    for first, second in itertools.product(
        itertools.combinations(values[:3], 2), itertools.combinations(values[3:], 1)
    ):
        truth[sum(first) + sum(second)] += 1 / 12
    assert labelled_sum(values, pools, labelled) == pytest.approx(truth, abs=1e-12)
    for all_or_none in (np.ones(7, bool), np.zeros(7, bool)):
        certain = labelled_sum(values, pools, all_or_none)
        assert certain[values[all_or_none].sum()] == 1


@pytest.mark.parametrize(
    ("pools", "counts"), [((5,), [[2], [3], [1]]), ((3, 4), [[1, 2], [2, 0], [3, 4]])]
)
def test_expected_jaccard_equals_counting_all_possibilities(pools, counts):
    means = []
    for one, other in itertools.combinations([sets_of(pools, row) for row in counts], 2):
        means.append(np.mean([len(a & b) / len(a | b) for a in one for b in other]))
    assert expected_jaccard(pools, np.array(counts)) == pytest.approx(np.mean(means))


def test_empty_sets_are_the_same():
    assert expected_jaccard((4,), np.array([[0], [0]])) == 1.0


def test_renaming_keeps_what_a_run_has_in_common_with_itself_and_nothing_else():
    pools = np.array([0, 0, 0, 0, 1, 1])
    dense = np.array([1, 1, 0, 0, 1, 0], bool)
    kept = np.stack([dense, dense & (np.arange(6) != 1)])[None].repeat(2, axis=0)
    draws = np.concatenate(
        [*relabelled(kept, pools, 450, np.random.default_rng(0))]  # more than one chunk
    )
    assert draws.shape == (450, 2, 2, 6)
    assert (draws[..., :4].sum(-1) == [2, 1]).all()
    assert (draws[..., 4:].sum(-1) == [1, 1]).all()
    assert (draws[:, :, 1] <= draws[:, :, 0]).all()
    # Each head of a pool is as likely, and runs are renamed apart.
    assert draws[:, :, 1].mean((0, 1)) == pytest.approx([0.25] * 4 + [0.5] * 2, abs=0.06)
    same = (draws[:, 0, 1] == draws[:, 1, 1]).all(-1).mean()
    assert same == pytest.approx(1 / 8, abs=0.05)
