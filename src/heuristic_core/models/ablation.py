"""What replaces a dropped unit's output: its mean over real tokens, or zero."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from ..errors import InputError, one_line
from .anatomy import Anatomy


@dataclass(frozen=True, eq=False)
class AblationValues:
    """The outputs that replace dropped units.

    Args:
        heads: For each layer a tensor of shape (head, d_head), in place of the heads' outputs
            before the output projection.
        mlps: For each layer a tensor of shape (d_model,), in place of the MLP's output before the
            residual sum.
        source: What is known of how they were computed: over which data, in words (``of``) with
            their ``sha256``, and the hashes of the model's ``weights``.
    """

    heads: tuple[Float[Tensor, "head d_head"], ...]
    mlps: tuple[Float[Tensor, " d_model"], ...]
    source: Mapping[str, Any] = field(default_factory=dict)

    def __repr__(self) -> str:
        of = one_line(str(self.source.get("of", "data that are not recorded")), 120)
        return f"AblationValues({len(self.heads)} layers, means over {of})"

    @property
    def over(self) -> dict[str, Any]:
        """Over which data they are means, as subnetworks record it."""
        return {key: self.source[key] for key in ("of", "sha256") if key in self.source}

    def to(self, target: torch.device | torch.dtype) -> AblationValues:
        """Return all values on another device, or in another type."""
        heads, mlps = (tuple(v.to(target) for v in values) for values in (self.heads, self.mlps))
        return replace(self, heads=heads, mlps=mlps)

    def arrays(self) -> dict[str, np.ndarray]:
        """Return the values by name (``L4.heads``, ``L4.mlp``), as subnetworks store them."""
        heads = {f"L{i}.heads": v.cpu().numpy() for i, v in enumerate(self.heads)}
        return heads | {f"L{i}.mlp": v.cpu().numpy() for i, v in enumerate(self.mlps)}

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, np.ndarray], n_layers: int) -> AblationValues:
        """Rebuild the values from ``arrays``.

        Raises:
            InputError: If a layer's values are missing, of the wrong number of dimensions or not
                finite.
        """
        names = [f"L{i}.{part}" for i in range(n_layers) for part in ("heads", "mlp")]
        missing = [name for name in names if name not in arrays]
        if missing:
            raise InputError(f"ablation values lack {missing[0]!r}; the file is incomplete")
        for name in names:
            if arrays[name].ndim != (2 if name.endswith(".heads") else 1):
                raise InputError(
                    f"ablation values {name!r} of shape {arrays[name].shape} are none of heads or "
                    "MLPs; compute them again"
                )
            if not np.isfinite(arrays[name]).all():
                raise InputError(f"ablation values {name!r} are not finite; compute them again")
        return cls(
            tuple(torch.tensor(arrays[name]) for name in names[::2]),
            tuple(torch.tensor(arrays[name]) for name in names[1::2]),
        )

    @classmethod
    def zeros(cls, anatomy: Anatomy) -> AblationValues:
        """Return zeros in a model's shapes."""
        shapes = zip(anatomy.space.heads, anatomy.d_heads, strict=True)
        return cls(
            tuple(torch.zeros(shape, dtype=torch.float32) for shape in shapes),
            tuple(torch.zeros(anatomy.d_model, dtype=torch.float32) for _ in anatomy.layers),
        )

    def check_fits(self, anatomy: Anatomy) -> None:
        """Check that the values have the shapes of a model.

        Raises:
            InputError: If they do not.
        """
        space, d_heads, d_model = anatomy.space, anatomy.d_heads, anatomy.d_model
        heads = [tuple(v.shape) for v in self.heads]
        mlps = [tuple(v.shape) for v in self.mlps]
        fitting = list(zip(space.heads, d_heads, strict=True))
        if heads != fitting or mlps != [(d_model,)] * space.n_layers:
            raise InputError(
                f"ablation values of shapes {heads[:1]} and {mlps[:1]} over {len(mlps)} layers do "
                f"not fit a model of {space.n_layers} layers of {space.heads[0]} heads of "
                f"{d_heads[0]} dimensions and width {d_model}; they are another model's"
            )
