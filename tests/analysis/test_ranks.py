from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats
from simulated import decisions, simulated
from simulated_scores import by_example, scored

from heuristic_core.analysis import discrimination
from heuristic_core.analysis.conclusions import conclude
from heuristic_core.analysis.equality import auroc_homogeneity
from heuristic_core.analysis.evidence import Evidence
from heuristic_core.analysis.rank_reversals import accuracy_z
from heuristic_core.analysis.ranks import QUESTION, kendall_w, ranks
from tables_by_hand import areas, discriminations, evaluation, evaluations, found


def table(**cases):
    """From case to numbers correct of 100, one a subnetwork."""
    n = len(next(iter(cases.values())))
    return evaluations(
        *[evaluation({case: k[s] for case, k in cases.items()}, **found(s)) for s in range(n)]
    )


def answers(rows, measured=None):
    tables = {"evaluations": rows}
    return ranks(Evidence(tables if measured is None else tables | {"discrimination": measured}))


def summary(answer):
    (row,) = answer.rows["ranks"]
    return row


def correlations(answer):
    """From kind of accuracy to its correlation with in-domain accuracy."""
    return {row["accuracy"]: row["r"].value for row in answer.rows["id-ood-correlations"]}


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
    (answer,) = answers(table(i=[9, 8, 9, 7], aswap=[10, 20, 30, 40], aif=[5, 6, 7, 8]))
    row = summary(answer)
    assert row["concordance"] == pytest.approx(1)
    assert row["p"] == pytest.approx(1 / 24, abs=0.01)
    every = [
        kendall_w(np.array([range(4), order], dtype=float).T)
        for order in itertools.permutations(range(4))
    ]
    assert row["by_chance"] == pytest.approx(np.quantile(every, 0.95), abs=0.05)


def test_rank_reversals_support():
    (answer,) = answers(
        table(i=[99, 98, 97, 98], aswap=[90, 10, 50, 50], aif=[10, 70, 40, 45], aflat=[0] * 4)
    )
    row, top = summary(answer), answer.rows["rank-reversals"][0]
    assert (row["measure"], row["n"], row["n_cases"]) == ("accuracy", 4, 2)
    assert row["n_reversals"] == len(answer.rows["rank-reversals"])
    assert (top["seed"], top["other_seed"]) == (0, 1)
    assert (top["case"], top["other_case"]) == ("aswap", "aif")
    assert (top["points"], top["other_points"]) == pytest.approx((80, 60))
    verdict = answer.verdict
    assert verdict.decision == "supported"
    assert verdict.claim == "which subnetwork is most accurate depends on the case"
    assert verdict.reason.startswith(f"{row['n_reversals']} of 6 pairs of subnetworks reverse")
    assert verdict.effect.value == pytest.approx(100 * row["n_reversals"] / 6)
    assert verdict.p == row["p_reversal"] < 0.05


@given(st.lists(st.lists(st.integers(20, 80), min_size=4, max_size=4), min_size=2, max_size=3))
def test_p_is_of_the_clearest_reversal_by_hand(counts):
    """A reversal takes an advantage in one case and another in the other: the larger p."""
    (answer,) = answers(table(i=[90] * 4, **{f"a{i}": k for i, k in enumerate(counts)}))
    pairs = list(itertools.combinations(range(4), 2))
    z = [
        [(k[a] - k[b]) / np.sqrt((k[a] + k[b]) * (200 - k[a] - k[b]) / 200) for a, b in pairs]
        for k in counts
    ]
    alone = 2 * stats.norm.sf(np.abs(z))
    p = np.array(
        [
            [min(1.0, max(x * (alone >= x).sum() for x in alone.flat if x <= y)) for y in row]
            for row in alone
        ]
    )
    reversed_by = [
        max(p[i, j], p[k, j])
        for j in range(6)
        for i, k in itertools.permutations(range(len(counts)), 2)
        if z[i][j] > 0 > z[k][j]
    ]
    row = summary(answer)
    assert row["p_reversal"] == pytest.approx(min(reversed_by, default=1.0))
    assert (row["n_reversals"] > 0) == (row["p_reversal"] < 0.05)


def test_reversals_come_widest_first():
    (answer,) = answers(table(a1=[90, 10, 50, 30], a2=[10, 90, 50, 70]))
    rows = answer.rows["rank-reversals"]
    widths = [min(row["points"], row["other_points"]) for row in rows]
    assert len(rows) == 6
    assert widths == sorted(widths, reverse=True)
    assert widths[0] == pytest.approx(80)


def test_equal_rankings_contradict():
    k = np.array([20, 30, 40, 50, 60, 70])
    (answer,) = answers(table(i=k, a1=k, a2=k + 5, a3=k // 2, f1=100 - k))
    assert summary(answer)["concordance"] == pytest.approx(1)
    assert summary(answer)["n_reversals"] == 0
    assert answer.rows["rank-reversals"] == []
    assert answer.verdict.decision == "contradicted"
    # Adversarial 5/6 k + 5/3 and friendly 100 - k: balanced falls as ID rises.
    assert correlations(answer) == pytest.approx({"adversarial": 1, "balanced": -1})


def test_nothing_to_rank_is_not_decided():
    assert answers(evaluations()) == []
    assert answers(table(i=[9, 8, 7], f=[1, 2, 3])) == []
    (few,) = answers(table(a1=[10, 90, 50], a2=[90, 10, 50]))
    assert "concordance" not in summary(few)
    assert correlations(few) == {}
    assert few.verdict.decision == "not decided by these data"
    assert (few.verdict.effect, few.verdict.p) == (None, None)
    rows = table(a1=[10, 90, 50], a2=[90, 10, 50])
    frame = conclude(Evidence({"evaluations": rows}), (QUESTION,)).tables["ranks"]
    assert frame[["concordance", "by_chance", "p"]].isna().all(axis=None)
    (flat,) = answers(table(i=[9] * 5, a1=[0] * 5, a2=[100] * 5))
    assert summary(flat)["n_cases"] == 0
    assert correlations(flat) == {}
    assert flat.verdict.decision == "not decided by these data"


def test_a_subnetwork_that_lacks_a_case_is_left_out():
    rows = table(a1=[10, 20, 30, 40, 99], a2=[10, 20, 30, 40, 99])
    some = rows[~((rows["seed"] == 4) & (rows["case"] == "a2"))]
    assert summary(answers(some)[0])["n"] == 4


def test_an_open_order_says_what_would_find_a_reversal():
    rng = np.random.default_rng(0)
    rows = table(a1=rng.binomial(100, 0.6, 5).tolist(), a2=rng.binomial(100, 0.4, 5).tolist())
    (answer,) = answers(rows)
    power = answer.verdict.power
    assert "a reversal by 0.2 in Cohen's h each way" in power
    more = float(power.split(" times")[0].removeprefix("with "))

    # On this scale a difference of proportions has the variance 2 / n, whatever they are.
    def chance_of_both(n):
        one = stats.norm.sf(stats.norm.isf(0.05 / 20 / 2) - 0.2 / (2 / n) ** 0.5)
        return 2 * one - 1

    assert chance_of_both(100 * 0.9 * more) < 0.8 < chance_of_both(100 * 1.1 * more)


def test_noise_decides_nothing():
    rng = np.random.default_rng(1)
    right = rng.binomial(50, 0.3, size=(200, 1, 8, 1, 4))
    results = answers(simulated(right, ["a1", "a2", "a3", "a4"], [0.5], 50))
    assert len(results) == 200
    assert decisions(results).count("not decided by these data") >= 182
    assert sum(answer.verdict.p < 0.05 for answer in results) <= 18


def test_one_true_order_is_never_said_to_depend_on_the_case():
    rng = np.random.default_rng(0)
    p = np.linspace(0.2, 0.6, 8)[:, None, None]
    right = rng.binomial(100, np.broadcast_to(p, (8, 1, 4)), size=(200, 1, 8, 1, 4))
    results = answers(simulated(right, ["a1", "a2", "a3", "a4"], [0.5], 100))
    assert decisions(results).count("supported") <= 18
    assert decisions(results).count("contradicted") >= 100


def test_aurocs_decide_where_they_were_measured():
    rows = table(i=[99, 98, 97, 98], a1=[90, 10, 50, 50], a2=[10, 70, 40, 45])
    auc = {0: (0.9, 0.5), 1: (0.5, 0.9), 2: (0.7, 0.7), 3: (0.7, 0.7)}
    measured = discriminations(
        *[areas({"a1": x, "a2": y}, **found(s)) for s, (x, y) in auc.items()]
    )
    (answer,) = answers(rows, measured)
    top = answer.rows["rank-reversals"][0]
    assert summary(answer)["measure"] == "AUROC"
    assert (top["seed"], top["other_seed"], top["case"]) == (0, 1, "a1")
    assert top["points"] == pytest.approx(40)
    assert answer.verdict.decision == "supported"
    assert answer.verdict.claim == "which subnetwork generalises best depends on the case"
    assert "by AUROC, Kendall's W of 2 cases over 4 subnetworks" in answer.verdict.reason
    # The same accuracies, but no case is separated better by one than by another.
    (same,) = answers(rows, measured.assign(auc=0.7))
    assert same.verdict.decision == "not decided by these data"


def test_the_aurocs_are_compared_once_for_both_questions(monkeypatch):
    calls = []
    monkeypatch.setattr(
        "heuristic_core.analysis.discrimination.auroc_homogeneity",
        lambda *values: calls.append(values) or auroc_homogeneity(*values),
    )
    some = [areas({"a1": x, "a2": 0.6}, **found(s)) for s, x in enumerate((0.9, 0.7, 0.5, 0.6))]
    rows = table(i=[99, 98, 97, 98], a1=[90, 10, 50, 50], a2=[10, 70, 40, 45])
    evidence = Evidence({"evaluations": rows, "discrimination": discriminations(*some)})
    conclude(evidence, (discrimination.QUESTION, QUESTION))
    assert len(calls) == 2


def studies(distance, bias, sure=False):
    """Return the decisions on 200 models of eight subnetworks and four cases."""
    rng = np.random.default_rng(2)
    drawn = scored(rng, np.broadcast_to(distance, (200, 1, 8, 1, 4)), bias, sure=sure)
    return decisions(answers(*drawn))


@pytest.mark.slow
@pytest.mark.parametrize(("spread", "sure"), [(0.0, False), (1.5, False), (1.5, True)])
def test_neither_noise_nor_different_label_biases_decide(spread, sure):
    bias = np.linspace(-spread, spread, 8)[None, None, :, None, None]
    results = studies(np.float64(0.8), bias, sure)
    assert len(results) == 200
    assert sum(d != "not decided by these data" for d in results) <= 18


@pytest.mark.slow
def test_true_reversals_are_found():
    distance = np.tile([[0.0, 0.0, 2.5, 2.5], [2.5, 2.5, 0.0, 0.0]], (4, 1))[:, None, :]
    assert studies(distance, np.zeros((1, 1, 1, 1, 1))).count("supported") >= 190


def test_paired_differences_are_mcnemar_s():
    """Of 50 examples 5 only the first answers correctly, 1 only the second, and 30 both do."""
    correct, n = np.array([[35.0], [31.0]]), np.full((2, 1), 50)
    assert accuracy_z(correct, n, np.array([[30.0]])).item() == pytest.approx(4 / 6**0.5)
    pooled = 66 / 100
    expected = 0.08 / (2 * pooled * (1 - pooled) / 50) ** 0.5
    assert accuracy_z(correct, n, np.array([[np.nan]])).item() == pytest.approx(expected)


@pytest.mark.slow
@pytest.mark.parametrize("by_auroc", [True, False])
def test_pairing_finds_more_reversals(by_auroc):
    """Systems that answer alike but for a small reversal between two cases."""
    rng = np.random.default_rng(5)
    distance = np.tile([[0.8, 1.1], [1.1, 0.8]], (2, 1))[:, None, :]
    drawn = by_example(
        rng,
        np.broadcast_to(distance, (40, 1, 4, 1, 2)),
        np.full((1,) * 5, -1.0),
        n=150,
        alike=0.95,
    )
    names = ["evaluations", "predictions", *(["discrimination"] if by_auroc else [])]
    with_pairs = decisions(ranks(Evidence({name: drawn[name] for name in names})))
    without = decisions(
        answers(drawn["evaluations"], drawn["discrimination"] if by_auroc else None)
    )
    assert with_pairs.count("supported") >= 28 > 12 > without.count("supported")


@pytest.mark.slow
def test_noise_of_searches_that_answer_alike_decides_nothing():
    rng, studies = np.random.default_rng(6), 1000
    distance = np.full((studies, 1, 6, 1, 3), 0.8)
    drawn = by_example(rng, distance, np.zeros((1,) * 5), n=80, n_friendly=300, alike=0.9)
    decided = decisions(ranks(Evidence(drawn)))
    assert len(decided) == studies
    assert decided.count("not decided by these data") >= 0.935 * studies
