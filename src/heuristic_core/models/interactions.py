"""Gradients that count what acts only together: changed rules of backpropagation.

The forward pass stays as it is. Backwards, norms divide by a constant; softmax is as flat as at a
higher temperature, so that what it saturates on does not hide the rest; and where things are
multiplied, each gets its share of the gradient, not all of it.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.overrides import TorchFunctionMode

from .anatomy import KEY, QUERY, VALUE, Anatomy
from .hooks import Handle, on_mlp
from .precision import with_gradient

#: Queries and keys share half of what flows into attention, values have the other half.
_SHARES = {QUERY: 0.25, KEY: 0.25, VALUE: 0.5}
#: Modules that an MLP has whose hidden units are products: each factor has half.
_GATED = ("gate_proj", "wi_0", "Wi")
_SOFTMAX = (functional.softmax, torch.softmax, Tensor.softmax)


@contextmanager
def shared_gradients(anatomy: Anatomy, *, temperature: float = 2.0) -> Iterator[None]:
    """Share gradients between what is multiplied, within a ``with`` block.

    Args:
        anatomy: The model's anatomy.
        temperature: Of softmax in the backward pass.

    Source:
        Edin et al. (2025), arXiv 2505.17630.
    """
    with ExitStack() as stack:
        for module in anatomy.hf.modules():
            if type(module).__name__.endswith("Norm") and hasattr(module, "weight"):
                stack.enter_context(Handle(module.register_forward_hook(_constant_scale)))
        for layer, maps in enumerate(anatomy.projections):
            for kind, share in _SHARES.items():
                module = maps[kind] if len(maps) == 3 else maps[0]
                rows = None if len(maps) == 3 else anatomy.rows(layer, kind)
                stack.enter_context(Handle(module.register_forward_hook(_shared(share, rows))))
            if any(
                name.split(".")[-1] in _GATED for name, _ in anatomy.layers[layer].named_modules()
            ):
                stack.enter_context(on_mlp(anatomy, layer, lambda out: with_gradient(out, 0.5)))
        stack.enter_context(_Flatter(temperature))
        yield


def _shared(share: float, rows: Tensor | None) -> Callable[[nn.Module, Any, Tensor], Tensor]:
    """Return a hook that gives a projection, or some of its rows, a share of the gradient."""

    def hook(module: nn.Module, args: Any, output: Tensor) -> Tensor:
        if rows is None:
            return with_gradient(output, share)
        factor = torch.ones(output.shape[-1], dtype=output.dtype, device=output.device)
        return with_gradient(output, factor.index_fill(0, rows.to(output.device), share))

    return hook


def _constant_scale(module: Any, args: tuple[Tensor, ...], output: Tensor) -> Tensor:
    """Return a norm's output, with the gradient of a division by a constant."""
    x = args[0]
    if isinstance(module, nn.LayerNorm):
        x = x - x.mean(-1, keepdim=True)
        scale = (x.detach().square().mean(-1, keepdim=True) + module.eps).rsqrt()
        linear = x * scale * module.weight
    else:  # of the root mean square, whatever the weight stands for
        ratio = torch.where(x == 0, 0, output / x)
        linear = x * ratio.detach()
    # The output itself, to the last digit.
    return output.detach() + (linear - linear.detach())


class _Flatter(TorchFunctionMode):
    """Attention whose softmax has, backwards, a higher temperature; forwards it is the same."""

    def __init__(self, temperature: float) -> None:
        super().__init__()
        self._temperature = temperature

    def __torch_function__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: Any = None
    ) -> Any:
        given = kwargs or {}
        if func is functional.scaled_dot_product_attention:
            return self._attention(*args, **given)
        if func in _SOFTMAX:
            dim = given["dim"] if "dim" in given else args[1]
            dtype = given.get("dtype")
            x = args[0] if dtype is None else args[0].to(dtype)
            return _FlatterSoftmax.apply(x, dim, self._temperature)
        return func(*args, **given)

    def _attention(
        self,
        query: Tensor,
        key: Tensor,
        value: Tensor,
        attn_mask: Tensor | None = None,
        dropout_p: float = 0.0,
        is_causal: bool = False,
        scale: float | None = None,
        enable_gqa: bool = False,
    ) -> Tensor:
        """Compute attention as torch does, softmax by softmax."""
        if enable_gqa:
            n = query.shape[-3] // key.shape[-3]
            key, value = (x.repeat_interleave(n, -3) for x in (key, value))
        scores = query @ key.transpose(-1, -2)
        scores = scores * (1 / math.sqrt(query.shape[-1]) if scale is None else scale)
        if is_causal:
            shape = scores.shape[-2:]
            attn_mask = torch.ones(shape, dtype=torch.bool, device=scores.device).tril()
        if attn_mask is not None and attn_mask.dtype is torch.bool:
            scores = scores.masked_fill(~attn_mask, torch.finfo(scores.dtype).min)
        elif attn_mask is not None:
            scores = scores + attn_mask
        weights: Tensor = _FlatterSoftmax.apply(scores, -1, self._temperature)
        return weights.to(value.dtype) @ value


class _FlatterSoftmax(torch.autograd.Function):
    """Softmax, with the gradient that it would have at a higher temperature."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, dim: int, temperature: float) -> Tensor:
        ctx.dim, ctx.temperature = dim, temperature
        ctx.save_for_backward(x)
        return torch.softmax(x, dim)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None, None]:  # type: ignore[override]
        (x,) = ctx.saved_tensors
        flat = torch.softmax(x / ctx.temperature, ctx.dim)
        inner = (gradient * flat).sum(ctx.dim, keepdim=True)
        return (flat * (gradient - inner)).to(x.dtype), None, None
