"""Two subnetworks without a common head: one compares words, the other also their places."""

from __future__ import annotations

import itertools
from dataclasses import replace

import pytest

import heuristic_core as hc
from heuristic_core.analysis.additivity import additivity
from heuristic_core.analysis.core import core
from heuristic_core.analysis.core_removal import core_removal
from heuristic_core.analysis.disjoint import disjoint
from heuristic_core.analysis.removal import removal
from heuristic_core.analysis.sides import sides
from heuristic_core.analysis.spread import spread
from known.models import DEEP, SHALLOW, TWO_WAYS
from known.pipeline import (
    ALL_RIGHT,
    ALWAYS_NON_ENTAILMENT,
    NO_ORDER,
    QUICK,
    accuracies,
    all_edges,
    disjoint_table,
    ends,
    labels,
    removal_tables,
    search,
    subnetwork_table,
)
from known.wiring import build

CIRCUIT = TWO_WAYS
SPARSITY = 0.87  # keeps 2 of 15 units, as many as each way has


@pytest.fixture(scope="module")
def found(model, data):
    """Subnetworks of independent searches."""
    return search(model, data, (SPARSITY,), range(6), **QUICK)


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
def test_accuracy_without(accuracies_without, removed, expected):
    assert accuracies_without(removed) == expected


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
    table, _ = removal_tables(model, toy_task, data, SHALLOW + DEEP)
    in_domain = table[(table["role"] == "id") & (table["group"] != "control")]
    alone = in_domain[in_domain["group"] == "single"]
    assert alone["margin_change"].abs().max() < 1e-3
    assert set(in_domain.loc[in_domain["correct"] < in_domain["n"], "removed"]) == {
        "+".join(sorted(pair, key=hc.Unit.parse))
        for pair in [SHALLOW + DEEP, *itertools.product(SHALLOW, DEEP)]
    }
    # Answers are saturated by one way alone, so a head of each is super-additive.
    (result,) = additivity(table)
    for pair in result.pairs:
        of_both = len(set(pair.units) & set(SHALLOW)) == 1
        assert (pair.interaction["in_domain"].high < -5) == of_both
        assert of_both or abs(pair.interaction["in_domain"].value) < 1e-3


def test_out_of_domain_one_way_is_missed(model, data, toy_task):
    tables = removal_tables(model, toy_task, data, DEEP)
    (alone,) = removal(*tables)
    more = {unit.unit for unit in alone.units if unit.beyond_p_value < 0.05}
    assert more == {unit.unit for unit in alone.units if unit.p_value < 0.05} == set(DEEP)


def test_the_way_that_generalises_matters_more_than_other_heads(tmp_path, toy_task):
    model = build(replace(TWO_WAYS, n_heads=8), tmp_path)
    tables = removal_tables(model, toy_task, hc.prepare(model, toy_task), DEEP)
    (beside,) = core_removal(*tables)
    assert beside.verdict.decision == "supported"
    assert beside.measures[-1].measure == "in-domain margin"
    assert beside.measures[-1].core.value == pytest.approx(0, abs=1e-3)
    (sides_,) = sides(tables[0])
    assert sides_.verdict.decision == "not decided by these data"


def test_dependencies_stay_within_each_way(model, data, toy_task):
    edges = all_edges(model, toy_task, data)
    for _, on_path in edges.groupby("path"):
        assert ends(on_path) == {
            (*SHALLOW, "v"),
            (*DEEP, "k"),
            (*DEEP, "v"),
        }
