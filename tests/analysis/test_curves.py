from __future__ import annotations

import pytest
from tables_by_hand import evaluation, evaluations

from heuristic_core.analysis.curves import curves


def over_training(**cases):
    steps = [0, 100, 200, 300]
    return evaluations(
        *[
            evaluation({case: values[i] for case, values in cases.items()}, checkpoint=step)
            for i, step in enumerate(steps)
        ]
    )


def test_heuristic_first_generalisation_later():
    table = over_training(
        i=(50, 95, 98, 99), aswap=(90, 2, 40, 98), aflat=(95, 0, 1, 0), feasy=(10, 99, 100, 100)
    )
    (result,) = curves(table)
    by_case = {curve.case: curve for curve in result.curves}
    assert result.id_learned_at == 100
    assert by_case["aswap"].rises_at == 200
    assert by_case["aflat"].rises_at is None
    assert [p.accuracy for p in by_case["aswap"].points] == [0.9, 0.02, 0.4, 0.98]
    assert result.verdict.decision == "supported"
    assert "of the 1 of 2 adversarial cases that rise, 1 rise later" in result.verdict.reason


def test_a_case_that_falls_again_has_not_risen():
    (result,) = curves(over_training(i=(50, 95, 98, 99), aswap=(90, 2, 60, 5)))
    assert result.curves[1].rises_at is None
    assert result.verdict.decision == "not decided by these data"


def test_generalising_at_once_contradicts():
    (result,) = curves(over_training(i=(50, 60, 80, 99), aswap=(90, 2, 60, 70)))
    assert result.id_learned_at == 300
    assert result.verdict.decision == "contradicted"


@pytest.mark.parametrize("keep", [[0], [0, 300], [300]])
def test_too_few_checkpoints_do_not_decide(keep):
    table = over_training(i=(50, 95, 98, 99), aswap=(90, 2, 40, 98))
    (result,) = curves(table[table["checkpoint"].isin(keep)])
    assert result.verdict.decision == "not decided by these data"
