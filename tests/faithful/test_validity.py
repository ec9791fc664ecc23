"""The card of a subnetwork: its numbers in a second way, its text, and what it refuses."""

from __future__ import annotations

import json

import numpy as np
import pytest
from scipy.special import log_softmax

import heuristic_core as hc
from heuristic_core import card_tables
from tiny import LABELS, some_pairs

SMALL = {"draws": 20, "examples": 12, "unit_examples": 14}
#: By gates: a model this small takes longer to make smaller than to run.
FEW = SMALL | {"compact": False}
SEARCH = {"ramp_steps": 4, "hold_steps": 1, "batch_size": 4, "exchange_rounds": 0}


@pytest.fixture(scope="module")
def task():
    inner = hc.Suite(name="id", role="id", examples=some_pairs(16, seed=1))
    outer = hc.Suite(name="ood", role="ood", examples=some_pairs(24, seed=2))
    return hc.Task(
        name="pairs",
        labels=LABELS,
        train=some_pairs(4),
        search=some_pairs(16),
        suites=(inner, outer),
    )


@pytest.fixture(scope="module")
def sub(tiny_loaded, task):
    return hc.find_subnetwork(tiny_loaded, task, 0.5, seed=1, **SEARCH)


@pytest.fixture(scope="module")
def card(tiny_loaded, task, sub):
    return sub.validate(tiny_loaded, task, core=["L0H0"], searches=2, case_draws=30, seed=3, **FEW)


def kl_of(model, encoded, kept, values):
    """The same in another way: one subnetwork, run by gates."""
    full = log_softmax(hc.predict(model, encoded).astype(float), axis=1)
    one = hc.Subnetwork(model.space, frozenset(kept), values=values)
    own = log_softmax(
        hc.predict(model, encoded, subnetwork=one, compact=False).astype(float), axis=1
    )
    return (np.exp(full) * (full - own)).sum(1)


def test_numbers_in_a_second_way(tiny_loaded, task, sub, card):
    encoded = {n: tiny_loaded.encode(task.suite("id").examples.sample(n, 3)) for n in (12, 14)}

    def kl(kept, n=14):
        return kl_of(tiny_loaded, encoded[n], kept, sub.values)

    by_test = card.tests.drop_duplicates("test").set_index("test")
    everything = frozenset(tiny_loaded.space)
    core = {hc.Unit(0, 0)} | sub.mlps
    for test, kept, none in (
        ("sufficiency", sub.kept, ()),
        ("necessity", everything - sub.kept, ()),
        ("core alone", core, sub.mlps),
    ):
        assert by_test["value"][test] == pytest.approx(kl(kept, 12).mean(), abs=1e-6)
        assert by_test["none"][test] == pytest.approx(kl(none, 12).mean(), abs=1e-6)
    costs = card.units.set_index("unit")["cost"]
    assert set(costs.index) == {str(unit) for unit in sub.kept}
    for unit in sub.kept:
        expected = (kl(sub.kept - {unit}) - kl(sub.kept)).mean()
        assert costs[str(unit)] == pytest.approx(expected, abs=1e-6)
    worth = [kl(sub.kept) - kl(sub.kept | {unit}) for unit in everything - sub.kept]
    assert card.left_out == pytest.approx(np.mean(worth), abs=1e-6)
    jaccards = card.searches["heads_jaccard"]
    assert by_test["value"]["stability"] == pytest.approx(jaccards.mean())
    assert card.searches["search"].tolist() == [0, 1]


def test_cases_are_those_of_an_evaluation(tiny_loaded, task, sub, card):
    table = hc.evaluate(tiny_loaded, task, subnetwork=sub)
    full = hc.evaluate(tiny_loaded, task)
    np.testing.assert_allclose(card.cases["kl"], table["kl"], atol=1e-6)
    np.testing.assert_allclose(card.cases["accuracy"], table["correct"] / table["n"])
    np.testing.assert_allclose(card.cases["full_accuracy"], full["correct"] / full["n"])
    points = 100 * (table["correct"] - full["correct"]) / table["n"]
    np.testing.assert_allclose(card.cases["difference"], points)
    assert card.cases["case"].tolist() == table["case"].tolist()
    assert set(card.cases["p"]) <= {(1 + n) / 31 for n in range(31)}
    matrix = card.matrix("difference")
    assert matrix.loc[("pairs", "id")].count() == len(task.suite("id").cases)
    further = sub.validate(tiny_loaded, task, transfer_to=[task.suite("ood")], **FEW).cases
    assert further["task"].tolist() == ["pairs"] * len(table) + [""] * len(task.suite("ood").cases)
    # Without random sets there is nothing to compare a case with.
    assert further[["random", "p", "p_corrected"]].isna().all().all()


def test_a_search_is_repeated_as_it_was(tiny_loaded, task, sub, card):
    """On the first sample of the examples, with the means of all."""
    data = hc.prepare(tiny_loaded, task)
    rows = np.sort(np.random.default_rng([3, 0]).integers(16, size=16))
    again = hc.find_subnetwork(tiny_loaded, data.take(rows), 0.5, seed=1, **SEARCH)
    assert card.searches["heads_jaccard"][0] == sub.heads_jaccard(again)
    assert card.searches["units_jaccard"][0] == sub.units_jaccard(again)


@pytest.mark.parametrize("led", ["aim", "improve", "repel"])
def test_a_search_that_was_led_is_not_repeated(tiny_loaded, task, sub, led):
    if led == "repel":
        some = {"seeds": [1, 2], "repel": 0.5} | SEARCH
        (found, _) = hc.find_subnetworks_together(tiny_loaded, task, [0.5], **some).values()
    else:
        aim = hc.aim_at(tiny_loaded, task.suites[0], towards="well", bound=10.0)
        more = {"aim": aim} if led == "aim" else {"improve": sub}
        some = SEARCH | ({"exchange_rounds": 1} if led == "improve" else {})
        found = hc.find_subnetworks(tiny_loaded, task, [0.5], seed=1, **some, **more)
    with pytest.raises(hc.InputError, match="which a repeated search would lack; leave searches"):
        hc.validate(tiny_loaded, task, found[0], searches=1, **FEW)


def test_the_same_seed_gives_the_same_card_and_smaller_models_too(tiny_loaded, task, sub):
    one = hc.validate(tiny_loaded, task, sub, **FEW)
    two = hc.validate(tiny_loaded, task, sub, **FEW)
    assert one.record() == two.record()
    small = hc.validate(tiny_loaded, task, sub, **SMALL)
    for name in ("value", "random", "none"):
        np.testing.assert_allclose(one.tests[name], small.tests[name], atol=1e-5)
    other = hc.validate(tiny_loaded, task, sub, seed=1, **FEW)
    assert one.record()["tests"] != other.record()["tests"]


def test_zeros_replace_units_where_they_did_in_the_search(tiny_loaded, task):
    sub = hc.find_subnetwork(tiny_loaded, task, 0.5, method="random", ablation="zero")
    card = sub.validate(tiny_loaded, task, **FEW)
    encoded = tiny_loaded.encode(task.suite("id").examples.sample(12, 0))
    zeros = hc.Subnetwork(sub.space, sub.kept, ablation="zero")
    full = log_softmax(hc.predict(tiny_loaded, encoded).astype(float), axis=1)
    own = log_softmax(hc.predict(tiny_loaded, encoded, subnetwork=zeros).astype(float), axis=1)
    expected = (np.exp(full) * (full - own)).sum(1).mean()
    assert card.tests["value"][0] == pytest.approx(expected, abs=1e-6)


def test_text_json_and_notebook_say_the_same(card, sub):
    record = json.loads(json.dumps(card.record()))
    assert set(record) == {
        "subnetwork", "about", "tests", "units", "searches", "cases", "left_out", "needed",
    }  # fmt: skip
    assert record["about"]["core"] == ["L0H0"]
    assert record["subnetwork"]["kept"] == sub.record()["kept"]
    assert len(record["tests"]) == 8
    assert record["needed"] == card.n_needed == sum(row["needed"] for row in record["units"])
    lines = str(card).splitlines()
    starts = [line.split(":")[0].split(" ")[0] for line in lines[1:]]
    assert starts == [
        "Sufficiency", "Necessity", "Core", "Stability", "Minimality", "Resampled", "Transfer",
    ]  # fmt: skip
    for test in card.tests["test"].unique():
        rows = card.tests[card.tests["test"] == test]
        assert card.passed(test) == (rows["p_corrected"] < 0.05).all()
        (line,) = [line for line in lines if line.lower().startswith(test)]
        assert ("not passed" in line) != card.passed(test)
    assert not card.passed("no test")
    shown = card._repr_html_()
    assert shown.count("<table>") == len(card.tables) == 4
    assert all(f"<b>{line}</b>" in shown.replace("&#x27;", "'") for line in lines)
    assert repr(card).startswith("Card(")


def test_tables_are_as_declared(card):
    for declared, (name, frame) in zip(card_tables.TABLES, card.tables.items(), strict=True):
        assert declared.name == name
        declared.check_key(declared.check(frame))


def test_progress_ends_and_never_falls(tiny_loaded, task, sub):
    seen = []
    sub.validate(
        tiny_loaded, task, searches=3, progress=lambda done, of: seen.append(done / of), **FEW
    )
    assert seen == sorted(seen)
    assert seen[-1] == 1


def test_a_task_without_in_domain_suites_is_tested_on_its_mask_learning_examples(
    tiny_loaded, task, sub
):
    bare = hc.Task(
        name="bare",
        labels=LABELS,
        train=some_pairs(0),
        search=task.search,
        suites=(task.suite("ood"),),
    )
    card = sub.validate(tiny_loaded, bare, **FEW)
    assert card.about["examples"] == "examples of mask learning"
    none = hc.Task(
        name="none",
        labels=LABELS,
        train=some_pairs(0),
        search=some_pairs(0),
        suites=(task.suite("ood"),),
    )
    with pytest.raises(hc.InputError, match="no in-domain suite and no mask-learning examples"):
        sub.validate(tiny_loaded, none, **FEW)


def test_extremes_have_cards(tiny_loaded, task):
    """All units, none, and one with nothing left to test."""
    means = hc.means(tiny_loaded, task).arrays()
    space = tiny_loaded.space
    everything = hc.Subnetwork(space, frozenset(space), values=means)
    card = everything.validate(tiny_loaded, task, **FEW)
    assert card.cases["kl"].max() == pytest.approx(0, abs=1e-6)
    assert card.left_out == 0
    # All random sets of its size are the same one.
    assert card.tests["random"].to_numpy() == pytest.approx(card.tests["value"].to_numpy())
    nothing = everything.complement().validate(tiny_loaded, task, core=["L0H0"], **FEW)
    assert len(nothing.units) == 0
    assert nothing.left_out != 0
    assert "0 of 0 units" in str(nothing)


def test_logits_that_overflow_are_refused(tiny, task, monkeypatch):
    sub = hc.find_subnetwork(tiny, task, 0.5, method="random")
    runs = "heuristic_core.faithful.divergence.MaskedRuns.logits"
    monkeypatch.setattr(runs, lambda self, masks: np.full((len(masks), 12, 2), np.nan, np.float32))
    with pytest.raises(hc.InputError, match="not finite numbers; compute in float32"):
        sub.validate(tiny, task, **FEW)
