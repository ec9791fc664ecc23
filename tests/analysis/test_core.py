from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from random_sets import best, table_of
from simulated import decisions

from heuristic_core.analysis.conclusions import conclude
from heuristic_core.analysis.core import QUESTION, core
from heuristic_core.analysis.cores import cores, supported_cores, whole_cores
from heuristic_core.analysis.evidence import Evidence
from heuristic_core.writing import p_text
from tables_by_hand import subnetworks


def answers(table):
    return core(Evidence({"subnetworks": table}))


def summary(answer):
    (row,) = answer.rows["core"]
    return row


def units(answer):
    return {row["unit"]: row for row in answer.rows["frequencies"]}


def test_core_frequencies_and_mlps():
    table = subnetworks(
        {
            (1, 0.5): {"L0H0", "L0H1", "L1H3", "L0MLP"},
            (2, 0.5): {"L0H0", "L1H3", "L0MLP", "L1MLP"},
            (3, 0.5): {"L0H0", "L1H3", "L1H2", "L0MLP"},
        }
    )
    (result,) = answers(table)
    row = summary(result)
    assert (row["members"], row["size"], row["heads"]) == ("L0H0 L1H3", 2, 8)
    (found,) = cores(Evidence({"subnetworks": table}))
    assert found.sets.sum(1).tolist() == [3, 2, 3]
    kept = {unit: row["kept"] for unit, row in units(result).items()}
    assert (kept["L0H0"], kept["L0H1"]) == (3, 1)
    assert (kept["L0MLP"], kept["L1MLP"]) == (3, 1)
    assert [unit for unit, row in units(result).items() if row["in_core"]] == ["L0H0", "L1H3"]
    assert [unit for unit, row in units(result).items() if row["in_all"]] == [
        "L0H0",
        "L1H3",
        "L0MLP",
    ]
    assert row["expected"] == pytest.approx(8 * (3 / 8) * (2 / 8) * (3 / 8))
    # Two heads in common: choose which, and let the others not meet again.
    total = math.comb(8, 3) * math.comb(8, 2) * math.comb(8, 3)
    assert row["p"] == pytest.approx(math.comb(8, 2) * 6 * 6 / total)
    # In layers: 4 choose (2, 1, 1) and (1, 1, 2) heads.
    assert row["expected_in_layers"] == pytest.approx(4 * (2 * 1 * 1 + 1 * 1 * 2) / 4**3)
    assert row["p_in_layers"] == pytest.approx(1 / 4 * 1 / 2 * 1 / 4 * 1 / 2, rel=1e-9)
    assert result.verdict.decision == "supported"
    assert result.verdict.effect.value == 2
    assert result.verdict.p == max(row["p"], row["p_in_layers"])


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
    results = answers(table)
    assert [result.subject["sparsity"] for result in results] == [0.5, 0.7, None]
    at_50, at_70, over_all = map(summary, results)
    assert set(at_50["members"].split()) == dense
    assert at_70["members"] == over_all["members"] == "L0H0"
    assert over_all["subnetworks"] == 4
    assert cores(Evidence({"subnetworks": table}))[-1].sets.sum(1).tolist() == [2, 2]
    assert over_all["p"] == at_70["p"]
    *_, last = map(units, results)
    assert (last["L0H1"]["kept"], last["L0H1"]["of"]) == (3, 4)
    # The core over all sparsities is marked at each.
    assert [unit for unit, row in units(results[0]).items() if row["in_core"]] == ["L0H0"]


def test_no_core_and_single_searches_are_not_decided():
    disjoint = subnetworks({(1, 0.5): {"L0H0", "L0H1"}, (2, 0.5): {"L1H0", "L1H1"}})
    (result,) = answers(disjoint)
    assert summary(result)["members"] == ""
    assert summary(result)["p"] == pytest.approx(1)
    assert result.verdict.decision == "not decided by these data"
    (single,) = answers(subnetworks({(1, 0.5): {"L0H0"}}))
    assert single.verdict.decision == "not decided by these data"
    assert (single.verdict.effect, single.verdict.p) == (None, None)
    assert answers(subnetworks({})) == []


@given(st.permutations(range(4)))
def test_the_order_of_rows_does_not_matter(order):
    sets = {(s, 0.5): {"L0H0", f"L0H{s % 4}", f"L1H{(s + 1) % 4}"} for s in range(4)}
    shuffled = subnetworks({key: sets[key] for key in [list(sets)[i] for i in order]})
    one, other = answers(subnetworks(sets))[0], answers(shuffled)[0]
    assert summary(one)["members"] == summary(other)["members"]
    assert one.rows["frequencies"] == other.rows["frequencies"]
    assert summary(one)["p"] == pytest.approx(summary(other)["p"])


def test_stability_and_intervals_by_hand():
    both = {"L0H0", "L0H1"}
    kept = [both, both | {"L0MLP"}, both | {"L1MLP"}, {"L0H0", "L0H2"}]
    (result,) = answers(subnetworks({(s, 0.5): heads for s, heads in enumerate(kept)}))
    of = units(result)
    assert of["L0H0"]["stability"] == 1
    # All four draws of a resample must come from the three that keep the head.
    assert of["L0H1"]["stability"] == pytest.approx((3 / 4) ** 4)
    assert of["L1H0"]["stability"] == 0
    assert "stability" not in of["L0MLP"]
    share = of["L0H1"]["share"]
    assert (share.value, share.low, share.high) == pytest.approx((0.75, 0.3006, 0.9544), abs=1e-3)


def test_stability_is_what_a_bootstrap_gives():
    rng = np.random.default_rng(0)
    heads = {f"L0H{i}" for i in range(4)}
    kept = {(s, 0.5): (heads if s < 7 else set()) | {f"L{s}MLP"} for s in range(8)}
    (result,) = answers(subnetworks(kept, n_layers=8))
    draws = rng.integers(0, 8, size=(20000, 8))
    assert units(result)["L0H0"]["stability"] == pytest.approx((draws < 7).all(1).mean(), abs=0.01)


def test_over_all_sparsities_shares_count_searches():
    table = subnetworks(
        {
            (1, 0.5): {"L0H0", "L0H1"},
            (1, 0.7): {"L0H0"},
            (2, 0.5): {"L0H0", "L0H1"},
            (2, 0.7): {"L0H0", "L0H1"},
        }
    )
    *_, over_all = answers(table)
    head = units(over_all)["L0H1"]
    assert (head["kept"], head["share"].value) == (3, 0.5)
    every = cores(Evidence({"subnetworks": table}))
    assert [found.sparsity for found in whole_cores(every)] == [None]


def test_a_preference_for_layers_is_no_core():
    """All keep the whole of layer 0 and hardly anything else: shared, but not as heads."""
    table = subnetworks({(s, 0.5): {*(f"L0H{i}" for i in range(4)), f"L1H{s}"} for s in range(4)})
    (result,) = answers(table)
    row = summary(result)
    assert row["size"] == 4
    assert row["p"] < 0.002
    assert row["p_in_layers"] == pytest.approx(1)
    assert supported_cores(Evidence({"subnetworks": table})) == {1: ()}
    assert result.verdict.decision == "not decided by these data"


def test_less_than_chance_contradicts():
    every = {f"L{i}H{j}" for i in range(2) for j in range(6)}
    lacks = [{f"L{i}H{j}" for i in range(2) for j in (2 * s, 2 * s + 1)} for s in range(3)]
    kept = {(s, 0.5): every - lacks[s] for s in range(3)}
    (result,) = answers(subnetworks(kept, n_heads=6))
    assert result.verdict.decision == "contradicted"
    assert result.verdict.p == 1
    # In each layer the second lacks two of the first's four, the third the two that are left.
    none_shared = (math.comb(4, 2) / math.comb(6, 2) ** 2) ** 2
    assert p_text(none_shared) in result.verdict.reason


@pytest.mark.slow
@pytest.mark.parametrize(("n_seeds", "n_kept"), [(3, 10), (4, 12), (8, 16)])
@pytest.mark.parametrize("layers_matter", [False, True])
@pytest.mark.parametrize("n", [200, 1000])
def test_noise_decides_nothing(n_seeds, n_kept, layers_matter, n):
    """Heads by chance; or all searches prefer the same layers, with heads in them by chance."""
    rng = np.random.default_rng(n_seeds)
    scores = rng.random((n, 1, n_seeds, 1, 24))
    if layers_matter:
        scores += rng.exponential(0.5, size=(n, 1, 1, 1, 4)).repeat(6, axis=-1)
    found = answers(table_of(best(scores, n_kept), 6))
    assert len(found) == n
    assert sum(d != "not decided by these data" for d in decisions(found)) <= 0.065 * n


def test_two_subnetworks_are_no_core_and_three_can_be():
    same = {"L0H0", "L1H3"}
    for n, decision in ((2, "not decided by these data"), (3, "supported")):
        kept = {(s, 0.5): same | {f"L0H{s + 1}"} for s in range(n)}
        (result,) = answers(subnetworks(kept, n_heads=12))
        assert result.verdict.decision == decision
    (two,) = answers(subnetworks({(s, 0.5): same | {f"L0H{s + 1}"} for s in range(2)}))
    assert two.verdict.reason == "this takes 3 different subnetworks, and there are 2"


@pytest.mark.parametrize("method", ["learned", "magnitude"])
def test_the_same_subnetwork_of_several_seeds_counts_once(method):
    kept = {(s, level): {"L0H0", "L1H3"} for s in range(8) for level in (0.5, 0.7)}
    found = answers(subnetworks(kept).assign(method=method))
    assert len(found) == 3
    for result in found:
        assert result.verdict.decision == "not decided by these data"
        assert result.verdict.reason == "all 8 searches gave one subnetwork, which counts once"
        assert result.verdict.claim == QUESTION.claim
        assert summary(result)["subnetworks"] == (1 if result.subject["sparsity"] else 2)
    differ = {(s, 0.5): {"L0H0", "L1H3", f"L0H{s % 3 + 1}"} for s in range(8)}
    (result,) = answers(subnetworks(differ).assign(method=method))
    assert (summary(result)["subnetworks"], summary(result)["members"]) == (3, "L0H0 L1H3")


def test_one_ranking_on_other_examples_is_another_claim():
    kept = {(s, 0.5): {"L0H0", "L1H3", f"L0H{s + 1}"} for s in range(3)}
    own, other = (
        answers(subnetworks(kept, n_heads=12).assign(method=method))[0].verdict
        for method in ("learned", "fisher")
    )
    assert own.claim == QUESTION.claim
    assert other.claim == f"{QUESTION.claim} (one ranking, resampled examples)"
    assert own.decision == other.decision == "supported"


def test_a_planted_core_is_found():
    rng = np.random.default_rng(3)
    scores = rng.random((50, 1, 4, 1, 24))
    scores[..., [0, 7, 8, 20]] += 1
    found = answers(table_of(best(scores, 10), 6))
    planted = {"L0H0", "L1H1", "L1H2", "L3H2"}
    assert all(planted <= set(summary(answer)["members"].split()) for answer in found)
    assert decisions(found).count("supported") >= 48


def test_supported_cores_are_those_of_the_last_checkpoint():
    kept = np.zeros((1, 2, 3, 1, 24), bool)
    kept[:, 0, :, :, :3] = True
    kept[:, 1, :, :, 6:9] = True
    kept[:, :, range(3), :, range(12, 15)] = True
    table = table_of(kept, 6, checkpoints=(100, 300))
    assert supported_cores(Evidence({"subnetworks": table})) == {0: ("L1H0", "L1H1", "L1H2")}


def test_tables_and_verdicts():
    kept = {(s, level): {"L0H0", f"L1H{s}", "L0MLP"} for s in range(3) for level in (0.5, 0.7)}
    found = conclude(Evidence({"subnetworks": subnetworks(kept)}), (QUESTION,))
    assert found.verdicts["sparsity"].tolist()[:2] == [0.5, 0.7]
    assert found.verdicts["sparsity"].isna().tolist() == [False, False, True]
    table = found.tables["frequencies"]
    assert len(table) == 3 * 10
    assert table[table["unit"].str.endswith("MLP")]["share"].isna().all()
