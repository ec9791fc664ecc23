"""A core of several heads and several added heads: enough of them for comparisons with others."""

from __future__ import annotations

import pytest

from heuristic_core.analysis.additivity import additivity
from heuristic_core.analysis.attention_patterns import attention_patterns
from heuristic_core.analysis.core import core
from heuristic_core.analysis.core_removal import core_removal
from heuristic_core.analysis.dependency import dependency
from heuristic_core.analysis.evidence import Evidence
from heuristic_core.analysis.helpful_removal import helpful_removal
from heuristic_core.measure.dependency import dependencies
from heuristic_core.tables import DEPENDENCY
from known.models import COMMON_GATHER, ORDERS, OVERLAPS, SHARED_WORK
from known.pipeline import (
    ALL_RIGHT,
    NO_ORDER,
    QUICK,
    attention_evidence,
    heads_of,
    named,
    removal_evidence,
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
    (answer,) = core(Evidence({"subnetworks": subnetwork_table(found)}))
    assert set(answer.rows["core"][0]["members"].split()) == CORE
    assert answer.verdict.decision == "supported"


def test_the_model_rests_on_the_core_and_not_on_other_heads(model, data, toy_task):
    evidence = removal_evidence(model, toy_task, data, CORE)
    (answer,) = core_removal(evidence)
    # All there are outside of the core, but for the order heads.
    assert answer.rows["core-removal"][0]["n_controls"] == 7
    assert answer.verdict.decision == "supported"
    # Four overlap heads and what gathers from them are links of one chain.
    (answer,) = additivity(evidence)
    of_core = answer.rows["additivity"][0]
    assert of_core["margin_kind"] == "balanced"
    assert of_core["margin_interaction"].low > 10
    # By AUROC it looks otherwise: that is full until the margin is used up.
    assert of_core["auc_interaction"].high < -0.4
    assert answer.verdict.decision == "not decided by these data"
    (answer,) = helpful_removal(evidence)
    hurting = {
        row["unit"]
        for row in answer.rows["unit-removal-outcomes"]
        if row["outcome"] == "hurts both"
    }
    assert hurting == set(OVERLAPS)
    assert answer.verdict.decision != "supported"


def test_the_core_attends_to_repeated_words_more_than_others(model, toy_task):
    (answer,) = attention_patterns(attention_evidence(model, toy_task, CORE))
    types = [row for row in answer.rows["attention-by-head"] if row.get("is_type")]
    assert {row["unit"] for row in types if row["pattern"] == "repeated"} >= set(OVERLAPS)
    assert answer.verdict.decision == "supported"


def test_added_heads_depend_on_the_core_through_their_keys(model, data, toy_task):
    senders = {head: "core" if head in CORE else "control" for head in heads_of(model)}
    receivers = {head: "added" for head in heads_of(model) if head not in CORE}
    table = dependencies(
        model, toy_task.suites, senders=senders, receivers=receivers, values=data.values
    )
    (answer,) = dependency(Evidence({"dependency": named(table, DEPENDENCY)}))
    edges = answer.rows["edges"]
    assert {(e["sender"], e["receiver"], e["reads"], e["path"]) for e in edges} == {
        (sender, receiver, "k", path)
        for sender in OVERLAPS
        for receiver in ORDERS
        for path in ("direct", "total")
    }
    assert answer.verdict.decision == "supported", answer.verdict.reason
