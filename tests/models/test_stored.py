"""Folders as they lie around: wrappers, adapters, other formats, checkpoints, the hub's cache."""

from __future__ import annotations

import json
import shutil

import pytest
import torch
from safetensors.torch import load_file, save_file

import heuristic_core as hc
from heuristic_core.errors import InputError
from heuristic_core.models.loading import check_model, has_head, load_model
from heuristic_core.models.sources import identity, resolve
from tiny import save_tiny


def change_config(folder, **changes):
    file = folder / "config.json"
    content = json.loads(file.read_text()) | changes
    file.write_text(json.dumps({key: x for key, x in content.items() if x is not ...}))


def renamed(folder, name):
    file = folder / "model.safetensors"
    weights = {name(key): value for key, value in load_file(file).items()}
    save_file(weights, file, metadata={"format": "pt"})


def refused(folder, message):
    with pytest.raises(InputError, match=message) as error:
        load_model(folder)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("prefix", ["module.", "_orig_mod.", "module._orig_mod.", "model."])
@pytest.mark.parametrize("family", ["bert", "roberta", "gpt2", "llama", "t5", "albert"])
def test_names_that_a_wrapper_put_a_prefix_before(tmp_path, family, prefix, pairs):
    save_tiny(tmp_path, family=family)
    plain = load_model(tmp_path)
    expected = plain.logits(plain.encode(pairs))
    renamed(tmp_path, lambda name: prefix + name)
    model = load_model(tmp_path)
    assert torch.equal(model.logits(model.encode(pairs)), expected)


def test_a_prefix_that_only_some_names_have(tmp_path):
    save_tiny(tmp_path)
    renamed(tmp_path, lambda name: name if "pooler" in name else "module." + name)
    refused(tmp_path, "lacks .* of the weights its configuration needs")


@pytest.mark.parametrize("architectures", [..., None, []])
@pytest.mark.parametrize("family", ["bert", "roberta", "llama", "distilbert", "bart"])
def test_a_head_that_only_the_weights_show(tmp_path, family, architectures, pairs):
    save_tiny(tmp_path, family=family)
    plain = load_model(tmp_path)
    change_config(tmp_path, architectures=architectures)
    model = load_model(tmp_path)
    encoded = model.encode(pairs)
    assert torch.equal(model.logits(encoded), plain.logits(encoded))


@pytest.mark.parametrize("named", ["BertModel", "BertForMaskedLM"])
def test_a_head_that_the_configuration_denies(tmp_path, named):
    save_tiny(tmp_path)
    change_config(tmp_path, architectures=[named])
    refused(tmp_path, rf"architectures in config.json is {named}, but the weights have a class")
    with pytest.raises(InputError, match="name the class of a sequence classifier there"):
        has_head(tmp_path, check_model(tmp_path, fresh_head=True))


@pytest.mark.parametrize("family", ["bert", "llama"])
def test_no_head_that_the_weights_show(tmp_path, family):
    save_tiny(tmp_path, family=family, classifier=False)
    change_config(tmp_path, architectures=...)
    assert not has_head(tmp_path, check_model(tmp_path, fresh_head=True))
    refused(tmp_path, r"no sequence classifier \(its architecture is not named\)")


def test_a_head_with_a_bias_is_a_token_classifiers(tmp_path):
    save_tiny(tmp_path, family="llama")
    change_config(tmp_path, architectures=...)
    file = tmp_path / "model.safetensors"
    save_file(load_file(file) | {"score.bias": torch.zeros(2)}, file, metadata={"format": "pt"})
    refused(tmp_path, "no sequence classifier")


@pytest.mark.parametrize(
    ("family", "named"),
    [
        ("bert", "bert"),
        ("deberta-v2", "deberta-v2"),
        ("gpt_neox", "gpt_neox"),
        ("gemma2", "gemma2"),
    ],
)
def test_a_missing_model_type_is_told(tmp_path, family, named):
    save_tiny(tmp_path, family=family)
    change_config(tmp_path, model_type=...)
    refused(tmp_path, f'names no model_type; it is .*, so add "model_type": "{named}" to it')
    change_config(tmp_path, architectures=["ErnieModel"])
    refused(tmp_path, "names no model_type; give a model that transformers saved")


def test_removed_heads_are_told(tmp_path):
    save_tiny(tmp_path)
    change_config(tmp_path, pruned_heads={"0": [1, 2]})
    model = load_model(tmp_path)  # the weights are whole, and none is missing
    assert len(model.space) == 10
    file = tmp_path / "model.safetensors"
    weights = load_file(file)
    for name in list(weights):
        if "layer.0.attention.self" in name:
            weights[name] = weights[name][:16].contiguous()
        if name.endswith("layer.0.attention.output.dense.weight"):
            weights[name] = weights[name][:, :16].contiguous()
    save_file(weights, file, metadata={"format": "pt"})
    refused(tmp_path, r"heads were removed from its weights \(pruned_heads in config.json: .*1, 2")


def lora(weights):
    name = "bert.encoder.layer.0.attention.self.query"
    whole = weights.pop(f"{name}.weight")
    weights[f"{name}.base_layer.weight"] = whole
    weights[f"{name}.lora_A.default.weight"] = torch.zeros(2, 32)
    weights[f"{name}.lora_B.default.weight"] = torch.zeros(32, 2)


def beside(weights):
    weights["bert.encoder.layer.0.attention.self.query.lora_A.weight"] = torch.zeros(2, 32)


@pytest.mark.parametrize(("put", "n"), [(lora, 3), (beside, 1)])
def test_adapters_that_are_not_merged(tmp_path, put, n):
    save_tiny(tmp_path)
    file = tmp_path / "model.safetensors"
    weights = load_file(file)
    put(weights)
    save_file(weights, file, metadata={"format": "pt"})
    refused(tmp_path, rf"holds {n} weights of an adapter .* is not merged, such as .*; merge it")


def test_what_is_left_of_an_adapter(tmp_path):
    save_tiny(tmp_path)
    (tmp_path / "adapter_config.json").write_text('{"peft_type": "LORA"}')
    refused(tmp_path, "whole model beside adapter_config.json; if .* merged .*, remove adapter_con")
    (tmp_path / "adapter_config.json").unlink()
    load_model(tmp_path)


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("tf_model.h5", r"\(tf_model.h5, of TensorFlow, is not read\)"),
        ("flax_model.msgpack", r"\(flax_model.msgpack, of Flax, is not read\)"),
        ("model.onnx", "of ONNX"),
        ("pytorch_model.bin", "pytorch_model.bin, which can run code, is never opened"),
        ("model.fp16.safetensors", "model.safetensors, which is missing; it has model.fp16.safe"),
    ],
)
def test_weights_of_other_formats(tmp_path, name, message):
    save_tiny(tmp_path)
    (tmp_path / "model.safetensors").rename(tmp_path / name)
    refused(tmp_path, message)


# Folders in which the model's folder lies


@pytest.fixture(scope="module")
def model_folder(tmp_path_factory):
    return save_tiny(tmp_path_factory.mktemp("model"))


def test_the_one_checkpoint_of_a_fine_tuning_is_used(tmp_path, model_folder):
    shutil.copytree(model_folder, tmp_path / "checkpoint-500")
    (tmp_path / "runs").mkdir()
    assert resolve(tmp_path) == str(tmp_path / "checkpoint-500")
    assert identity(tmp_path) == identity(model_folder)
    assert hc.load_model(tmp_path).name == str(tmp_path)


def test_several_checkpoints_are_named_in_their_order(tmp_path, model_folder):
    for step in (500, 1000, 1500, 2000):
        shutil.copytree(model_folder, tmp_path / f"checkpoint-{step}")
    expected = "give one of the models in it: .*-1000, .*-1500, .*checkpoint-2000 and 1 more"
    refused(tmp_path, f"no model folder, but holds some: {expected}")
    # A model that the Trainer saved at the end is the one that is meant.
    shutil.copytree(model_folder, tmp_path, dirs_exist_ok=True)
    assert resolve(tmp_path) == str(tmp_path)


def test_a_model_of_another_name_inside_is_named(tmp_path, model_folder):
    shutil.copytree(model_folder, tmp_path / "best")
    refused(tmp_path, "but holds some: give the model in it: .*best$")


def test_folders_of_the_hubs_cache(tmp_path, model_folder):
    cached = tmp_path / "models--someone--model"
    shutil.copytree(model_folder, cached / "snapshots" / "aaaa")
    assert resolve(cached) == resolve(tmp_path) == str(cached / "snapshots" / "aaaa")
    shutil.copytree(model_folder, cached / "snapshots" / "bbbb")
    refused(cached, "give one of the models in it: .*aaaa, .*bbbb")
    (cached / "refs").mkdir()
    (cached / "refs" / "main").write_text("bbbb\n")
    assert resolve(cached) == str(cached / "snapshots" / "bbbb")
    refused(tmp_path, "give one of the models in it: .*aaaa, .*bbbb")
    assert resolve(cached / "snapshots" / "aaaa") == str(cached / "snapshots" / "aaaa")
