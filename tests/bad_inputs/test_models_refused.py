"""Model folders, names and devices that are none: each is refused in one line."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from refusal import HOSTILE, change_json, cut, pickled, pickled_array, refused
from safetensors.torch import load_file, save_file

import heuristic_core as hc
from heuristic_core.models.loading import new_classifier
from tiny import save_tiny

Break = Callable[[Path, Path], object]  # from the model's folder and the marker


def config(**changes) -> Break:
    return lambda folder, marker: change_json(folder / "config.json", **changes)


def labels(names: object, **more) -> Break:
    return config(id2label=names, label2id=None, **more)


def content(name: str, data: bytes) -> Break:
    return lambda folder, marker: (folder / name).write_bytes(data)


def without(*names: str) -> Break:
    return lambda folder, marker: [(folder / name).unlink() for name in names]


def foreign_weights(**other) -> Break:
    def place(folder: Path, marker: Path) -> None:
        (folder / "other").mkdir()
        save_tiny(folder / "other", **other)
        shutil.move(folder / "other" / "model.safetensors", folder / "model.safetensors")
        shutil.rmtree(folder / "other")

    return place


def linked(name: str, target: str) -> Break:
    def link(folder: Path, marker: Path) -> None:
        (folder / name).unlink()
        (folder / name).symlink_to(target)

    return link


def stored(change: Callable[[dict], object]) -> Break:
    """Change weights as they lie in their file."""

    def write(folder: Path, marker: Path) -> None:
        file = folder / "model.safetensors"
        weights = load_file(file)
        change(weights)
        save_file(weights, file, metadata={"format": "pt"})

    return write


def as_type(name: str, dtype: torch.dtype) -> Break:
    return stored(lambda weights: weights.update({name: weights[name].to(dtype)}))


def an_adapter(folder: Path, marker: Path) -> None:
    (folder / "config.json").rename(folder / "adapter_config.json")
    (folder / "model.safetensors").rename(folder / "adapter_model.safetensors")


def in_place_of_weights(make: Callable[[Path], bytes], *names: str) -> Break:
    def write(folder: Path, marker: Path) -> None:
        (folder / "model.safetensors").unlink()
        for name in names:
            (folder / name).write_bytes(make(marker))

    return write


def own_code(**changes) -> Break:
    """Let a configuration name code that lies beside it and leaves a file behind if it is run."""

    def write(folder: Path, marker: Path) -> None:
        code = f"from pathlib import Path\nPath({str(marker)!r}).touch()\nclass Own: pass\n"
        (folder / "own.py").write_text(code)
        names = {"AutoConfig": "own.Own", "AutoModelForSequenceClassification": "own.Own"}
        change_json(folder / "config.json", auto_map=names, **changes)

    return write


def index(target: str) -> Break:
    """Divide weights into parts, one of which is a pickle."""

    def write(folder: Path, marker: Path) -> None:
        names = list(load_file(folder / "model.safetensors"))
        (folder / "model.safetensors").rename(folder / "part.safetensors")
        (folder / "part.bin").write_bytes(pickled(marker))
        parts = {"metadata": {}, "weight_map": dict.fromkeys(names, target)}
        (folder / "model.safetensors.index.json").write_text(json.dumps(parts))

    return write


DENSE = "bert.encoder.layer.0.output.dense.weight"
DISTANCES = "bert.encoder.layer.0.attention.self.distance_embedding.weight"

FOLDERS: dict[str, tuple[Break, str]] = {
    "config empty": (content("config.json", b""), "no usable config.json: .*; correct it, or"),
    "config utf-16": (content("config.json", "{}".encode("utf-16")), "no usable config.json"),
    "config a list": (content("config.json", b"[]"), "config.json"),
    "config nested": (content("config.json", b"[" * 100_000), "no usable config.json"),
    "no model_type": (
        config(model_type=...),
        "names no model_type; .* add .model_type.: .bert. to",
    ),
    "no type and no class": (
        config(model_type=..., architectures=...),
        "names no model_type; give a model that",
    ),
    "model_type a number": (config(model_type=7), "names no model_type"),
    "model_type unknown": (config(model_type="ernie99"), "'ernie99' are not supported yet; supp"),
    "model_type hostile": (config(model_type=HOSTILE), "'<script>|'\\[31m<script>"),
    "own code": (own_code(), r"code of its own \(auto_map\), which is never run; give a model of"),
    "own code and type": (own_code(model_type="own"), r"code of its own \(auto_map\), which is"),
    "labels a list": (labels(["a", "b"]), r"id2label .* is \['a', 'b'\], but must give each class"),
    "labels a text": (labels("ab"), "id2label in config.json is ab, but must give"),
    "labels by name": (labels({"a": "0", "b": "1"}), "id2label in config.json is .*; correct it"),
    "labels null": (labels({"0": None, "1": "b"}), "id2label in config.json is .*None"),
    "labels true and false": (
        labels({"0": True, "1": False}),
        "must give each class number a name",
    ),
    "labels blank": (labels({"0": " ", "1": "b"}), "must give each class number a name"),
    "labels none at all": (labels({}), "two labels or more, not 0"),
    "labels hostile": (labels({"0": HOSTILE, "1": HOSTILE}), "<script>.* is no name of up to"),
    "labels too many": (labels({str(i): str(i) for i in range(999)}), "2 of its weights have othe"),
    "label2id a list": (config(label2id=["a"]), r"label2id .* is \['a'\], but must give each name"),
    "label2id of lists": (config(label2id={"a": [1]}), "label2id .* correct or remove it"),
    "architecture a text": (config(architectures="Bert"), "no sequence classifier|no usable conf"),
    "architecture a number": (config(architectures=[7]), "no sequence classifier|no usable conf"),
    "problem unknown": (
        config(problem_type="guessing"),
        "is .guessing., but must be single_label",
    ),
    "width a text": (config(hidden_size="wide"), "no usable config.json: .*hidden_size"),
    "width of another": (config(hidden_size=16), r"weights have other sizes than config.json says"),
    "words of another": (config(vocab_size=7), r"1 of its weights .*word_embeddings.* not 7 by 32"),
    "heads do not divide": (config(num_attention_heads=5), "cannot load .*multiple of the number"),
    "no heads": (config(num_attention_heads=0), "num_attention_heads in config.json is 0, but mus"),
    "no layers": (config(num_hidden_layers=0), "num_hidden_layers in config.json is 0, but must"),
    "layers without end": (config(num_hidden_layers=10**9), "is 1000000000, but must be a whole"),
    "layer too many": (
        config(num_hidden_layers=3),
        "lacks 16 of the weights .* or its weights",
    ),
    "kernel of the hub": (
        config(attn_implementation="no/kernel"),
        r"own \(attn_implementation\)",
    ),
    "kernel by its saved name": (
        config(_attn_implementation="kernels-community/evil"),
        r"code of its own \(_attn_implementation\), which is never run",
    ),
    "kernel of a part": (
        config(text_config={"attn_implementation": "flash_attention_2"}),
        r"code of its own \(attn_implementation\)",
    ),
    "quantization": (
        config(quantization_config={"quant_method": "gptq", "bits": 4}),
        "is quantized .*give the weights it was made from",
    ),
    "lengths a text": (
        lambda folder, _: change_json(folder / "tokenizer_config.json", model_max_length="x"),
        "model_max_length in tokenizer_config.json is 'x', but must be a number|cannot load",
    ),
    "parts of nothing": (
        content("model.safetensors.index.json", b'{"weight_map": {}}'),
        "index.json names 'None', which is no safetensors file",
    ),
    "parts html": (
        content("model.safetensors.index.json", b"<html>"),
        "index.json is no valid JSON .*; save or fetch the model again",
    ),
    "half the weights": (lambda f, _: cut(f / "model.safetensors", 50_000), "are truncated or dam"),
    "a header only": (lambda f, _: cut(f / "model.safetensors", 9), "are truncated or damaged"),
    "no byte of weights": (content("model.safetensors", b""), "are truncated or damaged"),
    "weights html": (content("model.safetensors", b"<!DOCTYPE html>"), "are truncated or damaged"),
    "weights missing": (without("model.safetensors"), "it has no weights in safetensors"),
    "weights a broken link": (linked("model.safetensors", "../blob"), "cannot load"),
    "weights a pickle": (in_place_of_weights(pickled, "model.safetensors"), "truncated or damaged"),
    "weights an array": (in_place_of_weights(pickled_array, "model.safetensors"), "or damaged"),
    "pickles beside": (
        in_place_of_weights(pickled, "pytorch_model.bin", "model.npy"),
        r"\(model.npy, pytorch_model.bin, which can run code, is never opened\); save the model",
    ),
    "parts of pickles": (index("part.bin"), "names 'part.bin', which is no safetensors file of"),
    "parts outside": (index("../../x.safetensors"), "names .../../x.safetensors., which"),
    "weights of roberta": (foreign_weights(family="roberta"), "or its weights are another model's"),
    "weights of another size": (foreign_weights(n_heads=2, width=16), r"\(16, not 32\)|16 by"),
    "tokenizer damaged": (content("tokenizer.json", b"{"), "cannot load"),
    "tokenizer empty": (content("tokenizer.json", b""), "cannot load"),
    "tokenizer missing": (
        without("tokenizer.json", "vocab.txt"),
        "no vocabulary for its tokenizer; save the tokenizer",
    ),
    "vocabulary of nothing": (content("tokenizer.json", b"{}"), "cannot load"),
    "settings of tokens a list": (content("tokenizer_config.json", b"[]"), "cannot load"),
    "settings of tokens damaged": (
        content("tokenizer_config.json", b"{"),
        "tokenizer_config.json is no valid JSON .*; save or fetch the model again",
    ),
    "an unmerged adapter": (
        stored(lambda weights: weights.update({f"{DENSE[:-7]}.lora_A.weight": torch.zeros(2, 64)})),
        "holds 1 weights of an adapter .such as LoRA. that is not merged",
    ),
    "padding without an embedding": (
        lambda folder, _: (
            save_tiny(folder, family="roberta")
            and change_json(folder / "config.json", pad_token_id=10**6)
        ),
        "padding token 1000000 has no embedding|cannot load",
    ),
    "layers too few": (
        config(num_hidden_layers=1),
        "for 16 of its weights, such as bert.encoder.layer.1.* has no place",
    ),
    "distances that no longer count": (
        stored(lambda weights: weights.update({DISTANCES: torch.zeros(127, 8)})),
        "for 1 of its weights, such as .*distance_embedding.weight, the model .* has no place",
    ),
    "weights of 8 bits": (
        as_type(DENSE, torch.int8),
        r"quantized or no plain numbers, such as .*dense.weight \(I8\)",
    ),
    "short floats": (
        as_type(DENSE, torch.float8_e4m3fn),
        r"1 of its weights are quantized or .*F8_E4M3",
    ),
    "an adapter": (an_adapter, "holds an adapter's weights, .* merge them into the model"),
    "activation unknown": (
        config(hidden_act="geluu"),
        "config.json names .*geluu.*, which transformers does not know; correct it",
    ),
    "labels escape": (labels({"0": "\x1b[31m", "1": "b"}), "no name of up to 100 printable char"),
    "compact record": (config(heuristic_core={"format": "x"}), "is not in the format"),
}


@pytest.mark.parametrize(("damage", "message"), FOLDERS.values(), ids=FOLDERS)
def test_folders(tiny_folder, tmp_path, damage, message):
    folder, marker = tmp_path / "model", tmp_path / "marker"
    shutil.copytree(tiny_folder, folder)
    damage(folder, marker)
    text = refused(lambda: hc.load_model(folder), message, tmp_path)
    assert str(folder) in text
    assert not marker.exists()


def test_a_fresh_head_needs_the_encoder_itself(tiny_folder, tmp_path):
    folder = tmp_path / "model"
    shutil.copytree(tiny_folder, folder)
    change_json(folder / "config.json", vocab_size=7, id2label=None, label2id=None)
    refused(lambda: new_classifier(folder, ("a", "b"), seed=0), "other sizes than", tmp_path)


NAMES: dict[str, tuple[object, str]] = {
    "empty": ("", "the model's name is empty; give a packaged name"),
    "blank": ("  ", "the model's name is empty"),
    "nearly packaged": ("minilmm", "unknown model 'minilmm': .* did you mean 'minilm'"),
    "a zero byte": ("a\0b", "unknown model 'a b'"),
    "an unknown home": ("~nobody-at-all/model", "is missing, not a model folder"),
    "too long": ("m" * 5000, "unknown model 'mmm"),
    "too long a path": ("/" + "m" * 5000, "is missing, not a model folder"),
    "hostile": (f"./{HOSTILE}", "<script>.* is missing, not a model folder"),
    "hostile hub name": (HOSTILE, "unknown model"),
    "nothing": (None, "unknown model 'None'"),
    "a folder of folders": (Path("/"), "no model folder: it has no config.json"),
}


@pytest.mark.parametrize(("name", "message"), NAMES.values(), ids=NAMES)
def test_names(tmp_path, name, message):
    refused(lambda: hc.load_model(name), message, tmp_path)


DEVICES: dict[str, tuple[object, str]] = {
    "meta": ("meta", "unknown device 'meta'; say auto, cpu, cuda or mps"),
    "mps": ("mps", "no mps device that torch can use; say cpu as device"),
    "nothing": (None, "unknown device 'None'"),
    "a fraction": (0.5, "unknown device '0.5'"),
    "empty": ("", "unknown device ''"),
    "a device too many": ("cuda:99", "CUDA device"),
    "hostile": (HOSTILE, "unknown device"),
}


@pytest.mark.parametrize(("device", "message"), DEVICES.values(), ids=DEVICES)
def test_devices(tiny_folder, tmp_path, device, message):
    refused(lambda: hc.load_model(tiny_folder, device=device), message, tmp_path)


@pytest.mark.parametrize("length", [0, -1, 3, True, 2.5, "128", None])
def test_lengths(tiny_folder, tmp_path, length):
    refused(lambda: hc.load_model(tiny_folder, max_length=length), "from 4", tmp_path)


def test_weights_that_are_no_numbers(tiny_folder, tmp_path, pairs):
    folder = tmp_path / "model"
    shutil.copytree(tiny_folder, folder)
    weights = load_file(folder / "model.safetensors")
    weights["classifier.weight"][0, 0] = float("nan")
    save_file(weights, folder / "model.safetensors", metadata={"format": "pt"})
    model = hc.load_model(folder)
    refused(lambda: hc.prepare(model, pairs), "not finite numbers; its weights are", tmp_path)
