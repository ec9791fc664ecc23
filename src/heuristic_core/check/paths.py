"""Path patching once more: forward passes in which modules give what they are told to."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from jaxtyping import Bool, Float
from torch import Tensor, nn

from ..measure.accuracy import log_odds
from ..models.ablation import AblationValues
from ..models.classifier import Classifier
from ..models.patching import READS, slice_of
from ..units import Unit


@dataclass
class Told:
    """What modules give in a run in place of what they compute, by layer.

    Args:
        z: What the output projection reads.
        mlp: What the MLP gives.
        maps: What the maps to queries, keys and values give.
    """

    z: Mapping[int, Tensor] = field(default_factory=dict)
    mlp: Mapping[int, Tensor] = field(default_factory=dict)
    maps: Mapping[int, list[Tensor]] = field(default_factory=dict)


@dataclass
class Seen:
    """What there was in a run, by layer.

    Attributes:
        z: What the output projection read.
        mlp: What the MLP gave.
        maps: What the maps to queries, keys and values gave.
        logits: The answers.
    """

    z: dict[int, Tensor] = field(default_factory=dict)
    mlp: dict[int, Tensor] = field(default_factory=dict)
    maps: dict[int, list[Tensor]] = field(default_factory=dict)
    logits: Float[np.ndarray, "example label"] = field(default_factory=lambda: np.empty((0, 0)))


def plain_run(model: Classifier, batch: dict[str, Tensor], told: Told | None = None) -> Seen:
    """Run a whole model once, without hooks, some modules giving what they are told to."""
    told, seen = told or Told(), Seen()
    with _instead(model, told, seen):
        seen.logits = model(**batch).logits.double().cpu().numpy()
    return seen


@contextmanager
def _instead(model: Classifier, told: Told, seen: Seen) -> Iterator[None]:
    """Put functions in the place of modules' own."""
    changed: list[nn.Module] = []

    def put(module: nn.Module, function: Any) -> None:
        changed.append(module)
        module.forward = function

    try:
        for i in range(model.space.n_layers):
            out, mlp = model.attention_out(i), model.mlp_out(i)
            put(out, _reading(out.forward, i, told, seen))
            put(mlp, _giving(mlp.forward, i, told, seen))
            seen.maps[i] = []
            for which, module in enumerate(model.projections(i)):
                put(module, _mapping(module.forward, i, which, told, seen))
        yield
    finally:
        for module in changed:
            module.__dict__.pop("forward", None)


def _reading(inner: Any, layer: int, told: Told, seen: Seen) -> Any:
    def forward(x: Tensor) -> Tensor:
        seen.z[layer] = told.z.get(layer, x)
        return inner(seen.z[layer])

    return forward


def _giving(inner: Any, layer: int, told: Told, seen: Seen) -> Any:
    def forward(*args: Any, **kwargs: Any) -> Tensor:
        found = inner(*args, **kwargs)
        seen.mlp[layer] = told.mlp.get(layer, found)
        return seen.mlp[layer]

    return forward


def _mapping(inner: Any, layer: int, which: int, told: Told, seen: Seen) -> Any:
    def forward(x: Tensor) -> Tensor:
        if len(seen.maps[layer]) > which:
            return inner(x)  # a map that reads positions, too, once it has read the tokens
        given = told.maps.get(layer)
        seen.maps[layer].append(inner(x) if given is None else given[which])
        return seen.maps[layer][which]

    return forward


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
        sender: The head that gives its mean.
        receiver: A head of a layer above.
        reads: What of the receiver reads the change, ``q``, ``k`` or ``v``.
        path: ``direct`` or ``total``.

    Returns:
        The relative change of the receiver's output and the change of the margin, averaged over
        examples.
    """
    a, b = sender.layer, receiver.layer
    clean = plain_run(model, batch)
    z = with_head(model, clean.z[a], sender, values.heads[a][sender.head or 0])
    told = Told({a: z})
    if path == "direct":
        told = Told({**clean.z, a: z}, clean.mlp)
    changed = plain_run(model, batch, told)
    maps = _mixed(model, b, clean.maps[b], changed.maps[b], READS.index(reads))
    after = plain_run(model, batch, Told(maps={b: maps})).z[b]

    part = slice_of(model, receiver)
    real = batch["attention_mask"].bool()[..., None]
    mean = values.heads[b][receiver.head or 0].to(after)
    moved, away = (
        torch.linalg.vector_norm(difference[..., part] * real, dim=(1, 2))
        for difference in (after - clean.z[b], clean.z[b] - with_head(model, after, receiver, mean))
    )
    new = plain_run(
        model, batch, Told({b: with_head(model, clean.z[b], receiver, after[..., part])})
    )
    margin = log_odds(new.logits, right) - log_odds(clean.logits, right)
    return float((moved / away).mean()), float(margin.mean())


def with_head(model: Classifier, heads: Tensor, head: Unit, z: Tensor) -> Tensor:
    """Give a layer's heads side by side with one of them exchanged."""
    changed = heads.clone()
    changed[..., slice_of(model, head)] = z.to(changed)
    return changed


def _mixed(
    model: Classifier, layer: int, clean: list[Tensor], changed: list[Tensor], which: int
) -> list[Tensor]:
    """Give what the maps give, where one kind of them reads what was changed."""
    if len(clean) == 3:
        return [changed[i] if i == which else clean[i] for i in range(3)]
    n_heads, d_head = model.space.heads[layer], model.d_heads[layer]
    rows = model.family.rows(which, range(n_heads), n_heads, d_head, clean[0].shape[-1])
    mixed = clean[0].clone()
    mixed[..., rows.to(mixed.device)] = changed[0][..., rows.to(mixed.device)]
    return [mixed]
