"""Shared gradients: outputs stay as they are, and gradients are those of rules written out."""

from __future__ import annotations

import copy

import pytest
import torch

from heuristic_core.models.interactions import _FlatterSoftmax, shared_gradients
from heuristic_core.models.loading import load_model
from heuristic_core.search.data import prepare
from heuristic_core.search.gate_gradients import gate_gradients, log_probability
from tiny import save_tiny, some_pairs


def share(x, factor):
    """The same values, with a share of the gradient."""
    return factor * x + (1 - factor) * x.detach()


def norm(module, x):
    """A LayerNorm that divides by a constant."""
    centred = x - x.mean(-1, keepdim=True)
    scale = ((centred**2).mean(-1, keepdim=True) + module.eps).sqrt().detach()
    return centred / scale * module.weight + module.bias


def softmax(scores, temperature):
    """Values of softmax, and the slopes that it has at a temperature, for a unit of its input."""
    flat = torch.softmax(scores / temperature, -1)
    # The derivative of flat with respect to scores / temperature is what is wanted.
    slopes = temperature * flat
    return torch.softmax(scores, -1).detach() + slopes - slopes.detach()


def by_hand(model, data, row, temperature):
    """Gradients of one example's gates, layer by layer, in a BERT written out."""
    hf, values = model.hf, data.values
    batch = data.encoded.batch([row], model.device)
    x = hf.bert.embeddings(batch["input_ids"], batch["token_type_ids"])[0].detach()
    z = torch.ones(len(model.space), dtype=x.dtype, requires_grad=True)
    n_heads, width = model.space.heads[0], model.anatomy.d_heads[0]
    for i, layer in enumerate(hf.bert.encoder.layer):
        at = model.space.offsets[i]
        own = layer.attention.self
        parts = []
        q, k, v = share(own.query(x), 0.25), share(own.key(x), 0.25), share(own.value(x), 0.5)
        for head in range(n_heads):
            cut = slice(head * width, (head + 1) * width)
            weights = softmax(q[:, cut] @ k[:, cut].T / width**0.5, temperature)
            gate, value = z[at + head], values.heads[i][head].to(x.dtype)
            parts.append(gate * (weights @ v[:, cut]) + (1 - gate) * value)
        dense = layer.attention.output
        y = norm(dense.LayerNorm, dense.dense(torch.cat(parts, -1)) + x)
        inner = torch.nn.functional.gelu(layer.intermediate.dense(y))
        gate = z[at + n_heads]
        out = gate * layer.output.dense(inner) + (1 - gate) * values.mlps[i].to(x.dtype)
        x = norm(layer.output.LayerNorm, out + y)
    logits = hf.classifier(torch.tanh(hf.bert.pooler.dense(x[:1])))
    total = log_probability(logits, data.labels[row : row + 1]).sum()
    return torch.autograd.grad(total, z)[0]


@pytest.mark.parametrize("temperature", [1.0, 2.0])
def test_gradients_are_those_of_the_rules_written_out(tiny, pairs, temperature):
    data = prepare(tiny, pairs.take(slice(6)))
    tiny.hf.double()
    z = torch.ones(len(tiny.space), dtype=torch.float64)
    with shared_gradients(tiny.anatomy, temperature=temperature):
        found = gate_gradients(tiny, data, data.labels, z, batch_size=4)
    plain = gate_gradients(tiny, data, data.labels, z)
    for row in range(6):
        expected = by_hand(tiny, data, row, temperature)
        torch.testing.assert_close(found[row], expected, rtol=1e-6, atol=1e-9)
    # Above the last layer nothing is shared but the norms' scale.
    assert (found - plain).abs().max() > 1e-3


def test_softmax_is_itself_forwards_and_flatter_backwards():
    x = torch.randn(3, 5, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    x.requires_grad_()
    y = _FlatterSoftmax.apply(x, -1, 1.0)
    torch.testing.assert_close(y, torch.softmax(x, -1))
    weights = torch.arange(15.0, dtype=torch.float64).reshape(3, 5)
    (own,) = torch.autograd.grad((y * weights).sum(), x)
    (torchs,) = torch.autograd.grad((torch.softmax(x, -1) * weights).sum(), x)
    torch.testing.assert_close(own, torchs)
    # Saturated, it still says what would matter.
    far = (30 * x).detach().requires_grad_()
    sizes = []
    for temperature in (1.0, 30.0):
        out = (_FlatterSoftmax.apply(far, -1, temperature) * weights).sum()
        sizes.append(torch.autograd.grad(out, far)[0].abs().max())
    assert sizes[1] > 100 * sizes[0]


#: Of every kind: eager and fused attention, norms of both kinds, fused maps, shared keys, gates.
FAMILIES = (
    "deberta-v2", "modernbert", "gpt2", "gpt_neox", "opt", "llama", "gemma3_text", "olmo2", "t5",
)  # fmt: skip


@pytest.mark.parametrize("family", ["bert", *FAMILIES])
def test_outputs_stay_as_they_are(family, tmp_path):
    model = load_model(save_tiny(tmp_path, family=family))
    encoded = model.encode(some_pairs(6))
    before = copy.deepcopy(model.hf.state_dict())
    plain = model.logits(encoded)
    with shared_gradients(model.anatomy):
        torch.testing.assert_close(model.logits(encoded), plain, rtol=1e-4, atol=1e-5)
    assert torch.equal(model.logits(encoded), plain)
    assert all(torch.equal(value, before[name]) for name, value in model.hf.state_dict().items())


@pytest.mark.parametrize("family", FAMILIES)
def test_gradients_change_in_every_family(family, tmp_path):
    """In lower layers; the last one's head gates are above everything but norms."""
    model = load_model(save_tiny(tmp_path, family=family))
    data = prepare(model, some_pairs(6))
    classes = data.reference.argmax(-1)
    z = torch.ones(len(model.space))
    plain = gate_gradients(model, data, classes, z)
    with shared_gradients(model.anatomy):
        found = gate_gradients(model, data, classes, z)
    lower = slice(0, model.space.offsets[-1])
    change = (found - plain)[:, lower].abs().max() / plain[:, lower].abs().max()
    assert torch.isfinite(found).all()
    assert change > 0.01
