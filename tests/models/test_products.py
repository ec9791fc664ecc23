"""Faster matrix products: the same numbers and gradients as torch's own, up to rounding."""

from __future__ import annotations

import copy
import pickle
import platform

import numpy as np
import pytest
import torch
from torch import nn

from heuristic_core.models import products as module
from heuristic_core.models.ablation import AblationValues
from heuristic_core.models.loading import new_classifier
from heuristic_core.models.products import fast_products
from heuristic_core.search.find import find_subnetworks
from heuristic_core.training.finetune import finetune
from tiny import LABELS, save_tiny, some_pairs

HERE = platform.machine().lower() in ("x86_64", "amd64")
needs_products = pytest.mark.skipif(not HERE, reason="this processor has no such products")

#: Inputs of a map from 48 numbers to 40.
INPUTS = {
    "matrix": lambda: torch.randn(70, 48),
    "batch": lambda: torch.randn(5, 14, 48),
    "vector": lambda: torch.randn(48),
    "one row": lambda: torch.randn(1, 48),
    "transposed": lambda: torch.randn(48, 70).t(),
    "first tokens": lambda: torch.randn(5, 14, 48)[:, 0],
    "every other": lambda: torch.randn(5, 14, 96)[..., ::2],
    "expanded": lambda: torch.randn(5, 1, 48).expand(5, 14, 48),
    "no rows": lambda: torch.randn(0, 48),
    "no tokens": lambda: torch.randn(5, 0, 48),
}


@pytest.fixture
def linear():
    torch.manual_seed(0)
    return nn.Linear(48, 40)


def gradients(linear, x, outer):
    """The outputs of a map, and the gradients of its input and its parameters."""
    x = x.detach().requires_grad_()
    y = linear(x)
    return y, *torch.autograd.grad(y, [x, *linear.parameters()], outer(y))


def only_torchs(monkeypatch):
    monkeypatch.setattr(module, "_PRODUCT", "none such")


def changed(hf):
    """The maps that do not run as they are."""
    return [m for m in hf.modules() if type(m) is nn.Linear and "forward" in m.__dict__]


@needs_products
@pytest.mark.parametrize("outer", [torch.randn_like, lambda y: torch.ones(1).expand_as(y)])
@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize("name", INPUTS)
def test_gradients_are_torchs_own(name, bias, outer):
    torch.manual_seed(1)
    linear, x = nn.Linear(48, 40, bias=bias), INPUTS[name]()
    state = torch.get_rng_state()
    expected = gradients(linear, x, outer)
    torch.set_rng_state(state)
    with fast_products(linear):
        found = gradients(linear, x, outer)
    assert ("_Product" in found[0].grad_fn.name()) == bool(x.numel())
    for one, other in zip(found, expected, strict=True):
        assert one.shape == other.shape
        scale = float(other.detach().abs().max()) if other.numel() else 1.0
        torch.testing.assert_close(one, other, rtol=1e-5, atol=1e-5 * scale)


@needs_products
@pytest.mark.parametrize("name", INPUTS)
def test_second_factors_lie_row_by_row_or_column_by_column(linear, name, monkeypatch):
    """With others oneDNN gives the same numbers, a hundred times as slowly."""
    seen, usual = [], module.product

    def product(x, weight, *args):
        seen.append(weight.is_contiguous() or weight.t().is_contiguous())
        return usual(x, weight, *args)

    monkeypatch.setattr(module, "product", product)
    with fast_products(linear):
        x = INPUTS[name]()
        gradients(linear, x, torch.randn_like)
        assert seen == [True] * (3 if x.numel() else 0)
        linear.weight = nn.Parameter(torch.randn(40, 96)[:, ::2])
        gradients(linear, x, torch.randn_like)
        assert seen == [True] * (3 if x.numel() else 0)  # torch's own


@needs_products
@pytest.mark.parametrize("wanted", [{"x"}, {"weight"}, {"bias"}, {"x", "bias"}])
def test_only_gradients_that_are_wanted_are_computed_and_only_what_they_need_is_kept(
    linear, wanted
):
    x = torch.randn(6, 48, requires_grad="x" in wanted)
    for name, parameter in linear.named_parameters():
        parameter.requires_grad_(name in wanted)
    with fast_products(linear):
        y = linear(x)
    kept = y.grad_fn.saved_tensors
    assert [one is not None for one in kept] == ["weight" in wanted, "x" in wanted]
    y.sum().backward()
    having = {"x": x, **dict(linear.named_parameters())}
    assert {name for name, tensor in having.items() if tensor.grad is not None} == wanted


@needs_products
def test_weights_are_read_anew_each_time(linear):
    x = torch.randn(6, 48)
    with fast_products(linear):
        before = linear(x)
        with torch.no_grad():
            linear.weight.mul_(2)
            linear.bias.mul_(2)
        torch.testing.assert_close(linear(x), 2 * before)
        linear.weight = nn.Parameter(torch.zeros(40, 48))
        assert torch.equal(linear(x), linear.bias.expand(6, 40))


@needs_products
def test_maps_that_share_weights_add_their_gradients(linear):
    twin = nn.Linear(48, 40)
    twin.weight = linear.weight
    x = torch.randn(6, 48)
    with fast_products(nn.ModuleList([linear, twin])):
        (linear(x) + 2 * twin(x)).sum().backward()
    torch.testing.assert_close(linear.weight.grad, 3 * x.sum(0).expand(40, 48))
    torch.testing.assert_close(linear.bias.grad, torch.full((40,), 6.0))


@needs_products
def test_without_gradients_there_is_no_graph(linear):
    x = torch.randn(6, 48)
    with fast_products(linear):
        wanted = linear(x)
        for mode in (torch.no_grad, torch.inference_mode):
            with mode():
                y = linear(x)
            assert not y.requires_grad
            assert y.is_inference() == (mode is torch.inference_mode)
            assert torch.equal(y, wanted)  # the same product whoever asks


@needs_products
def test_hooks_on_maps_are_called(linear):
    x = torch.randn(6, 48)
    linear.register_forward_pre_hook(lambda m, args: (2 * args[0],))
    linear.register_forward_hook(lambda m, args, output: output + 1)
    expected = linear(x)
    with fast_products(linear):
        torch.testing.assert_close(linear(x), expected)


@needs_products
def test_gradients_of_gradients_are_refused(linear):
    x = torch.randn(6, 48, requires_grad=True)
    with fast_products(linear):
        (gradient,) = torch.autograd.grad(linear(x).sin().sum(), x, create_graph=True)
    with pytest.raises(RuntimeError, match="once_differentiable"):
        gradient.sum().backward()


def test_other_types_and_autocast_run_as_they_are(linear):
    x = torch.randn(6, 48)
    with torch.autocast("cpu", torch.bfloat16):
        expected = linear(x)
        with fast_products(linear):
            y = linear(x)
    assert y.dtype is torch.bfloat16
    assert y.equal(expected)
    with fast_products(linear):
        linear.double()
        assert linear(x.double()).equal(nn.functional.linear(x.double(), *linear.parameters()))
        linear.to("meta")
        assert linear(x.to("meta")).device.type == "meta"
    with fast_products(linear):
        assert not changed(linear)


def test_without_these_products_nothing_is_changed(linear, monkeypatch):
    only_torchs(monkeypatch)
    with fast_products(linear):
        assert not changed(linear)


@needs_products
def test_a_copy_made_within_the_block_reads_its_own_weights(linear):
    x = torch.randn(6, 48)
    with fast_products(linear):
        copies = [copy.deepcopy(linear), pickle.loads(pickle.dumps(linear))]
        expected = linear(x)
    for other in copies:
        torch.testing.assert_close(other(x), expected)
        with torch.no_grad():
            other.weight.zero_()
        assert torch.equal(other(x), linear.bias.expand(6, 40))


@needs_products
def test_a_frozen_model_multiplies_faster_until_the_end_of_the_outermost_block(tiny):
    n_maps = sum(type(m) is nn.Linear for m in tiny.hf.modules())
    with tiny.frozen():
        assert len(changed(tiny.hf)) == n_maps
        with tiny.inference():
            assert len(changed(tiny.hf)) == n_maps
        assert len(changed(tiny.hf)) == n_maps
    assert not changed(tiny.hf)
    with pytest.raises(KeyError), tiny.frozen():
        raise KeyError
    assert not changed(tiny.hf)


@needs_products
def test_a_model_runs_with_open_gates_as_without_them_to_the_last_bit(tiny, pairs):
    batch = tiny.encode(pairs).batch(range(8), tiny.device)
    with tiny.inference():
        plain = tiny(**batch).logits
    with tiny.frozen(), tiny.gated(AblationValues.zeros(tiny.anatomy)) as gates:
        gates.z = gates.z.expand(8, -1).clone().requires_grad_()
        assert torch.equal(tiny(**batch).logits, plain)


@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
def test_fine_tuning_learns_what_it_does_by_torchs_products(tmp_path, precision, monkeypatch):
    source, examples = save_tiny(tmp_path, classifier=False), some_pairs(48, seed=5)

    def trained(name):
        model = new_classifier(source, LABELS, seed=1)
        (tmp_path / name).mkdir()
        seen = []
        table = finetune(
            model,
            examples,
            tmp_path / name,
            steps=20,
            checkpoints=[10, 20],
            seed=3,
            batch_size=8,
            learning_rate=1e-3,
            precision=precision,
            progress=lambda done, of: seen.append(len(changed(model.hf))),
        )
        assert len(set(seen)) == 1
        assert not any("forward" in m.__dict__ for m in model.hf.modules())
        return table["loss"].to_numpy(), model.logits(model.encode(examples)), seen[0] > 0

    losses, logits, fast = trained("fast")
    assert fast == HERE
    only_torchs(monkeypatch)
    expected_losses, expected, fast = trained("usual")
    assert not fast
    within = 1e-4 if precision == "float32" else 1e-6
    np.testing.assert_allclose(losses, expected_losses, rtol=within)
    # Far more than rounding lies between the model before and after.
    torch.testing.assert_close(logits, expected, rtol=0, atol=1e-3)


def test_a_search_finds_what_it_does_by_torchs_products(tiny, pairs, monkeypatch):
    options = {"ramp_steps": 32, "hold_steps": 4, "exchange_rounds": 1, "exchange_examples": 16}

    def found():
        seen = []
        (one,) = find_subnetworks(
            tiny,
            pairs,
            [0.5],
            progress=lambda done, of: seen.append(len(changed(tiny.hf))),
            **options,
        )
        assert len(seen) >= 20
        return one, max(seen) > 0

    fast, is_fast = found()
    assert is_fast == HERE
    only_torchs(monkeypatch)
    usual, is_fast = found()
    assert not is_fast
    np.testing.assert_allclose(fast.soft, usual.soft, rtol=0, atol=1e-4)
    assert fast.kept == usual.kept
    assert np.ptp(usual.soft) > 0.05
