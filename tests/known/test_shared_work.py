"""A core of several heads and several added heads: enough of them for comparisons with others."""

from __future__ import annotations

import pytest

import heuristic_core as hc
from heuristic_core.analysis.core import core
from heuristic_core.analysis.dependency import dependency
from heuristic_core.analysis.patterns import patterns
from heuristic_core.measure.attention import attention_patterns
from heuristic_core.measure.dependency import dependencies
from heuristic_core.tables import ATTENTION, DEPENDENCY
from known.models import COMMON_GATHER, ORDERS, OVERLAPS, shared_work
from known.pipeline import QUICK, accuracies, heads_of, named, search, subnetwork_table

CORE = {*OVERLAPS, COMMON_GATHER}
ALL_RIGHT = {"same": 1, "other": 1, "swapped": 1, "fronted": 1, "fronted_swapped": 1}
NO_ORDER = ALL_RIGHT | {"swapped": 0, "fronted_swapped": 0}


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    """The model."""
    return shared_work(tmp_path_factory.mktemp("known"))


@pytest.fixture(scope="module")
def data(model, toy_task):
    """What searches share."""
    return hc.prepare(model, toy_task)


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
def test_accuracy_without(model, data, toy_task, removed, expected):
    with hc.without(model, *removed, means=data.values):
        assert accuracies(hc.evaluate(model, toy_task)) == expected


def test_searches_find_the_core_and_nothing_else(model, data):
    found = search(model, data, (0.7,), range(5), **QUICK | {"exchange_rounds": 0})
    (result,) = core(subnetwork_table(found))
    assert set(result.core) == CORE
    assert result.verdict.decision == "supported"


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
