"""Subnetworks by editing weights: a second way to compute them, without hooks."""

from __future__ import annotations

import copy
from typing import Any

import numpy as np
import torch
from jaxtyping import Bool
from torch import nn

from ..models.ablation import AblationValues
from ..models.anatomy import Anatomy, weight_of
from ..models.folding import last_maps
from ..models.sharing import share_nothing
from ..units import Unit


@torch.no_grad()
def edited(
    anatomy: Anatomy,
    mask: Bool[np.ndarray, " unit"],
    values: AblationValues,
    maps: tuple[str, str] | None = None,
) -> Any:
    """Return a copy of a model that computes a subnetwork by its weights alone.

    A dropped head loses its columns of the output projection, whose bias takes in the projected
    ablation value; a dropped MLP's last map has the ablation value as its bias.

    Args:
        anatomy: The anatomy of the model, which stays as it is.
        mask: Which units are kept.
        values: What replaces the others.
        maps: Paths within a layer to the last maps of attention and MLP; those of
            ``last_maps`` if not given.

    Returns:
        The copy, from transformers.
    """
    hf = copy.deepcopy(anatomy.hf)
    share_nothing(hf)
    for i, layer in enumerate(anatomy.family.layer_list(hf)):
        out_path, mlp_path = maps or last_maps(anatomy.family, layer)
        start, n = anatomy.space.offsets[i], anatomy.space.heads[i]
        out: Any = layer.get_submodule(out_path)
        mlp: Any = layer.get_submodule(mlp_path)
        weight = weight_of(out)
        added = torch.zeros_like(weight[:, 0], dtype=torch.float64)
        for head in np.flatnonzero(~mask[start : start + n]):
            columns = anatomy.slice_of(Unit(i, int(head)))
            value = values.heads[i][head].to(weight).double()
            added += weight[:, columns].double() @ value
            weight[:, columns] = 0
        if out.bias is not None:
            added += out.bias.double()
        out.bias = nn.Parameter(added.to(weight.dtype))
        if not mask[start + n]:
            mlp.weight.zero_()
            mlp.bias = nn.Parameter(values.mlps[i].to(mlp.weight).clone())
    return hf
