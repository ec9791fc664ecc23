"""Mending: gates folded into weights, what is trained, and a planted heuristic that is repaired."""

from __future__ import annotations

import copy

import numpy as np
import pytest
import torch
from transformers import AutoModelForSequenceClassification

import heuristic_core as hc
from heuristic_core.errors import InputError
from heuristic_core.faithful.mending import mend
from heuristic_core.models.classifier import Classifier
from heuristic_core.models.folding import folded
from heuristic_core.search.data import prepare
from known.models import DEEP, HEURISTIC_FIRST, SHALLOW
from known.pipeline import ALL_RIGHT, accuracies
from known.sentences import task
from known.wiring import build
from tiny import some_pairs


@pytest.fixture(scope="module")
def toy():
    return task()


@pytest.fixture(scope="module")
def hasty(tmp_path_factory):
    """A model that has the way that generalises, and a stronger one that does not."""
    return build(HEURISTIC_FIRST, tmp_path_factory.mktemp("hasty"))


@pytest.fixture(scope="module")
def hasty_data(hasty, toy):
    return prepare(hasty, toy)


def order(task):
    (suite,) = [one for one in task.suites if one.role == "ood"]
    return suite


def test_folded_gates_give_the_gated_logits(tiny):
    data = prepare(tiny, some_pairs(16))
    gates = {hc.Unit(0, 1): 0.3, hc.Unit(1, 2): 1.7, hc.Unit(0): 0.0, hc.Unit(1): 0.6}
    z = torch.ones(len(tiny.space))
    for unit, value in gates.items():
        z[tiny.space.index(unit)] = value
    with tiny.gated(data.values) as open_gates, tiny.inference():
        open_gates.z = z
        expected = tiny.logits(data.encoded)
    plain = Classifier(folded(tiny.anatomy, gates, data.values), tiny.tokenizer)
    torch.testing.assert_close(plain.logits(data.encoded), expected, atol=1e-5, rtol=1e-4)


def test_dropped_units_are_those_of_a_removal_and_the_checkpoint_is_plain(tiny, tmp_path):
    pairs = some_pairs(16)
    data = prepare(tiny, pairs)
    suite = hc.Suite(name="s", role="ood", examples=pairs)
    mended = mend(tiny, suite, data, how="drop", units=["L0H1", "L1MLP"])
    removed = hc.removal(tiny, "L0H1", "L1MLP", means=data.values)
    expected = hc.predict(tiny, data.encoded, subnetwork=removed)
    np.testing.assert_allclose(
        mended.model.logits(data.encoded).numpy(), expected, atol=1e-5, rtol=1e-4
    )
    folder = mended.model.save(tmp_path / "mended")
    hf = AutoModelForSequenceClassification.from_pretrained(folder)
    assert hf.state_dict().keys() == tiny.hf.state_dict().keys()


@pytest.mark.parametrize("unit", ["L1H2", "L0MLP"])
def test_only_the_units_weights_are_trained(tiny, unit):
    pairs = some_pairs(32)
    data = prepare(tiny, pairs)
    before = copy.deepcopy(tiny.hf.state_dict())
    suite = hc.Suite(name="s", role="ood", examples=pairs)
    mended = mend(tiny, suite, data, how="train_units", units=[unit], steps=3)
    changed = {
        name: (now != before[name])
        for name, now in mended.model.hf.state_dict().items()
        if not torch.equal(now, before[name])
    }
    assert all(torch.equal(now, before[name]) for name, now in tiny.hf.state_dict().items())
    layer = f"bert.encoder.layer.{unit[1]}."
    if unit.endswith("MLP"):
        parts = ("intermediate.dense", "output.dense")
        assert set(changed) == {f"{layer}{p}.{q}" for p in parts for q in ("weight", "bias")}
        return
    rest = torch.ones(32, dtype=torch.bool)
    rest[16:24] = False  # head 2 of 4 in a width of 32
    for name, where in changed.items():
        assert name.startswith(f"{layer}attention")
        of_others = where[:, rest] if name.endswith("output.dense.weight") else where[rest]
        assert not of_others.any()
    assert len(changed) >= 4


@pytest.mark.parametrize("how", ["drop", "scale"])
def test_a_planted_heuristic_is_repaired(hasty, hasty_data, toy, how):
    assert accuracies(hc.evaluate(hasty, toy)) != ALL_RIGHT
    mended = mend(hasty, order(toy), hasty_data, how=how, units=SHALLOW, fidelity=0.1)
    assert accuracies(hc.evaluate(mended.model, toy)) == ALL_RIGHT
    # The units that generalise are not to blame: without them nothing is repaired.
    others = mend(hasty, order(toy), hasty_data, how="drop", units=DEEP)
    assert accuracies(hc.evaluate(others.model, toy)) != ALL_RIGHT


@pytest.mark.parametrize("how", ["train_last_layer", "train_all"])
def test_the_baselines_fit_their_examples(tiny, how):
    pairs = some_pairs(32)
    data = prepare(tiny, pairs)
    suite = hc.Suite(name="s", role="ood", examples=pairs)
    right = torch.tensor(pairs.table["label"].map(tiny.labels.index).to_numpy())

    def loss(model):
        return float(torch.nn.functional.cross_entropy(model.logits(data.encoded), right))

    mended = mend(tiny, suite, data, how=how, steps=40, learning_rate=1e-3, fidelity=0.0)
    assert loss(mended.model) < loss(tiny) - 0.02
    changed = {
        name.split(".")[0]
        for name, now in mended.model.hf.state_dict().items()
        if not torch.equal(now, tiny.hf.state_dict()[name])
    }
    assert changed == ({"classifier"} if how == "train_last_layer" else {"bert", "classifier"})


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"how": "pray"}, "unknown way of mending 'pray'"),
        ({"how": "drop", "units": ()}, "name the units to change"),
        ({"how": "train_all", "units": ["L0H1"]}, "changes no single units; name none"),
        ({"how": "drop", "units": ["L9H1"]}, "L9H1"),
    ],
)
def test_wrong_ways_are_refused(tiny, changes, message):
    pairs = some_pairs(8)
    suite = hc.Suite(name="s", role="ood", examples=pairs)
    with pytest.raises(InputError, match=message):
        mend(tiny, suite, prepare(tiny, pairs), **changes)


def test_what_a_model_is_wrong_and_sure_about_is_mended_first(tiny):
    """Where the right label has hardly any probability, its logarithm still has a slope."""
    pairs = some_pairs(32)
    suite = hc.Suite(name="s", role="ood", examples=pairs)
    with torch.no_grad():
        tiny.hf.classifier.bias.copy_(torch.tensor([0.0, 40.0]))
    data = prepare(tiny, pairs)
    mended = mend(
        tiny, suite, data, how="train_last_layer", fidelity=0.0, steps=100, learning_rate=0.5
    )
    rows = hc.evaluate(mended.model, suite)
    assert rows["correct"].sum() > 0.7 * rows["n"].sum()


@pytest.mark.parametrize("how", ["train_all", "train_units"])
def test_narrow_weights_are_trained_in_float32(tiny, how):
    """Steps smaller than their resolution add up; the result has their type again."""
    pairs = some_pairs(32)
    suite = hc.Suite(name="s", role="ood", examples=pairs)
    named = {"how": how, "units": ["L1MLP"] if how == "train_units" else (), "steps": 20}
    wide = copy.deepcopy(tiny)
    tiny.hf.bfloat16()
    wide.hf.load_state_dict(tiny.hf.state_dict())
    found = [
        mend(model, suite, prepare(model, pairs), **named).model.hf.state_dict()
        for model in (tiny, wide)
    ]
    for name, narrow in found[0].items():
        assert narrow.dtype == torch.bfloat16
        # Up to their data, whose divergences are computed in the model's own type.
        torch.testing.assert_close(narrow.float(), found[1][name], atol=3e-4, rtol=1e-2)
    before = tiny.hf.state_dict()
    changed = sum(int((now != before[name]).sum()) for name, now in found[0].items())
    same = wide.hf.state_dict()
    expected = sum(
        int((now.bfloat16() != same[name].bfloat16()).sum()) for name, now in found[1].items()
    )
    assert changed > 0.7 * expected > 0
