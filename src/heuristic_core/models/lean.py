"""Computing only what predictions need.

On a processor, a linear map and the GELU after it are one product, and in bfloat16 weights are
converted once, not for every batch. Of the last layer only what the classifier reads is computed.
Logits change by rounding alone.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

import torch
from torch import Tensor, nn
from transformers.activations import GELUActivation

from ..precision import Precision
from .families import Family
from .hooks import on_first_token
from .products import has_products, is_plain, product

_PRECISIONS = ("float32", "bfloat16")


@contextmanager
def lean(hf: Any, family: Family, *, precision: Precision = "float32") -> Iterator[None]:
    """Run a model for its logits alone within a ``with`` block.

    Hooks see the first token alone of what the last layer computes after attention, and nothing has
    gradients.

    Args:
        hf: The transformers model, full or compacted.
        family: Its family.
        precision: What it computes in.
    """
    dtype = getattr(torch, precision)
    with ExitStack() as stack:
        if may_cut(hf, family):
            stack.enter_context(on_first_token(hf, family))
        if precision in _PRECISIONS and has_products():
            weights: dict[int, Tensor] = {}
            fused = {block.dense: block for block in _with_gelu(hf, family)}
            # In float32 the other products are fast in every frozen model.
            modules = fused if dtype is torch.float32 else hf.modules()
            for linear in [module for module in modules if is_plain(module)]:
                module = fused.get(linear, linear)
                key = id(linear.weight)  # layers may share weights
                if key not in weights:
                    weights[key] = _read_by_products(linear, dtype)
                # On the instance, which hides the class's method until it is deleted.
                module.forward = _product(linear, weights[key], dtype, gelu=module is not linear)
                stack.callback(module.__dict__.pop, "forward")
        yield


def may_cut(hf: Any, family: Family) -> bool:
    """Return whether all that follows the last layer's attention may run for one token alone.

    Args:
        hf: The model, full or compacted.
        family: Its family.
    """
    # One token is fewer than a chunk of an MLP that runs in chunks of positions, and DeBERTa may
    # have a convolution over positions after its first layer.
    chunks = getattr(hf.config, "chunk_size_feed_forward", 0)
    return bool(family.first_token) and not chunks and len(family.layer_list(hf)) > 1


def _with_gelu(hf: Any, family: Family) -> Iterator[Any]:
    """Find the modules that are a linear map and GELU, which one product computes together."""
    for layer in family.layer_list(hf):
        for block in (layer.get_submodule(path) for path in family.mlp_before[:1]):
            inner, after = (getattr(block, name, None) for name in ("dense", "intermediate_act_fn"))
            if not isinstance(inner, nn.Linear) or not isinstance(after, GELUActivation):
                continue
            # Hooks on the parts would not be called.
            hooks = [m._forward_hooks or m._forward_pre_hooks for m in (inner, after)]
            if after.act is nn.functional.gelu and not any(hooks):
                yield block


def _read_by_products(linear: nn.Linear, dtype: torch.dtype) -> Tensor:
    weight = linear.weight.detach()
    if dtype is torch.float32:
        return weight  # another layout gains little, and takes the memory of a copy
    # A copy in any case, so in the layout that products read.
    packed: Tensor = torch.ops.mkldnn._reorder_linear_weight(weight.to(dtype), None)
    return packed


def _product(
    linear: nn.Linear, weight: Tensor, dtype: torch.dtype, *, gelu: bool
) -> Callable[[Tensor], Tensor]:
    bias = None if linear.bias is None else linear.bias.detach().to(dtype)
    return lambda x: product(x.to(dtype), weight, bias, gelu=gelu)
