"""A second way to patch paths: whole runs in which modules return given values."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from jaxtyping import Bool, Float
from torch import Tensor, nn

from ..measure.accuracy import log_odds
from ..models.ablation import AblationValues
from ..models.anatomy import Anatomy
from ..models.classifier import Classifier
from ..models.patching import READS
from ..units import Unit


@dataclass
class Activations:
    """What modules compute in a run, or return instead, by layer.

    Args:
        z: What the output projection reads.
        mlp: What the MLP returns.
        maps: What the maps to queries, keys and values return.
        logits: What the model returns.
    """

    z: dict[int, Tensor] = field(default_factory=dict)
    mlp: dict[int, Tensor] = field(default_factory=dict)
    maps: dict[int, list[Tensor]] = field(default_factory=dict)
    logits: Float[np.ndarray, "example label"] = field(default_factory=lambda: np.empty((0, 0)))


def plain_run(
    model: Classifier, batch: dict[str, Tensor], given: Activations | None = None
) -> Activations:
    """Run a whole model once, without hooks, with given activations in place of its own.

    Args:
        model: The model.
        batch: Some examples.
        given: The activations, for some layers; none if not given.

    Returns:
        The activations of the run.
    """
    given, seen = given or Activations(), Activations()
    with _replaced(model.anatomy, given, seen):
        seen.logits = model(**batch).logits.double().cpu().numpy()
    return seen


@contextmanager
def _replaced(anatomy: Anatomy, given: Activations, seen: Activations) -> Iterator[None]:
    """Replace the forward of every module concerned, within a ``with`` block."""
    changed: list[nn.Module] = []
    try:
        for layer in range(anatomy.space.n_layers):
            for module, forward in _forwards(anatomy, layer, given, seen):
                changed.append(module)
                module.forward = forward
        yield
    finally:
        for module in changed:
            module.__dict__.pop("forward", None)


def _forwards(
    anatomy: Anatomy, layer: int, given: Activations, seen: Activations
) -> Iterator[tuple[nn.Module, Any]]:
    """Yield a layer's modules, each with what it is to do instead."""
    out, mlp = anatomy.attention_out[layer], anatomy.mlp_out[layer]

    def project(x: Tensor, own: Any = out.forward) -> Tensor:
        seen.z[layer] = given.z.get(layer, x)
        return own(seen.z[layer])

    def write(*args: Any, own: Any = mlp.forward, **kwargs: Any) -> Tensor:
        seen.mlp[layer] = given.mlp.get(layer, own(*args, **kwargs))
        return seen.mlp[layer]

    def reader(index: int, own: Any) -> Any:
        def read(x: Tensor) -> Tensor:
            if len(seen.maps[layer]) > index:
                return own(x)  # a map that reads positions, too, once it has read the tokens
            seen.maps[layer].append(given.maps[layer][index] if layer in given.maps else own(x))
            return seen.maps[layer][index]

        return read

    yield out, project
    yield mlp, write
    seen.maps[layer] = []
    for index, module in enumerate(anatomy.projections[layer]):
        yield module, reader(index, module.forward)


def dependency_by_replacement(
    model: Classifier,
    batch: dict[str, Tensor],
    right: Bool[np.ndarray, "example label"],
    values: AblationValues,
    *,
    sender: Unit,
    receiver: Unit,
    reads: str,
    path: str,
) -> tuple[float, float]:
    """Compute a dependency by whole runs with modules replaced.

    Args:
        model: The model, run without gradients.
        batch: Some examples.
        right: Which of the classes count as right.
        values: The mean outputs.
        sender: The head whose output becomes its mean.
        receiver: A head of a layer above.
        reads: Which projection of the receiver reads the change, ``q``, ``k`` or ``v``.
        path: ``direct`` or ``total``.

    Returns:
        The relative change of the receiver's output and the change of the margin, averaged over
        examples.
    """
    a, b = sender.layer, receiver.layer
    clean = plain_run(model, batch)
    z = with_head(model, clean.z[a], sender, values.heads[a][sender.head or 0])
    given = Activations({**clean.z, a: z}, clean.mlp) if path == "direct" else Activations({a: z})
    changed = plain_run(model, batch, given)
    maps = _mixed(model.anatomy, b, clean.maps[b], changed.maps[b], READS.index(reads))
    after = plain_run(model, batch, Activations(maps={b: maps})).z[b]

    part = model.anatomy.slice_of(receiver)
    real = batch["attention_mask"].bool()[..., None]
    mean = values.heads[b][receiver.head or 0].to(after)
    moved, away = (
        torch.linalg.vector_norm(difference[..., part] * real, dim=(1, 2))
        for difference in (after - clean.z[b], clean.z[b] - with_head(model, after, receiver, mean))
    )
    z = with_head(model, clean.z[b], receiver, after[..., part])
    new = plain_run(model, batch, Activations({b: z}))
    margin = log_odds(new.logits, right) - log_odds(clean.logits, right)
    return float((moved / away).mean()), float(margin.mean())


def with_head(model: Classifier, heads: Tensor, head: Unit, z: Tensor) -> Tensor:
    """Return a layer's heads side by side with the output of one of them replaced."""
    changed = heads.clone()
    changed[..., model.anatomy.slice_of(head)] = z.to(changed)
    return changed


def _mixed(
    anatomy: Anatomy, layer: int, clean: list[Tensor], changed: list[Tensor], kind: int
) -> list[Tensor]:
    """Return what the maps return where one kind of projection reads the change."""
    if len(clean) == 3:
        return [*clean[:kind], changed[kind], *clean[kind + 1 :]]
    rows = anatomy.rows(layer, kind).to(clean[0].device)
    mixed = clean[0].clone()
    mixed[..., rows] = changed[0][..., rows]
    return [mixed]
