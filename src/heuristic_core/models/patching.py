"""Path patching: other values where units write into a run, and where projections read from it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING, Any

from jaxtyping import Float
from torch import Tensor, nn

from ..errors import InputError
from ..units import Unit
from .trace import Trace

if TYPE_CHECKING:
    from .classifier import Classifier

#: The projections whose input can be replaced, in the order of the model's projections.
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
            z, mlp = _input(clean.z[layer]), _output(clean.mlp[layer])
            hooks.enter_context(model.attention_out(layer).register_forward_pre_hook(z))
            hooks.enter_context(model.mlp_out(layer).register_forward_hook(mlp))
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

    def hook(module: nn.Module, args: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
        changed = args[0].clone()
        changed[..., part] = z.to(changed)
        return (changed, *args[1:])

    with model.attention_out(head.layer).register_forward_pre_hook(hook):
        yield


@contextmanager
def reading(
    model: Classifier,
    projection: str,
    reads: Mapping[int, Float[Tensor, "batch position d_model"]],
) -> Iterator[None]:
    """Let one kind of projection read something else, within a ``with`` block.

    The other two kinds read what reaches them. Where query heads share keys and values, a shared
    projection reads the same for all of them.

    Args:
        model: The model, of a family whose projections are known.
        projection: ``q``, ``k`` or ``v``.
        reads: For each layer concerned what its projection reads.

    Raises:
        InputError: If the family's projections are not known.
    """
    which = READS.index(projection)
    with ExitStack() as hooks:
        for layer, read in reads.items():
            module = model.projections(layer)[which]
            hooks.enter_context(module.register_forward_pre_hook(_input(read)))
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


def _input(value: Tensor) -> Any:
    return lambda module, args: (value, *args[1:])


def _output(value: Tensor) -> Any:
    return lambda module, args, output: value
