"""Greedy removal: one unit after another is dropped, each time the one that matters least."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from jaxtyping import Bool, Float
from pydantic import Field
from torch import Tensor

from ..errors import InputError
from ..models.classifier import Classifier
from ..units import n_kept
from .data import SearchData
from .gate_training import kl_divergence
from .options import Count, DeterministicOptions
from .problem import Problem
from .ranking import Ranking


class GreedyOptions(DeterministicOptions):
    """Settings of greedy removal."""

    examples: Count = Field(64, description="Examples on which every removal is tried.")
    batch_size: Count = Field(256, description="Pairs of example and removal a pass.")
    max_units: Count = Field(64, description="Refuse models with more prunable units.")

    def n_examples(self, sparsities: Sequence[float]) -> int:
        """Return half the forward passes in a model of ``max_units`` prunable units."""
        n_removals = self.max_units - n_kept(self.max_units, max(sparsities))
        return self.examples * sum(self.max_units - i for i in range(n_removals)) // 2


def greedy(problem: Problem, options: GreedyOptions) -> list[Ranking]:
    """Drop units one by one, each time the one whose removal raises the divergence least.

    Returns:
        The same ranking for every number of units: units in the order of removal, those never
        removed all at 1. Its facts hold the removals in order with the divergence after each, in
        nats.

    Raises:
        InputError: If there are more prunable units than ``max_units``.
    """
    n_units = problem.n_prunable
    if n_units > options.max_units:
        raise InputError(
            f"greedy removal tries all of {n_units} units one by one, more than max_units = "
            f"{options.max_units}; raise max_units, or take another method, such as 'learned'"
        )
    model, data = problem.model, problem.sample(options)
    n_removals = n_units - min(problem.keep)
    kept = np.ones(len(problem.prunable), dtype=bool)
    soft = np.ones(len(kept))
    removals = []
    for i in range(n_removals):
        candidates = np.flatnonzero(kept & problem.prunable)
        costs = removal_costs(model, data, kept, candidates, batch_size=options.batch_size)
        if not np.isfinite(costs).all():
            raise InputError("the model's outputs are not finite; use float32 weights")
        # Of equal units the last in the order of units is dropped, as in the exact cut.
        best = len(costs) - 1 - int(np.argmin(costs[::-1]))
        dropped = candidates[best]
        kept[dropped] = False
        soft[dropped] = i / n_units
        removals.append({"unit": str(model.space.units[dropped]), "divergence": float(costs[best])})
        problem.progress(i + 1, n_removals)
    return [Ranking(soft, facts={"removals": removals})] * len(problem.keep)


def removal_costs(
    model: Classifier,
    data: SearchData,
    kept: Bool[np.ndarray, " unit"],
    candidates: np.ndarray,
    *,
    batch_size: int = 256,
) -> Float[np.ndarray, " candidate"]:
    """Compute the mean divergence from the full model with each candidate dropped as well.

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
