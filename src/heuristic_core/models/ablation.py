"""What stands in for a dropped unit: its mean output over real tokens, or zero."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn

from ..errors import InputError
from ..units import UnitSpace
from .hooks import Change, on_heads, on_mlp

if TYPE_CHECKING:
    from .classifier import Classifier
    from .encoding import Encoded


@dataclass(frozen=True, eq=False)
class AblationValues:
    """The outputs that replace dropped units.

    Args:
        heads: For each layer a tensor of shape (head, d_head), in place of the heads' outputs
            before the output projection.
        mlps: For each layer a tensor of shape (d_model,), in place of the MLP's output before the
            residual sum.
    """

    heads: tuple[Float[Tensor, "head d_head"], ...]
    mlps: tuple[Float[Tensor, " d_model"], ...]

    def to(self, device: torch.device) -> AblationValues:
        """Move all values to a device."""
        return AblationValues(
            tuple(v.to(device) for v in self.heads), tuple(v.to(device) for v in self.mlps)
        )

    def arrays(self) -> dict[str, np.ndarray]:
        """Give the values by name (``L4.heads``, ``L4.mlp``), as subnetworks store them."""
        heads = {f"L{i}.heads": v.cpu().numpy() for i, v in enumerate(self.heads)}
        return heads | {f"L{i}.mlp": v.cpu().numpy() for i, v in enumerate(self.mlps)}

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, np.ndarray], n_layers: int) -> AblationValues:
        """Rebuild the values from :meth:`arrays`.

        Raises:
            InputError: If a layer's values are missing, of the wrong number of dimensions or not
                finite.
        """
        names = [f"L{i}.{part}" for i in range(n_layers) for part in ("heads", "mlp")]
        missing = [name for name in names if name not in arrays]
        if missing:
            raise InputError(f"ablation values lack {missing[0]!r}; the file is incomplete")
        odd = [n for n in names if arrays[n].ndim != (2 if n.endswith(".heads") else 1)]
        if odd:
            raise InputError(
                f"ablation values {odd[0]!r} of shape {arrays[odd[0]].shape} are none of heads or "
                "MLPs; compute them again"
            )
        bad = [name for name in names if not np.isfinite(arrays[name]).all()]
        if bad:
            raise InputError(f"ablation values {bad[0]!r} are not finite; compute them again")
        return cls(
            tuple(torch.tensor(arrays[f"L{i}.heads"]) for i in range(n_layers)),
            tuple(torch.tensor(arrays[f"L{i}.mlp"]) for i in range(n_layers)),
        )

    @classmethod
    def zeros(cls, model: Classifier) -> AblationValues:
        """Give zeros in the model's shapes."""
        return cls(
            tuple(
                torch.zeros(n, d, dtype=torch.float32)
                for n, d in zip(model.space.heads, model.d_heads, strict=True)
            ),
            tuple(
                torch.zeros(model.d_model, dtype=torch.float32) for _ in range(model.space.n_layers)
            ),
        )

    def check_fits(self, space: UnitSpace, d_heads: Sequence[int], d_model: int) -> None:
        """Raise an error unless the shapes are those of a model.

        Raises:
            InputError: If they are not.
        """
        heads = [tuple(v.shape) for v in self.heads]
        mlps = [tuple(v.shape) for v in self.mlps]
        if heads != list(zip(space.heads, d_heads, strict=True)) or mlps != [(d_model,)] * len(
            space.heads
        ):
            raise InputError(
                f"ablation values of shapes {heads[:1]} and {mlps[:1]} over {len(mlps)} layers do "
                f"not fit a model of {space.n_layers} layers of {space.heads[0]} heads of "
                f"{d_heads[0]} dimensions and width {d_model}; they are another model's"
            )


class Means:
    """Sums of every unit's output over real tokens, filled by hooks as the model runs."""

    def __init__(self, space: UnitSpace, d_heads: Sequence[int]) -> None:
        self._shapes = list(zip(space.heads, d_heads, strict=True))
        self._sums: dict[str, Tensor] = {}
        self._n_tokens = 0
        self._real: Bool[Tensor, "batch position"] | None = None

    def start(self, attention_mask: Int[Tensor, "batch position"]) -> None:
        """Take note of which tokens of the next batch are no padding."""
        self._real = attention_mask.bool()
        self._n_tokens += int(self._real.sum())

    def add(self, name: str, output: Float[Tensor, "batch position width"]) -> None:
        """Add a batch's outputs, in float64, so that the result hardly depends on batch size."""
        total = output[self._real].sum(0, dtype=torch.float64)
        self._sums[name] = self._sums[name] + total if name in self._sums else total

    def values(self) -> AblationValues:
        """Give the means, in float32 on the CPU.

        Raises:
            InputError: If the model was not run.
        """
        if not self._n_tokens:
            raise InputError("means need at least one example")
        means = {name: (s / self._n_tokens).float().cpu() for name, s in self._sums.items()}
        return AblationValues(
            tuple(means[f"L{i}.heads"].reshape(shape) for i, shape in enumerate(self._shapes)),
            tuple(means[f"L{i}.mlp"] for i in range(len(self._shapes))),
        )


@contextmanager
def averaging(model: Classifier) -> Iterator[Means]:
    """Average unit outputs over all that a model is run on in a ``with`` block.

    Args:
        model: The model; it must be called with an attention mask.

    Yields:
        The means so far.
    """
    means = Means(model.space, model.d_heads)

    def before(module: nn.Module, args: Any, kwargs: dict[str, Any]) -> None:
        means.start(kwargs["attention_mask"])

    def adding(name: str) -> Change:
        return lambda output: means.add(name, output)

    handles: list[Any] = []
    try:
        handles.append(model.hf.register_forward_pre_hook(before, with_kwargs=True))
        for layer in range(model.space.n_layers):
            handles.append(on_heads(model, layer, adding(f"L{layer}.heads")))
            handles.append(on_mlp(model, layer, adding(f"L{layer}.mlp")))
        yield means
    finally:
        for handle in handles:
            handle.remove()


def mean_values(model: Classifier, encoded: Encoded, *, batch_size: int = 64) -> AblationValues:
    """Average every unit's output over all tokens that are not padding (paper, section 3.1).

    Args:
        model: The model, in any mode; it is left as found.
        encoded: The examples to average over; the paper uses up to 100,000 training examples.
        batch_size: Examples a forward pass.

    Returns:
        The means, in float32 on the CPU.

    Raises:
        InputError: If there are no examples.
    """
    with averaging(model) as means:
        model.logits(encoded, batch_size=batch_size)
    return means.values()
