from __future__ import annotations

import numpy as np
import pytest
import torch

from heuristic_core.errors import InputError
from heuristic_core.models.patching import freezing, reading, writing
from heuristic_core.models.trace import tracing
from heuristic_core.units import Unit

HEAD = Unit(0, 2)


@pytest.fixture
def batch(tiny, pairs):
    return tiny.encode(pairs).batch(np.arange(8), tiny.device)


@pytest.fixture
def clean(tiny, batch):
    with tiny.inference(), tracing(tiny.anatomy) as trace:
        tiny(**batch)
    return trace


def test_a_frozen_run_is_the_earlier_run_whatever_units_read(tiny, batch, clean):
    noise = {layer: torch.randn_like(read) for layer, read in clean.reads.items()}
    with (
        tiny.inference(),
        freezing(tiny.anatomy, clean),
        reading(tiny.anatomy, "v", noise),
        tracing(tiny.anatomy) as trace,
    ):
        tiny(**batch)
    for layer in range(2):
        assert torch.equal(trace.outputs[layer], clean.outputs[layer])


def test_writing_changes_one_head_and_nothing_in_its_layer_or_below(tiny, batch, clean):
    with (
        tiny.inference(),
        writing(tiny.anatomy, Unit(1, 2), torch.ones(8)),
        tracing(tiny.anatomy) as trace,
    ):
        tiny(**batch)
    assert torch.equal(trace.reads[1], clean.reads[1])
    assert torch.equal(trace.z[0], clean.z[0])
    written = trace.z[1].unflatten(-1, (4, 8))
    assert (written[:, :, 2] == 1).all()
    others = [0, 1, 3]
    assert torch.equal(written[:, :, others], clean.z[1].unflatten(-1, (4, 8))[:, :, others])
    assert not torch.equal(trace.outputs[1], clean.outputs[1])


def test_a_frozen_run_still_writes_what_it_is_told_to(tiny, batch, clean):
    """The direct path: between a head and the next layer are its projection and two LayerNorms."""
    new = torch.randn(8, clean.z[0].shape[1], 8)
    with (
        tiny.inference(),
        freezing(tiny.anatomy, clean),
        writing(tiny.anatomy, HEAD, new),
        tracing(tiny.anatomy) as trace,
    ):
        tiny(**batch)
        z = clean.z[0].clone()
        z[..., 16:24] = new
        block = tiny.anatomy.layers[0]
        attended = block.attention.output.LayerNorm(
            tiny.anatomy.attention_out[0](z) + clean.reads[0]
        )
        expected = block.output.LayerNorm(clean.mlp[0] + attended)
    torch.testing.assert_close(trace.reads[1], expected)
    assert torch.equal(trace.z[1], clean.z[1])
    assert torch.equal(trace.mlp[1], clean.mlp[1])


@pytest.mark.parametrize("which", [0, 1, 2])
def test_one_projection_reads_and_the_others_do_not(tiny, batch, clean, which):
    noise = torch.randn_like(clean.reads[1])
    seen = {}
    handles = [
        module.register_forward_hook(lambda m, args, out, i=i: seen.update({i: out}))
        for i, module in enumerate(tiny.anatomy.projections[1])
    ]
    with tiny.inference(), reading(tiny.anatomy, "qkv"[which], {1: noise}):
        tiny(**batch)
        for i, module in enumerate(tiny.anatomy.projections[1]):
            wanted = module.forward(noise if i == which else clean.reads[1])
            assert torch.equal(seen[i], wanted)
    for handle in handles:
        handle.remove()


def test_the_model_is_left_as_found(tiny, clean):
    with (
        pytest.raises(KeyboardInterrupt),
        freezing(tiny.anatomy, clean),
        writing(tiny.anatomy, HEAD, torch.ones(8)),
        reading(tiny.anatomy, "q", clean.reads),
    ):
        assert sum(len(m._forward_pre_hooks) for m in tiny.hf.modules()) == 2 + 1 + 2 * 2
        raise KeyboardInterrupt
    # A trace that lacks a layer fails half-way through setting its hooks.
    clean.z.pop(1)
    with pytest.raises(KeyError), freezing(tiny.anatomy, clean):
        pass
    assert not any(m._forward_hooks or m._forward_pre_hooks for m in tiny.hf.modules())


def test_only_heads_of_the_model(tiny):
    assert tiny.anatomy.slice_of(Unit(1, 3)) == slice(24, 32)
    with pytest.raises(InputError, match="only heads can be patched"):
        tiny.anatomy.slice_of(Unit(1))
    with pytest.raises(InputError, match="there is no unit L1H4"):
        tiny.anatomy.slice_of(Unit(1, 4))
