"""The hash of weights, and what is refused on weights that it was not made with."""

from __future__ import annotations

import copy
import hashlib
import json
import warnings

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

import heuristic_core as hc
from heuristic_core.errors import InputError, Remark
from heuristic_core.measure.removal import removal
from heuristic_core.models import fingerprint
from heuristic_core.subnetwork import Subnetwork
from tiny import save_tiny

OTHER = "found in other weights .* than those of .*; .*--other-model"


@pytest.fixture
def sub(tiny, pairs):
    return hc.find_subnetwork(tiny, pairs, 0.5, method="magnitude")


def by_hand(folder, dtype) -> str:
    """The hash from the file alone, in the order of the model's parameters."""
    saved = load_file(folder / "model.safetensors")
    content = hashlib.sha256()
    for name, _ in hc.load_model(folder).hf.named_parameters():
        weight = saved[name].to(dtype)
        content.update(repr(tuple(weight.shape)).encode())
        content.update(weight.flatten().view(torch.uint8).numpy().tobytes())
    return content.hexdigest()


def test_the_hashes_are_those_of_the_file(tiny_folder, sub):
    types = {"float32": torch.float32, "bfloat16": torch.bfloat16, "float16": torch.float16}
    expected = {name: by_hand(tiny_folder, dtype) for name, dtype in types.items()}
    assert sub.provenance["weights"] == expected


def test_a_subnetwork_records_weights_versions_and_data(sub, pairs, tmp_path):
    assert sub.provenance["data"] == {"search": pairs.digest}
    assert sub.provenance["values"] == {"of": "32 examples", "sha256": pairs.digest}
    assert sub.provenance["versions"]["torch"] == torch.__version__
    sub.save(tmp_path)
    assert Subnetwork.load(tmp_path).provenance["weights"] == sub.provenance["weights"]


def test_the_same_weights_in_another_type_are_the_same(tiny_folder, sub, pairs):
    for dtype in ("bfloat16", "float16"):
        model = hc.load_model(tiny_folder, dtype=dtype)
        hc.predict(model, model.encode(pairs), subnetwork=sub)
        found = hc.find_subnetwork(model, pairs, 0.5, method="magnitude")
        assert list(found.provenance["weights"]) == [dtype]
        found.compact(hc.load_model(tiny_folder))
    # Neither can be computed from the other: nothing is said against it.
    found.compact(hc.load_model(tiny_folder, dtype="bfloat16"))


def test_it_is_refused_on_other_weights_unless_asked_for(sub, pairs, tmp_path):
    other = hc.load_model(save_tiny(tmp_path, seed=1))
    encoded = other.encode(pairs)
    suite = hc.load_suite("hans-grammar", per_case=1)
    ways = {
        "applied": lambda **more: sub.applied(other, **more).__enter__(),
        "compact": lambda **more: sub.compact(other, **more),
        "predict": lambda **more: hc.predict(other, encoded, subnetwork=sub, **more),
        "evaluate": lambda **more: hc.evaluate(other, suite, subnetwork=sub, **more),
    }
    for way in ways.values():
        with pytest.raises(InputError, match=OTHER):
            way()
        with pytest.warns(Remark, match="found in other weights"):
            way(other_model=True)
    # What is allowed is what the units and values give on these weights.
    bare = Subnetwork(sub.space, sub.kept, ablation=sub.ablation, values=sub.values)
    with pytest.warns(Remark):
        allowed = hc.predict(other, encoded, subnetwork=sub, other_model=True)
    assert np.array_equal(allowed, hc.predict(other, encoded, subnetwork=bare))


@pytest.mark.parametrize("name", ["classifier.bias", "bert.embeddings.word_embeddings.weight"])
def test_one_changed_weight_is_noticed(tiny, sub, name):
    sub.compact(tiny)
    with torch.no_grad():
        tiny.hf.get_parameter(name).view(-1)[0] += 1e-6
    with pytest.raises(InputError, match=OTHER):
        sub.compact(tiny)


def test_weights_are_hashed_once(tiny, sub, monkeypatch):
    calls = []
    monkeypatch.setattr(fingerprint, "_digest", lambda *given: calls.append(given))
    for _ in range(3):
        sub.compact(tiny)
        hc.without(tiny, "L0H0", ablation="zero")
    assert calls == []  # both were computed when the subnetwork was found


def test_combinations_and_removals_record_the_weights_too(tiny, sub, pairs, tmp_path):
    other = hc.load_model(save_tiny(tmp_path, seed=1))
    means = hc.means(tiny, pairs)
    removed = removal(tiny, "L0H0", means=means)
    for one in (sub & removed, sub | removed, sub - removed, sub.complement(), removed):
        one.compact(tiny)
        with pytest.raises(InputError, match=OTHER):
            one.compact(other)
    # Means and search data are of one model too.
    for refused in (
        lambda: hc.without(other, "L0H0", means=means),
        lambda: hc.prepare(other, pairs, values=means),
        lambda: hc.find_subnetwork(other, hc.prepare(tiny, pairs), 0.5, method="random"),
        lambda: hc.find_subnetwork(
            other, hc.prepare(tiny, pairs, ablation="zero"), 0.5, method="random"
        ),
    ):
        with pytest.raises(InputError, match="of other weights than those of"):
            refused()


def test_files_of_earlier_versions_load_with_a_remark(tiny, sub, pairs, tmp_path):
    sub.save(tmp_path)
    path = tmp_path / "subnetwork.json"
    record = json.loads(path.read_text())
    for name in ("weights", "versions", "data", "values"):
        del record["provenance"][name]
    path.write_text(json.dumps(record))
    with pytest.warns(Remark, match="does not record the weights"):
        old = Subnetwork.load(tmp_path)
    encoded = tiny.encode(pairs)
    assert np.array_equal(
        hc.predict(tiny, encoded, subnetwork=old), hc.predict(tiny, encoded, subnetwork=sub)
    )
    # Studies read their own cells, which name their weights otherwise, without a word.
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert Subnetwork.read(tmp_path) == old


def test_a_copy_has_its_own_hashes(tiny, sub):
    again = copy.deepcopy(tiny)
    with torch.no_grad():
        again.hf.classifier.bias += 1
    sub.compact(tiny)
    with pytest.raises(InputError, match=OTHER):
        sub.compact(again)
