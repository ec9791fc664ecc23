"""Path patching: other values where units write into a run, and where projections read from it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING

from jaxtyping import Float
from torch import Tensor

from ..errors import InputError
from ..units import Unit
from .hooks import Change, on_heads, on_mlp, read_instead
from .trace import Trace

if TYPE_CHECKING:
    from .classifier import Classifier

#: The projections whose input can be replaced, in the order of ``hooks.QUERY`` and so on.
READS = ("q", "k", "v")


@contextmanager
def freezing(model: Classifier, clean: Trace) -> Iterator[None]:
    """Let every head and MLP write what it wrote in an earlier run, within a ``with`` block.

    Residual sums and LayerNorms are computed anew. A :func:`writing` block inside this one still
    changes its head; a tracing block around this one sees the heads' outputs before they are put
    back.

    Args:
        model: The model.
        clean: The earlier run, on the same batch.
    """
    with ExitStack() as hooks:
        for layer in range(model.space.n_layers):
            z, mlp = clean.z[layer], clean.mlp[layer]
            hooks.callback(on_heads(model, layer, _giving(z)).remove)
            hooks.callback(on_mlp(model, layer, _giving(mlp)).remove)
        yield


@contextmanager
def writing(
    model: Classifier, head: Unit, z: Float[Tensor, "*batch_position d_head"]
) -> Iterator[None]:
    """Give one head another output before the projection, within a ``with`` block.

    Args:
        model: The model.
        head: The head.
        z: Its output, of shape (batch, position, d_head), or (d_head,) for the same everywhere.

    Raises:
        InputError: If the unit is no head of the model.
    """
    part = slice_of(model, head)

    def change(heads: Tensor) -> Tensor:
        changed = heads.clone()
        changed[..., part] = z.to(changed)
        return changed

    handle = on_heads(model, head.layer, change)
    try:
        yield
    finally:
        handle.remove()


@contextmanager
def reading(
    model: Classifier,
    projection: str,
    reads: Mapping[int, Float[Tensor, "batch position d_model"]],
) -> Iterator[None]:
    """Let one kind of projection read something else, within a ``with`` block.

    The other two kinds read what reaches them, also where one map computes all three. Where query
    heads share keys and values, a shared projection reads the same for all of them: a head sees
    the change that the keys or values of its group see.

    Args:
        model: The model.
        projection: ``q``, ``k`` or ``v``.
        reads: For each layer concerned what its projection reads.
    """
    which = READS.index(projection)
    with ExitStack() as hooks:
        for layer, read in reads.items():
            hooks.callback(read_instead(model, layer, which, read).remove)
        yield


def slice_of(model: Classifier, head: Unit) -> slice:
    """Give a head's place in its layer's concatenated outputs.

    Raises:
        InputError: If the unit is no head of the model.
    """
    model.space.index(head)
    if head.head is None:
        raise InputError(f"{head} is an MLP layer; only heads can be patched")
    width = model.d_heads[head.layer]
    return slice(head.head * width, (head.head + 1) * width)


def _giving(value: Tensor) -> Change:
    return lambda output: value
