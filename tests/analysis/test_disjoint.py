from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from simulated import decisions

from heuristic_core.analysis.accuracies import sparsest_matching
from heuristic_core.analysis.conclusions import conclude
from heuristic_core.analysis.disjoint import QUESTION, disjoint
from heuristic_core.analysis.evidence import Evidence
from heuristic_core.tables import DISJOINT, GRID_PREDICTIONS
from tables_by_hand import evaluation, evaluations, found

UNDECIDED = "not decided by these data"


def restricted(correct, seed, forbidden=1.0, heads=10, shared=0, other_heads=10, **system):
    """Rows of a subnetwork found while heads of another were forbidden."""
    names = {"forbidden": forbidden, "other_heads": other_heads, "heads": heads}
    return [
        row | names | {"shared_heads": shared, "units": heads + 2}
        for row in evaluation(correct, **(found(seed) | system))
    ]


def table(*groups) -> pd.DataFrame:
    rows = [row for group in groups for row in group]
    return DISJOINT.frame(rows)


def evidence(
    again: pd.DataFrame, evaluated: pd.DataFrame, margin: float = 3.0, times: int = 10**6
) -> Evidence:
    """Restricted subnetworks, and the full model and ordinary subnetworks on the same examples.

    All counts are multiplied, so that examples add next to no error.
    """
    again, evaluated = (
        rows.assign(n=times * rows["n"], correct=times * rows["correct"])
        for rows in (again, evaluated)
    )
    full = evaluated[evaluated["kind"] == "full"]
    rest = evaluated[evaluated["kind"] == "subnetwork"]
    ordinary = rest.assign(forbidden=0.0, other_heads=10, heads=10, shared_heads=10, units=12)
    tables = {"disjoint": pd.concat([again, DISJOINT.conform(ordinary)]), "grid": full}
    return Evidence(tables, margin_points=margin)


def answers(again: pd.DataFrame, evaluated: pd.DataFrame, margin: float = 3.0):
    return disjoint(evidence(again, evaluated, margin))


def restricted_rows(answer):
    """Rows of the summary on subnetworks with forbidden heads, by the share forbidden."""
    rows = {row["subnetworks"]: row for row in answer.rows["disjoint"]}
    return {
        int(name.removesuffix("% forbidden")) / 100: row
        for name, row in rows.items()
        if name.endswith("% forbidden")
    }


def in_domain(answer, subnetworks):
    """Mean points off the full model of ordinary subnetworks, or of those without heads."""
    rows = [row for row in answer.rows["disjoint"] if row["subnetworks"] == subnetworks]
    return rows[0]["in_domain"].value if rows else None


FULL = evaluation({"in": 98, "aswap": 90, "feasy": 96})
OTHERS = [evaluation({"in": 97, "aswap": 60, "feasy": 90}, **found(seed)) for seed in range(3)]
ORDINARY = evaluations(FULL, *OTHERS)


def apart(*in_domain, **more):
    """One fully disjoint subnetwork a seed, with these numbers correct in-domain."""
    return [
        restricted({"in": n, "aswap": 20 + seed, "feasy": 95}, seed, **more)
        for seed, n in enumerate(in_domain)
    ]


def test_by_hand():
    partly = [
        restricted({"in": 98, "aswap": 70, "feasy": 90}, s, forbidden=0.5, heads=9, shared=s + 1)
        for s in range(3)
    ]
    (result,) = answers(table(*apart(96, 97, 95), *partly), ORDINARY)
    assert result.subject == {
        "finetune_seed": 1,
        "checkpoint": 300,
        "method": "learned",
        "sparsity": 0.5,
    }
    assert in_domain(result, "ordinary") == pytest.approx(-1)
    assert in_domain(result, "no heads") is None
    assert list(restricted_rows(result)) == [0.5, 1.0]
    half, whole = restricted_rows(result).values()
    assert whole["n"] == 3
    assert whole["in_domain"].value == pytest.approx(-2)
    # Standard deviation 1 of three: 4.3027 / sqrt(3) on either side.
    assert whole["in_domain"].low == pytest.approx(-2 - 4.30265 / 3**0.5, abs=1e-4)
    assert whole["kl"].value == pytest.approx(0.01)
    assert (whole["matching"].value, whole["heads"], whole["shared_heads"]) == (1, 10, 0)
    assert (half["heads"], half["shared_heads"]) == (9, 2)
    assert whole["adversarial"].value == pytest.approx(21 - 60)
    assert whole["friendly"].value == pytest.approx(5)
    assert whole["balanced"].value == pytest.approx((21 + 95 - 60 - 90) / 2)
    # Seed 1's is as disjoint as the others', and closest to the model.
    assert result.caveat == (
        "The most nearly disjoint pair of which both are within the margin (seed 1, 100% "
        "forbidden) shares 0 heads of 10 and 10."
    )
    # [-4.5, 0.5] reaches over the margin.
    assert result.verdict.decision == UNDECIDED
    assert (
        "-2.0 [-4.5, +0.5] points from the full model, ordinary ones by -1.0; the margin is "
        "3 points"
    ) in result.verdict.reason
    assert result.verdict.effect == whole["in_domain"]
    single = result.rows["disjoint-subnetworks"]
    assert [row["in_domain"] for row in single[-3:]] == pytest.approx([-2, -1, -3])
    assert [row["heads_jaccard"] for row in single[:4]] == pytest.approx([1, 1, 1, 1 / 18])
    drawn = [(row["subnetworks"], row["match"]) for row in single]
    assert drawn[0] == ("ordinary", "within the margin")
    assert [name for name, _ in drawn] == [
        name for name in ("ordinary", "50% forbidden", "100% forbidden") for _ in range(3)
    ]
    assert {match for _, match in drawn} == {"within the margin"}


@pytest.mark.parametrize(
    ("in_domain", "decision"),
    [
        ((97, 97, 98), "supported"),
        ((60, 62, 64), "contradicted"),
        ((94, 95, 96), UNDECIDED),
        ((97, 98), UNDECIDED),
        ((60, 60), UNDECIDED),
    ],
)
def test_the_verdict_follows_the_interval(in_domain, decision):
    (result,) = answers(table(*apart(*in_domain)), ORDINARY)
    assert result.verdict.decision == decision


def test_the_nearest_pair_is_faithful_on_both_sides():
    half = [restricted({"in": 97}, s, forbidden=0.5, heads=9, shared=4 - s) for s in range(3)]
    others = evaluations(FULL, *OTHERS[:2], evaluation({"in": 80}, **found(2)))
    (result,) = answers(table(*apart(60, 60, 60), *half), others)
    # Seed 2 shares least, but its other subnetwork does not match the model.
    assert "(seed 1, 50% forbidden) shares 3 heads of 9 and 10." in result.caveat
    (nearest,) = (
        row
        for row in result.rows["disjoint-subnetworks"]
        if (row["seed"], row["subnetworks"]) == (1, "50% forbidden")
    )
    assert nearest["heads_jaccard"] == pytest.approx(3 / (9 + 10 - 3))
    assert "adversarial" not in restricted_rows(result)[0.5]
    (none,) = answers(table(*apart(60, 60, 60)), ORDINARY)
    assert none.caveat == ""
    drawn = none.rows["disjoint-subnetworks"]
    assert [row["match"] for row in drawn[3:]] == ["outside the margin"] * 3


def test_a_task_that_needs_no_heads_decides_nothing():
    control = [restricted({"in": 96}, 0, heads=0)]
    (result,) = answers(table(*apart(97, 97, 98), *control), ORDINARY)
    assert in_domain(result, "no heads") == pytest.approx(-2)
    assert "(seed 2, 100% forbidden) shares 0 heads of 10 and 10." in result.caveat
    assert restricted_rows(result)[1.0]["n"] == 3
    assert restricted_rows(result)[1.0]["heads"] == 10
    assert result.verdict.decision == UNDECIDED
    assert "needs no heads" in result.verdict.reason
    # Where they do not match, they are no objection, and are no pair of their own.
    control = [restricted({"in": 50}, 0, heads=0)]
    (result,) = answers(table(*apart(97, 97, 98), *control), ORDINARY)
    assert in_domain(result, "no heads") == pytest.approx(-48)
    assert "without any heads by -48.0; the margin" in result.verdict.reason
    assert result.verdict.decision == "supported"


def test_subnetworks_that_keep_no_heads_by_themselves_are_pairs():
    (result,) = answers(table(*apart(60, 61, 62, heads=0)), ORDINARY)
    assert restricted_rows(result)[1.0]["n"] == 3
    assert result.verdict.decision == "contradicted"


def test_poor_searches_show_nothing():
    """Where not even the ordinary subnetworks match, it says nothing that others do not."""
    others = evaluations(FULL, *[evaluation({"in": 80}, **found(s)) for s in range(3)])
    (result,) = answers(table(*apart(60, 61, 62)), others)
    assert result.verdict.decision == UNDECIDED
    # Nor are pairs competing of which one side does not surely match.
    others = evaluations(
        FULL, *[evaluation({"in": n}, **found(s)) for s, n in enumerate([92, 98, 97])]
    )
    (result,) = answers(table(*apart(97, 97, 98)), others)
    assert result.verdict.decision == UNDECIDED


def test_pairs_that_share_heads_are_not_disjoint():
    (result,) = answers(table(*apart(97, 97, 98, shared=1)), ORDINARY)
    assert result.verdict.decision == UNDECIDED
    assert "0 disjoint pairs" in result.verdict.reason
    assert result.verdict.effect is None


def test_what_cannot_be_compared_is_left_out():
    rows = table(*apart(97, 97, 98))
    assert answers(rows[:0], ORDINARY) == []
    assert answers(rows, ORDINARY[:0]) == []
    assert answers(rows, evaluations(FULL)) == []
    assert answers(rows, evaluations(*OTHERS)) == []
    (two,) = answers(rows, evaluations(FULL, *OTHERS[:2]))
    assert restricted_rows(two)[1.0]["n"] == 2
    one, other = answers(
        table(*apart(97, 97, 98), *apart(60, 61, 62, sparsity=0.7)),
        evaluations(FULL, *OTHERS, *[evaluation({"in": 97}, **found(s, 0.7)) for s in range(3)]),
    )
    assert (one.subject["sparsity"], other.subject["sparsity"]) == (0.5, 0.7)
    assert (one.verdict.decision, other.verdict.decision) == ("supported", "contradicted")
    assert "adversarial" in restricted_rows(one)[1.0]


def test_the_sparsest_that_matches():
    some = [
        evaluation({"in": right}, **found(seed, sparsity))
        for sparsity, values in ((0.3, (98, 97)), (0.5, (90, 100)), (0.6, (93, 94)), (0.7, (9, 99)))
        for seed, right in enumerate(values)
    ]
    table = evaluations(FULL, *some)
    # 95 is 98 less the margin.
    assert sparsest_matching(table, 1, 300, 3.0) == 0.5
    assert sparsest_matching(table, 1, 300, 2.9) == 0.3
    assert sparsest_matching(table, 1, 300, 60.0) == 0.7
    assert sparsest_matching(table, 1, 300, 0.1) is None
    assert sparsest_matching(table, 2, 300, 3.0) is None
    assert sparsest_matching(evaluations(FULL), 1, 300, 3.0) is None


def test_the_order_of_rows_does_not_matter():
    rows = table(*apart(96, 97, 95), restricted({"in": 50}, 0, heads=0))
    mixed = rows.sample(frac=1, random_state=0), ORDINARY.sample(frac=1, random_state=1)
    assert answers(rows, ORDINARY) == answers(*mixed)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("n_seeds", "points", "n"),
    [(3, -3.0, 200), (6, -3.0, 200), (3, -3.0, 60), (6, 0.0, 30), (6, -10.0, 30)],
)
def test_verdicts_are_calibrated(n_seeds, points, n):
    """On the margin neither decision is right; inside and beyond it, one is wrong."""
    rng = np.random.default_rng(n_seeds)
    rows, others = [], []
    for study in range(n):
        model = {"finetune_seed": study, "n": 10_000}
        others.append(evaluation({"in": 9500}, **model))
        for seed in range(n_seeds):
            right = round(9500 + 100 * points + 80 * rng.normal())
            near = round(9500 + 20 * rng.normal())
            others.append(evaluation({"in": near}, **found(seed), **model))
            rows.append(restricted({"in": right}, seed, **model))
    results = decisions(answers(table(*rows), evaluations(*others)))
    assert len(results) == n
    wrong = {-3.0: ("supported", "contradicted"), 0.0: ("contradicted",), -10.0: ("supported",)}
    assert sum(d in wrong[points] for d in results) <= 0.09 * n
    if points != -3:
        assert sum(d != UNDECIDED for d in results) >= 0.9 * n


def test_the_error_over_examples_is_that_of_pairs_on_the_same_ones():
    rng = np.random.default_rng(0)
    n = 400
    hard = rng.random(n) < 0.1
    right = {name: ~hard ^ (rng.random(n) < 0.05) for name in ("full", *range(6))}
    rows = [
        restricted({"in": right[s].sum()}, s % 3, forbidden, shared=0 if forbidden else 10, n=n)[0]
        | {"answers": np.packbits(right[s]).tobytes()}
        for s, forbidden in zip(range(6), (0.0, 0.0, 0.0, 1.0, 1.0, 1.0), strict=True)
    ]
    full = evaluations(evaluation({"in": right["full"].sum()}, n=n))
    packed = np.packbits(right["full"]).tobytes()
    answered = full.assign(label="", case_group="", scores=None, correct=packed)
    tables = {"disjoint": table(rows), "grid": full}
    tables["grid_predictions"] = GRID_PREDICTIONS.conform(answered)
    (paired,) = disjoint(Evidence(tables))
    off = restricted_rows(paired)[1.0]["in_domain"]
    differences = np.array([100.0 * right[s] - 100.0 * right["full"] for s in (3, 4, 5)])
    assert off.value == pytest.approx(differences.mean())
    covariance = np.cov(differences) / n
    shared = (covariance.sum() - np.trace(covariance)) / 6
    over_seeds = differences.mean(1).var(ddof=1) / 3
    half = (4.30265**2 * over_seeds + 1.959964**2 * shared) ** 0.5
    assert (off.low, off.high) == pytest.approx((off.value - half, off.value + half), abs=1e-4)
    # Without single answers, subnetworks count as alike, and as unlike the model.
    (unpaired,) = disjoint(Evidence({**tables, "grid_predictions": GRID_PREDICTIONS.empty()}))
    wider = restricted_rows(unpaired)[1.0]["in_domain"]
    shares = {name: some.mean() for name, some in right.items()}
    of_one = {name: 1e4 * x * (1 - x) / (n - 1) for name, x in shares.items()}
    at_most = of_one["full"] + np.mean([of_one[s] for s in (3, 4, 5)])
    half = (4.30265**2 * over_seeds + 1.959964**2 * at_most) ** 0.5
    assert wider.high == pytest.approx(off.value + half, abs=1e-4)


def test_tables():
    control = [restricted({"in": 50}, 0, heads=0)]
    found = conclude(evidence(table(*apart(96, 97, 95), *control), ORDINARY), (QUESTION,))
    assert found.tables["disjoint"]["subnetworks"].tolist() == [
        "ordinary",
        "100% forbidden",
        "no heads",
    ]
    assert found.tables["disjoint"]["n"].tolist() == [3, 3, 1]
    assert found.tables["disjoint"]["adversarial"].isna().tolist() == [True, False, True]
    assert len(found.tables["disjoint-subnetworks"]) == 3 + 3 + 1
    assert found.verdicts["effect"].tolist() == [pytest.approx(-2)]


def test_pairs_of_one_search_count_once():
    """A method of which nothing is random gives every seed the same pair of subnetworks."""
    full = evaluations(evaluation({"in": 4500}, n=5000))
    rows = [
        row | {"kl": 0.1, "method": "magnitude"}
        for seed in (1, 2, 3)
        for forbidden, shared in ((0.0, 10), (1.0, 0))
        for row in restricted({"in": 4490}, seed, forbidden, shared=shared, n=5000)
    ]
    (same,) = disjoint(Evidence({"disjoint": table(rows), "grid": full}))
    assert same.verdict.decision == UNDECIDED
    assert same.verdict.reason == "1 disjoint pairs are fewer than 3"
    for number, row in enumerate(rows):
        row["correct"] += number % 2 * number
    (different,) = disjoint(Evidence({"disjoint": table(rows), "grid": full}))
    assert different.verdict.decision == "supported"
