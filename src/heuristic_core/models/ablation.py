"""What stands in for a dropped unit: its mean output over real tokens, or zero."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor, nn

from ..errors import InputError
from ..units import UnitSpace

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
            InputError: If a layer's values are missing or not finite.
        """
        names = [f"L{i}.{part}" for i in range(n_layers) for part in ("heads", "mlp")]
        missing = [name for name in names if name not in arrays]
        if missing:
            raise InputError(f"ablation values lack {missing[0]!r}; the file is incomplete")
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
            tuple(torch.zeros(n, d) for n, d in zip(model.space.heads, model.d_heads, strict=True)),
            tuple(torch.zeros(model.d_model) for _ in range(model.space.n_layers)),
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


def mean_values(model: Classifier, encoded: Encoded, *, batch_size: int = 64) -> AblationValues:
    """Average every unit's output over all tokens that are not padding (paper, section 3.1).

    Sums are kept in float64, so that the result hardly depends on the batch size.

    Args:
        model: The model, in any mode; it is left as found.
        encoded: The examples to average over; the paper uses up to 100,000 training examples.
        batch_size: Examples a forward pass.

    Returns:
        The means, in float32 on the CPU.

    Raises:
        InputError: If there are no examples.
    """
    if not len(encoded):
        raise InputError("means need at least one example")
    sums: dict[str, Tensor] = {}
    real: list[Tensor] = []

    def collect(name: str) -> Any:
        def add(output: Tensor) -> None:
            total = output[real[0]].sum(0, dtype=torch.float64)
            sums[name] = sums[name] + total if name in sums else total

        return add

    def head_hook(name: str) -> Any:
        add = collect(name)

        def hook(module: nn.Module, args: tuple[Tensor, ...]) -> None:
            add(args[0])

        return hook

    def mlp_hook(name: str) -> Any:
        add = collect(name)

        def hook(module: nn.Module, args: tuple[Tensor, ...], output: Tensor) -> None:
            add(output)

        return hook

    handles = []
    n_tokens = 0
    try:
        for layer in range(model.space.n_layers):
            heads, mlp = model.attention_out(layer), model.mlp_out(layer)
            handles.append(heads.register_forward_pre_hook(head_hook(f"L{layer}.heads")))
            handles.append(mlp.register_forward_hook(mlp_hook(f"L{layer}.mlp")))
        with model.inference():
            for rows in encoded.by_length(batch_size):
                batch = encoded.batch(rows, model.device)
                real[:] = [batch["attention_mask"].bool()]
                n_tokens += int(real[0].sum())
                model(**batch)
    finally:
        for handle in handles:
            handle.remove()
    means = {name: (total / n_tokens).float().cpu() for name, total in sums.items()}
    shapes = list(zip(model.space.heads, model.d_heads, strict=True))
    return AblationValues(
        tuple(means[f"L{i}.heads"].reshape(shape) for i, shape in enumerate(shapes)),
        tuple(means[f"L{i}.mlp"] for i in range(model.space.n_layers)),
    )
