"""Two subnetworks without a common head: one compares words, the other also their places."""

from __future__ import annotations

import pytest

import heuristic_core as hc
from heuristic_core.analysis.core import core
from heuristic_core.analysis.disjoint import disjoint
from heuristic_core.analysis.spread import spread
from heuristic_core.measure.dependency import dependencies
from heuristic_core.measure.removal import removals
from heuristic_core.measure.removal_sets import Removal, singles
from known.models import DEEP, SHALLOW, two_ways
from known.pipeline import (
    QUICK,
    accuracies,
    disjoint_table,
    evaluation_table,
    heads_of,
    labels,
    search,
    subnetwork_table,
)

ALL_RIGHT = {"same": 1, "other": 1, "swapped": 1, "fronted": 1, "fronted_swapped": 1}
NO_ORDER = ALL_RIGHT | {"swapped": 0, "fronted_swapped": 0}
ALWAYS_NON_ENTAILMENT = ALL_RIGHT | {"same": 0, "fronted": 0}

SPARSITY = 0.87  # keeps 2 of 15 units, as many as each way has


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    """The model."""
    return two_ways(tmp_path_factory.mktemp("known"))


@pytest.fixture(scope="module")
def data(model, toy_task):
    """What searches share."""
    return hc.prepare(model, toy_task)


@pytest.fixture(scope="module")
def found(model, data):
    """Subnetworks of independent searches."""
    return search(model, data, (SPARSITY,), range(6), **QUICK)


@pytest.fixture(scope="module")
def evaluated(model, toy_task, found):
    """How the model and its subnetworks do."""
    return evaluation_table(model, toy_task, found)


@pytest.mark.parametrize(
    ("removed", "expected"),
    [
        ((), ALL_RIGHT),
        (SHALLOW, ALL_RIGHT),
        (DEEP, NO_ORDER),
        (SHALLOW + DEEP, ALWAYS_NON_ENTAILMENT),
        (SHALLOW[:1], ALL_RIGHT),
        (DEEP[1:], NO_ORDER),
        ((SHALLOW[0], DEEP[1]), ALWAYS_NON_ENTAILMENT),
    ],
)
def test_accuracy_without(model, data, toy_task, removed, expected):
    with hc.without(model, *removed, means=data.values):
        assert accuracies(hc.evaluate(model, toy_task)) == expected


def test_each_way_alone_gives_the_full_models_answers(model, data, toy_task):
    for way, expected in ((SHALLOW, NO_ORDER), (DEEP, ALL_RIGHT)):
        alone = hc.Subnetwork(
            model.space, frozenset(map(hc.Unit.parse, way)), values=data.values.arrays()
        )
        table = hc.evaluate(model, toy_task, subnetwork=alone)
        assert accuracies(table) == expected
        assert table.loc[table["role"] == "id", "kl"].max() < 1e-6


def test_searches_find_one_way_or_the_other(found, evaluated):
    ways = {seed: labels(sub.kept) for (seed, _), sub in found.items()}
    assert {frozenset(way) for way in ways.values()} == {frozenset(SHALLOW), frozenset(DEEP)}
    for seed, way in ways.items():
        of_sub = evaluated[evaluated["seed"] == seed]
        assert accuracies(of_sub) == (ALL_RIGHT if way == set(DEEP) else NO_ORDER)


def test_there_is_no_core(found):
    (result,) = core(subnetwork_table(found))
    assert not result.core
    assert result.verdict.decision != "supported"


def test_same_in_domain_and_different_out_of_domain(evaluated):
    (result,) = spread(evaluated, margin_points=3.0)
    assert result.verdict.decision == "supported"
    assert result.n_matching == len(result.subnetworks)


def test_competing_subnetworks_are_supported(model, data, toy_task, found, evaluated):
    pairs = {}
    for (seed, sparsity), other in list(found.items())[:4]:
        (sub,) = hc.find_subnetworks(
            model, data, [sparsity], seed=seed, exclude=other.heads, **QUICK
        )
        assert labels(sub.kept) == set(SHALLOW + DEEP) - labels(other.kept)
        pairs[seed, sparsity] = other, sub
    table = disjoint_table(model, toy_task, pairs)
    (result,) = disjoint(table, evaluated, margin_points=3.0)
    assert result.verdict.decision == "supported"
    assert result.nearest.shared_heads == 0
    assert {result.nearest.found.adversarial, result.nearest.other.adversarial} == {0, 1}


def test_nothing_but_both_ways_together_is_missed_in_domain(model, data, toy_task):
    ways = [Removal("pair", tuple(map(hc.Unit.parse, way))) for way in (SHALLOW, DEEP)]
    both = Removal("core", (*ways[0].units, *ways[1].units))
    sets = [*singles(model.space), *ways, both]
    table, _ = removals(model, [toy_task.suite("in-domain")], sets, data.values)
    assert set(table.loc[table["correct"] < table["n"], "removed"]) == {
        "+".join(sorted(SHALLOW + DEEP))
    }
    # Accuracy and margin are saturated by one way alone, so the two are super-additive.
    of_both = table[(table["group"] == "core") & (table["case"] == "same")]
    assert of_both["interaction"].item() < -10


def test_dependencies_stay_within_each_way(model, data, toy_task):
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
    for _, on_path in edges.groupby("path"):
        assert set(zip(on_path["sender"], on_path["receiver"], on_path["reads"], strict=True)) == {
            (*SHALLOW, "v"),
            (*DEEP, "k"),
            (*DEEP, "v"),
        }
