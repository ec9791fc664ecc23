"""Recording a run of a model, and running only the layers from some layer on."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from jaxtyping import Float
from torch import Tensor

from .anatomy import Anatomy
from .hooks import Handle, on_heads, on_input, on_mlp


@dataclass
class Trace:
    """What happened in a model's last forward pass, layer by layer.

    Attributes:
        reads: What the layer's query, key and value maps read.
        z: The heads' outputs side by side, before the output projection.
        mlp: The MLP's output before the residual sum.
        outputs: What the layer returned, as it returned it.
    """

    reads: dict[int, Float[Tensor, "batch position d_model"]] = field(default_factory=dict)
    z: dict[int, Float[Tensor, "batch position width"]] = field(default_factory=dict)
    mlp: dict[int, Float[Tensor, "batch position d_model"]] = field(default_factory=dict)
    outputs: dict[int, Any] = field(default_factory=dict)


@contextmanager
def tracing(anatomy: Anatomy) -> Iterator[Trace]:
    """Record what happens inside a model in every forward pass of a ``with`` block.

    Hooks set before this block act before its own, so a trace shows what they changed.

    Args:
        anatomy: The model's anatomy.

    Yields:
        The trace, overwritten by each forward pass.
    """
    trace = Trace()

    def returned(layer: int, module: Any, args: Any, output: Any) -> None:
        trace.outputs[layer] = output

    with ExitStack() as hooks:
        for layer, module in enumerate(anatomy.layers):
            for on, record in ((on_input, trace.reads), (on_heads, trace.z), (on_mlp, trace.mlp)):
                hooks.enter_context(on(anatomy, layer, partial(record.__setitem__, layer)))
            hooks.enter_context(Handle(module.register_forward_hook(partial(returned, layer))))
        yield trace


@contextmanager
def starting_at(anatomy: Anatomy, layer: int, outputs: dict[int, Any]) -> Iterator[None]:
    """Run only a layer and those above it within a ``with`` block.

    The layers below return what they returned in an earlier run on the same batch.

    Args:
        anatomy: The model's anatomy.
        layer: The first layer that is run.
        outputs: From a layer to what it returned, as in ``Trace``.
    """
    skipped = anatomy.layers[:layer]
    try:
        for i, module in enumerate(skipped):
            # On the instance, which hides the class's method until it is deleted.
            module.forward = _returning(outputs[i])  # type: ignore[method-assign]
        yield
    finally:
        for module in skipped:
            module.__dict__.pop("forward", None)


def _returning(output: Any) -> Any:
    return lambda *args, **kwargs: output
