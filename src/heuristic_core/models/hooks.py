"""Hooks where a layer computes its units, alike for all families."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

if TYPE_CHECKING:
    from .classifier import Classifier

#: What a hook calls: it is given an output and gives another in its place, or nothing.
Change = Callable[[Tensor], Tensor | None]

QUERY, KEY, VALUE = range(3)


class Handle:
    """Hooks that are removed together."""

    def __init__(self, *handles: Any) -> None:
        self._handles = handles

    def remove(self) -> None:
        """Take the hooks off their modules."""
        for handle in self._handles:
            handle.remove()


def on_heads(model: Classifier, layer: int, change: Change) -> Handle:
    """Call a function on a layer's heads before the output projection in every forward pass.

    Args:
        model: The model.
        layer: The layer.
        change: Given the heads' outputs side by side, of shape (batch, position, width).
    """

    def hook(module: nn.Module, args: tuple[Tensor, ...]) -> tuple[Tensor, ...] | None:
        new = change(args[0])
        return None if new is None else (new, *args[1:])

    return Handle(model.attention_out(layer).register_forward_pre_hook(hook))


def on_mlp(model: Classifier, layer: int, change: Change) -> Handle:
    """Call a function on a layer's MLP output before the residual sum in every forward pass.

    Args:
        model: The model.
        layer: The layer.
        change: Given the output, of shape (batch, position, d_model).
    """
    if not model.family.flat_mlp:
        hook = model.mlp_out(layer).register_forward_hook(lambda m, args, out: change(out))
        return Handle(hook)
    shape: list[torch.Size] = []

    def note(module: nn.Module, args: tuple[Tensor, ...]) -> None:
        shape[:] = [args[0].shape[:-1]]

    def flat(module: nn.Module, args: tuple[Tensor, ...], output: Tensor) -> Tensor | None:
        new = change(output.unflatten(0, shape[0]))
        return None if new is None else new.flatten(0, 1)

    return Handle(
        model.attention_out(layer).register_forward_pre_hook(note),
        model.mlp_out(layer).register_forward_hook(flat),
    )


def on_input(model: Classifier, layer: int, see: Callable[[Tensor], None]) -> Handle:
    """Call a function on what a layer's query, key and value maps read in every forward pass.

    Args:
        model: The model.
        layer: The layer.
        see: Given what is read, of shape (batch, position, d_model).
    """
    query = model.projections(layer)[QUERY]

    def hook(args: tuple[Tensor, ...]) -> None:
        see(args[0])

    return _on_first_call(model, layer, query, hook)


def on_values(model: Classifier, layer: int, see: Callable[[Tensor], None]) -> Handle:
    """Call a function on the values of a layer's heads in every forward pass.

    Args:
        model: The model.
        layer: The layer.
        see: Given all query heads' values, of shape (batch, position, head, d_head); heads that
            share values have the same.
    """
    maps = model.projections(layer)
    n_heads, d_head = model.space.heads[layer], model.d_heads[layer]

    def hook(module: nn.Module, args: tuple[Tensor, ...], output: Tensor) -> None:
        rows = model.family.rows(VALUE, range(n_heads), n_heads, d_head, output.shape[-1])
        see(output[..., rows.to(output.device)].unflatten(-1, (n_heads, d_head)))

    return Handle(maps[-1].register_forward_hook(hook))


def read_instead(model: Classifier, layer: int, which: int, read: Tensor) -> Handle:
    """Let one kind of projection of a layer read something else in every forward pass.

    Args:
        model: The model.
        layer: The layer.
        which: ``QUERY``, ``KEY`` or ``VALUE``; the other two read what reaches them.
        read: What it reads, of shape (batch, position, d_model).
    """
    maps = model.projections(layer)
    if len(maps) == 3:
        return _on_first_call(model, layer, maps[which], lambda args: (read, *args[1:]))
    n_heads, d_head = model.space.heads[layer], model.d_heads[layer]

    def fused(module: nn.Module, args: tuple[Tensor, ...], output: Tensor) -> Tensor:
        rows = model.family.rows(which, range(n_heads), n_heads, d_head, output.shape[-1])
        rows = rows.to(output.device)
        mixed = output.clone()
        # Asked of the module past its hooks, which belong to the other input.
        mixed[..., rows] = module.forward(read)[..., rows]
        return mixed

    return Handle(maps[0].register_forward_hook(fused))


def _on_first_call(
    model: Classifier,
    layer: int,
    module: nn.Module,
    change: Callable[[tuple[Tensor, ...]], tuple[Tensor, ...] | None],
) -> Handle:
    """Call a function on a module's arguments, once in every forward pass of its layer.

    DeBERTa may call the same maps again, on the embeddings of positions.
    """
    called = [False]

    def begin(m: nn.Module, args: Any) -> None:
        called[0] = False

    def first(m: nn.Module, args: tuple[Tensor, ...]) -> tuple[Tensor, ...] | None:
        if called[0]:
            return None
        called[0] = True
        return change(args)

    return Handle(
        model.layers[layer].register_forward_pre_hook(begin),
        module.register_forward_pre_hook(first),
    )


def on_readout(model: Classifier, see: Callable[[Tensor], None]) -> Handle:
    """Call a function on what the last layer reads of each example in every forward pass.

    Args:
        model: The model.
        see: Given one vector an example, of shape (batch, width).
    """
    module = model.hf.get_submodule(model.family.readout)
    if model.family.kind != "decoder":
        return Handle(module.register_forward_pre_hook(lambda m, args: see(args[0])))
    last: list[Tensor] = []

    def note(m: nn.Module, args: Any, kwargs: dict[str, Any]) -> None:
        mask = kwargs["attention_mask"]
        # The first of the largest: the last token that is no padding.
        last[:] = [(mask * torch.arange(mask.shape[1], device=mask.device)).argmax(-1)]

    def pick(m: nn.Module, args: tuple[Tensor, ...]) -> None:
        see(args[0][torch.arange(len(args[0]), device=args[0].device), last[0]])

    return Handle(
        model.hf.register_forward_pre_hook(note, with_kwargs=True),
        module.register_forward_pre_hook(pick),
    )


def weight_of(module: nn.Module) -> Tensor:
    """Give a linear map's weight, of shape (output, input), however the module keeps it."""
    weight = module.get_parameter("weight")
    return weight if isinstance(module, nn.Linear) else weight.T
