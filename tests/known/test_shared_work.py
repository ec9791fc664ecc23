"""A core of several heads and several added heads: enough of them for comparisons with others."""

from __future__ import annotations

import pytest

from heuristic_core.analysis.additivity import additivity
from heuristic_core.analysis.core import core
from heuristic_core.analysis.core_removal import core_removal
from heuristic_core.analysis.dependency import dependency
from heuristic_core.analysis.patterns import patterns
from heuristic_core.analysis.roles import HURTS, roles
from heuristic_core.measure.attention import attention_patterns
from heuristic_core.measure.dependency import dependencies
from heuristic_core.tables import ATTENTION, DEPENDENCY
from known.models import COMMON_GATHER, ORDERS, OVERLAPS, SHARED_WORK
from known.pipeline import (
    ALL_RIGHT,
    NO_ORDER,
    QUICK,
    heads_of,
    named,
    removal_tables,
    search,
    subnetwork_table,
)

CIRCUIT = SHARED_WORK
CORE = {*OVERLAPS, COMMON_GATHER}


@pytest.mark.parametrize(
    ("removed", "expected"),
    [
        ((), ALL_RIGHT),
        (OVERLAPS[:1], ALL_RIGHT | {"swapped": 0}),
        (OVERLAPS[3:], ALL_RIGHT | {"swapped": 0}),
        (OVERLAPS[1:3], NO_ORDER),
        (ORDERS, NO_ORDER),
    ],
)
def test_accuracy_without(accuracies_without, removed, expected):
    assert accuracies_without(removed) == expected


def test_searches_find_the_core_and_nothing_else(model, data):
    found = search(model, data, (0.7,), range(5), **QUICK)
    (result,) = core(subnetwork_table(found))
    assert set(result.core) == CORE
    assert result.verdict.decision == "supported"


def test_the_model_rests_on_the_core_and_not_on_other_heads(model, data, toy_task):
    table, told_apart = removal_tables(model, toy_task, data, CORE)
    (result,) = core_removal(table, told_apart)
    assert result.n_controls == 7  # all there are outside of the core, but for the order heads
    assert result.verdict.decision == "supported"
    # Four overlap heads and what gathers from them are links of one chain.
    (result,) = additivity(table, told_apart)
    assert result.core.interaction["balanced"].low > 10
    # By the area it looks otherwise: that is full until the margin is used up.
    assert result.core.auc_interaction.high < -0.4
    assert result.verdict.decision == "not decided by these data"
    (result,) = roles(table, told_apart)
    hurting = {unit.unit for unit in result.units if unit.role == HURTS}
    assert hurting == set(OVERLAPS)
    assert result.verdict.decision != "supported"


def test_the_core_attends_to_repeated_words_more_than_others(model, toy_task):
    table = attention_patterns(model, toy_task.search)
    (result,) = patterns(named(table, ATTENTION), {1: CORE})
    assert {h.unit for h in result.heads if h.pattern == "repeated"} >= set(OVERLAPS)
    assert result.verdict.decision == "supported"


def test_added_heads_depend_on_the_core_through_their_keys(model, data, toy_task):
    senders = {head: "core" if head in CORE else "control" for head in heads_of(model)}
    receivers = {head: "added" for head in heads_of(model) if head not in CORE}
    table = dependencies(
        model, toy_task.suites, senders=senders, receivers=receivers, values=data.values
    )
    (result,) = dependency(named(table, DEPENDENCY))
    assert {(e.sender, e.receiver, e.reads, e.path) for e in result.edges} == {
        (sender, receiver, "k", path)
        for sender in OVERLAPS
        for receiver in ORDERS
        for path in ("direct", "total")
    }
    assert result.verdict.decision == "supported", result.verdict.reason
