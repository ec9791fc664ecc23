"""Hooks where a layer computes its units, the same for all families."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

from .anatomy import QUERY, VALUE, Anatomy
from .families import Family

#: What a hook calls: it receives an output and returns another in its place, or nothing.
Change = Callable[[Tensor], Tensor | None]


class Handle:
    """Hooks that are removed together, at the latest at the end of a ``with`` block."""

    def __init__(self, *handles: Any) -> None:
        self._handles = handles

    def remove(self) -> None:
        """Take the hooks off their modules."""
        for handle in self._handles:
            handle.remove()

    def __enter__(self) -> None:
        pass

    def __exit__(self, *error: object) -> None:
        self.remove()


def is_hooked(hf: nn.Module) -> bool:
    """Return whether a model has hooks of this program right now, as within its ``with`` blocks."""
    return any(
        hook.__module__ == __name__
        for module in hf.modules()
        for hook in (*module._forward_hooks.values(), *module._forward_pre_hooks.values())
        if hasattr(hook, "__module__")
    )


def on_heads(anatomy: Anatomy, layer: int, change: Change) -> Handle:
    """Call a function on a layer's heads before the output projection in every forward pass.

    Args:
        anatomy: The model's anatomy.
        layer: The layer.
        change: Receives the heads' outputs side by side, of shape (batch, position, width).
    """

    def hook(module: nn.Module, args: tuple[Tensor, ...]) -> tuple[Tensor, ...] | None:
        new = change(args[0])
        return None if new is None else (new, *args[1:])

    return Handle(anatomy.attention_out[layer].register_forward_pre_hook(hook))


def on_mlp(anatomy: Anatomy, layer: int, change: Change) -> Handle:
    """Call a function on a layer's MLP output before the residual sum in every forward pass.

    Args:
        anatomy: The model's anatomy.
        layer: The layer.
        change: Receives the output, of shape (batch, position, d_model).
    """
    out = anatomy.mlp_out[layer]
    if not anatomy.family.flat_mlp:
        return Handle(out.register_forward_hook(lambda module, args, output: change(output)))
    shape: list[torch.Size] = []

    def note(module: nn.Module, args: tuple[Tensor, ...]) -> None:
        shape[:] = [args[0].shape[:-1]]

    def flat(module: nn.Module, args: tuple[Tensor, ...], output: Tensor) -> Tensor | None:
        new = change(output.unflatten(0, shape[0]))
        return None if new is None else new.flatten(0, 1)

    return Handle(
        anatomy.attention_out[layer].register_forward_pre_hook(note),
        out.register_forward_hook(flat),
    )


def on_input(anatomy: Anatomy, layer: int, see: Callable[[Tensor], None]) -> Handle:
    """Call a function on what a layer's query, key and value maps read in every forward pass.

    Args:
        anatomy: The model's anatomy.
        layer: The layer.
        see: Receives what is read, of shape (batch, position, d_model).
    """
    query = anatomy.projections[layer][QUERY]
    return _on_first_call(anatomy.layers[layer], query, lambda args: see(args[0]))


def on_values(anatomy: Anatomy, layer: int, see: Callable[[Tensor], None]) -> Handle:
    """Call a function on the values of a layer's heads in every forward pass.

    Args:
        anatomy: The model's anatomy.
        layer: The layer.
        see: Receives all query heads' values, of shape (batch, position, head, d_head); heads that
            share values have the same.
    """
    rows = anatomy.rows(layer, VALUE)
    shape = (anatomy.space.heads[layer], anatomy.d_heads[layer])

    def hook(module: nn.Module, args: tuple[Tensor, ...], output: Tensor) -> None:
        see(output[..., rows.to(output.device)].unflatten(-1, shape))

    return Handle(anatomy.projections[layer][-1].register_forward_hook(hook))


def read_instead(anatomy: Anatomy, layer: int, kind: int, read: Tensor) -> Handle:
    """Let one kind of projection of a layer read something else in every forward pass.

    Args:
        anatomy: The model's anatomy.
        layer: The layer.
        kind: ``QUERY``, ``KEY`` or ``VALUE``; the other two read what reaches them.
        read: What it reads, of shape (batch, position, d_model).
    """
    maps = anatomy.projections[layer]
    if len(maps) == 3:
        return _on_first_call(anatomy.layers[layer], maps[kind], lambda args: (read, *args[1:]))
    rows = anatomy.rows(layer, kind)

    def fused(module: nn.Module, args: tuple[Tensor, ...], output: Tensor) -> Tensor:
        mixed = output.clone()
        # Not through the module's hooks, which belong to the other input.
        mixed[..., rows.to(output.device)] = module.forward(read)[..., rows.to(output.device)]
        return mixed

    return Handle(maps[0].register_forward_hook(fused))


def _on_first_call(
    layer: nn.Module,
    module: nn.Module,
    change: Callable[[tuple[Tensor, ...]], tuple[Tensor, ...] | None],
) -> Handle:
    """Call a function on a module's arguments, once in every forward pass of its layer.

    DeBERTa may call the same maps again, on the embeddings of positions.
    """
    called = False

    def begin(m: nn.Module, args: Any) -> None:
        nonlocal called
        called = False

    def first(m: nn.Module, args: tuple[Tensor, ...]) -> tuple[Tensor, ...] | None:
        nonlocal called
        if called:
            return None
        called = True
        return change(args)

    return Handle(
        layer.register_forward_pre_hook(begin),
        module.register_forward_pre_hook(first),
    )


def on_readout(anatomy: Anatomy, see: Callable[[Tensor], None]) -> Handle:
    """Call a function on what the last layer reads of each example in every forward pass.

    Args:
        anatomy: The model's anatomy.
        see: Receives one vector an example, of shape (batch, width).
    """
    module = anatomy.hf.get_submodule(anatomy.family.readout)
    if anatomy.family.kind != "decoder":
        return Handle(module.register_forward_pre_hook(lambda m, args: see(args[0])))
    last: list[Tensor] = []

    def note(m: nn.Module, args: Any, kwargs: dict[str, Any]) -> None:
        mask = kwargs["attention_mask"]
        # The first of the largest: the last token that is not padding.
        last[:] = [(mask * torch.arange(mask.shape[1], device=mask.device)).argmax(-1)]

    def pick(m: nn.Module, args: tuple[Tensor, ...]) -> None:
        see(args[0][torch.arange(len(args[0]), device=args[0].device), last[0]])

    return Handle(
        anatomy.hf.register_forward_pre_hook(note, with_kwargs=True),
        module.register_forward_pre_hook(pick),
    )


def on_first_token(hf: nn.Module, family: Family) -> Handle:
    """Compute what follows the last layer's attention for the first token alone.

    Args:
        hf: The model, full or compacted.
        family: Its family, which says what follows.
    """
    module = family.layer_list(hf)[-1].get_submodule(family.first_token)
    return Handle(module.register_forward_pre_hook(lambda m, args: tuple(x[:, :1] for x in args)))


def repeated_at_first_token(
    hf: nn.Module, family: Family, times: int, begin: Callable[[], None]
) -> Handle:
    """Compute what follows the last layer's attention several times, for the first token alone.

    Args:
        hf: The model, full or compacted.
        family: Its family, which says what follows.
        times: How often; the batch is repeated as a whole.
        begin: Called before that in every forward pass.
    """

    def hook(module: nn.Module, args: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
        begin()
        return tuple(x[:, :1].repeat(times, 1, 1) for x in args)

    module = family.layer_list(hf)[-1].get_submodule(family.first_token)
    return Handle(module.register_forward_pre_hook(hook))
