"""Eight heads that do the same and eight that gather: any of each are enough, none is needed."""

from __future__ import annotations

import pytest

import heuristic_core as hc
from heuristic_core.analysis.additivity import additivity
from heuristic_core.analysis.core import core
from heuristic_core.analysis.core_removal import core_removal
from heuristic_core.analysis.evidence import Evidence
from heuristic_core.analysis.helpful_removal import helpful_removal
from heuristic_core.analysis.overlap import overlap
from heuristic_core.analysis.single_removal import single_removal
from known.models import COPIES, GATHERERS, NO_CORE
from known.pipeline import (
    ALWAYS_NON_ENTAILMENT,
    NO_ORDER,
    QUICK,
    accuracies,
    all_edges,
    counts,
    ends,
    labels,
    removal_evidence,
    search,
    subnetwork_table,
    without_auroc,
)

CIRCUIT = NO_CORE


@pytest.fixture(scope="module")
def found(model, data):
    """Subnetworks of 8 of the 20 units, of independent searches."""
    return search(model, data, (0.6,), range(8), **QUICK)


@pytest.mark.parametrize(
    ("removed", "expected"),
    [
        ((), NO_ORDER),
        (COPIES[:-1] + GATHERERS[1:], NO_ORDER),
        (COPIES[1:] + GATHERERS[:-1], NO_ORDER),
        (COPIES, ALWAYS_NON_ENTAILMENT),
        (GATHERERS, ALWAYS_NON_ENTAILMENT),
    ],
)
def test_accuracy_without(accuracies_without, removed, expected):
    assert accuracies_without(removed) == expected


def test_nothing_rests_on_any_heads(model, data, toy_task):
    # Two heads that could be taken for a core.
    evidence = removal_evidence(model, toy_task, data, (COPIES[0], GATHERERS[0]))
    assert evidence["removal"]["margin_change"].abs().max() < 1e-3
    (of_core,) = core_removal(evidence)
    assert of_core.rows["core-removal"][0]["n_controls"] > 5
    (doing,) = helpful_removal(evidence)
    assert counts(doing)["no clear change"] == len(model.space)
    for (answer,) in (
        single_removal(evidence),
        [of_core],
        core_removal(without_auroc(evidence)),
        additivity(evidence),
        [doing],
    ):
        assert answer.verdict.decision == "not decided by these data"


def test_all_of_a_kind_are_missed_together_in_domain(model, data, toy_task):
    evidence = removal_evidence(model, toy_task, data, COPIES)
    (answer,) = additivity(without_auroc(evidence))
    of_core = answer.rows["additivity"][0]
    assert of_core["in_domain"].value == pytest.approx(-6, abs=0.01)
    assert of_core["in_domain_interaction"].high < -5
    # Out of domain the model has no margin to lose, so on that nothing is said.
    assert answer.verdict.decision == "not decided by these data"


def test_searches_find_faithful_subnetworks_without_a_core(model, toy_task, found):
    for sub in found.values():
        assert labels(sub.kept) & set(COPIES)
        assert labels(sub.kept) & set(GATHERERS)
        assert accuracies(hc.evaluate(model, toy_task, subnetwork=sub)) == NO_ORDER
    evidence = Evidence({"subnetworks": subnetwork_table(found)})
    (answer,) = core(evidence)
    assert answer.rows["core"][0]["size"] == 0
    assert answer.verdict.decision != "supported"
    (answer,) = overlap(evidence, n_draws=500)
    assert answer.verdict.decision == "not decided by these data"


def test_all_that_gather_read_all_copies_alike(model, data, toy_task):
    edges = all_edges(model, toy_task, data)
    assert ends(edges) == {(copy, gatherer, "v") for copy in COPIES for gatherer in GATHERERS}
    assert edges["change"].to_numpy() == pytest.approx(1 / len(COPIES), abs=1e-3)
