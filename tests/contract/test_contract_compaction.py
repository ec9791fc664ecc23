"""Compaction, for every family: the gated model's logits from fewer weights, saved and loaded."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from family_matrix import (
    GROUPED,
    batch_of,
    for_every_family,
    logits,
    masks_of,
    pairs,
    some_mask,
    some_subnetwork,
)

from heuristic_core.models.classifier import CompactClassifier
from heuristic_core.models.loading import load_model
from tiny import save_tiny


def assert_equal_to_gates(model, subnetwork, small, batch):
    with subnetwork.applied(model):
        gated = logits(model, batch)
    torch.testing.assert_close(logits(small, batch), gated, atol=3e-5, rtol=1e-4)


def compacted(model, mask, batch):
    """A subnetwork's compact model, which gives what the gates give."""
    subnetwork = some_subnetwork(model, mask, "mean")
    small = subnetwork.compact(model)
    assert_equal_to_gates(model, subnetwork, small, batch)
    return small


@for_every_family(ablation=("zero", "mean"))
def test_compact_logits_are_those_of_the_gated_model(subject, ablation):
    model, batch = subject.model, subject.batch
    for name in subject.masks:
        subnetwork, small = subject.compact(name, ablation)
        assert_equal_to_gates(model, subnetwork, small, batch)
        if name != "whole":
            assert n_parameters(small.hf) < n_parameters(model.hf) * copies(model)
        if name == "nothing":
            assert (logits(small, batch) - subject.plain).abs().max() > 1e-3
    subject.assert_unchanged()


def n_parameters(hf):
    return sum(p.numel() for p in hf.parameters())


def copies(model):
    """How often a model's weights are there once its layers share none."""
    return model.space.n_layers if model.family.name == "albert" else 1


@for_every_family()
def test_every_dropped_unit_saves_weights(subject):
    model = subject.model
    _, whole = subject.compact("whole", "zero")
    for unit in (0, model.space.heads[0]):
        mask = np.arange(len(model.space)) != unit
        small = some_subnetwork(model, mask, "zero").compact(model)
        assert n_parameters(small.hf) < n_parameters(whole.hf)


@for_every_family()
def test_nothing_dropped_changes_no_bit(subject):
    _, whole = subject.compact("whole", "mean")
    assert torch.equal(logits(whole, subject.batch), subject.plain)


@for_every_family()
def test_compact_models_are_saved_and_loaded_to_the_bit(subject, tmp_path):
    batch = subject.batch
    for name in ("random", "nothing", "no heads in layer 0"):
        _, small = subject.compact(name, "mean")
        given = logits(small, batch)
        back = load_model(small.save(tmp_path / name))
        assert isinstance(back, CompactClassifier)
        assert back.subnetwork == small.subnetwork
        assert torch.equal(logits(back, batch), given)
        # Read as a classifier is, in batches of one and on either side padded.
        encoded = back.encode(pairs())
        torch.testing.assert_close(
            back.logits(encoded, batch_size=1), back.logits(encoded), atol=1e-5, rtol=1e-4
        )
        if name == "random":
            again = load_model(back.save(tmp_path / "again"))
            assert torch.equal(logits(again, batch), given)


@for_every_family(GROUPED)
def test_groups_of_any_sizes_are_left(subject):
    """Every set of a layer's heads: groups that lose some, all or none of their query heads."""
    model = subject.model
    batch = {k: v[:2] for k, v in subject.batch.items()}
    for bits in range(1, 15):
        mask = np.ones(len(model.space), bool)
        mask[:4] = [bool(bits & (1 << h)) for h in range(4)]
        small = compacted(model, mask, batch)
        rows = _rows(small, "v_proj")
        shares = 4 // (_rows(model, "v_proj") // model.anatomy.d_heads[0])
        groups = {h // shares for h in range(4) if mask[h]}
        assert rows == len(groups) * model.anatomy.d_heads[0]


def _rows(model, name):
    weights = dict(model.hf.model.layers[0].self_attn.named_parameters())
    (found,) = (w for n, w in weights.items() if n.startswith(name) and n.endswith("weight"))
    return len(found)


@pytest.mark.parametrize("shared_keys", [True, False])
def test_deberta_with_shared_position_maps(tmp_path, shared_keys):
    save_tiny(tmp_path, family="deberta-v2", share_att_key=shared_keys, position_buckets=4)
    model = load_model(tmp_path)
    for seed in range(3):
        compacted(model, some_mask(model, seed), batch_of(model))


@pytest.mark.parametrize(
    ("family", "changes"),
    [
        ("opt", {"do_layer_norm_before": False, "word_embed_proj_dim": 32}),
        ("gpt_neox", {"use_parallel_residual": False, "attention_bias": False}),
        ("llama", {"attention_bias": True, "mlp_bias": True}),
        ("llama", {"num_key_value_heads": 4}),
        ("gemma2", {"attention_bias": True, "attn_logit_softcapping": None}),
        ("phi", {"num_key_value_heads": 2, "qk_layernorm": False}),
        ("t5", {"feed_forward_proj": "relu", "d_kv": 8}),
        ("modernbert", {"attention_bias": True, "mlp_bias": True, "classifier_pooling": "mean"}),
        ("gpt2", {"scale_attn_by_inverse_layer_idx": True}),
        ("albert", {"num_hidden_layers": 4, "num_hidden_groups": 2}),
        ("albert", {"num_hidden_groups": 3}),
        ("qwen2", {"num_key_value_heads": 1}),
    ],
)
def test_variants_of_families(tmp_path, family, changes):
    save_tiny(tmp_path, family=family, **changes)
    model = load_model(tmp_path)
    batch = batch_of(model)
    small = {name: compacted(model, mask, batch) for name, mask in masks_of(model).items()}
    back = load_model(small["random"].save(tmp_path / "small"))
    assert torch.equal(logits(back, batch), logits(small["random"], batch))
