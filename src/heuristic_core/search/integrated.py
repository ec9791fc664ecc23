"""Integrated gradients over the gates: what each unit adds on the way from all shut to all open."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from jaxtyping import Float
from pydantic import Field
from torch import Tensor

from .gate_gradients import GradientSettings, Target, mean_gradients
from .options import Count
from .problem import Problem
from .ranking import Ranking, from_scores


class IntegratedOptions(GradientSettings):
    """Settings of the search by integrated gradients."""

    steps: int = Field(10, ge=10, description="Points on the way from shut to open.")
    examples: Count = Field(300, description="Use at most so many examples.")

    def n_examples(self, sparsities: Sequence[float]) -> int:
        """Return the number of examples: each is run once at every point."""
        return self.steps * self.examples


def integrated(problem: Problem, options: IntegratedOptions) -> list[Ranking]:
    """Score each unit by its share of the log-probability that the prunable units add together.

    Scores have a sign: units that lower the target's probability are dropped before units that do
    nothing.

    Returns:
        The same ranking for every number of units, the scores in nats among its facts.

    Source:
        Sundararajan, Taly and Yan (2017), with gates in place of inputs.
    """
    shares, followed = integrated_gradients(problem, options)
    scores = shares.mean(0).numpy()
    facts = {"scores": problem.named(scores), "followed": followed}
    return [from_scores(scores, problem.prunable, facts=facts)] * len(problem.keep)


def integrated_gradients(
    problem: Problem, options: IntegratedOptions
) -> tuple[Float[Tensor, "example unit"], Target]:
    """Integrate each gate's gradient while all prunable gates open together from 0 to 1.

    Returns:
        Shares in nats, in float64, zero for units that are not prunable, and which class was
        followed. An example's shares sum to the log-probability with all gates open minus that
        with the prunable ones shut, up to the error of the midpoint rule.
    """
    levels = [(step + 0.5) / options.steps for step in range(options.steps)]
    gradients, followed = mean_gradients(problem, options, levels)
    return gradients * torch.from_numpy(problem.prunable), followed
