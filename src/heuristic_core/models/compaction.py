"""Compaction: a subnetwork as a model of its own, without what was dropped and without gates.

A dropped head loses its rows of the query, key and value maps and its columns of the output
projection; what replaces it is a constant before that projection, and so a constant in its bias. A
dropped MLP becomes one constant. Everything else stays as it was.
"""

from __future__ import annotations

import copy
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn
from transformers import MODEL_FOR_SEQUENCE_CLASSIFICATION_MAPPING
from transformers.pytorch_utils import Conv1D

from ..errors import InputError
from ..subnetwork import Subnetwork
from ..units import Unit, UnitSpace
from .ablation import AblationValues
from .anatomy import QUERY, Anatomy, weight_of
from .device import widened
from .families import Family
from .sharing import share_nothing
from .smaller import Constant, Picked, count_heads, linear, no_heads, picking, rows_of

#: The entry of a model's configuration that says which units are left.
RECORD = "heuristic_core"


def compacted(anatomy: Anatomy, subnetwork: Subnetwork, values: AblationValues) -> Any:
    """Build the smaller transformers model that returns a subnetwork's logits.

    Only what is kept is copied, on the model's device and in its type; what is folded into biases
    is computed in float64.

    Args:
        anatomy: The full model's anatomy; the model stays as it is.
        subnetwork: Which units to keep.
        values: What replaces the others.

    Raises:
        InputError: If the values do not fit the model, or a map to be cut is not a plain linear
            one.
    """
    values.check_fits(anatomy)
    hf, family = anatomy.hf, anatomy.family
    # A module that the memo already holds is not copied: its replacement takes its place.
    memo: dict[int, Any] = {
        id(hf.get_submodule(path)): module
        for path, module in _replacements(anatomy, subnetwork, values).items()
    }
    small = copy.deepcopy(hf, memo).eval().requires_grad_(True)
    share_nothing(small)
    _count_heads(small, family, subnetwork)
    for layer in family.layer_list(small):
        # Hooks are copied too: without this, a model that is gated right now would stay so.
        for path, module in layer.named_modules():
            if path in (family.attention_out, family.mlp_out):
                module._forward_hooks.clear()
                module._forward_pre_hooks.clear()
    setattr(small.config, RECORD, subnetwork.record())
    return small


def recorded(source: object, config: Any) -> Subnetwork | None:
    """Read from a configuration which units are left; ``None`` for a full model.

    Args:
        source: The model's name in errors.
        config: The configuration, from transformers.

    Raises:
        InputError: If the record is damaged or does not fit the configuration.
    """
    record = getattr(config, RECORD, None)
    if record is None:
        return None
    subnetwork = Subnetwork.from_record(record, where=f"{source}/config.json: {RECORD!r}")
    space = UnitSpace((int(config.num_attention_heads),) * int(config.num_hidden_layers))
    if subnetwork.space != space:
        raise InputError(
            f"{source}/config.json is damaged: its {RECORD!r} is of a model of "
            f"{subnetwork.space}, the configuration of {space}"
        )
    return subnetwork


def small_class(config: Any, subnetwork: Subnetwork) -> Any:
    """Return the class of models built without a subnetwork's dropped units, for loading weights.

    Args:
        config: The full model's configuration, from transformers.
        subnetwork: What is kept.
    """
    base: Any = MODEL_FOR_SEQUENCE_CLASSIFICATION_MAPPING[type(config)]

    def build(self: Any, config: Any) -> None:
        base.__init__(self, config)
        anatomy = Anatomy(self)
        zeros = AblationValues.zeros(anatomy)
        for path, module in _replacements(anatomy, subnetwork, zeros).items():
            self.set_submodule(path, module)
        _count_heads(self, anatomy.family, subnetwork)

    # Saved again, it has to name transformers' class as its architecture.
    return type(base.__name__, (base,), {"__init__": build})


@torch.no_grad()
def _replacements(
    anatomy: Anatomy, subnetwork: Subnetwork, values: AblationValues
) -> dict[str, nn.Module]:
    """Build what takes the place of the modules that change, by path within the model."""
    family = anatomy.family
    new: dict[str, nn.Module] = {}
    for i, layer in enumerate(anatomy.layers):
        changed: dict[str, nn.Module] = {}
        out = weight_of(_linear_at(layer, family.attention_out))
        kept = _kept_heads(subnetwork, i)
        # Values enter as the gates would have them: in the model's type.
        if len(kept) < subnetwork.space.heads[i]:
            changed |= _fewer_heads(anatomy, i, kept, values.heads[i].to(out))
        if Unit(i) not in subnetwork.kept:
            changed |= {path: nn.Identity() for path in family.mlp_before}
            changed[family.mlp_out] = Constant(values.mlps[i].to(out))
        new |= {f"{family.layers}.{i}.{path}": module for path, module in changed.items()}
    return new


def _fewer_heads(
    anatomy: Anatomy, i: int, kept: list[int], values: Float[Tensor, "head d_head"]
) -> dict[str, nn.Module]:
    """Build layer ``i``'s attention modules with some of the heads, by path within the layer."""
    layer, family = anatomy.layers[i], anatomy.family
    n_heads, d_head = values.shape
    gone = [head for head in range(n_heads) if head not in kept]
    out = layer.get_submodule(family.attention_out)
    blocks = weight_of(out).unflatten(1, (n_heads, d_head))
    bias = widened(blocks[:, gone].flatten(1)) @ widened(values[gone].flatten())
    if out.bias is not None:
        bias += widened(out.get_parameter("bias"))
    bias = bias.to(blocks.dtype)
    attention = layer.get_submodule(family.attention)
    if not kept:
        if family.out_inside:
            return {family.attention: no_heads(family.name, attention, bias)}
        empty = no_heads(family.name, attention, None)
        return {family.attention: empty, family.attention_out: Constant(bias)}
    new: dict[str, nn.Module] = {}
    for kind, name in enumerate(family.maps):
        full = _linear_at(layer, f"{family.attention}.{name}")
        n_sharing = anatomy.n_sharing(i, kind)
        read = [head // n_sharing for head in kept]
        if kind < len(family.joint_norms):
            # The norm depends on all heads, so the map must stay whole.
            norm = family.joint_norms[kind]
            new[norm] = Picked(copy.deepcopy(attention.get_submodule(norm)), read, d_head)
            continue
        if family.fused == "no":
            rows = anatomy.rows(i, kind, [head * n_sharing for head in sorted(set(read))])
        else:
            rows = torch.cat([anatomy.rows(i, each, kept) for each in range(3)])
            rows = rows if family.fused == "stacked" else rows.sort().values
        new[name] = picking(rows_of(full, rows), read, d_head)
    for name in family.more_maps:
        if hasattr(attention, name):
            full = _linear_at(layer, f"{family.attention}.{name}")
            new[name] = rows_of(full, anatomy.rows(i, QUERY, kept))
    paths = {f"{family.attention}.{name}": module for name, module in new.items()}
    return paths | {family.attention_out: linear(blocks[:, kept].flatten(1), bias)}


def _count_heads(hf: nn.Module, family: Family, subnetwork: Subnetwork) -> None:
    """Tell each attention module that has lost heads which heads are left."""
    for i, layer in enumerate(family.layer_list(hf)):
        kept, n_heads = _kept_heads(subnetwork, i), subnetwork.space.heads[i]
        if 0 < len(kept) < n_heads:
            out = weight_of(layer.get_submodule(family.attention_out))
            attention = layer.get_submodule(family.attention)
            count_heads(family.name, attention, kept, out.shape[1] // len(kept))


def _kept_heads(subnetwork: Subnetwork, layer: int) -> list[int]:
    n_heads = subnetwork.space.heads[layer]
    return [head for head in range(n_heads) if Unit(layer, head) in subnetwork.kept]


def _linear_at(module: nn.Module, path: str) -> nn.Module:
    linear_map = module.get_submodule(path)
    if not isinstance(linear_map, nn.Linear | Conv1D):
        raise InputError(
            f"{path} is no linear map but a {type(linear_map).__name__}; only transformers' own "
            "classes can be compacted"
        )
    return linear_map
