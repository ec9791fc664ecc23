"""Modules that replace attention with dropped heads, and dropped MLPs, in a compacted model."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from typing import Any

from jaxtyping import Float
from torch import Tensor, nn
from transformers.models.mpnet.modeling_mpnet import MPNetSelfAttention
from transformers.models.t5.modeling_t5 import T5Attention

from .anatomy import weight_of


class Constant(nn.Module):
    """Replaces a map whose output no longer depends on its input.

    Args:
        bias: The output at every position.
    """

    def __init__(self, bias: Float[Tensor, " d_model"]) -> None:
        super().__init__()
        self.bias = nn.Parameter(bias)

    def forward(self, x: Float[Tensor, "*batch d"]) -> Float[Tensor, "*batch d_model"]:
        """Return the constant in the shape of the input, without copying it."""
        return self.bias.expand(*x.shape[:-1], -1)


class Picked(nn.Module):
    """Selects some heads' parts of the output of a map or norm, each as often as it is named.

    Args:
        inner: The map or norm.
        heads: Which heads' parts, in order.
        d_head: Their width.
    """

    def __init__(self, inner: nn.Module, heads: Sequence[int], d_head: int) -> None:
        super().__init__()
        self.inner = inner
        self.heads = list(heads)
        self.d_head = d_head

    def forward(self, x: Float[Tensor, "*batch d"]) -> Float[Tensor, "*batch d_out"]:
        """Return the parts side by side."""
        return self.inner(x).unflatten(-1, (-1, self.d_head))[..., self.heads, :].flatten(-2)


class NoHeads(nn.Module):
    """Replaces an attention module all of whose heads are dropped.

    Args:
        attention: The attention module.
        bias: Its output at every position; ``None`` where the output projection, which then is a
            constant, is not part of it.
    """

    def __init__(self, attention: nn.Module, bias: Float[Tensor, " d_model"] | None) -> None:
        super().__init__()
        self.out = None if bias is None else Constant(bias)

    def forward(self, hidden_states: Tensor, *args: Any, **kwargs: Any) -> tuple[Any, ...]:
        """Return the constant, or the input for its shape."""
        return (hidden_states if self.out is None else self.out(hidden_states)), None


class AlbertNoHeads(NoHeads):
    """As ``NoHeads``, for a module that also adds the residual stream and takes the norm."""

    def __init__(self, attention: Any, bias: Float[Tensor, " d_model"]) -> None:
        super().__init__(attention, bias)
        self.LayerNorm = copy.deepcopy(attention.LayerNorm)

    def forward(self, hidden_states: Tensor, *args: Any, **kwargs: Any) -> tuple[Any, ...]:
        """Return the norm of the residual stream plus the constant."""
        constant, nothing = super().forward(hidden_states)
        return self.LayerNorm(hidden_states + constant), nothing


class T5SomeHeads(T5Attention):
    """Attention with some of the heads that receives and passes on all heads' position bias."""

    kept: list[int]

    def forward(  # type: ignore[override]
        self, hidden_states: Tensor, mask: Any = None, position_bias: Any = None, **kwargs: Any
    ) -> tuple[Any, ...]:
        """Compute the heads with their part of the bias."""
        if position_bias is None:
            position_bias = _bias_of_all(self, hidden_states)
        own = position_bias[:, self.kept]
        output, _, weights = super().forward(hidden_states, mask, position_bias=own, **kwargs)
        return output, position_bias, weights


class T5NoHeads(NoHeads):
    """As ``NoHeads``: the first layer still computes the position bias of all layers."""

    def __init__(self, attention: Any, bias: Float[Tensor, " d_model"]) -> None:
        super().__init__(attention, bias)
        self.inner = None
        if attention.has_relative_attention_bias:
            # Without its maps: only the bias is computed.
            self.inner = copy.copy(attention)
            table = copy.deepcopy(attention.relative_attention_bias)
            self.inner._modules = {"relative_attention_bias": table}

    def forward(
        self, hidden_states: Tensor, mask: Any = None, position_bias: Any = None, **kwargs: Any
    ) -> tuple[Any, ...]:
        """Return the constant and the bias."""
        if position_bias is None:
            position_bias = _bias_of_all(self.inner, hidden_states)
        return super().forward(hidden_states)[0], position_bias, None


def _bias_of_all(attention: Any, hidden_states: Tensor) -> Tensor:
    length = hidden_states.shape[1]
    return attention.compute_bias(length, length, device=hidden_states.device)


class MPNetSomeHeads(MPNetSelfAttention):
    """Attention with some of the heads that receives all heads' position bias."""

    kept: list[int]

    def forward(  # type: ignore[override]
        self, hidden_states: Tensor, mask: Any = None, position_bias: Any = None, **kwargs: Any
    ) -> tuple[Any, ...]:
        """Compute the heads with their part of the bias."""
        own = None if position_bias is None else position_bias[:, self.kept]
        return super().forward(hidden_states, mask, own, **kwargs)


#: Families whose attention modules need more than ``NoHeads`` when all heads are dropped.
NO_HEADS: dict[str, type[NoHeads]] = {"albert": AlbertNoHeads, "t5": T5NoHeads}

#: Families whose attention modules must know which heads are left.
SOME_HEADS: dict[str, type[nn.Module]] = {"mpnet": MPNetSomeHeads, "t5": T5SomeHeads}

#: Attributes of attention modules that hold the number of heads, and the heads' width together.
HEAD_COUNTS = ("num_attention_heads", "num_heads", "n_heads")
WIDTHS = ("all_head_size", "split_size", "inner_dim")


def count_heads(family: str, attention: nn.Module, kept: list[int], d_head: int) -> None:
    """Tell an attention module which of its heads are left.

    Args:
        family: The family's name.
        attention: The module, its maps already without the dropped heads.
        kept: The heads.
        d_head: Their width.
    """
    numbers = dict.fromkeys(HEAD_COUNTS, len(kept)) | dict.fromkeys(WIDTHS, len(kept) * d_head)
    # Each head now has its own keys and values.
    numbers["num_key_value_groups"] = 1
    for name, number in numbers.items():
        if hasattr(attention, name):
            setattr(attention, name, number)
    if family in SOME_HEADS:
        attention.__class__ = SOME_HEADS[family]
        attention.kept = kept  # type: ignore[assignment]


def picking(maps: nn.Linear, heads: list[int], d_head: int) -> nn.Module:
    """Return a map with one part per entry of ``heads``, where some of these may be the same.

    Args:
        maps: The map cut down to the different heads, in their order.
        heads: For each query head which head's keys or values it reads.
        d_head: Their width.
    """
    distinct = sorted(set(heads))
    if heads == distinct:
        return maps
    return Picked(maps, [distinct.index(head) for head in heads], d_head)


def linear(weight: Float[Tensor, "d_out d_in"], bias: Float[Tensor, " d_out"] | None) -> nn.Linear:
    """Build a linear map from a weight and a bias, drawing nothing from torch's generator."""
    new = nn.Linear(weight.shape[1], weight.shape[0], bias=bias is not None, device="meta")
    new.weight = nn.Parameter(weight.contiguous())
    if bias is not None:
        new.bias = nn.Parameter(bias)
    return new


def no_heads(family: str, attention: nn.Module, bias: Tensor | None) -> NoHeads:
    """Build what replaces all of a layer's heads; see ``NoHeads``."""
    return NO_HEADS.get(family, NoHeads)(attention, bias)


def rows_of(module: nn.Module, rows: Tensor) -> nn.Linear:
    """Build a linear map from some rows of another."""
    weight, bias = weight_of(module), getattr(module, "bias", None)
    rows = rows.to(weight.device)
    return linear(weight[rows], None if bias is None else bias[rows])
