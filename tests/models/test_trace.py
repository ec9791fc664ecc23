from __future__ import annotations

import numpy as np
import pytest
import torch

from heuristic_core.models.trace import starting_at, tracing


@pytest.fixture
def batch(tiny, pairs):
    return tiny.encode(pairs).batch(np.arange(8), tiny.device)


def test_a_trace_shows_what_each_layer_computes(tiny, batch):
    with tiny.inference(), tracing(tiny.anatomy) as trace:
        logits = tiny(**batch).logits
    block, out = tiny.anatomy.layers[1], tiny.anatomy.attention_out[1]
    with tiny.inference():
        attended = block.attention.output.LayerNorm(out(trace.z[1]) + trace.reads[1])
        mlp = block.output.dense(block.intermediate(attended))
        torch.testing.assert_close(trace.mlp[1], mlp)
        torch.testing.assert_close(trace.reads[1], trace.outputs[0])
        pooled = tiny.hf.bert.pooler(trace.outputs[1])
        torch.testing.assert_close(tiny.hf.classifier(pooled), logits)


def test_starting_at_a_layer_runs_that_and_those_above(tiny, batch):
    with tiny.inference(), tracing(tiny.anatomy) as trace:
        logits = tiny(**batch).logits
        outputs = dict(trace.outputs)
        for layer in range(3):
            ran: list[int] = []
            handles = [
                tiny.anatomy.mlp_out[i].register_forward_hook(
                    lambda m, a, o, i=i, ran=ran: ran.append(i)
                )
                for i in range(2)
            ]
            with starting_at(tiny.anatomy, layer, outputs):
                assert torch.equal(tiny(**batch).logits, logits)
            for handle in handles:
                handle.remove()
            assert ran == list(range(layer, 2))


def test_the_model_is_left_as_found(tiny, batch):
    with tiny.inference(), tracing(tiny.anatomy) as trace:
        before = tiny(**batch).logits
        outputs = dict(trace.outputs)
    with pytest.raises(RuntimeError), starting_at(tiny.anatomy, 2, outputs):
        raise RuntimeError
    assert not any("forward" in layer.__dict__ for layer in tiny.anatomy.layers)
    assert not any(
        module._forward_hooks or module._forward_pre_hooks for module in tiny.hf.modules()
    )
    with tiny.inference():
        assert torch.equal(tiny(**batch).logits, before)
