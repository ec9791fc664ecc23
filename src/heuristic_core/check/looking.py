"""Checks of what looks into a run: attention maps and path patching."""

from __future__ import annotations

from functools import partial

import numpy as np
import torch
from torch import Tensor

from ..measure.attention import attention_maps, showing_maps
from ..measure.dependency import dependencies
from ..models.classifier import Classifier
from ..models.hooks import on_heads, on_values
from ..models.patching import READS
from ..tasks.task import Examples, Suite
from ..units import Unit
from .paths import Told, dependency_by_replacement, plain_run, with_head
from .results import Failed, Measured, NotForThisModel, apart
from .subject import Subject
from .wide import AllDouble

#: How many of the texts paths are followed on.
N_PATCHED = 3


def seen_in(
    model: Classifier, batch: dict[str, Tensor]
) -> tuple[tuple[Tensor, ...], dict[int, Tensor], dict[int, Tensor]]:
    """Give every layer's attention map, values and heads, as seen in one run."""
    values: dict[int, Tensor] = {}
    heads: dict[int, Tensor] = {}
    handles = []
    try:
        for layer in range(model.space.n_layers):
            handles.append(on_values(model, layer, partial(values.__setitem__, layer)))
            handles.append(on_heads(model, layer, partial(heads.__setitem__, layer)))
        with model.inference(), showing_maps(model):
            maps = attention_maps(model, batch)
    finally:
        for handle in handles:
            handle.remove()
    return maps, values, heads


def attention_maps_are_the_heads(subject: Subject) -> Measured:
    """Compare each head with its map applied to its values: units and maps are in one order."""
    model = subject.model
    maps, values, heads = seen_in(model, subject.batch)
    real = subject.batch["attention_mask"].bool()
    difference, others = 0.0, 0.0
    for layer, weights in enumerate(maps):
        n_heads = model.space.heads[layer]
        if weights.shape[1] != n_heads:
            raise Failed(f"layer {layer} has {weights.shape[1]} attention maps, {n_heads} heads")
        weights = weights.double()
        sums = weights.sum(-1).transpose(1, 2)[real]
        z = torch.einsum("bhqk,bkhd->bqhd", weights, values[layer].double())[real]
        seen = heads[layer].unflatten(-1, (n_heads, -1))[real]
        scale = float(seen.abs().max()) or 1.0
        difference = max(difference, apart(sums, torch.ones_like(sums)), apart(z, seen) / scale)
        others = max(others, apart(z.roll(1, dims=1), seen) / scale)
    if len(maps) != model.space.n_layers:
        raise Failed(f"there are {len(maps)} attention maps of {model.space.n_layers} layers")
    if others <= subject.rounding and model.space.heads[0] > 1:
        raise Failed("all heads are the same, so that their order cannot be seen")
    return Measured(difference, subject.rounding, "rows sum to 1; relative to the heads' outputs")


def paths_equal_replacement(subject: Subject) -> Measured:
    """Compare path patching with whole runs in which modules are replaced, in float64."""
    if subject.model.space.n_layers < 2:
        raise NotForThisModel("it has one layer, and no path from head to head")
    model, values = subject.wide, subject.values
    suite = _labelled(model, subject.examples)
    right = suite.class_map(model.labels)[None] == suite.examples.label_ids[:, None]
    encoded = model.encode(suite.examples)
    batch = encoded.batch(range(len(encoded)), model.device)
    top = min(2, model.space.n_layers - 1)
    sender, receiver = Unit(0, 0), Unit(top, model.space.heads[top] // 2)
    with AllDouble():
        table = dependencies(
            model,
            suite,
            senders={str(sender): "core", str(receiver): "core"},
            receivers={str(receiver): "added"},
            values=values,
            margin_paths=("direct", "total"),
        )
        named = table.set_index(["sender", "receiver", "path", "reads"]).sort_index()
        columns = ["change", "margin_change"]
        found = named.loc[(str(sender), str(receiver)), columns]
        elsewhere = table.loc[table["sender"] != str(sender), columns]
        if (elsewhere != 0).any(axis=None):
            raise Failed("heads change without a path to them")
        with model.inference():
            _no_path(model, batch, receiver)
            plainly = {
                (path, reads): dependency_by_replacement(
                    model, batch, right, values,
                    sender=sender, receiver=receiver, reads=reads, path=path,
                )
                for path in ("direct", "total")
                for reads in READS
            }  # fmt: skip
    expected = np.array([plainly[key] for key in found.index])
    sizes = np.abs(expected).max(0)
    if not (sizes > 0).all():
        raise Failed(f"{sender} changes nothing in {receiver}, so that nothing can be seen")
    differences = np.abs(found.to_numpy() - expected) / sizes
    largest = float(np.nan_to_num(differences, nan=np.inf).max())
    return Measured(largest, 1e-4, f"{sender} to {receiver}; relative, in float64")


def _no_path(model: Classifier, batch: dict[str, Tensor], head: Unit) -> None:
    """Change a head in a whole run, and make sure that nothing beside or below it changes."""
    clean = plain_run(model, batch)
    z = with_head(model, clean.z[head.layer], head, torch.tensor(1.0))
    changed = plain_run(model, batch, Told({head.layer: z}))
    for layer in range(head.layer + 1):
        for before, after in zip(clean.maps[layer], changed.maps[layer], strict=True):
            if not torch.equal(before, after):
                raise Failed(f"a change in {head} reaches layer {layer}, to which it has no path")


def _labelled(model: Classifier, examples: Examples) -> Suite:
    """Give some examples labels of the model's, whatever they are."""
    table = examples.table.iloc[:N_PATCHED].reset_index(drop=True)
    names = [model.labels[i % 2] for i in range(len(table))]
    return Suite("texts", "ood", Examples(table.assign(label=names), model.labels))
