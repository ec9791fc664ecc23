"""Computing in a precision: weights stay in float32, matrix products are narrower.

Torch's autocast chooses the operations. What is not the model's own stays in float32: gates, the
noise on them, losses and multipliers.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor
from torch.nn.attention import SDPBackend, sdpa_kernel

from ..precision import Precision

#: In float16, what flows back through a model is this much larger than the gradient, whose small
#: values would be lost: below 6e-8 all are 0. A power of two changes no digit.
GRADIENT_SCALE = 2.0**8


@contextmanager
def autocast(device: torch.device, precision: Precision) -> Iterator[None]:
    """Compute in a precision within a ``with`` block, whatever the caller has set.

    Args:
        device: Where the model is.
        precision: The precision; float32 leaves everything as it is.
    """
    if precision == "float32":
        yield
        return
    with torch.autocast(device.type, getattr(torch, precision)):
        yield


@contextmanager
def quick_gradients(device: torch.device, precision: Precision) -> Iterator[None]:
    """Compute attention in a way whose gradients are quick within a ``with`` block.

    On processors the gradients of fused attention take five times as long in narrow types.

    Args:
        device: Where the model is.
        precision: What it computes in.
    """
    if precision == "float32" or device.type != "cpu":
        yield
        return
    with sdpa_kernel(SDPBackend.MATH):
        yield


def computes_narrow(device: torch.device) -> bool:
    """Return whether operations on a device are narrower than their inputs right now."""
    return torch.is_autocast_enabled(device.type)


def enlarged(logits: Tensor, precision: Precision) -> Tensor:
    """Return a model's logits in float32, the gradients that flow back from them made larger."""
    logits = logits.float()
    return _Scaled.apply(logits, GRADIENT_SCALE) if precision == "float16" else logits


def restored(gates: Tensor) -> Tensor:
    """Return gates as they are; their gradients get their size back within autocast to float16."""
    if torch.get_autocast_dtype(gates.device.type) is not torch.float16:
        return gates
    return _Scaled.apply(gates, 1 / GRADIENT_SCALE)


def with_gradient(values: Tensor, factor: float | Tensor) -> Tensor:
    """Return values as they are; the gradient that flows back through them is multiplied.

    Args:
        values: The values.
        factor: What multiplies the gradient: a number, or one for each place of the last axis.
    """
    same: Tensor = _Scaled.apply(values, factor)
    return same


class _Scaled(torch.autograd.Function):
    """The same values, with gradients multiplied by a factor."""

    @staticmethod
    def forward(ctx: Any, values: Tensor, factor: float | Tensor) -> Tensor:
        ctx.factor = factor
        return values.view_as(values)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None]:  # type: ignore[override]
        return gradient * ctx.factor, None
