"""Checks of attention maps and path patching."""

from __future__ import annotations

from contextlib import ExitStack
from functools import partial

import numpy as np
import torch
from torch import Tensor

from ..measure.attention_maps import attention_maps, showing_maps
from ..measure.dependency import dependencies
from ..models.classifier import Classifier
from ..models.hooks import on_heads, on_values
from ..tasks.task import Examples, Suite
from ..units import Unit
from .paths import Activations, dependency_by_replacement, plain_run, with_head
from .results import Failed, Measured, NotForThisModel, largest_difference
from .subject import Subject
from .wide import AllDouble

#: How many of the texts paths are followed on.
N_PATCHED = 3


def seen_in(
    model: Classifier, batch: dict[str, Tensor]
) -> tuple[tuple[Tensor, ...], dict[int, Tensor], dict[int, Tensor]]:
    """Return every layer's attention map, values and heads, as seen in one run."""
    values: dict[int, Tensor] = {}
    heads: dict[int, Tensor] = {}
    with ExitStack() as hooks:
        for layer in range(model.space.n_layers):
            see_values = partial(values.__setitem__, layer)
            see_heads = partial(heads.__setitem__, layer)
            hooks.enter_context(on_values(model.anatomy, layer, see_values))
            hooks.enter_context(on_heads(model.anatomy, layer, see_heads))
        with model.inference(), showing_maps(model):
            maps = attention_maps(model, batch)
    return maps, values, heads


def attention_maps_are_the_heads(subject: Subject) -> Measured:
    """Compare each head with its map applied to its values: units and maps are in one order."""
    model = subject.model
    maps, values, heads = seen_in(model, subject.batch)
    real = subject.batch["attention_mask"].bool()
    difference, to_next_head = 0.0, 0.0
    for layer, weights in enumerate(maps):
        n_heads = model.space.heads[layer]
        if weights.shape[1] != n_heads:
            raise Failed(f"layer {layer} has {weights.shape[1]} attention maps, {n_heads} heads")
        weights = weights.double()
        sums = weights.sum(-1).transpose(1, 2)[real]
        z = torch.einsum("bhqk,bkhd->bqhd", weights, values[layer].double())[real]
        seen = heads[layer].unflatten(-1, (n_heads, -1))[real]
        scale = float(seen.abs().max()) or 1.0
        difference = max(
            difference,
            largest_difference(sums, torch.ones_like(sums)),
            largest_difference(z, seen) / scale,
        )
        to_next_head = max(to_next_head, largest_difference(z.roll(1, dims=1), seen) / scale)
    if len(maps) != model.space.n_layers:
        raise Failed(f"there are {len(maps)} attention maps of {model.space.n_layers} layers")
    if to_next_head <= subject.rounding and model.space.heads[0] > 1:
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
        from_sender = table["sender"] == str(sender)
        columns = ["change", "margin_change"]
        if (table.loc[~from_sender, columns] != 0).any(axis=None):
            raise Failed("heads change without a path to them")
        with model.inference():
            _check_no_path(model, batch, receiver)
            expected = np.array(
                [
                    dependency_by_replacement(
                        model, batch, right, values,
                        sender=sender, receiver=receiver, reads=row.reads, path=row.path,
                    )
                    for row in table[from_sender].itertuples()
                ]
            )  # fmt: skip
    sizes = np.abs(expected).max(0)
    if not (sizes > 0).all():
        raise Failed(f"{sender} changes nothing in {receiver}, so that nothing can be seen")
    differences = np.abs(table.loc[from_sender, columns].to_numpy() - expected) / sizes
    largest = float(np.nan_to_num(differences, nan=np.inf).max())
    return Measured(largest, 1e-4, f"{sender} to {receiver}; relative, in float64")


def _check_no_path(model: Classifier, batch: dict[str, Tensor], head: Unit) -> None:
    """Check that changing a head in a whole run changes nothing beside or below it."""
    clean = plain_run(model, batch)
    z = with_head(model, clean.z[head.layer], head, torch.tensor(1.0))
    changed = plain_run(model, batch, Activations({head.layer: z}))
    for layer in range(head.layer + 1):
        for before, after in zip(clean.maps[layer], changed.maps[layer], strict=True):
            if not torch.equal(before, after):
                raise Failed(f"a change in {head} reaches layer {layer}, to which it has no path")


def _labelled(model: Classifier, examples: Examples) -> Suite:
    """Label some examples with the model's first two labels in turn."""
    table = examples.table.iloc[:N_PATCHED].reset_index(drop=True)
    names = [model.labels[i % 2] for i in range(len(table))]
    return Suite(
        name="texts", role="ood", examples=Examples(table.assign(label=names), model.labels)
    )
