"""Removals and path patching, for every family."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from by_replacement import MAPS, Replacement
from family_matrix import for_every_family, pairs

from heuristic_core.checks.state import state_of
from heuristic_core.measure.dependency import dependencies
from heuristic_core.measure.rerun import features_of, outputs_without
from heuristic_core.models.means import mean_values
from heuristic_core.tasks.task import Suite
from heuristic_core.units import Unit

SENDERS = {"L0H1": "core", "L0H2": "control", "L1H0": "core"}
RECEIVERS = {"L0H3": "core", "L1H1": "added", "L1H2": "added"}


@for_every_family()
def test_layers_that_are_not_run_again_change_no_answer(subject):
    model, encoded, values = subject.copy(), subject.encoded, subject.means
    before = state_of(model)
    sets = [frozenset({Unit(1, 2)}), frozenset({Unit(1)}), frozenset({Unit(0, 1), Unit(1, 3)})]
    answers = outputs_without(model, encoded, sets, values, n_labels=2, batch_size=4)
    assert state_of(model) == before
    for run, units in enumerate(sets, start=1):
        with model.gated(values) as gates:
            gates.z = torch.tensor(~model.space.mask(units)).float()
            logits = model.logits(encoded, batch_size=10)
        np.testing.assert_allclose(answers.logits[run], logits.numpy(), atol=2e-5, rtol=1e-4)
    assert (answers.change[0] == 0).all()
    assert (answers.change[1:].max(1) > 1e-4).all()


@for_every_family()
def test_what_the_last_layer_reads_gives_the_logits(subject):
    model, encoded = subject.model, subject.encoded
    features = torch.tensor(features_of(model, encoded, batch_size=10)).float()
    readout = model.hf.get_submodule(model.family.readout)
    with torch.no_grad():
        torch.testing.assert_close(readout(features), model.logits(encoded), atol=1e-5, rtol=1e-4)


@for_every_family()
def test_changes_go_along_paths_and_nowhere_else(subject):
    model = subject.copy()
    before = state_of(model)
    suite = Suite(name="pairs", role="ood", examples=pairs(), kinds={})
    table = dependencies(model, suite, senders=SENDERS, receivers=RECEIVERS, values=subject.means)
    assert state_of(model) == before
    layers = table[["sender", "receiver"]].map(lambda label: int(label[1]))
    without = layers["sender"] >= layers["receiver"]
    assert without.sum() == 2 * 3 * (2 + 3)
    changes = table[["change", "margin_change"]]
    assert (changes[without].fillna(0) == 0).all(axis=None)
    assert (table.loc[~without, "change"] > 1e-6).all()
    # Between a head and the next layer are norms and the MLP, if it reads what the head wrote.
    path = table[~without].pivot_table(index=["reads", "sender"], columns="path", values="change")
    by_mlp = (path["direct"] - path["total"]).abs().max()
    assert by_mlp == 0 if "in parallel" in model.family.note else by_mlp > 1e-6


@pytest.fixture(scope="session")
def patched(subject):
    """The dependencies of a model in float64 as the program measures them, and by replacement."""
    model = subject.copy()
    model.hf.double()
    values = mean_values(model, subject.encoded)
    few = pairs().take(slice(0, 4))
    table = dependencies(
        model,
        Suite(name="pairs", role="ood", examples=few, kinds={}),
        senders={"L0H1": "core"},
        receivers={"L1H2": "added"},
        values=values,
        margin_paths=("direct", "total"),
    )
    by_replacement = Replacement(model, few, values, sender=(0, 1), receiver=(1, 2))
    return table.set_index(["path", "reads"]), by_replacement


@for_every_family(tuple(MAPS), reads=("q", "k", "v"), path=("direct", "total"))
def test_path_patching_equals_replaced_modules(patched, subject, reads, path):
    table, by_replacement = patched
    change, margin = by_replacement.dependency(reads=reads, path=path)
    row = table.loc[(path, reads)]
    assert row["change"] == pytest.approx(change.mean(), rel=1e-4)
    assert row["margin_change"] == pytest.approx(margin.mean(), rel=1e-3, abs=1e-7)
    assert abs(row["margin_change"]) > 1e-5
