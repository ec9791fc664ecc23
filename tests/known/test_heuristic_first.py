"""Comparing words has its way over comparing places: a heuristic that can be removed."""

from __future__ import annotations

from dataclasses import replace

import heuristic_core as hc
from heuristic_core.analysis.core_removal import core_removal
from heuristic_core.analysis.roles import ONE_SIDED, TO_ADVERSARIAL, TO_FRIENDLY, roles
from known.models import DEEP, HEURISTIC_FIRST, LEANING, SHALLOW
from known.pipeline import ALL_RIGHT, NO_ORDER, removal_tables
from known.wiring import build

CIRCUIT = HEURISTIC_FIRST


def test_accuracy_without(accuracies_without):
    assert accuracies_without(()) == accuracies_without(DEEP) == NO_ORDER
    assert all(accuracies_without((head,)) == ALL_RIGHT for head in SHALLOW)


def test_the_heuristic_is_what_helps_when_removed(model, data, toy_task):
    table, told_apart = removal_tables(model, toy_task, data, SHALLOW)
    (result,) = roles(table, told_apart)
    assert result.verdict.decision == "supported"
    assert set(result.helping) == set(SHALLOW)
    for unit in result.units[:2]:
        assert unit.unit in SHALLOW
        assert unit.auc.value == 0.5
        # Friendly answers are saturated: the other way gives them as well.
        assert unit.role == ONE_SIDED
        assert abs(unit.friendly.value) < 1e-3


def test_the_model_does_better_without_the_heuristic(tmp_path, toy_task):
    """In layers of four heads, one group in 16 is the core; that could be chance."""
    model = build(replace(HEURISTIC_FIRST, n_heads=8), tmp_path)
    tables = removal_tables(model, toy_task, hc.prepare(model, toy_task), SHALLOW)
    (beside,) = core_removal(*tables)
    assert beside.verdict.decision == "contradicted"


def test_a_lean_is_no_help(tmp_path, toy_task):
    """Where answers are not saturated, the heuristic only moves all that have the same words."""
    model = build(LEANING, tmp_path)
    table, told_apart = removal_tables(model, toy_task, hc.prepare(model, toy_task), SHALLOW)
    (result,) = roles(table, told_apart)
    by_unit = {unit.unit: unit for unit in result.units}
    for head in SHALLOW:
        assert by_unit[head].role == TO_ADVERSARIAL
        assert by_unit[head].adversarial.low > 1
        assert by_unit[head].friendly.high < -1
        assert by_unit[head].auc.value == 0
    assert not result.helping
    assert result.counts[TO_FRIENDLY] == 0
    assert result.verdict.decision != "supported"
