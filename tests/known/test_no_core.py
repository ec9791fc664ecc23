"""Eight heads that do the same and eight that gather: any of each are enough, none is needed."""

from __future__ import annotations

import pytest

import heuristic_core as hc
from heuristic_core.analysis.core import core
from heuristic_core.analysis.overlap import overlap
from heuristic_core.measure.dependency import dependencies
from heuristic_core.measure.removal import removals
from heuristic_core.measure.removal_sets import singles
from known.models import COPIES, GATHERERS, no_core
from known.pipeline import QUICK, accuracies, heads_of, labels, search, subnetwork_table

SHALLOW_RIGHT = {"same": 1, "other": 1, "swapped": 0, "fronted": 1, "fronted_swapped": 0}
ALWAYS_NON_ENTAILMENT = {"same": 0, "other": 1, "swapped": 1, "fronted": 0, "fronted_swapped": 1}


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    """The model."""
    return no_core(tmp_path_factory.mktemp("known"))


@pytest.fixture(scope="module")
def data(model, toy_task):
    """What searches share."""
    return hc.prepare(model, toy_task)


@pytest.fixture(scope="module")
def found(model, data):
    """Subnetworks of 8 of the 20 units, of independent searches."""
    return search(model, data, (0.6,), range(8), **QUICK)


@pytest.mark.parametrize(
    ("removed", "expected"),
    [
        ((), SHALLOW_RIGHT),
        (COPIES[:-1] + GATHERERS[1:], SHALLOW_RIGHT),
        (COPIES[1:] + GATHERERS[:-1], SHALLOW_RIGHT),
        (COPIES, ALWAYS_NON_ENTAILMENT),
        (GATHERERS, ALWAYS_NON_ENTAILMENT),
    ],
)
def test_accuracy_without(model, data, toy_task, removed, expected):
    with hc.without(model, *removed, means=data.values):
        assert accuracies(hc.evaluate(model, toy_task)) == expected


def test_no_single_unit_is_missed(model, data, toy_task):
    table, _ = removals(model, toy_task.suites, singles(model.space), data.values)
    assert table["margin_change"].abs().max() < 1e-3


def test_searches_find_faithful_subnetworks_without_a_core(model, toy_task, found):
    for sub in found.values():
        assert labels(sub.kept) & set(COPIES)
        assert labels(sub.kept) & set(GATHERERS)
        assert accuracies(hc.evaluate(model, toy_task, subnetwork=sub)) == SHALLOW_RIGHT
    table = subnetwork_table(found)
    (result,) = core(table)
    assert not result.core
    assert result.verdict.decision != "supported"
    (result,) = overlap(table, n_draws=500)
    assert result.verdict.decision == "not decided by these data"


def test_all_that_gather_read_all_copies_alike(model, data, toy_task):
    heads = heads_of(model)
    table = dependencies(
        model,
        toy_task.suites,
        senders=dict.fromkeys(heads, "core"),
        receivers=dict.fromkeys(heads, "core"),
        values=data.values,
        margin_paths=(),
    )
    edges = table[table["change"] > 1e-3]
    assert set(zip(edges["sender"], edges["receiver"], edges["reads"], strict=True)) == {
        (copy, gatherer, "v") for copy in COPIES for gatherer in GATHERERS
    }
    assert edges["change"].to_numpy() == pytest.approx(1 / len(COPIES), abs=1e-3)
