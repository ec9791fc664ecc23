"""Running, saving and loading, for every family: the same answers whatever should not matter."""

from __future__ import annotations

import json
import shutil

import numpy as np
import pytest
import torch
from family_matrix import (
    DECODERS,
    NAMES,
    batch_of,
    folder_of,
    for_every_family,
    logits,
    pairs,
    some_mask,
    some_subnetwork,
)
from tokenizers import Tokenizer

from heuristic_core.errors import InputError
from heuristic_core.measure.accuracy import predict
from heuristic_core.models.classifier import Classifier
from heuristic_core.models.loading import load_model, new_classifier
from heuristic_core.models.means import mean_values
from heuristic_core.models.sources import shape
from heuristic_core.tasks.task import Examples
from heuristic_core.training.finetune import finetune
from tiny import LABELS, save_tiny
from tiny_families import LONGEST


@for_every_family()
def test_eager_and_sdpa_agree(subject):
    model = subject.copy()
    found = {}
    if (
        not model.hf._supports_sdpa or subject.family == "gemma2"
    ):  # which caps its attention's logits
        assert model.hf.config._attn_implementation == "eager"
        return
    for implementation in ("sdpa", "eager"):
        model.hf.set_attn_implementation(implementation)
        found[implementation] = logits(model, subject.batch)
    torch.testing.assert_close(found["sdpa"], found["eager"], atol=1e-5, rtol=1e-4)


@for_every_family()
def test_neither_batches_nor_their_order_matter(subject):
    model, encoded = subject.model, subject.encoded
    together = model.logits(encoded, batch_size=10)
    torch.testing.assert_close(model.logits(encoded, batch_size=1), together, atol=1e-5, rtol=1e-4)
    order = np.random.default_rng(0).permutation(10)
    shuffled = model.logits(encoded.take(order), batch_size=3)
    torch.testing.assert_close(shuffled, together[order], atol=1e-5, rtol=1e-4)


@for_every_family()
def test_bfloat16_rounds_and_changes_nothing_else(subject):
    model, encoded = subject.model, subject.encoded
    for system in (model, subject.compact("random", "mean")[1]):
        exact = system.logits(encoded)
        rounded = system.logits(encoded, precision="bfloat16")
        assert rounded.dtype == torch.float32
        assert not torch.equal(rounded, exact)  # it did take place
        torch.testing.assert_close(rounded, exact, atol=0.05, rtol=0.05)
        assert torch.equal(system.logits(encoded), exact)  # and leaves no trace


@for_every_family(DECODERS)
def test_the_padding_side_makes_no_difference_to_decoders(subject):
    model, means = subject.copy(), subject.means
    assert model.tokenizer.padding_side == "left"
    left = model.logits(model.encode(pairs()), batch_size=10)
    model.tokenizer.padding_side = "right"
    encoded = model.encode(pairs())
    right = model.logits(encoded, batch_size=10)
    torch.testing.assert_close(left, right, atol=1e-5, rtol=1e-4)
    others = mean_values(model, encoded)
    for a, b in zip(means.heads + means.mlps, others.heads + others.mlps, strict=True):
        torch.testing.assert_close(a, b, atol=1e-5, rtol=1e-4)


@for_every_family(tuple(name for name in NAMES if name not in DECODERS))
def test_others_padded_on_the_left_are_refused(subject):
    model = subject.copy()
    model.tokenizer.padding_side = "left"
    with pytest.raises(InputError, match=r"pads on the left, .* set padding_side to 'right'"):
        Classifier(model.hf, model.tokenizer)


@for_every_family()
def test_saved_and_loaded_no_bit_changes(subject, tmp_path):
    model = subject.model
    model.hf.save_pretrained(tmp_path)
    model.tokenizer.save_pretrained(tmp_path)
    back = load_model(tmp_path)
    assert torch.equal(logits(back, subject.batch), subject.plain)
    assert back.space == model.space
    # One set of weights stays one set of weights.
    sizes = [(f / "model.safetensors").stat().st_size for f in (tmp_path, subject.folder)]
    assert sizes[0] == sizes[1]


@pytest.mark.parametrize("n_sets", [1, 2, 4])
def test_an_albert_keeps_its_sets_of_weights(tmp_path, n_sets):
    save_tiny(tmp_path, family="albert", num_hidden_layers=4, num_hidden_groups=n_sets)
    model, other = load_model(tmp_path), load_model(tmp_path)
    batch = batch_of(model)
    plain = logits(model, batch)
    with torch.no_grad():
        for parameter in other.hf.parameters():
            parameter += 0.1
    assert not torch.equal(logits(other, batch), plain)
    state = model.hf.state_dict()
    assert sum(name.endswith("ffn.weight") for name in state) == n_sets
    assert other.hf.load_state_dict(state, strict=True).missing_keys == []
    assert torch.equal(logits(other, batch), plain)
    # The layers of one set change together.
    layers = [layer.albert_layers[0].ffn.weight for layer in model.anatomy.layers]
    assert len({weight.data_ptr() for weight in layers}) == n_sets
    assert layers[0] is layers[4 // n_sets - 1]


@for_every_family()
def test_torchs_default_dtype_makes_no_difference(subject):
    model, batch, encoded, means = subject.model, subject.batch, subject.encoded, subject.means
    subnetwork = some_subnetwork(model, some_mask(model, 0), "zero")
    plain = subject.plain
    with subnetwork.applied(model):
        gated = model.logits(encoded)
    torch.set_default_dtype(torch.float64)
    try:
        other = load_model(subject.folder)
        assert other.hf.dtype == torch.float32
        assert torch.equal(logits(other, batch), plain)
        with subnetwork.applied(other):
            found = other.logits(encoded)
        others = mean_values(other, encoded)
        small = subnetwork.compact(other).logits(encoded)
    finally:
        torch.set_default_dtype(torch.float32)
    assert found.dtype == small.dtype == torch.float32
    assert torch.equal(found, gated)
    torch.testing.assert_close(small, gated, atol=2e-5, rtol=1e-4)
    for a, b in zip(means.heads + means.mlps, others.heads + others.mlps, strict=True):
        assert torch.equal(a, b)


@for_every_family()
def test_half_precision_is_kept(subject):
    model = load_model(subject.folder, dtype="bfloat16")
    encoded = model.encode(pairs())
    subnetwork = some_subnetwork(model, some_mask(model, 0), "mean")
    with subnetwork.applied(model):
        gated = model.logits(encoded)
    small = subnetwork.compact(model)
    wide = {p.dtype for p in small.hf.parameters()} - {torch.bfloat16}
    assert not wide or subject.family == "t5"  # which keeps some of its weights in float32
    torch.testing.assert_close(small.logits(encoded), gated, atol=0.1, rtol=0.1)


@for_every_family()
def test_pairs_are_read_as_tokenizer_json_says(subject):
    """By the family's own tokenizer class: tokens, special ones and types, where it has them."""
    file = Tokenizer.from_file(str(subject.folder / "tokenizer.json"))
    table, columns = pairs().table, subject.encoded.columns
    texts = list(zip(table["text"], table["text_pair"], strict=True))
    expected = [file.encode(*both) for both in texts]
    assert columns["input_ids"] == [encoding.ids for encoding in expected]
    assert ("token_type_ids" in columns) == (subject.family in ("bert", "electra", "albert"))
    if "token_type_ids" in columns:
        assert columns["token_type_ids"] == [encoding.type_ids for encoding in expected]
        assert {0, 1} == set(columns["token_type_ids"][0])
    pad = subject.model.tokenizer.pad_token
    single = Examples.build([f"the {pad} judge"], None, [LABELS[0]], ["x"], LABELS)
    (found,) = subject.model.encode(single).columns["input_ids"]
    assert found == file.encode(f"the {pad} judge").ids
    assert subject.model.tokenizer.pad_token_id in found


@for_every_family()
def test_texts_as_long_as_the_positions_can_be_run(subject):
    model = load_model(subject.folder, max_length=1000)
    limited = subject.family != "t5"  # whose positions are relative
    assert model.max_length == (LONGEST if limited else 1000)
    long = Examples.build(["the author " * 60], ["the judges " * 60], ["entailment"], ["x"], LABELS)
    encoded = model.encode(long)
    assert encoded.n_truncated == int(limited)
    assert encoded.lengths[0] == LONGEST if limited else encoded.lengths[0] > 200
    assert torch.isfinite(model.logits(encoded)).all()


@for_every_family()
def test_a_new_head_on_a_pretrained_model(subject, tmp_path):
    save_tiny(tmp_path, family=subject.family, classifier=False)
    new = new_classifier(tmp_path, ("a", "b", "c"), seed=7)
    again = new_classifier(tmp_path, ("a", "b", "c"), seed=7)
    other = new_classifier(tmp_path, ("a", "b", "c"), seed=8)
    weight = [x.hf.get_submodule(x.family.readout).weight for x in (new, again, other)]
    assert weight[0].shape[0] == 3
    assert torch.equal(weight[0], weight[1])
    assert not torch.equal(weight[0], weight[2])
    assert new.labels == ("a", "b", "c")
    assert new.logits(new.encode(pairs())).shape == (10, 3)
    # The rest is what was pretrained.
    kept = dict(subject.model.hf.base_model.named_parameters())
    found = dict(new.hf.base_model.named_parameters())
    assert all(torch.equal(found[k], kept[k]) for k in found if "pooler" not in k)


@for_every_family(DECODERS)
def test_decoders_get_a_padding_token_with_a_new_head(subject, tmp_path):
    save_tiny(tmp_path, family=subject.family, pad_token_id=None)
    _without_padding_token(tmp_path)
    with pytest.raises(InputError, match=r"has no padding token; set .* pad_token_id in config"):
        load_model(tmp_path)
    model = new_classifier(tmp_path, ("a", "b"), seed=0)
    assert model.hf.config.pad_token_id == model.tokenizer.pad_token_id is not None
    encoded = model.encode(pairs())
    together, alone = model.logits(encoded), model.logits(encoded, batch_size=1)
    torch.testing.assert_close(together, alone, atol=1e-5, rtol=1e-4)


def _without_padding_token(folder):
    file = folder / "tokenizer_config.json"
    settings = json.loads(file.read_text())
    settings["pad_token"] = None
    file.write_text(json.dumps(settings))


@for_every_family()
def test_its_size_is_read_from_the_configuration(subject):
    model = subject.model
    size = shape(subject.folder)
    assert size["num_hidden_layers"] == model.space.n_layers
    assert size["num_attention_heads"] == model.space.heads[0]
    assert size["hidden_size"] == model.anatomy.d_model
    assert size["intermediate_size"] == 64
    assert size["bytes"] > 10_000


@for_every_family()
def test_fine_tuning_teaches_and_is_saved(subject, tmp_path):
    model, encoded = subject.copy(), subject.encoded
    model.hf.config.problem_type = None
    before = model.logits(encoded)
    finetune(
        model, pairs(), tmp_path, steps=2, checkpoints=[2], seed=0, batch_size=5, learning_rate=1e-2
    )
    after = model.logits(encoded)
    assert (after - before).abs().max() > 1e-2
    back = load_model(tmp_path / "step-000002")
    assert torch.equal(back.logits(back.encode(pairs())), after)
    shutil.rmtree(tmp_path)


@for_every_family(mask=("whole", "random", "no heads", "no MLPs"))
def test_predictions_are_the_logits_of_the_whole_computation(subject, mask):
    """Nothing that is left out or computed in another way matters, with gates and without."""
    subnetwork, small = subject.compact(mask, "mean")
    encoded = subject.encoded
    for precision, near in (("float32", 3e-5), ("bfloat16", 0.15)):
        expected = small.logits(encoded, precision=precision, batch_size=7).numpy()
        for compact in (True, False):
            found = predict(
                subject.model, encoded, subnetwork=subnetwork, compact=compact, precision=precision
            )
            np.testing.assert_allclose(found, expected, atol=near, rtol=1e-4)
    subject.assert_unchanged()


def test_the_padding_side_makes_no_difference_to_fine_tuning(tmp_path):
    """A GPT-2's positions are learned, so that counting them otherwise would show."""
    found = []
    for side in ("left", "right"):
        model = load_model(folder_of("gpt2"))
        model.tokenizer.padding_side = side
        finetune(model, pairs(), tmp_path / side, steps=2, checkpoints=[], seed=0, batch_size=5)
        assert model.tokenizer.padding_side == side
        found.append(model.hf.state_dict())
    assert all(torch.equal(found[0][name], found[1][name]) for name in found[0])
