"""Searches with autocast: only the model computes in a narrower type."""

from __future__ import annotations

from functools import partial

import numpy as np
import pytest
import torch
from problems import QUICK

from heuristic_core.errors import InputError
from heuristic_core.models import precision as precisions
from heuristic_core.models.hooks import on_heads
from heuristic_core.models.loading import load_model
from heuristic_core.search.data import prepare
from heuristic_core.search.find import find_subnetwork, find_subnetworks_together
from heuristic_core.search.gate_training import kl_divergence
from heuristic_core.search.methods import METHODS
from heuristic_core.training.finetune import finetune
from heuristic_core.units import n_kept
from tiny import save_tiny, some_pairs

NARROW = ("bfloat16", "float16")


@pytest.fixture
def data(tiny, pairs):
    return prepare(tiny, pairs)


def gradients(model, data, precision, size=1.0):
    """Gradients of a small loss with respect to half-open gates, one an example."""
    rows = np.arange(8)
    generator = torch.Generator().manual_seed(0)
    z = 0.2 + 0.6 * torch.rand(8, len(model.space), generator=generator, dtype=torch.float64)
    with model.frozen(), model.gated(data.values) as gates, model.computing_in(precision):
        gates.z = z.requires_grad_()
        logits = model(**data.encoded.batch(rows, model.device)).logits
        assert logits.dtype == torch.float32
        (size * kl_divergence(data.reference[rows], logits).sum()).backward()
    assert z.grad.dtype == torch.float64
    return z.grad


@pytest.mark.parametrize("family", ["bert", "gpt2"])
@pytest.mark.parametrize("precision", NARROW)
def test_gradients_are_those_of_float32_but_for_rounding(tmp_path, family, precision):
    model = load_model(save_tiny(tmp_path, family=family))
    data = prepare(model, some_pairs(8))
    exact, rounded = (gradients(model, data, name) for name in ("float32", precision))
    assert 0 < (rounded - exact).norm() < 0.1 * exact.norm()


def test_small_gradients_are_not_lost_in_float16(tiny, data, monkeypatch):
    size = 1e-5
    exact = gradients(tiny, data, "float32", size)
    kept = gradients(tiny, data, "float16", size)
    monkeypatch.setattr(precisions, "GRADIENT_SCALE", 1.0)
    lost = gradients(tiny, data, "float16", size)
    assert (kept - exact).norm() < 0.1 * exact.norm()
    assert (lost - exact).norm() > 2 * (kept - exact).norm()


def test_gates_are_not_rounded(tiny, data):
    """A gate of 0.999 is 1 in bfloat16, so that it would leave nothing to see."""
    batch = data.encoded.batch(np.arange(4), tiny.device)
    seen = {}
    for z in (0.999, 1.0):
        with tiny.frozen(), tiny.gated(data.values) as gates, tiny.computing_in("bfloat16"):
            gates.z = torch.full((4, len(tiny.space)), z).requires_grad_()
            with on_heads(tiny.anatomy, 0, partial(seen.setdefault, z)):  # after the gates
                tiny(**batch)
    assert seen[1.0].dtype == torch.bfloat16
    assert not torch.equal(seen[0.999], seen[1.0])


@pytest.mark.parametrize("precision", ["float32", *NARROW])
def test_attention_is_not_fused_where_its_gradients_would_be_slow(tiny, data, precision):
    fused = torch.backends.cuda.flash_sdp_enabled  # on processors too
    seen = []
    find_subnetwork(
        tiny,
        data,
        0.5,
        precision=precision,
        progress=lambda done, of: seen.append(fused()),
        **QUICK["learned"],
    )
    assert set(seen) == {precision == "float32"}
    assert fused()


@pytest.mark.parametrize("method", sorted(METHODS))
def test_every_method_searches_in_bfloat16(tiny, data, method):
    exact, rounded = (
        find_subnetwork(tiny, data, 0.5, seed=1, method=method, precision=name, **QUICK[method])
        for name in ("float32", "bfloat16")
    )
    assert len(rounded) == n_kept(10, 0.5)
    assert rounded.provenance["precision"] == "bfloat16"
    assert exact.provenance["precision"] == "float32"
    # The first two read no logits, and few steps of the published size hardly move anything.
    if method not in ("random", "magnitude", "paper"):
        assert not np.array_equal(exact.soft, rounded.soft)
    assert tiny.precision == "float32"


@pytest.mark.parametrize("precision", NARROW)
def test_soft_values_are_near_those_of_float32(tiny, data, precision):
    settings = {"exchange_rounds": 0, **QUICK["learned"]}
    exact, rounded = (
        find_subnetwork(tiny, data, 0.5, seed=1, precision=name, **settings)
        for name in ("float32", precision)
    )
    assert 0 < np.abs(exact.soft - rounded.soft).max() < 0.05


def test_several_seeds_in_one_pass_in_bfloat16(tiny, data):
    found = find_subnetworks_together(
        tiny, data, [0.5], seeds=[1, 2], precision="bfloat16", **QUICK["learned"]
    )
    for seed, (one,) in found.items():
        alone = find_subnetwork(
            tiny, data, 0.5, seed=seed, precision="bfloat16", **QUICK["learned"]
        )
        assert np.abs(one.soft - alone.soft).max() < 0.1


def test_the_model_is_left_as_it_was_where_a_search_fails(tiny):
    with pytest.raises(ZeroDivisionError), tiny.computing_in("float16"):
        with tiny.computing_in("bfloat16"):
            assert tiny.precision == "bfloat16"
        assert tiny.precision == "float16"
        raise ZeroDivisionError
    assert tiny.precision == "float32"


def test_what_does_not_fit_is_refused(tiny, tiny_folder, pairs, tmp_path):
    with pytest.raises(InputError, match="unknown precision 'half'"), tiny.computing_in("half"):
        pass
    narrow = load_model(tiny_folder, dtype="bfloat16")
    with pytest.raises(InputError, match="for weights in float32, these are in bfloat16"):
        find_subnetwork(narrow, pairs, 0.5, precision="bfloat16")
    with pytest.raises(InputError, match="fine-tuning in float16 needs a CUDA device, this is cpu"):
        finetune(tiny, pairs, tmp_path, steps=1, checkpoints=[1], seed=1, precision="float16")
