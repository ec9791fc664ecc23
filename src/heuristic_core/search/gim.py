"""The search by gradient interaction modifications: gradients shared between what is multiplied."""

from __future__ import annotations

from pydantic import Field

from ..models.interactions import shared_gradients
from .gate_gradients import mean_gradients
from .gradient import GradientOptions, normalise
from .options import Positive
from .problem import Problem
from .ranking import Ranking, from_scores


class GimOptions(GradientOptions):
    """Settings of the search by gradient interaction modifications."""

    temperature: Positive = Field(2.0, description="Of softmax in the backward pass.")


def gim(problem: Problem, options: GimOptions) -> list[Ranking]:
    """Score each unit as ``gradient`` does, with gradients that count what acts only together.

    Returns:
        The same ranking for every number of units, the scores among its facts.

    Source:
        Edin et al. (2025), arXiv 2505.17630, with gates in place of edges.
    """
    with shared_gradients(problem.model.anatomy, temperature=options.temperature):
        gradients, followed = mean_gradients(problem, options)
    scores = gradients.abs().mean(0).numpy()
    if options.normalise:
        scores = normalise(scores, problem.model.space)
    facts = {"scores": problem.named(scores), "followed": followed}
    return [from_scores(scores, problem.prunable, facts=facts)] * len(problem.keep)
