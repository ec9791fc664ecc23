from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from simulated import decisions, simulated
from simulated_scores import scored
from tables_by_hand import areas, discriminations, evaluation, evaluations, found

from heuristic_core.analysis.ranks import kendall_w, ranks


def table(**cases):
    """From case to numbers correct of 100, one a subnetwork."""
    n = len(next(iter(cases.values())))
    return evaluations(
        *[evaluation({case: k[s] for case, k in cases.items()}, **found(s)) for s in range(n)]
    )


def test_kendalls_w_by_hand():
    alike = np.array([[1, 10], [2, 20], [3, 30.0]])
    assert kendall_w(alike) == pytest.approx(1)
    # Rank sums 4, 4, 4 of opposite rankings.
    assert kendall_w(np.array([[1, 3], [2, 2], [3, 1.0]])) == pytest.approx(0)
    # Judges 1234, 1243, 2134: sums 4, 5, 10, 11; 12 x 37 / (9 x 60) = 0.8222.
    judges = np.array([[1, 2, 3, 4], [1, 2, 4, 3], [2, 1, 3, 4.0]]).T
    assert kendall_w(judges) == pytest.approx(12 * 37 / (9 * 60))
    # Ties: 1, 2.5, 2.5, 4 beside 1, 2, 3, 4: sums 2, 4.5, 5.5, 8, so 12 x 18.5 over
    # 4 x 60 - 2 x (2^3 - 2).
    tied = np.array([[1, 2, 2, 3], [1, 2, 3, 4.0]]).T
    assert kendall_w(tied) == pytest.approx(12 * 18.5 / (4 * 60 - 2 * 6))


@given(st.lists(st.permutations(range(5)), min_size=2, max_size=5))
def test_w_is_the_mean_of_spearmans_correlations(orders):
    judges = np.array(orders, dtype=float).T
    m = len(orders)
    r = np.corrcoef(judges.T)[np.triu_indices(m, 1)].mean()
    assert kendall_w(judges) == pytest.approx(((m - 1) * r + 1) / m)


def test_the_permutation_p_value_is_the_exact_one():
    """Of all 24 relative orders of two rankings of four, one agrees fully."""
    (result,) = ranks(table(i=[9, 8, 9, 7], aswap=[10, 20, 30, 40], aif=[5, 6, 7, 8]), 0)
    assert result.concordance == pytest.approx(1)
    assert result.p_value == pytest.approx(1 / 24, abs=0.01)
    (pair,) = result.pairs
    assert pair.spearman.value == pytest.approx(1)
    assert pair.p_value == pytest.approx(2 / 24, abs=0.015)
    every = [
        kendall_w(np.array([range(4), order], dtype=float).T)
        for order in itertools.permutations(range(4))
    ]
    assert result.concordance_by_chance == pytest.approx(np.quantile(every, 0.95), abs=0.05)


def test_subnetworks_that_change_places_support():
    (result,) = ranks(
        table(i=[99, 98, 97, 98], aswap=[90, 10, 50, 50], aif=[10, 70, 40, 45], aflat=[0] * 4), 0
    )
    assert result.cases == ("aswap", "aif")
    assert result.n_subnetworks == 4
    top = result.crossing
    assert (top.seed, top.other, top.case, top.other_case) == (0, 1, "aswap", "aif")
    assert (top.points, top.other_points) == pytest.approx((80, 60))
    assert result.verdict.decision == "supported"
    assert (
        "0 beats 1 by 80 points in aswap and is beaten by 60 points in aif" in result.verdict.reason
    )


def test_equal_rankings_contradict():
    k = np.array([20, 30, 40, 50, 60, 70])
    (result,) = ranks(table(i=k, a1=k, a2=k + 5, a3=k // 2, f1=100 - k), 0)
    assert result.concordance == pytest.approx(1)
    assert (result.n_crossings, result.crossing) == (0, None)
    assert result.verdict.decision == "contradicted"
    assert result.with_adversarial.pearson.value == pytest.approx(1)
    assert result.with_adversarial.spearman.value == pytest.approx(1)
    # Adversarial 5/6 k + 5/3 and friendly 100 - k: balanced falls as ID rises.
    assert result.with_balanced.pearson.value == pytest.approx(-1)


def test_nothing_to_rank_is_not_decided():
    assert ranks(evaluations(), 0) == []
    assert ranks(table(i=[9, 8, 7], f=[1, 2, 3]), 0) == []
    (few,) = ranks(table(a1=[10, 90, 50], a2=[90, 10, 50]), 0)
    assert few.concordance is None
    assert few.with_adversarial is None
    assert few.verdict.decision == "not decided by these data"
    (flat,) = ranks(table(i=[9] * 5, a1=[0] * 5, a2=[100] * 5), 0)
    assert flat.cases == ()
    assert flat.with_adversarial.pearson is None
    assert flat.verdict.decision == "not decided by these data"


def test_a_subnetwork_that_lacks_a_case_is_left_out():
    rows = table(a1=[10, 20, 30, 40, 99], a2=[10, 20, 30, 40, 99])
    some = rows[~((rows["seed"] == 4) & (rows["case"] == "a2"))]
    assert ranks(some, 0)[0].n_subnetworks == 4


def test_noise_decides_nothing():
    rng = np.random.default_rng(1)
    right = rng.binomial(50, 0.3, size=(200, 1, 8, 1, 4))
    results = ranks(simulated(right, ["a1", "a2", "a3", "a4"], [0.5], 50), 0)
    assert len(results) == 200
    assert decisions(results).count("not decided by these data") >= 182
    assert sum(result.p_value < 0.05 for result in results) <= 18


def test_one_true_order_is_never_said_to_depend_on_the_case():
    rng = np.random.default_rng(0)
    p = np.linspace(0.2, 0.6, 8)[:, None, None]
    right = rng.binomial(100, np.broadcast_to(p, (8, 1, 4)), size=(200, 1, 8, 1, 4))
    results = ranks(simulated(right, ["a1", "a2", "a3", "a4"], [0.5], 100), 0)
    assert decisions(results).count("supported") <= 18
    assert decisions(results).count("contradicted") >= 100


def test_areas_decide_where_they_were_measured():
    rows = table(i=[99, 98, 97, 98], a1=[90, 10, 50, 50], a2=[10, 70, 40, 45])
    auc = {0: (0.9, 0.5), 1: (0.5, 0.9), 2: (0.7, 0.7), 3: (0.7, 0.7)}
    apart = discriminations(*[areas({"a1": x, "a2": y}, **found(s)) for s, (x, y) in auc.items()])
    (result,) = ranks(rows, 0, apart)
    assert result.measure == "AUC"
    assert (result.crossing.seed, result.crossing.other, result.crossing.case) == (0, 1, "a1")
    assert result.crossing.points == pytest.approx(40)
    assert result.verdict.decision == "supported"
    assert result.verdict.claim == "which subnetwork generalises best depends on the case"
    assert "0 beats 1 by 0.40 AUC in a1" in result.verdict.reason
    # The same accuracies, but nothing told apart better by one than by another.
    (same,) = ranks(rows, 0, apart.assign(auc=0.7))
    assert same.verdict.decision == "not decided by these data"


def studies(distance, lean, sure=False):
    """Give the decisions on 200 models of eight subnetworks and four cases."""
    rng = np.random.default_rng(2)
    drawn = scored(rng, np.broadcast_to(distance, (200, 1, 8, 1, 4)), lean, sure=sure)
    return decisions(ranks(drawn[0], 0, drawn[1]))


@pytest.mark.parametrize(("spread", "sure"), [(0.0, False), (1.5, False), (1.5, True)])
def test_neither_noise_nor_different_leans_decide(spread, sure):
    lean = np.linspace(-spread, spread, 8)[None, None, :, None, None]
    found = studies(np.float64(0.8), lean, sure)
    assert len(found) == 200
    assert sum(d != "not decided by these data" for d in found) <= 18


def test_true_crossings_are_found():
    distance = np.tile([[0.0, 0.0, 2.5, 2.5], [2.5, 2.5, 0.0, 0.0]], (4, 1))[:, None, :]
    found = studies(distance, np.zeros((1, 1, 1, 1, 1)))
    assert found.count("supported") >= 190
