"""A word-overlap head that everything rests on, and an order head that reads its output."""

from __future__ import annotations

from dataclasses import replace

import pytest

import heuristic_core as hc
from heuristic_core.analysis.additivity import additivity
from heuristic_core.analysis.core import core
from heuristic_core.analysis.core_removal import core_removal
from heuristic_core.analysis.disjoint import disjoint
from heuristic_core.analysis.patterns import patterns
from heuristic_core.analysis.removal import removal
from heuristic_core.analysis.roles import NONE, roles
from heuristic_core.analysis.spread import spread
from heuristic_core.measure.attention import attention_patterns
from heuristic_core.measure.dependency import dependencies
from heuristic_core.measure.discrimination import discriminate
from heuristic_core.search.find import METHODS
from heuristic_core.tables import ATTENTION
from known.models import (
    CONSTANT,
    GATHER,
    ORDER,
    OVERLAP,
    OVERLAP_THEN_ORDER,
    PREVIOUS_DECOY,
    REPEATED_DECOY,
)
from known.pipeline import (
    ALL_RIGHT,
    ALWAYS_ENTAILMENT,
    ALWAYS_NON_ENTAILMENT,
    NO_ORDER,
    QUICK,
    accuracies,
    disjoint_table,
    ends,
    heads_of,
    labels,
    named,
    removal_tables,
    search,
    subnetwork_table,
)
from known.wiring import build

CIRCUIT = OVERLAP_THEN_ORDER
CORE = {OVERLAP, GATHER}


@pytest.fixture(scope="module")
def found(model, data):
    """Subnetworks of 6 and of 3 of the 15 units, of independent searches."""
    return search(model, data, (0.6, 0.8), range(6), **QUICK)


# --- the wiring ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("removed", "expected"),
    [
        ((), ALL_RIGHT),
        ((OVERLAP,), ALWAYS_NON_ENTAILMENT),
        ((GATHER,), ALWAYS_NON_ENTAILMENT),
        ((ORDER,), NO_ORDER),
        ((CONSTANT, PREVIOUS_DECOY, REPEATED_DECOY, "L0MLP", "L1MLP", "L2MLP"), ALL_RIGHT),
    ],
)
def test_accuracy_without(accuracies_without, removed, expected):
    assert accuracies_without(removed) == expected


def test_a_constant_is_missed_only_where_nothing_stands_in_for_it(model, toy_task):
    with hc.without(model, CONSTANT):
        assert accuracies(hc.evaluate(model, toy_task)) == ALWAYS_ENTAILMENT


# --- the search and what is concluded from it ----------------------------------------------------


def test_searches_find_the_core_and_nothing_else(found):
    results = {result.sparsity: result for result in core(subnetwork_table(found))}
    assert set(results) == {0.6, 0.8, None}
    for result in results.values():
        assert set(result.core) == CORE
        assert result.verdict.decision == "supported"
        assert result.p_value < 0.01


def test_with_zeros_in_place_of_units_a_constant_is_of_the_core(model, toy_task):
    data = hc.prepare(model, toy_task, ablation="zero")
    found = search(model, data, (0.7,), range(4), **QUICK)
    (result,) = core(subnetwork_table(found))
    assert set(result.core) == {*CORE, CONSTANT}


def test_subnetworks_generalise_that_keep_the_order_head(found, evaluated):
    with_order = 0
    for (seed, sparsity), sub in found.items():
        of_sub = evaluated[(evaluated["seed"] == seed) & (evaluated["sparsity"] == sparsity)]
        assert accuracies(of_sub) == (ALL_RIGHT if ORDER in sub else NO_ORDER)
        with_order += ORDER in sub
    assert 0 < with_order < len(found)  # in-domain nothing tells them apart


def test_same_in_domain_and_different_out_of_domain(evaluated):
    for result in spread(evaluated, margin_points=3.0):
        assert result.verdict.decision == "supported"
        assert {case.case for case in result.cases if case.span_points == 100} == {
            "swapped",
            "fronted_swapped",
        }


@pytest.mark.parametrize("method", [name for name in METHODS if name not in ("paper", "random")])
def test_every_method_keeps_the_core(model, data, method):
    options = {
        "learned": QUICK,
        "subset": {"steps": 30},
        "two_sided": {"steps": 30},
        "integrated": {"steps": 10},
    }.get(method, {})
    for sub in search(model, data, (0.6, 0.8), [0], method, **options).values():
        assert labels(sub.kept) >= CORE


@pytest.mark.slow
def test_paper_mode_finds_the_core(model, data):
    # The published schedule, much shortened; its multipliers rise too fast for so few steps.
    short = {
        "ramp_steps": 120,
        "hold_steps": 40,
        "warmup_steps": 10,
        "accumulate": 1,
        "multiplier_rate": 0.1,
        "start": 3.0,
    }
    found = search(model, data, (0.6,), range(4), "paper", **short)
    assert all(labels(sub.kept) >= CORE for sub in found.values())


def test_exchanges_are_not_made_for_nothing(model, data):
    found = search(model, data, (0.8,), range(2), **QUICK)
    assert not any(sub.provenance["exchanges"] for sub in found.values())


def test_without_the_core_no_subnetwork_is_faithful(model, data, toy_task, found, evaluated):
    pairs = {}
    for (seed, sparsity), other in found.items():
        if sparsity == 0.8 and seed < 3:
            (sub,) = hc.find_subnetworks(
                model, data, [sparsity], seed=seed, exclude=other.heads, **QUICK
            )
            assert not sub.heads & other.heads
            pairs[seed, sparsity] = other, sub
    table = disjoint_table(model, toy_task, pairs)
    (result,) = disjoint(table, evaluated, margin_points=3.0)
    assert result.verdict.decision == "contradicted"
    assert result.without_heads_points == -50
    assert result.nearest is None


# --- what the heads do ---------------------------------------------------------------------------


def test_removals_have_the_designed_effects(model, data, toy_task):
    table, told_apart = removal_tables(model, toy_task, data, CORE)
    alone_or_core = table[table["group"].isin(["single", "core"])]
    matters = alone_or_core[alone_or_core["margin_change"].abs() > 1e-3]
    assert set(matters["removed"]) == {OVERLAP, GATHER, ORDER, f"{OVERLAP}+{GATHER}"}
    assert set(matters.loc[matters["removed"] == ORDER, "case"]) == {"swapped", "fronted_swapped"}
    assert accuracies(table[table["group"] == "core"]) == ALWAYS_NON_ENTAILMENT
    (beside,) = core_removal(table, told_apart)
    # In layers of four heads, one group in 16 has both heads by chance: too many for a verdict.
    assert beside.verdict.decision == "not decided by these data"
    area, *_ = beside.measures
    # The core loses all discrimination, any other two heads of its layers none.
    assert (area.core.value, area.lowest, area.highest) == (-0.5, 0, 0)
    (together,) = additivity(table, told_apart)
    # The gathering head has nothing to gather without the overlap head, but out of domain it tells
    # nothing apart anyway.
    assert together.core.interaction["in_domain"].low > 5
    assert together.core.interaction["balanced"].low > 2
    assert together.core.auc_interaction.value == 0
    assert together.verdict.decision == "not decided by these data"
    # In-domain everything rests on the core, out of domain the order head is left.
    (alone,) = removal(table, told_apart)
    assert alone.verdict.decision == "contradicted"
    by_unit = {unit.unit: unit for unit in alone.units}
    assert by_unit[GATHER].beyond_in_domain.low > 0
    assert {name for name, unit in by_unit.items() if unit.p_value < 0.05} == {OVERLAP, ORDER}
    (doing,) = roles(table, told_apart)
    by_unit = {unit.unit: unit.role for unit in doing.units}
    assert by_unit[PREVIOUS_DECOY] == by_unit[REPEATED_DECOY] == by_unit[CONSTANT] == NONE
    assert not doing.helping


def test_the_core_matters_more_than_other_heads(tmp_path, toy_task):
    model = build(replace(CIRCUIT, n_heads=8), tmp_path)
    tables = removal_tables(model, toy_task, hc.prepare(model, toy_task), CORE)
    (beside,) = core_removal(*tables)
    assert beside.verdict.decision == "supported"


@pytest.mark.parametrize(
    ("removed", "area"), [((), 1.0), ((ORDER,), 0.5), ((OVERLAP,), 0.5), ((OVERLAP, GATHER), 0.5)]
)
def test_a_lean_to_non_entailment_is_no_discrimination(model, data, toy_task, removed, area):
    suite = toy_task.suite("order")
    with hc.without(model, *removed, means=data.values):
        logits = model.logits(model.encode(suite.examples)).numpy()
    assert discriminate(suite, model.labels, logits)["auc"].tolist() == [area, area]


def test_attention_is_typed_as_wired(model, toy_task):
    table = attention_patterns(model, toy_task.search)
    (result,) = patterns(named(table, ATTENTION), {1: CORE})
    heads = {head.unit: head for head in result.heads}
    typed = {unit: head.pattern for unit, head in heads.items() if head.pattern != "none"}
    # The gathering head reads the hypothesis, and the order head rests on [CLS].
    assert typed[OVERLAP] == typed[REPEATED_DECOY] == "repeated"
    assert typed[PREVIOUS_DECOY] == "previous"
    assert typed[ORDER] == "cls"
    assert set(typed) <= {OVERLAP, REPEATED_DECOY, PREVIOUS_DECOY, ORDER, GATHER}
    assert heads[OVERLAP].in_core
    assert heads[OVERLAP].confidence == 1


def test_dependencies_are_the_wired_ones_and_no_others(model, data, toy_task):
    senders = {head: "core" if head in CORE else "control" for head in heads_of(model)}
    receivers = {head: "core" if head in CORE else "added" for head in heads_of(model)}
    table = dependencies(
        model, toy_task.suites, senders=senders, receivers=receivers, values=data.values
    )
    for _, on_path in table.groupby("path"):
        edges = on_path[on_path["change"] > 1e-3]
        assert ends(edges) == {
            (OVERLAP, GATHER, "v"),
            (OVERLAP, ORDER, "k"),
        }
    moved = table[table["margin_change"].abs() > 1e-3]
    assert set(moved["sender"]) == {OVERLAP}
    assert set(moved["receiver"]) == {GATHER, ORDER}
    # Without its reading of the overlap head, the order head says nothing.
    order = moved[moved["receiver"] == ORDER]
    assert (order["margin_change"] < -10).all()
