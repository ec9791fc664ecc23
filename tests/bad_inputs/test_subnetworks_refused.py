"""Saved subnetworks that are damaged, or another model's."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from refusal import HOSTILE, change_json, cut, pickled, pickled_array, refused
from safetensors.numpy import load_file, save_file

import heuristic_core as hc
from command import mistake
from tiny import save_tiny

Break = Callable[[Path, Path], object]  # from the subnetwork's folder and the marker


def record(**changes) -> Break:
    return lambda folder, marker: change_json(folder / "subnetwork.json", **changes)


def written(name: str, data: bytes) -> Break:
    return lambda folder, marker: (folder / name).write_bytes(data)


def of_family(name: str) -> Break:
    def write(folder: Path, marker: Path) -> None:
        file = folder / "subnetwork.json"
        provenance = json.loads(file.read_text())["provenance"]
        assert provenance["family"] == "bert"
        change_json(file, provenance=provenance | {"family": name})

    return write


def tensors(change: Callable[[dict[str, np.ndarray]], object]) -> Break:
    def write(folder: Path, marker: Path) -> None:
        content = dict(load_file(folder / "subnetwork.safetensors"))
        change(content)
        save_file(content, folder / "subnetwork.safetensors")

    return write


def value(name: str, array: np.ndarray) -> Break:
    return tensors(lambda content: content.update({name: array}))


def another_width(folder: Path, marker: Path) -> None:
    for layer in (0, 1):
        value(f"value/L{layer}.heads", np.zeros((4, 16), np.float32))(folder, marker)


def odd_type(folder: Path, marker: Path) -> None:
    """Say that an array is of a type that numpy does not know."""
    header = {"soft": {"dtype": "BF16", "shape": [1], "data_offsets": [0, 2]}}
    text = json.dumps(header).encode()
    (folder / "subnetwork.safetensors").write_bytes(len(text).to_bytes(8, "little") + text + b"ab")


def instead(make: Callable[[Path], bytes]) -> Break:
    return lambda folder, marker: (folder / "subnetwork.safetensors").write_bytes(make(marker))


def folder_of(name: str) -> Break:
    def make(folder: Path, marker: Path) -> None:
        (folder / name).unlink()
        (folder / name).mkdir()

    return make


# What is told when it is loaded.
LOADED: dict[str, tuple[Break, str]] = {
    "record empty": (written("subnetwork.json", b""), "no valid JSON"),
    "record utf-16": (written("subnetwork.json", "{}".encode("utf-16")), "no valid JSON"),
    "record a list": (written("subnetwork.json", b"[]"), "is not in the format .*; give a saved"),
    "record nested": (written("subnetwork.json", b"[" * 100_000), "no valid JSON"),
    "record a folder": (folder_of("subnetwork.json"), "it has no subnetwork.json"),
    "unit twice": (record(kept=["L0H0", "L1H0", "L0H0"]), "unit L0H0 is listed twice; save the"),
    "unit spelt twice": (record(kept=["L0H0", "L00H00"]), "the unit L0H0 is listed twice"),
    "unit no text": (record(kept=[7]), "damaged: '?7'? is no unit"),
    "unit of nowhere": (record(kept=["L0H9"]), "no unit L0H9 here: the model has layers 0..1"),
    "unit hostile": (record(kept=[HOSTILE]), r"damaged: .*<script>.* is no unit"),
    "units a text": (record(kept="L0H0"), "it has no list 'kept'; save the subnetwork again"),
    "units missing": (record(kept=...), "it has no list 'kept'"),
    "heads a number": (record(heads_per_layer=4), "it has no list 'heads_per_layer'"),
    "heads fractions": (record(heads_per_layer=[4.5, 4]), "something else than whole numbers"),
    "heads true": (record(heads_per_layer=[True, 4]), "something else than whole numbers"),
    "heads infinite": (record(heads_per_layer=[float("inf"), 4]), "something else than whole"),
    "heads without end": (record(heads_per_layer=[9999] * 9999), "less than 10000 layers and"),
    "ablation a list": (record(ablation=["mean"]), "unknown ablation kind"),
    "ablation missing": (record(ablation=...), "unknown ablation kind 'None'"),
    "provenance a list": (record(provenance=[1]), "it says nothing of its provenance"),
    "arrays cut short": (lambda f, _: cut(f / "subnetwork.safetensors", 200), "no intact safe"),
    "arrays missing": (lambda f, _: (f / "subnetwork.safetensors").unlink(), "cannot read"),
    "arrays a pickle": (instead(pickled), "no intact safetensors file"),
    "arrays of objects": (instead(pickled_array), "no intact safetensors file"),
    "arrays of an odd type": (odd_type, "no intact safetensors file"),
    "soft too few": (
        value("soft", np.zeros(3)),
        r"soft values of shape \(3,\) do not fit 10 units",
    ),
    "soft a table": (
        value("soft", np.zeros((10, 2))),
        r"soft values of shape \(10, 2\) do not fit",
    ),
    "soft NaN": (value("soft", np.full(10, np.nan)), "soft values are not all finite numbers"),
}

# What is told when it is applied to the model.
APPLIED: dict[str, tuple[Break, str]] = {
    "values missing": (tensors(lambda c: c.pop("value/L1.mlp")), "lack 'L1.mlp'; the file is inco"),
    "values NaN": (value("value/L1.mlp", np.full(32, np.nan)), "'L1.mlp' are not finite; compute"),
    "values of another": (another_width, "they are another model's"),
    "values a cube": (value("value/L0.heads", np.zeros((4, 8, 1))), r"of shape \(4, 8, 1\) are"),
    "another family's": (
        of_family("roberta"),
        "is of a model of the family 'roberta', this one is of 'bert'; apply it to the model it",
    ),
    "another model's": (record(heads_per_layer=[3, 3], kept=["L0H0"]), "soft values|3 heads"),
}


@pytest.fixture(scope="module")
def saved(tiny_folder, pairs, tmp_path_factory):
    model = hc.load_model(tiny_folder)
    found = hc.find_subnetwork(model, pairs, 0.5, method="random")
    return found.save(tmp_path_factory.mktemp("saved"))


@pytest.fixture
def place(saved, tmp_path):
    shutil.copytree(saved, tmp_path / "sub")
    return tmp_path


@pytest.mark.parametrize(("damage", "message"), LOADED.values(), ids=LOADED)
def test_damaged(place, damage, message):
    damage(place / "sub", place / "marker")
    text = refused(lambda: hc.Subnetwork.load(place / "sub"), message, place)
    assert str(place / "sub") in text
    assert not (place / "marker").exists()


@pytest.mark.parametrize(("damage", "message"), APPLIED.values(), ids=APPLIED)
def test_not_of_the_model(place, tiny, damage, message):
    damage(place / "sub", place / "marker")

    def run() -> None:
        subnetwork = hc.Subnetwork.load(place / "sub")
        with subnetwork.applied(tiny):
            pass

    refused(run, message, place)


def test_larger_models(place, tmp_path_factory):
    larger = save_tiny(tmp_path_factory.mktemp("larger"), n_layers=3)
    subnetwork = hc.Subnetwork.load(place / "sub")
    message = "has 2 layers x 4 heads, the model 3 layers x 4 heads; apply it to the model it was"
    refused(lambda: subnetwork.compact(hc.load_model(larger)), message, place)
    line = mistake("evaluate", larger, "--subnetwork", place / "sub", cwd=place)
    assert "2 layers x 4 heads" in line
