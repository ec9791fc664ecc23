"""The gradient search: units to whose gates the loss is least sensitive are dropped first."""

from __future__ import annotations

import numpy as np
from jaxtyping import Float
from pydantic import Field

from ..units import UnitSpace
from .gate_gradients import GradientSettings, mean_gradients
from .problem import Problem
from .ranking import Ranking, from_scores


class GradientOptions(GradientSettings):
    """Settings of the gradient search."""

    normalise: bool = Field(
        True, description="Divide by the l2 norm over each layer's heads, and over the MLPs."
    )


def gradient(problem: Problem, options: GradientOptions) -> list[Ranking]:
    """Score each unit by the mean absolute gradient of the loss with respect to its gate.

    Returns:
        The same ranking for every number of units, the scores among its facts.

    Source:
        Michel, Levy and Neubig (2019), section 4.1, with the normalisation by layer of Molchanov
        et al. (2017). Their heads are scaled towards zero, these towards their ablation values.
    """
    gradients, followed = mean_gradients(problem, options)
    scores = gradients.abs().mean(0).numpy()
    if options.normalise:
        scores = normalise(scores, problem.model.space)
    facts = {"scores": problem.named(scores), "followed": followed}
    return [from_scores(scores, problem.prunable, facts=facts)] * len(problem.keep)


def normalise(scores: Float[np.ndarray, " unit"], space: UnitSpace) -> Float[np.ndarray, " unit"]:
    """Divide scores by their l2 norm over the heads of a layer; MLPs by that over all MLPs.

    An MLP is alone in its layer, and divided by itself it would always score 1.

    Args:
        scores: One score per unit, none negative.
        space: The units.

    Returns:
        The scores with norm 1 in each group; a group of zeros stays zero.
    """
    group_of = np.array([unit.layer if unit.is_head else space.n_layers for unit in space])
    result = scores.copy()
    for group in range(space.n_layers + 1):
        norm = np.linalg.norm(scores[group_of == group])
        if norm > 0:
            result[group_of == group] /= norm
    return result
