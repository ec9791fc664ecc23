from __future__ import annotations

import json

import pytest
import torch

from heuristic_core.errors import InputError
from heuristic_core.models.loading import load_model, new_classifier
from heuristic_core.models.sources import identity, resolve, shape
from heuristic_core.models.weights import not_finite
from heuristic_core.search.find import find_subnetwork
from tiny import save_tiny


@pytest.fixture(scope="module")
def encoder_folder(tmp_path_factory):
    """A pretrained encoder without a classification head."""
    return save_tiny(tmp_path_factory.mktemp("encoder"), classifier=False)


def test_a_classifier_is_loaded_whole(tiny, tiny_folder):
    assert len(tiny.space) == 2 * 4 + 2
    assert tiny.labels == ("entailment", "non-entailment")
    assert tiny.anatomy.d_heads == (8, 8)
    assert tiny.name == str(tiny_folder)
    assert tiny.hf.dtype == torch.float32
    assert not tiny.hf.training
    assert "2 layers x 4 heads" in repr(tiny)


def test_dtype_is_what_was_asked_for(tiny_folder, pairs):
    model = load_model(tiny_folder, dtype="bfloat16")
    assert model.hf.dtype == torch.bfloat16
    assert model.logits(model.encode(pairs)).dtype == torch.float32
    with pytest.raises(InputError, match=r"unknown dtype .* did you mean 'float32'"):
        load_model(tiny_folder, dtype="float23")


def test_a_new_head_depends_on_the_seed_alone(encoder_folder):
    torch.manual_seed(1)
    before = torch.random.get_rng_state()
    labels = ("a", "b", "c")
    one = new_classifier(encoder_folder, labels, seed=7)
    torch.manual_seed(99)
    two = new_classifier(encoder_folder, labels, seed=7)
    other = new_classifier(encoder_folder, labels, seed=8)
    weight = one.hf.classifier.weight
    assert weight.shape == (3, 32)
    assert torch.equal(weight, two.hf.classifier.weight)
    assert not torch.equal(weight, other.hf.classifier.weight)
    assert one.labels == labels
    torch.manual_seed(1)
    new_classifier(encoder_folder, labels, seed=7)
    assert torch.equal(torch.random.get_rng_state(), before)


def test_a_head_for_other_labels_is_replaced(tiny_folder):
    model = new_classifier(tiny_folder, ("x", "y", "z"), seed=0)
    assert model.hf.classifier.weight.shape == (3, 32)


def test_an_encoder_is_no_classifier(encoder_folder):
    with pytest.raises(InputError, match=r"no sequence classifier \(its architecture is BertModel"):
        load_model(encoder_folder)


def change_config(folder, **changes):
    file = folder / "config.json"
    file.write_text(json.dumps(json.loads(file.read_text()) | changes))


def test_other_families_are_refused_by_name(tmp_path):
    change_config(save_tiny(tmp_path), model_type="ernie")
    with pytest.raises(InputError, match=r"'ernie' are not supported yet; supported: bert, rob"):
        load_model(tmp_path)


def test_folders_that_are_no_model(tmp_path):
    with pytest.raises(InputError, match=r"no model folder: it has no config.json"):
        load_model(tmp_path)
    (tmp_path / "config.json").write_text("{not json")
    with pytest.raises(InputError, match=r"no usable config.json"):
        load_model(tmp_path)
    with pytest.raises(InputError, match="is missing, not a model folder"):
        load_model(tmp_path / "nowhere")
    (tmp_path / "file").write_text("")
    with pytest.raises(InputError, match="is a file"):
        load_model(tmp_path / "file")


def test_names_that_are_no_model():
    with pytest.raises(InputError, match="did you mean 'minilm'"):
        resolve("mini lm")
    with pytest.raises(InputError, match=r"unknown model 'nobody/nothing': .* hub"):
        load_model("nobody/nothing")


def test_pickled_weights_are_never_opened(tmp_path):
    folder = save_tiny(tmp_path)
    (folder / "model.safetensors").unlink()
    # Loading this pickle would raise ZeroDivisionError.
    (folder / "pytorch_model.bin").write_bytes(b"c__builtin__\neval\n(V1/0\ntR.")
    with pytest.raises(InputError, match="cannot load"):
        load_model(folder)


def test_damaged_and_missing_weights(tmp_path):
    from safetensors.torch import load_file, save_file

    folder = save_tiny(tmp_path)
    file = folder / "model.safetensors"
    weights = load_file(file)
    name = "bert.encoder.layer.1.output.dense.bias"
    save_file({k: v for k, v in weights.items() if k != name}, file, metadata={"format": "pt"})
    with pytest.raises(InputError, match=f"lacks 1 of the weights .* {name}"):
        load_model(folder)
    file.write_bytes(file.read_bytes()[:1000])
    with pytest.raises(InputError, match="cannot load"):
        load_model(folder)


def test_an_unknown_device(tiny_folder):
    with pytest.raises(InputError, match="unknown device 'gpu9'"):
        load_model(tiny_folder, device="gpu9")


def test_identity_follows_content_not_place(tiny_folder, tmp_path):
    same = save_tiny(tmp_path)
    assert identity(same) == identity(tiny_folder)
    change_config(same, hidden_dropout_prob=0.2)
    assert identity(same) != identity(tiny_folder)
    assert shape(tiny_folder)["hidden_size"] == 32
    assert identity("some/name") == {"hub": "some/name"}
    assert shape("some/name") is None


@pytest.mark.parametrize("changes", [{"return_dict": False}, {"output_attentions": True}])
def test_what_a_model_gives_besides_logits_does_not_matter(tiny, tmp_path, pairs, changes):
    change_config(save_tiny(tmp_path), **changes)
    model = load_model(tmp_path)
    encoded = model.encode(pairs)
    assert torch.equal(model.logits(encoded), tiny.logits(encoded))
    sub = find_subnetwork(model, pairs, 0.5, method="magnitude")
    sub.compact(model).save(tmp_path / "small")
    small = load_model(tmp_path / "small")
    with sub.applied(model):
        gated = model.logits(encoded)
    torch.testing.assert_close(small.logits(encoded), gated, atol=1e-5, rtol=1e-4)


@pytest.mark.parametrize("family", ["gpt_neox", "gpt_neo"])
@pytest.mark.parametrize("dtype", [torch.uint8, torch.bool])
def test_masks_that_older_versions_saved_are_left_alone(tmp_path, family, dtype):
    from safetensors.torch import load_file, save_file

    file = save_tiny(tmp_path, family=family) / "model.safetensors"
    name = {"gpt_neox": "gpt_neox.layers.0", "gpt_neo": "transformer.h.0.attn"}[family]
    mask = {f"{name}.attention.bias": torch.ones(1, 1, 8, 8).tril().to(dtype)}
    save_file(load_file(file) | mask, file, metadata={"format": "pt"})
    assert load_model(tmp_path).family.name == family


@pytest.mark.parametrize(
    ("family", "changes", "left"),
    [
        ("deberta-v2", {"conv_kernel_size": 0}, r"deberta\.encoder\.conv"),
        ("deberta-v2", {"norm_rel_ebd": "none"}, r"deberta\.encoder\.LayerNorm"),
        ("opt", {"_remove_final_layer_norm": True}, r"final_layer_norm"),
    ],
)
def test_parts_that_a_configuration_leaves_out_are_told(tmp_path, family, changes, left):
    change_config(save_tiny(tmp_path, family=family), **changes)
    with pytest.raises(InputError, match=f"of its weights, such as .*{left}.*has no place"):
        load_model(tmp_path)


@pytest.mark.parametrize("start", [None, 10**6, "x", True])
def test_a_decoder_needs_a_token_to_start_from(tmp_path, start):
    change_config(save_tiny(tmp_path, family="t5"), decoder_start_token_id=start)
    with pytest.raises(InputError, match=r"decoder_start_token_id|no usable config"):
        load_model(tmp_path)


def test_a_pretrained_encoder_may_have_other_heads(tmp_path):
    from safetensors.torch import load_file, save_file

    folder = save_tiny(tmp_path, classifier=False)
    file = folder / "model.safetensors"
    weights = load_file(file)
    more = {"cls.predictions.0.bias": torch.zeros(3), "embeddings.position_ids": torch.arange(4)}
    save_file(weights | more, file, metadata={"format": "pt"})
    model = new_classifier(folder, ("a", "b"), seed=0)
    assert not not_finite(model.hf)
    save_file(
        weights | {"encoder.layer.2.output.dense.bias": torch.zeros(32)},
        file,
        metadata={"format": "pt"},
    )
    with pytest.raises(InputError, match=r"for 1 of its weights, such as .*layer\.2\.output"):
        new_classifier(folder, ("a", "b"), seed=0)
