from __future__ import annotations

import json

import numpy as np
import pytest
from simulated import decisions, simulated
from simulated_scores import scored
from tables_by_hand import (
    areas,
    discriminations,
    evaluation,
    evaluations,
    found,
    subnetworks,
)

from heuristic_core.analysis import analyze
from heuristic_core.analysis.spread import spread
from heuristic_core.storage import plain


def table(swap=(95, 60, 40), ids=(99, 98, 97), full_id=99):
    return evaluations(
        evaluation({"in": full_id, "aswap": 98, "aprep": 10, "feasy": 100}),
        *[
            evaluation({"in": i, "aswap": s, "aprep": 10, "feasy": 99}, **found(seed))
            for seed, (s, i) in enumerate(zip(swap, ids, strict=True))
        ],
    )


def test_a_wide_case_at_equal_id_accuracy_is_supported():
    (result,) = spread(table(), 3.0)
    assert result.n_matching == 3
    assert [s.seed for s in result.subnetworks] == [0, 1, 2]
    assert [s.difference_points for s in result.subnetworks] == pytest.approx([0, -1, -2])
    widest = result.cases[0]
    assert (widest.case, widest.low, widest.high) == ("aswap", 0.40, 0.95)
    assert widest.span_points == pytest.approx(55)
    assert widest.mean == pytest.approx(0.65)
    assert widest.full == 0.98
    assert result.full.adversarial == pytest.approx(0.54)
    assert result.adversarial.value == pytest.approx((0.65 + 0.10) / 2)
    assert result.friendly.value == pytest.approx(0.99)
    assert (result.measure, result.verdict.decision) == ("accuracy", "supported")
    assert "answer adversarial and friendly cases differently" in result.verdict.claim
    assert "aswap spans 55 points" in result.verdict.reason


def test_areas_decide_where_they_were_measured():
    def apart(*auc):
        rows = [areas({"aswap": x, "aprep": 0.6}, **found(s)) for s, x in enumerate(auc)]
        return discriminations(*rows)

    (lean,) = spread(table(), 3.0, apart(0.7, 0.71, 0.72))
    assert (lean.measure, lean.verdict.decision) == ("AUC", "contradicted")
    assert lean.verdict.claim.endswith("generalise differently")
    assert "aswap spans 55 points" in lean.verdict.reason
    (true,) = spread(table(), 3.0, apart(0.9, 0.7, 0.5))
    assert true.verdict.decision == "supported"
    assert "aswap goes from 0.50 to 0.90" in true.verdict.reason
    (bad,) = spread(table(ids=(99, 80, 97)), 3.0, apart(0.9, 0.7, 0.5))
    assert bad.verdict.decision == "not decided by these data"


def test_chi_squared_by_hand():
    (result,) = spread(table(swap=(60, 40, 50)), 3.0)
    # 2 x 3 table with 50 expected everywhere: (10^2 + 10^2) / 50 x 2 = 8, two degrees of freedom.
    raw = np.exp(-8 / 2)
    assert {c.case: c.p_value for c in result.cases}["aswap"] == pytest.approx(3 * raw)


def test_equal_subnetworks_contradict_and_bad_ones_do_not_decide():
    (same,) = spread(table(swap=(95, 94, 96)), 3.0)
    assert same.verdict.decision == "contradicted"
    (bad,) = spread(table(ids=(99, 80, 97)), 3.0)
    assert bad.verdict.decision == "not decided by these data"
    assert "only 2 of 3" in bad.verdict.reason
    (between,) = spread(table(swap=(90, 75, 80)), 3.0)
    assert between.verdict.decision == "not decided by these data"


def test_nothing_to_compare_is_no_error():
    only_full = evaluations(evaluation({"in": 99, "aswap": 50}))
    assert spread(only_full, 3.0) == []
    no_ood = evaluations(evaluation({"in": 99}), evaluation({"in": 98}, **found(1)))
    (result,) = spread(no_ood, 3.0)
    assert result.cases == ()
    assert result.adversarial is None
    assert result.verdict.decision == "not decided by these data"


def test_all_analyses_give_plain_json():
    kept = subnetworks({(s, 0.5): {"L0H0", f"L1H{s}"} for s in range(3)})
    result = analyze(table(), kept)
    assert {"spread", "sparser", "core", "overlap", "curves"} <= set(result)
    assert json.loads(json.dumps(plain(result), allow_nan=False))["core"][0]["core"] == ["L0H0"]
    empty = analyze(evaluations(), subnetworks({}))
    assert set(empty) == set(result)
    assert not any(empty.values())


def test_the_order_of_rows_does_not_matter():
    rows = table()
    shuffled = rows.sample(frac=1, random_state=1)
    one, other = spread(rows, 3.0)[0], spread(shuffled, 3.0)[0]
    assert one.subnetworks == other.subnetworks
    assert {c.case: c for c in one.cases} == {c.case: c for c in other.cases}


def test_means_carry_intervals_from_students_t():
    (result,) = spread(table(), 3.0)
    # Adversarial means 0.525, 0.35, 0.25: mean 0.375, standard deviation 0.1392, t(2) = 4.3027.
    half = 4.3027 * 0.139194 / 3**0.5
    assert result.adversarial.high == pytest.approx(0.375 + half, abs=1e-4)
    assert result.adversarial.low == pytest.approx(0.375 - half, abs=1e-4)
    assert result.friendly.high <= 1
    one = table()
    (single,) = spread(one[one["seed"] < 1], 3.0)
    assert np.isnan(single.adversarial.low)
    assert single.verdict.decision == "not decided by these data"


@pytest.mark.parametrize(
    ("p", "wrong"), [((0.5,) * 6, "supported"), ((0.35, 0.5, 0.65) * 2, "contradicted")]
)
def test_verdicts_are_calibrated(p, wrong):
    rng = np.random.default_rng(0)
    right = np.full((200, 1, 6, 2, 4), 59)
    right[:, 0, :, 1, 1:] = rng.binomial(60, np.array(p)[:, None], size=(200, 6, 3))
    results = spread(simulated(right, ["i", "a1", "a2", "a3"], [0.0, 0.5], 60), 3.0)
    assert len(results) == 200
    assert decisions(results).count(wrong) <= 18


@pytest.mark.parametrize("sure", [False, True])
def test_different_leans_are_no_different_generalisation(sure):
    rng = np.random.default_rng(3)
    lean = np.linspace(-1.5, 1.5, 6)[None, None, :, None, None]
    distance = np.full((200, 1, 6, 2, 3), 0.8)
    drawn = scored(rng, distance, lean, sparsities=(0.0, 0.5), sure=sure)
    found = decisions(spread(drawn[0], 3.0, drawn[1]))
    assert len(found) == 200
    assert found.count("supported") <= 18


@pytest.mark.parametrize("sure", [False, True])
def test_different_distances_are(sure):
    rng = np.random.default_rng(4)
    distance = np.broadcast_to(np.linspace(0, 2, 6)[:, None, None], (200, 1, 6, 2, 3))
    drawn = scored(rng, distance, np.zeros((1, 1, 1, 1, 1)), sparsities=(0.0, 0.5), sure=sure)
    assert decisions(spread(drawn[0], 3.0, drawn[1])).count("supported") >= 180
