from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tables_by_hand import subnetworks

from heuristic_core.analysis.core import (
    core,
    expected_shared,
    intersection_distribution,
    null_probability,
)

sizes_of = st.integers(1, 6).flatmap(
    lambda n: st.tuples(st.just(n), st.lists(st.integers(0, n), min_size=1, max_size=4))
)


def brute_force(n: int, sizes: list[int]) -> np.ndarray:
    counts = np.zeros(n + 1)
    choices = [[set(c) for c in itertools.combinations(range(n), k)] for k in sizes]
    for combination in itertools.product(*choices):
        counts[len(set.intersection(*combination))] += 1
    return counts / counts.sum()


@pytest.mark.parametrize(
    ("n", "sizes"),
    [(4, [2]), (4, [2, 3]), (5, [3, 3, 4]), (5, [1, 2]), (4, [4, 2, 0]), (3, [3, 3])],
)
def test_the_null_equals_counting_all_possibilities(n, sizes):
    assert intersection_distribution(n, sizes) == pytest.approx(brute_force(n, sizes), abs=1e-12)


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
    assert (p @ np.arange(n + 1)) == pytest.approx(expected_shared(n, sizes), abs=1e-9)
    tail = [null_probability(n, sizes, k) for k in range(n + 2)]
    assert tail[0] == pytest.approx(1)
    assert all(a >= b for a, b in itertools.pairwise(tail))


def test_the_papers_own_expectation():
    """Section 5: 144 heads, twelve subnetworks at 70 %: 144 x 0.3^12 = 7.7e-5 heads."""
    assert expected_shared(144, [43.2] * 12) == pytest.approx(144 * 0.3**12, rel=1e-9)
    assert expected_shared(144, [43.2] * 12) == pytest.approx(7.7e-5, rel=0.01)


def test_core_frequencies_and_mlps():
    table = subnetworks(
        {
            (1, 0.5): {"L0H0", "L0H1", "L1H3", "L0MLP"},
            (2, 0.5): {"L0H0", "L1H3", "L0MLP", "L1MLP"},
            (3, 0.5): {"L0H0", "L1H3", "L1H2", "L0MLP"},
        }
    )
    (result,) = core(table)
    assert result.core == ("L0H0", "L1H3")
    assert result.n_heads == 8
    assert result.heads_kept == (3, 2, 3)
    assert result.frequencies["L0H0"] == 3
    assert result.frequencies["L0H1"] == 1
    assert result.mlp_frequencies == {"L0MLP": 3, "L1MLP": 1}
    assert result.expected == pytest.approx(8 * (3 / 8) * (2 / 8) * (3 / 8))
    # Two heads in common: choose which, and let the others not meet again.
    total = math.comb(8, 3) * math.comb(8, 2) * math.comb(8, 3)
    assert result.p_value == pytest.approx(math.comb(8, 2) * 6 * 6 / total)
    assert result.verdict.decision == "supported"


def test_over_all_sparsities_a_seed_counts_once():
    dense = {"L0H0", "L0H1", "L1H0", "L1H1"}
    table = subnetworks(
        {
            (1, 0.5): dense,
            (1, 0.7): {"L0H0", "L0H1"},
            (2, 0.5): dense | {"L0H2"},
            (2, 0.7): {"L0H0", "L1H0"},
        }
    )
    at_50, at_70, over_all = core(table)
    assert (at_50.sparsity, at_70.sparsity, over_all.sparsity) == (0.5, 0.7, None)
    assert set(at_50.core) == dense
    assert at_70.core == over_all.core == ("L0H0",)
    assert over_all.n_subnetworks == 4
    assert over_all.heads_kept == (2, 2)
    assert over_all.p_value == at_70.p_value
    assert over_all.frequencies["L0H1"] == 3


def test_no_core_and_single_searches_are_not_decided():
    disjoint = subnetworks({(1, 0.5): {"L0H0", "L0H1"}, (2, 0.5): {"L1H0", "L1H1"}})
    (result,) = core(disjoint)
    assert result.core == ()
    assert result.p_value == pytest.approx(1)
    assert result.verdict.decision == "not decided by these data"
    (single,) = core(subnetworks({(1, 0.5): {"L0H0"}}))
    assert single.verdict.decision == "not decided by these data"
    assert core(subnetworks({})) == []


@given(st.permutations(range(4)))
def test_the_order_of_rows_does_not_matter(order):
    sets = {(s, 0.5): {"L0H0", f"L0H{s % 4}", f"L1H{(s + 1) % 4}"} for s in range(4)}
    shuffled = subnetworks({key: sets[key] for key in [list(sets)[i] for i in order]})
    one, other = core(subnetworks(sets))[0], core(shuffled)[0]
    assert one.core == other.core
    assert one.frequencies == other.frequencies
    assert one.p_value == pytest.approx(other.p_value)
