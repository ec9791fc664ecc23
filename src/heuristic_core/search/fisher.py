"""The Fisher search: the mask that costs least by the gates' Fisher information."""

from __future__ import annotations

import numpy as np
from jaxtyping import Bool, Float
from pydantic import Field

from ..units import UnitSpace
from .cut import cut
from .gate_gradients import GradientSettings, mean_gradients
from .problem import Problem
from .ranking import Ranking, from_scores


class FisherOptions(GradientSettings):
    """Settings of the Fisher search."""

    rearrange: bool = Field(
        True, description="Swap units within layers by how the units of a layer act together."
    )


def fisher(problem: Problem, options: FisherOptions) -> list[Ranking]:
    """Drop the units of the lowest Fisher information, then swap units within layers.

    The information is the empirical one: means over examples of products of the gradients of the
    cross-entropy. Every unit costs 1, so the search for the mask is a sort, and a layer's block
    holds its heads and its MLP.

    Returns:
        One ranking for each number of units: the units kept, and as scores the diagonal of the
        information.

    Source:
        Kwon et al. (2022), sections 4.1 (search) and 4.2 (rearrangement), without the tuning of
        4.3 and without their constraint on operations.
    """
    tensor, followed = mean_gradients(problem, options)
    gradients = tensor.numpy()
    information = gradients.T @ gradients / len(gradients)
    scores = np.diagonal(information).copy()
    facts = {"scores": problem.named(scores), "followed": followed}
    rankings = []
    for n_kept in problem.keep:
        kept = cut(scores, n_kept, problem.prunable)
        if options.rearrange:
            kept = rearrange_layers(kept, information, problem.model.space, problem.prunable)
        rankings.append(from_scores(scores, problem.prunable, kept=kept, facts=facts))
    return rankings


def rearrange_layers(
    kept: Bool[np.ndarray, " unit"],
    information: Float[np.ndarray, "unit unit"],
    space: UnitSpace,
    prunable: Bool[np.ndarray, " unit"],
) -> Bool[np.ndarray, " unit"]:
    """Rearrange every layer's mask by the layer's block of the Fisher information."""
    layer_of = np.array([unit.layer for unit in space])
    result = kept.copy()
    for layer in range(space.n_layers):
        units = np.flatnonzero(prunable & (layer_of == layer))
        result[units] = rearrange(kept[units], information[np.ix_(units, units)])
    return result


def rearrange(
    kept: Bool[np.ndarray, " unit"], information: Float[np.ndarray, "unit unit"]
) -> Bool[np.ndarray, " unit"]:
    """Swap a kept with a dropped unit, the best pair first, until no swap lowers the cost.

    Args:
        kept: Which units are kept at the start.
        information: The units' Fisher information F.

    Returns:
        Which units are kept, as many as before, at a local minimum of (1 - m)' F (1 - m).
    """
    dropped = (~kept).astype(np.float64)
    diagonal = np.diagonal(information)
    # Rounding errors would swap equal units forever.
    least = 1e-12 * np.abs(information).sum()
    while 0 < dropped.sum() < len(dropped):
        pull = 2 * information @ dropped
        out, back = np.flatnonzero(dropped == 0), np.flatnonzero(dropped == 1)
        change = (
            (pull + diagonal)[out, None]
            - (pull - diagonal)[None, back]
            - 2 * information[np.ix_(out, back)]
        )
        best = np.unravel_index(np.argmin(change), change.shape)
        if change[best] >= -least:
            break
        dropped[out[best[0]]], dropped[back[best[1]]] = 1, 0
    return dropped == 0
