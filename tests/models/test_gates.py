from __future__ import annotations

import pytest
import torch
from torch import nn

from heuristic_core.errors import InputError
from heuristic_core.measure.removal import removal, without
from heuristic_core.models.ablation import AblationValues
from heuristic_core.models.means import mean_values
from heuristic_core.subnetwork import Subnetwork
from heuristic_core.units import UnitSpace


@pytest.fixture
def values(tiny):
    """Ablation values that are nothing in particular."""
    generator = torch.Generator().manual_seed(5)
    zeros = AblationValues.zeros(tiny.anatomy)
    return AblationValues(
        tuple(torch.randn(v.shape, generator=generator) for v in zeros.heads),
        tuple(torch.randn(v.shape, generator=generator) for v in zeros.mlps),
    )


@pytest.fixture
def batch(tiny, pairs):
    """Eight examples of different lengths."""
    return tiny.encode(pairs).batch(range(8), tiny.device)


def logits(model, batch):
    with torch.no_grad():
        return model(**batch).logits


def hooks(model) -> int:
    return sum(len(m._forward_hooks) + len(m._forward_pre_hooks) for m in model.hf.modules())


def by_hand(model, batch, mask, values):
    """The same subnetwork by replacing modules instead of hooking them."""

    class Heads(nn.Module):
        def __init__(self, inner, z, value):
            super().__init__()
            self.inner, self.z, self.value = inner, z, value

        def forward(self, x):
            pieces = list(x.split(self.value.shape[1], dim=-1))
            for i, keep in enumerate(self.z):
                if not keep:
                    pieces[i] = self.value[i].expand_as(pieces[i])
            return self.inner(torch.cat(pieces, -1))

    class Mlp(nn.Module):
        def __init__(self, value):
            super().__init__()
            self.value = value

        def forward(self, x):
            return self.value.expand_as(x)

    saved = []
    for i, layer in enumerate(model.hf.bert.encoder.layer):
        start = model.space.offsets[i]
        n = model.space.heads[i]
        saved.append((layer, layer.attention.output.dense, layer.output.dropout))
        layer.attention.output.dense = Heads(
            layer.attention.output.dense, mask[start : start + n], values.heads[i]
        )
        if not mask[start + n]:
            layer.output.dropout = Mlp(values.mlps[i])
    result = logits(model, batch)
    for layer, dense, dropout in saved:
        layer.attention.output.dense, layer.output.dropout = dense, dropout
    return result


def test_all_open_changes_no_bit(tiny, values, batch):
    plain = logits(tiny, batch)
    with tiny.gated(values):
        assert torch.equal(logits(tiny, batch), plain)
    n = len(tiny.space)
    with tiny.gated(values) as gates:
        gates.z = torch.ones(8, n)
        assert torch.equal(logits(tiny, batch), plain)


@pytest.mark.parametrize("seed", range(6))
def test_closed_gates_equal_replacement_by_hand(tiny, values, batch, seed):
    mask = torch.rand(len(tiny.space), generator=torch.Generator().manual_seed(seed)) < 0.5
    with tiny.gated(values) as gates:
        gates.z = mask.float()
        gated = logits(tiny, batch)
    expected = by_hand(tiny, batch, mask, values)
    assert torch.allclose(gated, expected, atol=1e-6)
    assert not torch.allclose(gated, logits(tiny, batch), atol=1e-3)


def test_each_example_has_gates_of_its_own(tiny, values, batch):
    z = torch.rand(8, len(tiny.space), generator=torch.Generator().manual_seed(1))
    with tiny.gated(values) as gates:
        gates.z = z
        together = logits(tiny, batch)
        for i in range(8):
            gates.z = z[i]
            alone = logits(tiny, {k: v[i : i + 1] for k, v in batch.items()})
            assert torch.allclose(together[i], alone[0], atol=1e-6)


def test_a_wrong_number_of_gate_vectors_is_refused(tiny, values, batch):
    with tiny.gated(values) as gates:
        gates.z = torch.ones(3, len(tiny.space))
        with pytest.raises(InputError, match="3 gate vectors"):
            logits(tiny, batch)


def test_gradients_of_gates_equal_finite_differences(tiny, values, batch):
    tiny.hf.double()
    exact = AblationValues(
        tuple(v.double() for v in values.heads), tuple(v.double() for v in values.mlps)
    )
    small = {k: v[:2] for k, v in batch.items()}
    start = torch.rand(
        2, len(tiny.space), dtype=torch.float64, generator=torch.Generator().manual_seed(2)
    )
    with tiny.frozen(), tiny.gated(exact) as gates:

        def loss(z):
            gates.z = z
            return tiny(**small).logits.sin().sum()

        assert torch.autograd.gradcheck(loss, start.clone().requires_grad_(), atol=1e-6)


def test_the_model_is_left_as_found_even_by_an_error(tiny, values, batch):
    tiny.hf.train()
    tiny.hf.bert.pooler.dense.weight.requires_grad_(False)
    modes = [m.training for m in tiny.hf.modules()]
    flags = [p.requires_grad for p in tiny.hf.parameters()]
    weights = {k: v.clone() for k, v in tiny.hf.state_dict().items()}
    subnetwork = removal(tiny, "L0H1", means=values)
    for enter in (
        lambda: tiny.gated(values),
        lambda: subnetwork.applied(tiny),
        lambda: without(tiny, "L0H0", means=values),
        tiny.frozen,
        tiny.inference,
    ):
        with pytest.raises(ZeroDivisionError), enter():
            logits(tiny, batch)
            raise ZeroDivisionError
        assert hooks(tiny) == 0
        assert [m.training for m in tiny.hf.modules()] == modes
        assert [p.requires_grad for p in tiny.hf.parameters()] == flags
    assert all(torch.equal(v, weights[k]) for k, v in tiny.hf.state_dict().items())


def test_an_error_while_hooks_are_set_leaves_none(tiny, values, monkeypatch):
    monkeypatch.setattr(tiny.anatomy, "mlp_out", tiny.anatomy.mlp_out[:1])
    with pytest.raises(IndexError), tiny.gated(values):
        pass
    assert hooks(tiny) == 0


def test_removal_of_named_units(tiny, values, batch):
    mask = torch.ones(len(tiny.space), dtype=torch.bool)
    mask[[tiny.space.index("L0H1"), tiny.space.index("L1MLP")]] = False
    with without(tiny, "L0H1", "L1MLP", means=values):
        removed = logits(tiny, batch)
    assert torch.allclose(removed, by_hand(tiny, batch, mask, values), atol=1e-6)
    zeros = AblationValues.zeros(tiny.anatomy)
    with without(tiny, "L0H1", "L1MLP", ablation="zero"):
        zeroed = logits(tiny, batch)
    assert torch.allclose(zeroed, by_hand(tiny, batch, mask, zeros), atol=1e-6)
    with pytest.raises(InputError, match="no unit L7H0"), without(tiny, "L7H0"):
        pass
    # Nothing is ever silently zero.
    with pytest.raises(InputError, match="nothing says what replaces the removed units"):
        without(tiny, "L0H1")


def test_a_subnetwork_of_another_model_is_refused(tiny):
    other = Subnetwork(UnitSpace((4, 4, 4)), frozenset(), ablation="zero")
    with pytest.raises(InputError, match="3 layers x 4 heads, the model 2 layers"):
        other.applied(tiny).__enter__()
    thin = AblationValues(
        tuple(torch.zeros(4, 2) for _ in range(2)), tuple(torch.zeros(8) for _ in range(2))
    )
    foreign = Subnetwork(tiny.space, frozenset(), values=thin.arrays())
    with pytest.raises(InputError, match="another model's"), foreign.applied(tiny):
        pass
    with pytest.raises(InputError, match="lack"), Subnetwork(tiny.space, frozenset()).applied(tiny):
        pass


def test_means_exclude_padding_and_do_not_depend_on_batches(tiny, pairs):
    encoded = tiny.encode(pairs)
    sums, n = {}, 0

    def keep(name, tensor):
        sums[name] = sums.get(name, 0) + tensor[0].double().sum(0)

    handles = []
    for i, layer in enumerate(tiny.hf.bert.encoder.layer):
        handles.append(
            layer.attention.output.dense.register_forward_pre_hook(
                lambda m, a, i=i: keep(f"h{i}", a[0])
            )
        )
        handles.append(
            layer.output.dense.register_forward_hook(lambda m, a, o, i=i: keep(f"m{i}", o))
        )
    for row in range(len(encoded)):  # one by one there is no padding
        logits(tiny, encoded.batch([row], tiny.device))
        n += int(encoded.lengths[row])
    for handle in handles:
        handle.remove()
    for batch_size in (1, 5, 32):
        means = mean_values(tiny, encoded, batch_size=batch_size)
        for i in range(2):
            expected = (sums[f"h{i}"] / n).float().reshape(4, 8)
            assert torch.allclose(means.heads[i], expected, atol=1e-6)
            assert torch.allclose(means.mlps[i], (sums[f"m{i}"] / n).float(), atol=1e-6)
    assert hooks(tiny) == 0


def test_values_survive_the_round_trip_and_must_be_finite(tiny, values):
    arrays = values.arrays()
    back = AblationValues.from_arrays(arrays, 2)
    assert all(torch.equal(a, b) for a, b in zip(back.heads, values.heads, strict=True))
    arrays["L1.mlp"][0] = float("nan")
    with pytest.raises(InputError, match="not finite"):
        AblationValues.from_arrays(arrays, 2)
