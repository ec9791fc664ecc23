"""Gates folded into weights: a plain model that computes what a gated one does."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from typing import Any

import torch
from torch import nn
from transformers.pytorch_utils import Conv1D

from ..errors import InputError
from ..units import Unit
from .ablation import AblationValues
from .anatomy import Anatomy, weight_of
from .families import Family
from .sharing import share_nothing

#: Logits of the folded and of the gated model may differ by so much, relative to their size.
_ROUNDING = 1e-3


def last_maps(family: Family, layer: nn.Module) -> tuple[str, str]:
    """Find the last linear maps of a layer's attention and of its MLP.

    Args:
        family: The model's family.
        layer: One of its layers.

    Returns:
        Their paths within the layer.

    Raises:
        AttributeError: If the layer is not built like its family's.
    """
    linear = [
        f"{path}.{name}".rstrip(".")
        for path in (*family.mlp_before, family.mlp_out)
        for name, module in layer.get_submodule(path).named_modules()
        if isinstance(module, nn.Linear | Conv1D)
    ]
    if not linear:
        raise AttributeError(f"{family.mlp_out} and what is before it hold no linear map")
    return family.attention_out, linear[-1]


@torch.no_grad()
def folded(anatomy: Anatomy, gates: Mapping[Unit, float], values: AblationValues) -> Any:
    """Return a copy of a model with gates folded into its weights.

    A gate z replaces a unit's output by z times itself and 1 - z times its ablation value.

    Args:
        anatomy: The anatomy of the model, which stays as it is.
        gates: The gates of some units; those of the others are 1.
        values: The ablation values.

    Returns:
        The copy, from transformers, of the same architecture.

    Raises:
        InputError: If a map that would have to add a constant has no bias.
    """
    hf = copy.deepcopy(anatomy.hf)
    share_nothing(hf)
    for layer_number, layer in enumerate(anatomy.family.layer_list(hf)):
        out_path, mlp_path = last_maps(anatomy.family, layer)
        out: Any = layer.get_submodule(out_path)
        mlp: Any = layer.get_submodule(mlp_path)
        added = torch.zeros_like(weight_of(out)[:, 0], dtype=torch.float64)
        for unit, z in gates.items():
            if unit.layer != layer_number:
                continue
            if unit.head is None:
                mlp.weight.mul_(z)
                value = values.mlps[layer_number].to(mlp.weight).double()
                _add_to_bias(mlp, (1 - z) * value, scale=z, of=str(unit))
                continue
            columns = anatomy.slice_of(unit)
            weight = weight_of(out)[:, columns]
            value = values.heads[layer_number][unit.head].to(weight).double()
            added += (1 - z) * (weight.double() @ value)
            weight_of(out)[:, columns] *= z
        _add_to_bias(out, added, scale=1.0, of=f"the heads of layer {layer_number}")
    return hf


def _add_to_bias(module: Any, added: torch.Tensor, *, scale: float, of: str) -> None:
    """Scale a map's bias and add a constant to it.

    Raises:
        InputError: If it has no bias, and there is something to add.
    """
    if module.bias is None:
        if added.abs().max() > 0:
            raise InputError(
                f"the map that writes {of} has no bias, so no mean can be folded into it; replace "
                "units by zero (ablation='zero')"
            )
        return
    module.bias.copy_((scale * module.bias.double() + added).to(module.bias.dtype))
