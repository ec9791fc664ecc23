from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from random_sets import best, table_of
from simulated import decisions
from tables_by_hand import subnetworks

from heuristic_core.analysis.core import core, whole_cores


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
    # In layers: 4 choose (2, 1, 1) and (1, 1, 2) heads.
    assert result.layer_expected == pytest.approx(4 * (2 * 1 * 1 + 1 * 1 * 2) / 4**3)
    assert result.layer_p_value == pytest.approx(1 / 4 * 1 / 2 * 1 / 4 * 1 / 2, rel=1e-9)
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


def test_stability_intervals_and_sizes_by_hand():
    kept = [{"L0H0", "L0H1"}, {"L0H0", "L0H1"}, {"L0H0", "L0H1"}, {"L0H0", "L0H2"}]
    (result,) = core(subnetworks({(s, 0.5): heads for s, heads in enumerate(kept)}))
    assert result.stability["L0H0"] == 1
    # All four draws of a resample must come from the three that keep the head.
    assert result.stability["L0H1"] == pytest.approx((3 / 4) ** 4)
    assert result.stability["L1H0"] == 0
    share = result.shares["L0H1"]
    assert (share.value, share.low, share.high) == pytest.approx((0.75, 0.3006, 0.9544), abs=1e-3)
    # Pairs: the three equal ones share two heads, the three others one.
    assert result.core_sizes == pytest.approx((2, 1.5, (2 + 3 * 1) / 4, 1))
    # Two of four heads of one layer, each time.
    assert result.chance_sizes == pytest.approx((2, 1, 0.5, 0.25))


@given(st.integers(0, 2**32 - 1))
def test_core_sizes_equal_all_choices(seed):
    rng = np.random.default_rng(seed)
    kept = rng.random((1, 1, 4, 1, 8)) < 0.6
    (result,) = core(table_of(kept, 4))
    sets = kept[0, 0, :, 0]
    per_layer = sets.reshape(4, 2, 4).sum(-1) / 4
    for m in range(1, 5):
        choices = [list(c) for c in itertools.combinations(range(4), m)]
        sizes = [sets[c].all(0).sum() for c in choices]
        by_chance = [4 * per_layer[c].prod(0).sum() for c in choices]
        assert result.core_sizes[m - 1] == pytest.approx(np.mean(sizes))
        assert result.chance_sizes[m - 1] == pytest.approx(np.mean(by_chance), abs=1e-9)
    assert result.core_sizes[-1] == len(result.core)
    assert result.chance_sizes[-1] == pytest.approx(result.layer_expected, abs=1e-9)


def test_stability_is_what_a_bootstrap_gives():
    rng = np.random.default_rng(0)
    kept = np.zeros((1, 1, 8, 1, 4), bool)
    kept[0, 0, :7] = True
    (result,) = core(table_of(kept, 4))
    draws = rng.integers(0, 8, size=(20000, 8))
    assert result.stability["L0H0"] == pytest.approx((draws < 7).all(1).mean(), abs=0.01)


def test_over_all_sparsities_shares_count_searches():
    table = subnetworks(
        {
            (1, 0.5): {"L0H0", "L0H1"},
            (1, 0.7): {"L0H0"},
            (2, 0.5): {"L0H0", "L0H1"},
            (2, 0.7): {"L0H0", "L0H1"},
        }
    )
    *_, over_all = core(table)
    assert over_all.frequencies["L0H1"] == 3
    assert over_all.shares["L0H1"].value == 0.5
    assert over_all.core_sizes == pytest.approx((1.5, 1))
    assert [c.sparsity for c in whole_cores(core(table))] == [None]


def test_a_liking_for_layers_is_no_core():
    """All keep the whole of layer 0 and hardly anything else: shared, but not as heads."""
    table = subnetworks({(s, 0.5): {*(f"L0H{i}" for i in range(4)), f"L1H{s}"} for s in range(4)})
    (result,) = core(table)
    assert len(result.core) == 4
    assert result.p_value < 0.002
    assert result.layer_p_value == pytest.approx(1)
    assert result.verdict.decision == "not decided by these data"


def test_less_than_chance_contradicts():
    half = {f"L{i}H{j}" for i in range(2) for j in range(3)}
    other = {f"L{i}H{j}" for i in range(2) for j in range(3, 6)}
    (result,) = core(subnetworks({(0, 0.5): half, (1, 0.5): other}, n_heads=6))
    # None of 12 shared: 1 / (12 choose 6) anywhere, 1 / (6 choose 3)^2 in layers.
    assert result.verdict.decision == "contradicted"
    assert f"p = {1 / math.comb(6, 3) ** 2:.2g}" in result.verdict.reason


@pytest.mark.parametrize(("n_seeds", "n_kept"), [(2, 8), (4, 12), (8, 16)])
@pytest.mark.parametrize("layers_matter", [False, True])
def test_noise_decides_nothing(n_seeds, n_kept, layers_matter):
    """Heads by chance; or all searches like the same layers, and heads in them by chance."""
    rng = np.random.default_rng(n_seeds)
    scores = rng.random((200, 1, n_seeds, 1, 24))
    if layers_matter:
        scores += rng.exponential(0.5, size=(200, 1, 1, 1, 4)).repeat(6, axis=-1)
    found = core(table_of(best(scores, n_kept), 6))
    assert len(found) == 200
    assert sum(d != "not decided by these data" for d in decisions(found)) <= 18


def test_a_planted_core_is_found():
    rng = np.random.default_rng(3)
    scores = rng.random((50, 1, 4, 1, 24))
    scores[..., [0, 7, 8, 20]] += 1
    found = core(table_of(best(scores, 10), 6))
    assert all({"L0H0", "L1H1", "L1H2", "L3H2"} <= set(c.core) for c in found)
    assert decisions(found).count("supported") >= 48
