"""Looking into a run of a model, and running only the layers above some layer."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from jaxtyping import Float
from torch import Tensor, nn

from .hooks import on_heads, on_input, on_mlp

if TYPE_CHECKING:
    from .classifier import Classifier


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
def tracing(model: Classifier) -> Iterator[Trace]:
    """Keep what happens inside a model in every forward pass of a ``with`` block.

    Hooks set before this block act before its own, so a trace shows what they changed.

    Args:
        model: The model.

    Yields:
        The trace, overwritten by each forward pass.
    """
    trace = Trace()
    handles: list[Any] = []

    def keeping(kept: dict[int, Any], layer: int) -> Any:
        def keep(output: Any) -> None:
            kept[layer] = output

        return keep

    def returned(layer: int) -> Any:
        keep = keeping(trace.outputs, layer)
        return lambda module, args, output: keep(output)

    try:
        for layer, block in enumerate(model.layers):
            handles.append(on_input(model, layer, keeping(trace.reads, layer)))
            handles.append(on_heads(model, layer, keeping(trace.z, layer)))
            handles.append(on_mlp(model, layer, keeping(trace.mlp, layer)))
            handles.append(block.register_forward_hook(returned(layer)))
        yield trace
    finally:
        for handle in handles:
            handle.remove()


@contextmanager
def starting_at(model: Classifier, layer: int, outputs: dict[int, Any]) -> Iterator[None]:
    """Run only a layer and those above it within a ``with`` block.

    The layers below return what they returned in an earlier run on the same batch.

    Args:
        model: The model.
        layer: The first layer that is run.
        outputs: From a layer to what it returned, as :class:`Trace` keeps it.
    """
    skipped: Sequence[nn.Module] = model.layers[:layer]
    try:
        for i, block in enumerate(skipped):
            # On the instance, which hides the class's method until it is deleted.
            block.forward = _returning(outputs[i])  # type: ignore[method-assign]
        yield
    finally:
        for block in skipped:
            block.__dict__.pop("forward", None)


def _returning(output: Any) -> Any:
    return lambda *args, **kwargs: output
