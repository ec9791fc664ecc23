"""Two heads compare places and two gather: one of each is enough, so only pairs are missed."""

from __future__ import annotations

import pytest

from heuristic_core.analysis.additivity import additivity
from heuristic_core.analysis.core_removal import core_removal
from heuristic_core.analysis.removal import removal
from heuristic_core.analysis.roles import NONE, roles
from known.models import SPARE_COPIES, SPARE_GATHERERS, SPARE_HEADS
from known.pipeline import ALL_RIGHT, ALWAYS_NON_ENTAILMENT, removal_tables

CIRCUIT = SPARE_HEADS
CORE = SPARE_COPIES + SPARE_GATHERERS


@pytest.fixture(scope="module")
def tables(model, data, toy_task):
    """What removals do."""
    return removal_tables(model, toy_task, data, CORE)


@pytest.mark.parametrize(
    ("removed", "expected"),
    [
        ((), ALL_RIGHT),
        ((SPARE_COPIES[0], SPARE_GATHERERS[1]), ALL_RIGHT),
        (SPARE_COPIES, ALWAYS_NON_ENTAILMENT),
        (SPARE_GATHERERS, ALWAYS_NON_ENTAILMENT),
    ],
)
def test_accuracy_without(accuracies_without, removed, expected):
    assert accuracies_without(removed) == expected


def test_no_head_is_missed_alone(model, tables):
    (alone,) = removal(*tables)
    assert all(unit.p_value == 1 for unit in alone.units)
    assert alone.verdict.decision == "not decided by these data"
    (doing,) = roles(*tables)
    assert doing.counts[NONE] == len(model.space)


def test_heads_that_stand_in_for_each_other_are_super_additive(tables):
    (result,) = additivity(*tables)
    assert result.verdict.decision == "supported"
    spare = {tuple(SPARE_COPIES), tuple(SPARE_GATHERERS)}
    assert {pair.units for pair in result.pairs[:2]} == spare
    assert (result.n_super, result.n_sub) == (2, 0)
    assert all(pair.p_value == 1 for pair in result.pairs[2:])
    # Margins alone could be moved by a lean.
    (without,) = additivity(tables[0])
    assert (without.n_super, without.n_sub) == (2, 0)
    assert without.verdict.decision == "not decided by these data"


def test_the_model_rests_on_all_of_them(tables):
    (result,) = core_removal(*tables)
    assert result.n_controls == 20
    assert result.verdict.decision == "supported"
    area = result.measures[0]
    assert (area.core.value, area.controls, area.percentile) == (-0.5, 0, 0)
    assert result.only_together
    assert result.alone.p_value == 1
