"""Greedy removal: again and again the one unit is dropped that is missed least."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from jaxtyping import Bool, Float
from pydantic import BaseModel, ConfigDict, Field
from torch import Tensor

from ..errors import InputError
from ..models.classifier import Classifier, Progress
from ..units import n_kept
from .data import SearchData
from .gate_training import kl_divergence
from .ranking import Ranking


class GreedyOptions(BaseModel):
    """Settings of greedy removal."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    examples: int = Field(64, ge=1, description="Examples on which every removal is tried.")
    batch_size: int = Field(256, ge=1, description="Pairs of example and removal a pass.")
    max_units: int = Field(64, ge=1, description="Refuse models with more prunable units.")


def greedy(
    model: Classifier,
    data: SearchData,
    sparsities: Sequence[float],
    seed: int,
    prunable: Bool[np.ndarray, " unit"],
    options: GreedyOptions,
    progress: Progress | None = None,
) -> list[Ranking]:
    """Drop units one by one, each time the one whose removal raises the divergence least.

    Args:
        model: The full model.
        data: Examples, reference predictions and ablation values.
        sparsities: Shares of the prunable units to drop, rising; one pass serves them all.
        seed: Which examples are used, where there are more than asked for.
        prunable: Which units may be dropped.
        options: Settings.
        progress: Called with (removals done, removals in all) after each removal.

    Returns:
        The same ranking for every sparsity: units in the order of removal, those never removed
        all at 1. Its facts hold the removals in order with the divergence after each, in nats.

    Raises:
        InputError: If there are more prunable units than ``max_units``.
    """
    n_units = int(prunable.sum())
    if n_units > options.max_units:
        raise InputError(
            f"greedy removal tries all of {n_units} units one by one, more than max_units = "
            f"{options.max_units}; raise max_units, or take another method, such as 'learned'"
        )
    data = data.sample(options.examples, seed)
    removals = n_units - n_kept(n_units, max(sparsities))
    kept = np.ones(len(prunable), dtype=bool)
    soft = np.ones(len(prunable))
    order = []
    for i in range(removals):
        candidates = np.flatnonzero(kept & prunable)
        costs = removal_costs(model, data, kept, candidates, batch_size=options.batch_size)
        if not np.isfinite(costs).all():
            raise InputError("the model's outputs are not finite; use float32 weights")
        # Of equals the last in the order of units goes first, as in the exact cut.
        best = len(costs) - 1 - int(np.argmin(costs[::-1]))
        dropped = candidates[best]
        kept[dropped] = False
        soft[dropped] = i / n_units
        order.append({"unit": str(model.space.units[dropped]), "divergence": float(costs[best])})
        if progress is not None:
            progress(i + 1, removals)
    return [Ranking(soft, facts={"removals": order})] * len(sparsities)


def removal_costs(
    model: Classifier,
    data: SearchData,
    kept: Bool[np.ndarray, " unit"],
    candidates: np.ndarray,
    *,
    batch_size: int = 256,
) -> Float[np.ndarray, " candidate"]:
    """Give the mean divergence from the full model with each candidate dropped as well.

    Args:
        model: The full model.
        data: Examples, reference predictions and ablation values.
        kept: Which units are kept before.
        candidates: Positions of the units to try.
        batch_size: Pairs of example and candidate a forward pass.

    Returns:
        Mean KL(full model || subnetwork) in nats, in float64.
    """
    z = torch.tensor(kept, dtype=torch.float32).repeat(len(candidates), 1)
    z[torch.arange(len(candidates)), torch.from_numpy(candidates)] = 0
    z = z.to(model.device)
    sums = torch.zeros(len(candidates), dtype=torch.float64)
    with model.inference(), model.gated(data.values) as gates:
        for rows in data.encoded.by_length(batch_size):
            batch = data.encoded.batch(rows, model.device)
            reference = data.reference[rows].to(model.device)
            at_once = max(1, batch_size // len(rows))
            for first in range(0, len(candidates), at_once):
                tried = z[first : first + at_once]
                gates.z = tried.repeat_interleave(len(rows), dim=0)
                logits = model(**{name: _tile(x, len(tried)) for name, x in batch.items()}).logits
                divergence = kl_divergence(_tile(reference, len(tried)), logits)
                by_candidate = divergence.reshape(len(tried), len(rows)).cpu().double().sum(1)
                sums[first : first + at_once] += by_candidate
    return (sums / len(data.encoded)).numpy()


def _tile(x: Tensor, times: int) -> Tensor:
    return x.repeat(times, *[1] * (x.dim() - 1))


def passes(options: GreedyOptions, sparsities: Sequence[float]) -> int:
    """Give the number of examples run forward for a model of ``max_units`` prunable units."""
    n_units = options.max_units
    removals = n_units - n_kept(n_units, max(sparsities))
    return options.examples * sum(n_units - i for i in range(removals))
