"""Path patching: replacing what units write into a run, and what projections read from it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager

from jaxtyping import Float
from torch import Tensor

from ..units import Unit
from .anatomy import Anatomy
from .hooks import Change, on_heads, on_mlp, read_instead
from .trace import Trace

#: The projections whose input can be replaced, in the order of ``anatomy.QUERY`` and so on.
READS = ("q", "k", "v")


@contextmanager
def freezing(anatomy: Anatomy, clean: Trace) -> Iterator[None]:
    """Let every head and MLP write what it wrote in an earlier run, within a ``with`` block.

    Residual sums and LayerNorms are computed again. A ``writing`` block inside this one still
    changes its head; a tracing block around this one sees the heads' outputs before they are put
    back.

    Args:
        anatomy: The model's anatomy.
        clean: The earlier run, on the same batch.
    """
    with ExitStack() as hooks:
        for layer in range(anatomy.space.n_layers):
            z, mlp = clean.z[layer], clean.mlp[layer]
            hooks.enter_context(on_heads(anatomy, layer, _returning(z)))
            hooks.enter_context(on_mlp(anatomy, layer, _returning(mlp)))
        yield


@contextmanager
def writing(
    anatomy: Anatomy, head: Unit, z: Float[Tensor, "*batch_position d_head"]
) -> Iterator[None]:
    """Replace one head's output before the projection, within a ``with`` block.

    Args:
        anatomy: The model's anatomy.
        head: The head.
        z: Its new output, of shape (batch, position, d_head), or (d_head,) for the same everywhere.

    Raises:
        InputError: If the unit is no head of the model.
    """
    part = anatomy.slice_of(head)

    def change(heads: Tensor) -> Tensor:
        changed = heads.clone()
        changed[..., part] = z.to(changed)
        return changed

    with on_heads(anatomy, head.layer, change):
        yield


@contextmanager
def reading(
    anatomy: Anatomy,
    projection: str,
    reads: Mapping[int, Float[Tensor, "batch position d_model"]],
) -> Iterator[None]:
    """Let one kind of projection read something else, within a ``with`` block.

    The other two kinds read what reaches them, even where one map computes all three. Where query
    heads share keys and values, a shared projection reads the same for all of them: a head sees
    the change that the keys or values of its group see.

    Args:
        anatomy: The model's anatomy.
        projection: ``q``, ``k`` or ``v``.
        reads: For each layer concerned what its projection reads.
    """
    kind = READS.index(projection)
    with ExitStack() as hooks:
        for layer, read in reads.items():
            hooks.enter_context(read_instead(anatomy, layer, kind, read))
        yield


def _returning(output: Tensor) -> Change:
    return lambda _: output
