from __future__ import annotations

import itertools
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
import torch

from heuristic_core.errors import InputError
from heuristic_core.measure.accuracy import score
from heuristic_core.measure.discrimination import discriminate
from heuristic_core.measure.removal import removals, without
from heuristic_core.measure.removal_sets import Removal, matched_controls, pairs, singles
from heuristic_core.models.ablation import AblationValues
from heuristic_core.models.means import mean_values
from heuristic_core.tables import REMOVAL, REMOVAL_DISCRIMINATION
from heuristic_core.tasks.hans import HANS_KINDS
from heuristic_core.tasks.task import Suite
from heuristic_core.units import Unit, UnitSpace
from tiny import IDLE, LABELS, plant_idle_units, some_pairs


def units(text: str) -> tuple[Unit, ...]:
    return tuple(Unit.parse(label) for label in text.split("+"))


@pytest.fixture
def suites(pairs):
    """An ID suite and an OOD suite of few cases."""
    table = pairs.table.assign(
        case=np.where(pairs.table["label"] == LABELS[0], "friendly", "hard"),
    )
    table["case"] = table["case"] + np.where(np.arange(len(table)) % 3 == 0, "1", "2")
    kinds = {"friendly1": "friendly", "friendly2": "friendly"}
    ood = Suite(name="ood", role="ood", examples=type(pairs)(table, LABELS), kinds=kinds)
    return [Suite(name="id", role="id", examples=some_pairs(12, seed=3)), ood]


@pytest.fixture
def exact(tiny):
    """The tiny model in float64."""
    tiny.hf.double()
    return tiny


@pytest.fixture
def sets(tiny):
    core = units("L0H1+L1H0+L1H2")
    return [
        *singles(tiny.space),
        *pairs(core),
        Removal("core", core[::-1]),
        *matched_controls(tiny.space, core, 3, 0)[0],
    ]


def naive(model, suite, removed, values, batch_size=64):
    """Logits and what the classifier reads, from whole runs of the model."""
    encoded, seen = model.encode(suite.examples), []
    handle = model.hf.classifier.register_forward_pre_hook(lambda m, a: seen.append(a[0]))
    batches = list(encoded.by_length(batch_size))
    with model.inference(), without(model, *removed, means=values):
        logits = [model(**encoded.batch(rows, model.device)).logits for rows in batches]
    handle.remove()
    order = np.argsort(np.concatenate(batches))
    return torch.cat(logits).numpy()[order], torch.cat(seen).numpy()[order]


def rows_of(table, one: Removal, suite: Suite) -> pd.DataFrame:
    name = "+".join(str(unit) for unit in sorted(one.units))
    wanted = {"group": one.group, "draw": one.draw, "removed": name, "suite": suite.name}
    return table[(table[list(wanted)] == list(wanted.values())).all(axis=1)].reset_index(drop=True)


@pytest.mark.parametrize(("side", "batch_size"), [("right", 64), ("left", 5), ("right", 1)])
def test_equal_to_removing_each_set_from_the_whole_model(exact, suites, sets, side, batch_size):
    exact.tokenizer.padding_side = side
    values = mean_values(exact, exact.encode(suites[0].examples))
    table, separate = removals(exact, suites, sets, values, batch_size=batch_size)
    full = {suite.name: naive(exact, suite, (), values, batch_size) for suite in suites}
    for one, suite in itertools.product([Removal("none", ()), *sets], suites):
        logits, read = naive(exact, suite, one.units, values, batch_size)
        reference, before = full[suite.name]
        expected = score(suite, exact.labels, logits, reference)
        # Removals are measured by case, not by group of case and label.
        expected = expected.loc[:, ~expected.columns.str.startswith(("worst_", "kl_se"))]
        found = rows_of(table, one, suite)
        pd.testing.assert_frame_equal(
            found[list(expected)], expected, rtol=0, atol=1e-10, check_dtype=False
        )
        relative = np.linalg.norm(read - before, axis=1) / np.linalg.norm(before, axis=1)
        by_case = pd.Series(relative).groupby(suite.examples.table["case"], sort=False).mean()
        np.testing.assert_allclose(found["pooled_change"], by_case, atol=1e-10)
        separability = discriminate(suite, exact.labels, logits, reference)
        separability = separability.loc[:, ~separability.columns.str.startswith("auc_interaction")]
        pd.testing.assert_frame_equal(
            rows_of(separate, one, suite)[list(separability)].astype(object),
            separability.astype(object),
            check_exact=False,
            atol=1e-9,
        )
    assert len(table) == (1 + len(sets)) * (len(suites[0].cases) + 4)
    assert len(separate) == (1 + len(sets)) * 2


def margins(model, suite, removed, values):
    logits, _ = naive(model, suite, removed, values)
    right = suite.examples.label_ids
    scores = logits[:, 1] - logits[:, 0]
    return np.where(right == 1, scores, -scores)


def test_changes_and_interactions_are_paired(exact, suites, sets):
    values = mean_values(exact, exact.encode(suites[0].examples))
    table, _ = removals(exact, suites, sets, values)
    suite = suites[1]
    core = units("L0H1+L1H0+L1H2")
    full = margins(exact, suite, (), values)
    alone = {unit: margins(exact, suite, (unit,), values) - full for unit in core}
    for group, members in (("core", core), ("pair", core[1:]), ("single", core[:1])):
        change = margins(exact, suite, members, values) - full
        found = rows_of(table, Removal(group, members), suite)
        inter = change - sum(alone[unit] for unit in members)
        for i, case in enumerate(found["case"]):
            here = (suite.examples.table["case"] == case).to_numpy()
            n = here.sum()
            row = found.iloc[i]
            assert row["margin_change"] == pytest.approx(change[here].mean(), abs=1e-10)
            error = change[here].std(ddof=1) / n**0.5
            assert row["margin_change_se"] == pytest.approx(error, abs=1e-10)
            if group == "single":
                assert np.isnan(row["interaction"])
                continue
            assert row["interaction"] == pytest.approx(inter[here].mean(), abs=1e-10)
            error = inter[here].std(ddof=1) / n**0.5
            assert row["interaction_se"] == pytest.approx(error, abs=1e-10)
    none = table[table["group"] == "none"]
    assert (none[["margin_change", "kl", "pooled_change"]] == 0).all().all()


def test_interactions_of_areas_are_those_of_areas(exact, suites, sets):
    values = mean_values(exact, exact.encode(suites[0].examples))
    _, separate = removals(exact, suites, sets, values)
    core = units("L0H1+L1H0+L1H2")
    parts = [rows_of(separate, Removal("single", (unit,)), suites[1]) for unit in core]
    whole = rows_of(separate, Removal("core", core), suites[1])
    expected = whole["auc_change"] - sum(part["auc_change"] for part in parts)
    np.testing.assert_allclose(whole["auc_interaction"], expected, atol=1e-12)
    assert (whole["auc_interaction_se"] > 0).all()


def test_interactions_need_the_singles(tiny, suites):
    core = units("L0H1+L1H0")
    table, separate = removals(
        tiny, suites, [Removal("core", core)], AblationValues.zeros(tiny.anatomy)
    )
    assert table["interaction"].isna().all()
    assert separate["auc_interaction"].isna().all()


def test_tables_keep_their_contract(tiny, suites, sets):
    model = {"finetune_seed": 1, "checkpoint": 2}
    table, separate = removals(tiny, suites, sets, AblationValues.zeros(tiny.anatomy))
    assert list(REMOVAL.conform(table.assign(**model)).iloc[:, 2:]) == list(table)
    kept = REMOVAL_DISCRIMINATION.conform(separate.assign(**model))
    assert list(kept.iloc[:, 2:]) == list(separate)
    assert set(table["readout"]) == {"model"}
    several = separate["removed"].str.contains("+", regex=False)
    interactions = separate.columns.str.startswith("auc_interaction")
    assert not separate.loc[:, ~interactions].isna().any().any()
    assert (several == separate.loc[:, interactions].notna().T).all().all()
    mixed = suites[0].examples.table.assign(case="all")
    kinds = {"friendly1": LABELS[0], "friendly2": LABELS[0], "hard1": LABELS[1], "hard2": LABELS[1]}
    ood = table[table["role"] == "ood"]
    assert dict(zip(ood["case"], ood["label"], strict=True)) == kinds
    one_case = Suite(name="id", role="id", examples=replace(suites[0].examples, table=mixed))
    zeros = AblationValues.zeros(tiny.anatomy)
    assert set(removals(tiny, [one_case], [], zeros)[0]["label"]) == {""}
    id_alone = removals(tiny, suites[:1], sets[:1], zeros)[1]
    assert len(REMOVAL_DISCRIMINATION.conform(id_alone.assign(**model))) == 0


def test_idle_units_do_not_matter(tiny, pairs):
    plant_idle_units(tiny, pairs)
    values = mean_values(tiny, tiny.encode(pairs))
    suite = Suite(name="id", role="id", examples=pairs)
    table, _ = removals(tiny, [suite], singles(tiny.space), values)
    change = table[table["group"] == "single"].groupby("removed")["pooled_change"].max()
    assert (change[list(IDLE)] < 1e-5).all()
    assert (change.drop(list(IDLE)) > 1e-3).all()


def test_only_the_layers_above_run_again(tiny, suites, monkeypatch):
    ran = []
    for i, layer in enumerate(tiny.anatomy.layers):
        layer.attention.register_forward_hook(lambda m, a, o, i=i: ran.append(i))
    sets = [Removal("single", units("L1H0")), Removal("single", units("L0H0"))]
    removals(tiny, suites[:1], sets, AblationValues.zeros(tiny.anatomy))
    assert sorted(ran) == [0, 0, 1, 1, 1]


def test_progress_ends_at_all(tiny, suites):
    seen = []
    sets = singles(tiny.space)
    removals(
        tiny,
        suites,
        sets,
        AblationValues.zeros(tiny.anatomy),
        progress=lambda *step: seen.append(step),
    )
    n = 11 * sum(len(suite.examples) for suite in suites)
    assert seen[-1] == (n, n)
    assert [done for done, _ in seen] == sorted(done for done, _ in seen)


def test_wrong_sets_are_refused_and_the_model_left_as_found(tiny, suites):
    zeros = AblationValues.zeros(tiny.anatomy)
    with pytest.raises(InputError, match="no unit L7H0 here"):
        removals(tiny, suites, [Removal("single", units("L7H0"))], zeros)
    with pytest.raises(InputError, match="is empty"):
        removals(tiny, suites, [Removal("core", ())], zeros)
    assert not any(m._forward_hooks or m._forward_pre_hooks for m in tiny.hf.modules())


def test_singles_and_pairs():
    space = UnitSpace((2, 3))
    assert [one.units for one in singles(space)] == [(unit,) for unit in space]
    assert [one.units for one in pairs(units("L0H0+L1H1+L1MLP"))] == [
        units("L0H0+L1H1"),
        units("L0H0+L1MLP"),
        units("L1H1+L1MLP"),
    ]


def test_controls_have_the_cores_heads_of_each_layer():
    space, core = UnitSpace((12, 12, 12)), units("L0H0+L0H5+L2H11+L1MLP")
    drawn, elsewhere = matched_controls(space, core, 20, 1)
    assert elsewhere == 0
    assert [one.draw for one in drawn] == list(range(20))
    assert len({one.units for one in drawn}) == 20
    for one in drawn:
        assert [unit.layer for unit in one.units] == [0, 0, 2]
        assert not set(one.units) & set(core)
        assert all(unit.is_head for unit in one.units)
    assert matched_controls(space, core, 20, 1) == (drawn, 0)
    assert matched_controls(space, core, 20, 2) != (drawn, 0)


def test_controls_where_layers_have_too_few_other_heads():
    core = units("L0H0+L0H1+L0H2")
    drawn, elsewhere = matched_controls(UnitSpace((4, 4)), core, 100, 0)
    assert elsewhere == 2
    # The other head of layer 0, and every pair of layer 1: no group comes twice.
    assert {one.units for one in drawn} == {
        (Unit(0, 3), Unit(1, i), Unit(1, j)) for i, j in itertools.combinations(range(4), 2)
    }
    assert matched_controls(UnitSpace((4,)), core, 5, 0) == ((), 0)
    assert matched_controls(UnitSpace((4,)), (), 5, 0) == ((), 0)


def test_hans_cases_are_separable_in_their_groups(tiny):
    from heuristic_core.tasks import load_suite

    suite = load_suite("hans-grammar", per_case=2)
    _, separate = removals(tiny, [suite], [], AblationValues.zeros(tiny.anatomy))
    assert set(separate["case"]) == {c for c, kind in HANS_KINDS.items() if kind == "adversarial"}
    assert set(separate["case_group"]) == {"lexical_overlap", "subsequence", "constituent"}
    assert set(separate["n_friendly"]) == {10}
