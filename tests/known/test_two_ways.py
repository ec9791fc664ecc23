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
from heuristic_core.analysis.evidence import Evidence
from heuristic_core.analysis.label_bias import label_bias
from heuristic_core.analysis.single_removal import single_removal
from heuristic_core.analysis.spread import spread
from known.models import DEEP, SHALLOW, TWO_WAYS
from known.pipeline import (
    ALL_RIGHT,
    ALWAYS_NON_ENTAILMENT,
    NO_ORDER,
    QUICK,
    accuracies,
    all_edges,
    disjoint_evidence,
    ends,
    labels,
    removal_evidence,
    search,
    subnetwork_table,
    without_auroc,
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
    (answer,) = core(Evidence({"subnetworks": subnetwork_table(found)}))
    assert answer.rows["core"][0]["size"] == 0
    assert answer.verdict.decision != "supported"


def test_same_in_domain_and_different_out_of_domain(evaluated):
    (answer,) = spread(Evidence({"evaluations": evaluated}))
    assert answer.verdict.decision == "supported"
    (in_domain,) = [row for row in answer.rows["by-sparsity"] if row.get("matching") is not None]
    assert in_domain["matching"] == in_domain["n"]


def test_competing_subnetworks_are_supported(model, data, toy_task, found, evaluated):
    pairs = {}
    for (seed, sparsity), other in list(found.items())[:4]:
        (sub,) = hc.find_subnetworks(
            model, data, [sparsity], seed=seed, exclude=other.heads, **QUICK
        )
        assert labels(sub.kept) == set(SHALLOW + DEEP) - labels(other.kept)
        pairs[seed, sparsity] = other, sub
    evidence = disjoint_evidence(model, toy_task, pairs, evaluated)
    (answer,) = disjoint(evidence)
    assert answer.verdict.decision == "supported"
    assert "shares 0 heads of" in answer.caveat
    measured = evidence["disjoint"]
    adversarial = measured[measured["case_kind"] == "adversarial"]
    # One of each pair answers all of them, the other none.
    for _, pair in (adversarial["correct"] / adversarial["n"]).groupby(adversarial["seed"]):
        assert set(pair) == {0, 1}


def test_nothing_but_both_ways_together_is_missed_in_domain(model, data, toy_task):
    evidence = removal_evidence(model, toy_task, data, SHALLOW + DEEP)
    table = evidence["removal"]
    in_domain = table[(table["role"] == "id") & (table["group"] != "control")]
    alone = in_domain[in_domain["group"] == "single"]
    assert alone["margin_change"].abs().max() < 1e-3
    assert set(in_domain.loc[in_domain["correct"] < in_domain["n"], "removed"]) == {
        "+".join(sorted(pair, key=hc.Unit.parse))
        for pair in [SHALLOW + DEEP, *itertools.product(SHALLOW, DEEP)]
    }
    # Answers are saturated by one way alone, so a head of each is super-additive.
    (answer,) = additivity(without_auroc(evidence))
    pairs = [row for row in answer.rows["additivity"] if row["kind"] == "pair"]
    assert len(pairs) == 6
    for pair in pairs:
        of_both = len(set(pair["units"].split()) & set(SHALLOW)) == 1
        interaction = pair["in_domain_interaction"]
        assert (interaction.high < -5) == of_both
        assert of_both or abs(interaction.value) < 1e-3


def test_out_of_domain_one_way_is_missed(model, data, toy_task):
    (answer,) = single_removal(removal_evidence(model, toy_task, data, DEEP))
    rows = answer.rows["removals"]
    more = {row["unit"] for row in rows if row["p_beyond"] < 0.05}
    assert more == {row["unit"] for row in rows if row["p"] < 0.05} == set(DEEP)


def test_the_way_that_generalises_matters_more_than_other_heads(tmp_path, toy_task):
    model = build(replace(TWO_WAYS, n_heads=8), tmp_path)
    evidence = removal_evidence(model, toy_task, hc.prepare(model, toy_task), DEEP)
    (answer,) = core_removal(evidence)
    assert answer.verdict.decision == "supported"
    in_domain = answer.rows["core-removal"][-1]
    assert in_domain["measure"] == "in-domain margin"
    assert in_domain["core"].value == pytest.approx(0, abs=1e-3)
    (answer,) = label_bias(evidence)
    assert answer.verdict.decision == "not decided by these data"


def test_dependencies_stay_within_each_way(model, data, toy_task):
    edges = all_edges(model, toy_task, data)
    for _, on_path in edges.groupby("path"):
        assert ends(on_path) == {
            (*SHALLOW, "v"),
            (*DEEP, "k"),
            (*DEEP, "v"),
        }
