"""Compaction: a subnetwork as a model of its own, without what was dropped and without gates.

A dropped head loses its rows of the query, key and value maps and its columns of the output
projection; what stood in for it is a constant before that projection, and so a constant in its
bias. A dropped MLP becomes one constant. Everything else stays as it was.
"""

from __future__ import annotations

import copy
import os
from pathlib import Path
from typing import Any

import torch
from jaxtyping import Float
from safetensors import SafetensorError
from torch import Tensor, nn
from transformers import MODEL_FOR_SEQUENCE_CLASSIFICATION_MAPPING
from transformers.pytorch_utils import Conv1D

from ..errors import InputError, one_line
from ..storage import as_path
from ..subnetwork import Subnetwork
from ..units import Unit, UnitSpace
from .ablation import AblationValues
from .classifier import Classifier, check_classifier, describe
from .families import Family, family_of
from .hooks import weight_of
from .sharing import share_nothing
from .smaller import Constant, Picked, count_heads, linear, no_heads, picking, rows_of

#: The entry of a model's configuration that says which units are left.
RECORD = "heuristic_core"


class CompactClassifier(Classifier):
    """What is left of a classifier: it runs and is measured like one, but has nothing to gate.

    It has to be loaded with :func:`heuristic_core.load_model`. Transformers' own loading knows
    nothing of the units that are gone, and refuses the weights or fills in random ones.

    Args:
        hf: The smaller model.
        tokenizer: Its tokenizer.
        subnetwork: What it is a model of, without the ablation values, which it has in itself.
        name: What to call it in records.
        max_length: Longest input in tokens; longer ones are cut.
    """

    def __init__(
        self,
        hf: Any,
        tokenizer: Any,
        subnetwork: Subnetwork,
        name: str = "",
        max_length: int = 128,
    ) -> None:
        super().__init__(hf, tokenizer, name, max_length)
        self.subnetwork = subnetwork

    def _find_units(self) -> None:
        """Find nothing: where a layer has no heads left, there may be no output projection."""

    @property
    def space(self) -> UnitSpace:
        """None: some units are gone, and the others' places are no longer theirs.

        Raises:
            InputError: Always.
        """
        raise InputError(
            f"{one_line(self.name)!r} is a compacted model, whose units cannot be searched, "
            "removed or averaged; use the full model it was made from"
        )

    def save(self, folder: str | os.PathLike[str]) -> Path:
        """Write weights, configuration and tokenizer into a folder, made if needed.

        Returns:
            The folder, for :func:`heuristic_core.load_model`.

        Raises:
            InputError: If the folder cannot be written.
        """
        from .loading import quiet

        path = as_path(folder)
        try:
            path.mkdir(parents=True, exist_ok=True)
            with quiet():
                self.hf.save_pretrained(path)
                self.tokenizer.save_pretrained(path)
        except (OSError, SafetensorError) as error:
            raise InputError(f"cannot write {path}: {one_line(str(error), 120)}") from error
        return path

    def __repr__(self) -> str:
        return f"CompactClassifier({self.name!r}, {self.family.name}, {self.subnetwork})"


def compact(model: Classifier, subnetwork: Subnetwork) -> CompactClassifier:
    """Build a smaller model that gives a subnetwork's logits.

    Only what is kept is copied, and on the model's device and in its type; what is folded is
    computed in float64.

    Args:
        model: The model the subnetwork was found in, which stays as it is.
        subnetwork: What to keep.

    Raises:
        InputError: If the subnetwork does not fit the model, or a map to be cut is no plain linear
            one.
    """
    check_classifier(model)
    values = model.values_of(subnetwork)
    values.check_fits(model.space, model.d_heads, model.d_model)
    hf = model.hf
    new = _replacements(hf, model.family, subnetwork, values.to(model.device))
    # A module that the memo already holds is not copied: its replacement takes its place.
    memo: dict[int, Any] = {id(hf.get_submodule(path)): module for path, module in new.items()}
    small = copy.deepcopy(hf, memo).eval().requires_grad_(True)
    share_nothing(small)
    _count_heads(small, model.family, subnetwork)
    for layer in model.family.layer_list(small):
        # Hooks are copied too: without this, a model that is gated right now would stay so.
        for path, module in layer.named_modules():
            if path in (model.family.attention_out, model.family.mlp_out):
                module._forward_hooks.clear()
                module._forward_pre_hooks.clear()
    setattr(small.config, RECORD, subnetwork.record())
    kept = Subnetwork.from_record(subnetwork.record(), where=model.name)
    return CompactClassifier(small, model.tokenizer, kept, model.name, model.max_length)


def recorded(source: object, config: Any) -> Subnetwork | None:
    """Read from a configuration which units are left; ``None`` if it is a full model's.

    Args:
        source: What to call the model in errors.
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
            f"{describe(subnetwork.space)}, the configuration of {describe(space)}"
        )
    return subnetwork


def small_class(config: Any, subnetwork: Subnetwork) -> Any:
    """Give the class of models built without a subnetwork's dropped units, for loading weights.

    Args:
        config: The full model's configuration, from transformers.
        subnetwork: What is kept.
    """
    base: Any = MODEL_FOR_SEQUENCE_CLASSIFICATION_MAPPING[type(config)]
    family = family_of(config.model_type)

    def build(self: Any, config: Any) -> None:
        base.__init__(self, config)
        for path, module in _replacements(self, family, subnetwork, None).items():
            self.set_submodule(path, module)
        _count_heads(self, family, subnetwork)

    # Saved again, it has to name transformers' class as its architecture.
    return type(base.__name__, (base,), {"__init__": build})


@torch.no_grad()
def _replacements(
    hf: nn.Module, family: Family, subnetwork: Subnetwork, values: AblationValues | None
) -> dict[str, nn.Module]:
    """Make what takes the place of modules that change, by path; without values fold zeros."""
    new: dict[str, nn.Module] = {}
    for i, layer in enumerate(family.layer_list(hf)):
        changed: dict[str, nn.Module] = {}
        out = weight_of(_linear_at(layer, family.attention_out))
        kept = _kept_heads(subnetwork, i)
        n_heads = subnetwork.space.heads[i]
        if len(kept) < n_heads:
            heads = out.new_zeros(n_heads, out.shape[1] // n_heads)
            if values is not None:
                heads = values.heads[i].to(heads.dtype)
            changed |= _fewer_heads(layer, family, kept, heads)
        if Unit(i) not in subnetwork.kept:
            mlp = out.new_zeros(out.shape[0])
            if values is not None:
                mlp = values.mlps[i].to(mlp.dtype)
            changed |= {path: nn.Identity() for path in family.mlp_before}
            changed[family.mlp_out] = Constant(mlp)
        new |= {f"{family.layers}.{i}.{path}": module for path, module in changed.items()}
    return new


def _fewer_heads(
    layer: nn.Module, family: Family, kept: list[int], values: Float[Tensor, "head d_head"]
) -> dict[str, nn.Module]:
    """Make a layer's attention modules without some heads, by path within the layer."""
    n_heads, d_head = values.shape
    gone = [head for head in range(n_heads) if head not in kept]
    out = layer.get_submodule(family.attention_out)
    blocks = weight_of(out).unflatten(1, (n_heads, d_head))
    # The stand-ins enter as the gates would have them: in the model's type.
    bias = blocks[:, gone].flatten(1).double() @ values[gone].flatten().double()
    if out.bias is not None:
        bias += out.get_parameter("bias").double()
    bias = bias.to(blocks.dtype)
    attention = layer.get_submodule(family.attention)
    if not kept:
        if family.out_inside:
            return {family.attention: no_heads(family.name, attention, bias)}
        empty = no_heads(family.name, attention, None)
        return {family.attention: empty, family.attention_out: Constant(bias)}
    new: dict[str, nn.Module] = {}
    for which, name in enumerate(family.maps):
        full = _linear_at(layer, f"{family.attention}.{name}")
        n_rows = len(weight_of(full))
        shared = n_heads * d_head // n_rows if len(family.maps) == 3 else 1
        read = [head // shared for head in kept]
        if which < len(family.joint_norms):
            # The norm depends on all heads, so that the map has to stay whole.
            norm = family.joint_norms[which]
            new[norm] = Picked(copy.deepcopy(attention.get_submodule(norm)), read, d_head)
            continue
        if len(family.maps) == 3:
            heads = [head * shared for head in sorted(set(read))]
            rows = family.rows(which, heads, n_heads, d_head, n_rows)
        else:
            parts = [family.rows(i, kept, n_heads, d_head, n_rows) for i in range(3)]
            rows = torch.cat(parts) if family.fused == "stacked" else torch.cat(parts).sort().values
        new[name] = picking(rows_of(full, rows), read, d_head)
    for name in family.more_maps:
        if hasattr(attention, name):
            full = _linear_at(layer, f"{family.attention}.{name}")
            rows = family.rows(0, kept, n_heads, d_head, len(weight_of(full)))
            new[name] = rows_of(full, rows)
    paths = {f"{family.attention}.{name}": module for name, module in new.items()}
    return paths | {family.attention_out: linear(blocks[:, kept].flatten(1), bias)}


def _count_heads(hf: nn.Module, family: Family, subnetwork: Subnetwork) -> None:
    """Tell each attention module that has lost heads which it has left."""
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
    found = module.get_submodule(path)
    if not isinstance(found, nn.Linear | Conv1D):
        raise InputError(
            f"{path} is no linear map but a {type(found).__name__}; only transformers' own "
            "classes can be compacted"
        )
    return found
