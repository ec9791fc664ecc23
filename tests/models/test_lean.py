"""Running a model for its logits alone."""

from __future__ import annotations

import platform

import numpy as np
import pytest
import torch
from torch import nn

from heuristic_core.measure.accuracy import evaluate, predict, predict_each
from heuristic_core.models import products
from heuristic_core.models.hooks import is_hooked
from heuristic_core.models.lean import lean
from heuristic_core.models.loading import load_model
from heuristic_core.subnetwork import Subnetwork
from heuristic_core.tasks.hans import hans_grammar_suite
from tiny import save_tiny

PRODUCTS = platform.machine().lower() in ("x86_64", "amd64")


def seen(model):
    """The shapes that the last layer's modules read in a forward pass."""
    found = {}
    layer = model.anatomy.layers[-1]
    for name in ("attention.self", "attention.output.dense", "output.dense"):
        layer.get_submodule(name).register_forward_pre_hook(
            lambda m, args, name=name: found.__setitem__(name, tuple(args[0].shape))
        )
    return found


def test_only_the_first_token_passes_the_last_layers_maps(tiny, pairs):
    found = seen(tiny)
    encoded = tiny.encode(pairs)
    predict(tiny, encoded, batch_size=len(encoded))
    n, longest = len(encoded), int(encoded.lengths.max())
    assert found["attention.self"][:2] == (n, longest)
    assert found["attention.output.dense"][:2] == found["output.dense"][:2] == (n, 1)


@pytest.mark.parametrize("precision", ["float32", "bfloat16", "float16"])
def test_the_model_is_left_as_it_was(tiny, precision):
    before = [dict(m.__dict__) for m in tiny.hf.modules()]
    with lean(tiny.hf, tiny.family, precision=precision):
        changed = [m for m in tiny.hf.modules() if "forward" in m.__dict__]
        n_maps = sum(type(m) is nn.Linear for m in tiny.hf.modules())
        expected = {"float32": len(tiny.anatomy.layers), "bfloat16": n_maps, "float16": 0}
        assert len(changed) == (expected[precision] if PRODUCTS else 0)
        assert is_hooked(tiny.hf)
    assert not is_hooked(tiny.hf)
    assert [set(m.__dict__) for m in tiny.hf.modules()] == [set(d) for d in before]


def test_without_these_products_the_usual_ones_are_used(tiny, pairs, monkeypatch):
    encoded = tiny.encode(pairs)
    expected = tiny.logits(encoded).numpy()
    monkeypatch.setattr(products, "_PRODUCT", "none such")
    with lean(tiny.hf, tiny.family):
        assert not any("forward" in m.__dict__ for m in tiny.hf.modules())
    np.testing.assert_allclose(predict(tiny, encoded), expected, atol=1e-5)


def test_hooks_within_the_mlp_are_called(tiny, pairs):
    calls = []
    dense = tiny.anatomy.layers[0].intermediate.dense
    dense.register_forward_hook(lambda m, args, output: calls.append(output.shape))
    predict(tiny, tiny.encode(pairs))
    assert calls


@pytest.mark.parametrize("activation", ["gelu", "gelu_new", "relu"])
def test_the_activation_is_the_configurations(tmp_path, pairs, activation):
    model = load_model(save_tiny(tmp_path, hidden_act=activation))
    encoded = model.encode(pairs)
    expected = model.logits(encoded).numpy()
    np.testing.assert_allclose(predict(model, encoded), expected, atol=1e-5)


def test_mlps_in_chunks_of_positions_run_as_they_are(tmp_path, pairs):
    model = load_model(save_tiny(tmp_path, chunk_size_feed_forward=2))
    even = model.encode(pairs)
    even = even.take(np.flatnonzero(even.lengths % 2 == 0))
    expected = model.logits(even, batch_size=1).numpy()
    np.testing.assert_allclose(predict(model, even, batch_size=1), expected, atol=1e-5)


def test_weights_that_are_not_float32_run_as_they_are(tiny, pairs):
    tiny.hf.double()
    encoded = tiny.encode(pairs)
    torch.testing.assert_close(
        torch.tensor(predict(tiny, encoded)), tiny.logits(encoded), atol=1e-6, rtol=0
    )


def test_sets_that_are_batched_together_get_the_logits_of_each(tiny, pairs):
    encoded = tiny.encode(pairs)
    parts = [encoded.take(np.arange(*ends)) for ends in ((0, 5), (5, len(encoded)))]
    together = predict_each(tiny, parts)
    assert [len(part) for part in together] == [len(part) for part in parts]
    np.testing.assert_allclose(np.concatenate(together), predict(tiny, encoded), atol=1e-6)


def test_progress_counts_the_examples_of_both_systems(tiny):
    steps = []
    half = Subnetwork(tiny.space, frozenset(list(tiny.space)[::2]), ablation="zero")
    suites = [hans_grammar_suite(2), hans_grammar_suite(3, seed=1)]
    evaluate(tiny, suites, subnetwork=half, progress=lambda done, of: steps.append((done, of)))
    assert steps[-1] == (2 * 150, 2 * 150)
    assert (150, 300) in steps
    assert [done for done, _ in steps] == sorted(done for done, _ in steps)
