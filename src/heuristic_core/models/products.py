"""Faster matrix products on processors: forward, and backward to inputs and weights.

Products of float32 matrices are those of oneDNN, which torch comes with: twice as fast as those of
MKL on AMD processors. Numbers change by rounding alone.
"""

from __future__ import annotations

import platform
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from types import MethodType
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.autograd.function import once_differentiable

#: What torch's own compiler computes linear maps with; without it torch's usual product is used.
_OPS, _PRODUCT = torch.ops.mkldnn, "_linear_pointwise"


def has_products() -> bool:
    """Return whether this machine has oneDNN's products, and they are not switched off."""
    mkldnn = torch.backends.mkldnn
    fits = platform.machine().lower() in ("x86_64", "amd64")
    return fits and bool(mkldnn.enabled) and mkldnn.is_available() and hasattr(_OPS, _PRODUCT)


def product(
    x: Float[Tensor, "*row d_in"],
    weight: Float[Tensor, "d_out d_in"],
    bias: Float[Tensor, " d_out"] | None = None,
    *,
    gelu: bool = False,
) -> Float[Tensor, "*row d_out"]:
    """Compute a linear map by oneDNN, which must be there; autograd cannot differentiate it.

    Args:
        x: What the map reads, in float32 or bfloat16 like the others.
        weight: Its weights, row by row or column by column in memory: what is neither is slow.
        bias: Its biases, if it has any.
        gelu: Compute GELU of the outputs too.
    """
    after: tuple[Any, ...] = ("gelu", [], "none") if gelu else ("none", [], "")
    result: Tensor = getattr(_OPS, _PRODUCT)(x, weight, bias, *after)
    return result


def fast_product(x: Tensor, weight: Tensor) -> Tensor:
    """Multiply float32 matrices on the processor as models do, x by weight transposed."""
    return product(x, weight) if has_products() else x @ weight.T


@contextmanager
def fast_products(hf: nn.Module) -> Iterator[None]:
    """Let a model's linear maps multiply by oneDNN within a ``with`` block, where that is faster.

    Hooks, gradients and weights that change work as usual. Gradients of gradients are refused.

    Args:
        hf: The transformers model, full or compacted. On other devices, in other types and within
            autocast it runs as it is.
    """
    with ExitStack() as stack:
        if has_products():
            for linear in [module for module in hf.modules() if is_plain(module)]:
                # On the instance, which hides the class's method until it is deleted. A bound
                # method, because in a copy of the model it belongs to the copy.
                linear.forward = MethodType(forward, linear)  # type: ignore[method-assign]
                stack.callback(linear.__dict__.pop, "forward", None)
        yield


def is_plain(module: nn.Module) -> bool:
    """Return whether a module is a linear map of float32 weights on the processor."""
    if type(module) is not nn.Linear or "forward" in module.__dict__:
        return False
    return _is_float32(module.weight)


def _is_float32(tensor: Tensor) -> bool:
    return tensor.device.type == "cpu" and tensor.dtype is torch.float32


# A pickled method is looked up by this name, and found again as the class's own.
def forward(linear: nn.Linear, x: Tensor) -> Tensor:
    """Compute a linear map as the module's own ``forward`` does, but for rounding."""
    weight, bias = linear.weight, linear.bias
    fits = _is_float32(x) and _is_float32(weight) and weight.is_contiguous()
    # Of no rows the gradient of the weights would be an error.
    if torch.is_autocast_enabled("cpu") or not fits or not x.numel():
        return nn.Linear.forward(linear, x)
    if not torch.is_grad_enabled():
        return product(x, weight, bias)
    result: Tensor = _Product.apply(x, weight, bias)
    return result


class _Product(torch.autograd.Function):
    """A linear map whose gradients are oneDNN's products too."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
        of_x, of_weight, _ = ctx.needs_input_grad
        # What is not needed is not kept in memory.
        ctx.save_for_backward(x if of_weight else None, weight if of_x else None)
        return product(x, weight, bias)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:  # type: ignore[override]
        x, weight = ctx.saved_tensors
        of_x, of_weight, of_bias = ctx.needs_input_grad
        rows = gradient.reshape(-1, gradient.shape[-1])
        return (
            product(gradient, weight.t()) if of_x else None,
            product(rows.t(), _matrix(x).t()) if of_weight else None,
            rows.sum(0) if of_bias else None,
        )


def _matrix(x: Tensor) -> Tensor:
    # First tokens, for one, lie apart in memory.
    return x.reshape(-1, x.shape[-1]).contiguous()
