from __future__ import annotations

import numpy as np
import pytest
from simulated import decisions
from simulated_scores import scored
from tables_by_hand import areas, discriminations, evaluation, evaluations

from heuristic_core.analysis.curves import curves

STEPS = (0, 100, 200, 300)
NOTHING = discriminations()


def over_training(**cases):
    return evaluations(
        *[
            evaluation({case: values[i] for case, values in cases.items()}, checkpoint=step)
            for i, step in enumerate(STEPS)
        ]
    )


def areas_over_training(**cases):
    return discriminations(
        *[
            areas({case: values[i] for case, values in cases.items()}, checkpoint=step)
            for i, step in enumerate(STEPS)
        ]
    )


TABLE = over_training(
    i=(50, 95, 98, 99), aswap=(90, 2, 40, 98), aflat=(95, 0, 1, 0), feasy=(10, 99, 100, 100)
)


def test_heuristic_first_generalisation_later():
    apart = areas_over_training(aswap=(0.5, 0.4, 0.8, 0.98), aflat=(0.9, 0.5, 0.55, 0.5))
    (result,) = curves(TABLE, apart)
    by_case = {curve.case: curve for curve in result.curves}
    assert result.id_learned_at == 100
    assert by_case["aswap"].rises_at == 200
    assert by_case["aflat"].rises_at is None
    assert [p.accuracy for p in by_case["aswap"].points] == [0.9, 0.02, 0.4, 0.98]
    assert [p.auc for p in by_case["aswap"].auc_points] == [0.5, 0.4, 0.8, 0.98]
    assert by_case["aswap"].auc_points[2].low < 0.8 < by_case["aswap"].auc_points[2].high
    assert by_case["feasy"].auc_points == ()
    assert result.verdict.decision == "supported"
    assert "rises in 1 of 2 adversarial cases, in 1 later" in result.verdict.reason


def test_accuracy_that_rises_where_the_area_does_not_is_no_rise():
    apart = areas_over_training(aswap=(0.5, 0.6, 0.61, 0.6), aflat=(0.5, 0.5, 0.5, 0.5))
    (result,) = curves(TABLE, apart)
    assert [curve.rises_at for curve in result.curves] == [None] * 4
    assert result.verdict.decision == "not decided by these data"


def test_without_friendly_counterparts_nothing_is_decided():
    (result,) = curves(TABLE, NOTHING)
    assert result.verdict.decision == "not decided by these data"
    assert "cannot be told from a lean" in result.verdict.reason


def test_a_case_that_falls_again_has_not_risen():
    apart = areas_over_training(aswap=(0.5, 0.5, 0.9, 0.5))
    (result,) = curves(over_training(i=(50, 95, 98, 99), aswap=(90, 2, 60, 5)), apart)
    assert result.curves[1].rises_at is None
    assert result.verdict.decision == "not decided by these data"


def test_a_rise_to_guessing_is_none():
    apart = areas_over_training(aswap=(0.5, 0.1, 0.5, 0.5))
    (result,) = curves(over_training(i=(50, 95, 98, 99), aswap=(90, 2, 60, 5)), apart)
    assert result.curves[1].rises_at is None


def test_generalising_at_once_contradicts():
    apart = areas_over_training(aswap=(0.5, 0.5, 0.9, 0.95))
    (result,) = curves(over_training(i=(50, 60, 80, 99), aswap=(90, 2, 60, 70)), apart)
    assert result.id_learned_at == 300
    assert result.verdict.decision == "contradicted"


@pytest.mark.parametrize("keep", [[0], [0, 300], [300]])
def test_too_few_checkpoints_do_not_decide(keep):
    apart = areas_over_training(aswap=(0.5, 0.4, 0.8, 0.98))
    some, of_them = (table[table["checkpoint"].isin(keep)] for table in (TABLE, apart))
    (result,) = curves(some, of_them)
    assert result.verdict.decision == "not decided by these data"


def studies(distance, lean, seed, sure=False):
    """Give the decisions on 200 models of four checkpoints and two cases."""
    shape = (200, 4, 1, 1, 2)
    drawn = scored(
        np.random.default_rng(seed),
        np.broadcast_to(np.reshape(distance, (1, 4, 1, 1, 1)), shape),
        np.reshape(lean, (1, 4, 1, 1, 1)),
        learned=(30, 46, 48, 49),
        checkpoints=(100, 200, 300, 400),
        sparsities=(0.0,),
        sure=sure,
    )
    found = decisions(curves(*drawn))
    assert len(found) == 200
    return found


@pytest.mark.parametrize(
    ("distance", "lean", "sure"),
    [
        (0.0, [0.0] * 4, False),
        (1.0, [0.0] * 4, False),
        (1.0, [-2.0, -1.0, 0.5, 1.0], False),
        (1.0, [-2.0, -1.0, 0.5, 1.0], True),
    ],
)
def test_neither_noise_nor_a_growing_lean_decides(distance, lean, sure):
    found = studies([distance] * 4, lean, 0, sure)
    assert sum(d != "not decided by these data" for d in found) <= 18


def test_a_true_rise_is_found():
    late = studies([0.2, 0.2, 2.0, 2.0], [-2.0, -2.0, -1.0, -1.0], 1)
    assert late.count("supported") >= 180
