"""CPR and CMD of methods on known models, beside random orders, and what is refused."""

from __future__ import annotations

import json
import math
from dataclasses import replace

import jaxtyping
import numpy as np
import pandas as pd
import pytest

import heuristic_core as hc
from heuristic_core.faithful import curve_tables
from heuristic_core.faithful.mib import areas, why_none
from known.models import EQUAL_PARTS, QUARTERS
from known.sentences import task
from known.wiring import build
from tiny import LABELS, some_pairs


@pytest.fixture(scope="module")
def toy():
    return task(8)


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    return build(EQUAL_PARTS, tmp_path_factory.mktemp("parts"))


@pytest.fixture(scope="module")
def data(model, toy):
    return hc.prepare(model, toy)


def in_order(model, data, order, sizes, seed=0):
    """Subnetworks that keep the first units of an order."""
    values = data.values.arrays()
    return [
        hc.Subnetwork(model.space, frozenset(order[:n]), values=values, provenance={"seed": seed})
        for n in sizes
    ]


def margins(copies, gatherers):
    """The log-odds of the right label of both in-domain cases, if some quarters are kept."""
    evidence = copies * gatherers / 16
    same = -20 * math.tanh(0.5 * (0.25 - evidence))
    other = 20 * math.tanh(0.5 * (0.25 + evidence))
    return same, other


@pytest.mark.parametrize("compact", [True, False])
def test_closed_form_on_a_known_model_at_every_size(model, data, toy, compact):
    first = [hc.Unit.parse(head) for head in QUARTERS]
    # Copies and gatherers in turn, then what is idle.
    first = [head for pair in zip(first[:4], first[4:], strict=True) for head in pair]
    order = [*first, *(unit for unit in model.space if unit not in first)]
    found = {"by hand": in_order(model, data, order, range(28))}
    suites = [suite for suite in toy.suites if suite.role == "id"]
    curves = hc.faithfulness_curves(model, suites, found, orders=2, compact=compact)
    kept = [(min(n + 1, 8) // 2, min(n, 8) // 2) for n in range(28)]
    means = [sum(margins(*some)) / 2 for some in kept]
    f = [(m - means[0]) / (means[-1] - means[0]) for m in means]
    cpr, cmd = areas(np.arange(28) / 27, np.array(f))
    (row,) = curves.areas.to_dict("records")
    assert row["cpr"] == pytest.approx(cpr, abs=1e-4)
    assert row["cmd"] == pytest.approx(cmd, abs=1e-4)
    assert (row["full"], row["empty"]) == pytest.approx((means[-1], means[0]), abs=1e-3)
    assert (row["sizes"], row["runs"], row["n"], row["case"]) == (26, 1, 16, "all")
    np.testing.assert_allclose(curves.curves["recovered"], f[1:-1], atol=1e-4)
    np.testing.assert_allclose(curves.curves["size"], np.arange(1, 27) / 27)
    # With the opposite order nothing is recovered until the idle ones are all kept.
    worst = {"by hand": in_order(model, data, order[::-1], range(28))}
    low = hc.faithfulness_curves(model, suites, worst, orders=2, compact=False).areas
    assert low["cpr"].item() < row["random_cpr"] < row["cpr"]
    assert low["cmd"].item() > row["random_cmd"] > row["cmd"]


def test_methods_on_every_case_beside_random_orders(model, data, toy):
    found = {
        method: [
            sub
            for seed in (1, 2)
            for sub in hc.find_subnetworks(model, data, [0.7, 0.4], seed=seed, method=method)
        ]
        for method in ("gradient", "random")
    }
    seen = []
    curves = hc.faithfulness_curves(
        model, toy, found, orders=30, progress=lambda done, of: seen.append((done, of))
    )
    assert seen[-1][0] == seen[-1][1]
    table = curves.areas
    cases = ["all", "swapped", "fronted_swapped", "fronted"]
    assert table["case"].tolist() == cases * 2
    assert table["case_kind"].tolist() == ["id", "adversarial", "adversarial", "friendly"] * 2
    # Of the gradient nothing is random, so its two seeds are one run.
    assert table["runs"].tolist() == [1] * 4 + [2] * 4
    by_method = curves.matrix("cmd")
    assert (by_method.loc["gradient"] < by_method.loc["random"]).all()
    assert (table["random_cmd_low"] < table["random_cmd"]).all()
    assert (table["random_cmd"] < table["random_cmd_high"]).all()
    assert (table["note"] == "").all()
    again = hc.faithfulness_curves(model, toy, found, orders=30)
    assert again.record() == curves.record()
    record = json.loads(json.dumps(curves.record()))
    assert set(record) == {"about", "areas", "curves"}
    assert len(record["curves"]) == 2 * 4 * 2
    for declared, frame in zip(curve_tables.TABLES, curves.tables.values(), strict=True):
        declared.check_key(declared.check(frame))
    assert curves._repr_html_().count("<tr>") == 1 + len(table)
    assert repr(curves) == "Curves(gradient, random; 4 cases)"


def test_runs_that_found_the_same_count_as_often_as_they_are(model, data, toy):
    """Of a search that draws nothing once; of one that draws, each run."""
    useful = [hc.Unit.parse(head) for head in QUARTERS]
    first = [*useful, *sorted(set(model.space) - set(useful))]
    orders = {0: first, 1: first, 2: first[::-1]}
    runs = [in_order(model, data, order, [6, 3], seed) for seed, order in orders.items()]
    suite = [suite for suite in toy.suites if suite.role == "id"]

    def found(*which):
        several = {"m": [sub for i in which for sub in runs[i]]}
        return hc.faithfulness_curves(model, suite, several, orders=5, compact=False)

    every, same, one, other = found(0, 1, 2), found(0, 1), found(0), found(2)
    for name in ("cpr", "cmd"):
        a, b = (x.areas.iloc[0][name] for x in (one, other))
        assert a != b
        assert every.areas.iloc[0][name] == pytest.approx((2 * a + b) / 3)
        assert same.areas.iloc[0][name] == pytest.approx(a)
    assert [x.areas["runs"].iloc[0] for x in (every, same, one)] == [3, 1, 1]


def test_random_orders_are_random_subnetworks_of_each_size(model, data, toy):
    """The same median and width as random searches have."""
    sizes = [0.7, 0.4]
    found = [
        sub
        for seed in range(60)
        for sub in hc.find_subnetworks(model, data, sizes, seed=seed, method="random")
    ]
    suite = [suite for suite in toy.suites if suite.role == "id"]
    curves = hc.faithfulness_curves(model, suite, {"r": found}, orders=60, compact=False).curves
    for row in curves.to_dict("records"):
        mean = row["recovered"]
        assert row["random_low"] <= mean <= row["random_high"]
        assert row["random"] == pytest.approx(mean, abs=0.15)


def test_only_heads_are_drawn_where_only_heads_were_dropped(tiny_loaded, monkeypatch):
    from heuristic_core.faithful import curves as module

    pairs = some_pairs(16)
    suite = hc.Suite(name="id", role="id", examples=pairs)
    found = hc.find_subnetworks(tiny_loaded, pairs, [0.5], method="random", units="heads")
    drawn = []
    draw = module.random_orders
    monkeypatch.setattr(
        module, "random_orders", lambda *given: drawn.append(draw(*given)) or drawn[-1]
    )
    curves = hc.faithfulness_curves(tiny_loaded, suite, {"r": found}, orders=5)
    assert drawn[0][..., ~tiny_loaded.space.is_head].all()
    assert set(drawn[0][..., tiny_loaded.space.is_head].sum(-1).ravel()) == {4}
    assert curves.curves["size"].tolist() == [0.5]


def test_what_cannot_be_compared_is_refused(tiny_loaded, model, data, monkeypatch):
    # Without the tests' own checks of types.
    monkeypatch.setattr(jaxtyping.config, "jaxtyping_disable", True)
    pairs = some_pairs(8)
    suite = hc.Suite(name="id", role="id", examples=pairs)
    prepared = hc.prepare(tiny_loaded, pairs)

    def search(data=prepared, sparsities=(0.5,), **more):
        return hc.find_subnetworks(tiny_loaded, data, sparsities, method="random", **more)

    good = search()
    for found, message in (
        ({}, "there is no subnetwork to measure"),
        ({"a": []}, "the method a has no subnetwork between none and all units"),
        ({"a": search(sparsities=(0.0,))}, "has no subnetwork between none and all units"),
        ({"a": [*good, replace(*search(seed=1), provenance=good[0].provenance)]},
         "a run of a has two subnetworks of 5 units"),
        ({"a": [*good, *search(sparsities=(0.3,), seed=1)]}, "runs of a have .* of other sizes"),
        ({"a": good, "b": search(some_pairs(9))}, "differ in what replaces dropped units"),
        ({"a": good, "b": search(units="heads")}, "others heads alone; measure them apart"),
        ({"a": in_order(model, data, [*model.space], [3])}, "the subnetwork has 3 layers"),
        ([good], "found must be of the type Mapping"),
        ({"a": ["sub"]}, "a subnetwork must be of the type Subnetwork"),
    ):  # fmt: skip
        with pytest.raises(hc.InputError, match=message):
            hc.faithfulness_curves(tiny_loaded, suite, found)
    with pytest.raises(hc.InputError, match="orders is 1, but must be a whole number from 2"):
        hc.faithfulness_curves(tiny_loaded, suite, {"a": good}, orders=1)
    with pytest.raises(hc.InputError, match="there is no suite to measure on"):
        hc.faithfulness_curves(tiny_loaded, [], {"a": good})


def test_a_case_where_the_model_is_no_better_than_nothing_says_so(tiny_loaded):
    """A random model is: its log-odds are noise beside the right labels."""
    pairs = some_pairs(32)
    suites = [
        hc.Suite(name="id", role="id", examples=pairs),
        hc.Suite(name="few", role="ood", examples=pairs.take(slice(1))),
    ]
    found = hc.find_subnetworks(tiny_loaded, pairs, [0.5], method="random")
    table = hc.faithfulness_curves(tiny_loaded, suites, {"r": found}, orders=3).areas
    assert table["note"][0].startswith("the full and the empty model differ by")
    assert table["note"][1] == "a single example has no standard error"
    assert table[["cpr", "cmd", "random_cpr", "cmd_high"]].isna().all().all()
    assert tiny_loaded.labels == LABELS


def test_subnetworks_of_no_unit_of_all_or_given_twice_change_nothing(tiny_loaded):
    """At 0.96 and 0.98 nothing is kept of ten units, and the ends of a curve are known."""
    pairs = some_pairs(16)
    suite = hc.Suite(name="id", role="id", examples=pairs)
    sparsities = [0.0, 0.04, 0.5, 0.96, 0.98]
    found = hc.find_subnetworks(tiny_loaded, pairs, sparsities, method="random")
    assert [len(one) for one in found] == [10, 10, 5, 0, 0]
    whole, alone = (
        hc.faithfulness_curves(tiny_loaded, suite, {"r": some}, orders=3).areas
        for some in ([*found, found[2]], [found[2]])
    )
    pd.testing.assert_frame_equal(whole, alone)


def test_rounding_alone_is_no_difference_between_the_full_and_the_empty_model():
    """It can be the same in all examples, so that no standard error is as small."""
    empty = np.random.default_rng(0).normal(size=50)
    assert why_none(empty + 8e-8, empty) == "both models are alike"
    assert why_none(empty + 1e-3, empty) == ""
    assert why_none(1e4 + empty + 5e-2, 1e4 + empty) == "both models are alike"
