"""Gates: forward hooks that scale unit outputs towards their ablation values.

A gate is ``z * output + (1 - z) * value``: 1 leaves the unit alone, 0 replaces it. Heads are scaled
before the attention output projection, MLPs before the residual sum and LayerNorm.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

import torch
from jaxtyping import Float
from torch import Tensor

from ..errors import InputError
from .ablation import AblationValues
from .anatomy import Anatomy
from .hooks import Change, on_heads, on_mlp
from .precision import computes_narrow, restored


class Gates:
    """What the hooks read at every forward pass.

    Attributes:
        z: One gate per unit, of shape (unit,), or per example and unit, of shape
            (batch, unit). Set it before each forward pass.
    """

    z: Float[Tensor, "*batch unit"]

    def __init__(self, n_units: int, device: torch.device) -> None:
        self.z = torch.ones(n_units, dtype=torch.float32, device=device)


def interpolate(
    z: Float[Tensor, "..."], output: Float[Tensor, "..."], value: Float[Tensor, "..."]
) -> Float[Tensor, "..."]:
    """Compute ``z * output + (1 - z) * value``, exact to the last bit where z is 0 or 1."""
    dtype = output.dtype
    if z.requires_grad and computes_narrow(output.device):
        # A narrow type would round the gates and their gradients.
        z, dtype = restored(z), torch.float32
    return torch.lerp(value.to(dtype), output.to(dtype), z.to(dtype)).to(output.dtype)


@contextmanager
def gated(anatomy: Anatomy, values: AblationValues) -> Iterator[Gates]:
    """Gate a model's units for the duration of a ``with`` block, then leave it as found.

    Args:
        anatomy: The model's anatomy.
        values: What each unit's output becomes as its gate closes.

    Yields:
        The gates, all open; set ``z`` to close some.

    Raises:
        InputError: If the values do not fit the model.
    """
    values.check_fits(anatomy)
    device, space = anatomy.hf.device, anatomy.space
    values = values.to(device)
    gates = Gates(len(space), device)
    with ExitStack() as hooks:
        for layer, start in enumerate(space.offsets):
            mlp = start + space.heads[layer]
            head_hook = _head_hook(gates, slice(start, mlp), values.heads[layer])
            hooks.enter_context(on_heads(anatomy, layer, head_hook))
            hooks.enter_context(on_mlp(anatomy, layer, _mlp_hook(gates, mlp, values.mlps[layer])))
        yield gates


def _head_hook(gates: Gates, units: slice, value: Float[Tensor, "head d_head"]) -> Change:
    def hook(heads: Tensor) -> Tensor:
        output = heads.unflatten(-1, value.shape)  # batch, position, head, d_head
        z = gates.z[..., units].unsqueeze(-1)
        if z.dim() == 3:  # one gate vector per example: the same at every position
            _check_batch(z, output)
            z = z.unsqueeze(1)
        return interpolate(z, output, value).flatten(-2)

    return hook


def _mlp_hook(gates: Gates, unit: int, value: Float[Tensor, " d_model"]) -> Change:
    def hook(output: Tensor) -> Tensor:
        z = gates.z[..., unit]
        if z.dim() == 1:
            _check_batch(z, output)
            z = z[:, None, None]
        return interpolate(z, output, value)

    return hook


def _check_batch(z: Tensor, output: Tensor) -> None:
    if len(z) != len(output):
        raise InputError(f"{len(z)} gate vectors do not fit a batch of {len(output)} examples")
