from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from simulated import decisions
from tables_by_hand import evaluation, evaluations, found

from heuristic_core.analysis.accuracies import sparsest_matching
from heuristic_core.analysis.disjoint import disjoint
from heuristic_core.tables import DISJOINT, conform

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
    return conform(pd.DataFrame(rows, columns=list(DISJOINT)), DISJOINT)


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
    (result,) = disjoint(table(*apart(96, 97, 95), *partly), ORDINARY, 3.0)
    assert (result.finetune_seed, result.checkpoint, result.method) == (1, 300, "learned")
    assert (result.sparsity, result.margin_points) == (0.5, 3.0)
    assert result.others_points.value == pytest.approx(-1)
    assert result.without_heads_points is None
    half, whole = result.shares
    assert (half.forbidden, whole.forbidden, whole.n) == (0.5, 1.0, 3)
    assert whole.in_domain_points.value == pytest.approx(-2)
    # Standard deviation 1 of three: 4.3027 / sqrt(3) on either side.
    assert whole.in_domain_points.low == pytest.approx(-2 - 4.30265 / 3**0.5)
    assert whole.kl.value == pytest.approx(0.01)
    assert (whole.matching.value, whole.heads, whole.shared_heads) == (1, 10, 0)
    assert (half.heads, half.shared_heads) == (9, 2)
    assert whole.adversarial_points.value == pytest.approx(21 - 60)
    assert whole.friendly_points.value == pytest.approx(5)
    assert whole.balanced_points.value == pytest.approx((21 + 95 - 60 - 90) / 2)
    # Seed 1's is as disjoint as the others', and closest to the model.
    nearest = result.nearest
    assert (nearest.seed, nearest.forbidden, nearest.shared_heads, nearest.jaccard) == (1, 1, 0, 0)
    assert nearest.found.in_domain_points == pytest.approx(-1)
    assert (nearest.found.heads, nearest.found.adversarial) == (10, 0.21)
    assert (nearest.other.heads, nearest.other.adversarial, nearest.other.friendly) == (
        10,
        0.6,
        0.9,
    )
    assert nearest.other.balanced == pytest.approx(0.75)
    # [-4.5, 0.5] reaches over the margin.
    assert result.verdict.decision == UNDECIDED
    assert (
        "-2.0 points off the model in-domain [-4.5, +0.5], with 50% of them forbidden +0.0, the "
        "others -1.0; the margin is 3"
    ) in result.verdict.reason


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
    (result,) = disjoint(table(*apart(*in_domain)), ORDINARY, 3.0)
    assert result.verdict.decision == decision


def test_the_nearest_pair_is_faithful_on_both_sides():
    half = [restricted({"in": 97}, s, forbidden=0.5, heads=9, shared=4 - s) for s in range(3)]
    others = evaluations(FULL, *OTHERS[:2], evaluation({"in": 80}, **found(2)))
    (result,) = disjoint(table(*apart(60, 60, 60), *half), others, 3.0)
    nearest = result.nearest
    # Seed 2 shares least, but its other subnetwork does not match the model.
    assert (nearest.seed, nearest.shared_heads) == (1, 3)
    assert nearest.jaccard == pytest.approx(3 / (9 + 10 - 3))
    assert nearest.found.adversarial is None
    (none,) = disjoint(table(*apart(60, 60, 60)), ORDINARY, 3.0)
    assert none.nearest is None


def test_a_task_that_needs_no_heads_decides_nothing():
    control = [restricted({"in": 96}, 0, heads=0)]
    (result,) = disjoint(table(*apart(97, 97, 98), *control), ORDINARY, 3.0)
    assert result.without_heads_points == pytest.approx(-2)
    assert result.shares[0].n == 3
    assert result.shares[0].heads == 10
    assert result.verdict.decision == UNDECIDED
    assert "needs no heads" in result.verdict.reason
    # Where they do not match, they are no objection, and are no pair of their own.
    control = [restricted({"in": 50}, 0, heads=0)]
    (result,) = disjoint(table(*apart(97, 97, 98), *control), ORDINARY, 3.0)
    assert result.without_heads_points == pytest.approx(-48)
    assert "subnetworks without heads -48.0; the margin" in result.verdict.reason
    assert result.verdict.decision == "supported"


def test_subnetworks_that_keep_no_heads_by_themselves_are_pairs():
    (result,) = disjoint(table(*apart(60, 61, 62, heads=0)), ORDINARY, 3.0)
    assert result.shares[0].n == 3
    assert result.verdict.decision == "contradicted"


def test_poor_searches_show_nothing():
    """Where not even the ordinary subnetworks match, it says nothing that others do not."""
    others = evaluations(FULL, *[evaluation({"in": 80}, **found(s)) for s in range(3)])
    (result,) = disjoint(table(*apart(60, 61, 62)), others, 3.0)
    assert result.verdict.decision == UNDECIDED
    # Nor are pairs competing of which one side does not surely match.
    others = evaluations(
        FULL, *[evaluation({"in": n}, **found(s)) for s, n in enumerate([92, 98, 97])]
    )
    (result,) = disjoint(table(*apart(97, 97, 98)), others, 3.0)
    assert result.verdict.decision == UNDECIDED


def test_pairs_that_share_heads_are_not_disjoint():
    (result,) = disjoint(table(*apart(97, 97, 98, shared=1)), ORDINARY, 3.0)
    assert result.verdict.decision == UNDECIDED
    assert "0 disjoint pairs" in result.verdict.reason


def test_what_cannot_be_compared_is_left_out():
    rows = table(*apart(97, 97, 98))
    assert disjoint(rows[:0], ORDINARY, 3.0) == []
    assert disjoint(rows, ORDINARY[:0], 3.0) == []
    assert disjoint(rows, evaluations(FULL), 3.0) == []
    assert disjoint(rows, evaluations(*OTHERS), 3.0) == []
    (two,) = disjoint(rows, evaluations(FULL, *OTHERS[:2]), 3.0)
    assert two.shares[0].n == 2
    one, other = disjoint(
        table(*apart(97, 97, 98), *apart(60, 61, 62, sparsity=0.7)),
        evaluations(FULL, *OTHERS, *[evaluation({"in": 97}, **found(s, 0.7)) for s in range(3)]),
        3.0,
    )
    assert (one.sparsity, other.sparsity) == (0.5, 0.7)
    assert (one.verdict.decision, other.verdict.decision) == ("supported", "contradicted")
    assert one.shares[0].adversarial_points is not None


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
    assert disjoint(rows, ORDINARY, 3.0) == disjoint(*mixed, 3.0)


@pytest.mark.parametrize(
    ("n_seeds", "points", "n"), [(3, -3.0, 200), (6, -3.0, 200), (6, 0.0, 50), (6, -10.0, 50)]
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
    results = decisions(disjoint(table(*rows), evaluations(*others), 3.0))
    assert len(results) == n
    wrong = {-3.0: ("supported", "contradicted"), 0.0: ("contradicted",), -10.0: ("supported",)}
    assert sum(d in wrong[points] for d in results) <= 0.09 * n
    if points != -3:
        assert sum(d != UNDECIDED for d in results) >= 0.9 * n
