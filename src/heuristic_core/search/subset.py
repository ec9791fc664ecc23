"""Differentiable subset pruning: importances trained through samples of exactly k units."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from jaxtyping import Float
from pydantic import Field

from ..progress import Progress
from .gate_training import kl_divergence
from .options import Count, MethodOptions, Positive
from .problem import Problem
from .ranking import Ranking, from_scores
from .top_k import gumbel, hard_top_k, relaxed_top_k


class SubsetOptions(MethodOptions):
    """Settings of differentiable subset pruning."""

    steps: Count = Field(200, description="Steps for each sparsity.")
    batch_size: Count = Field(16, description="Examples a step.")
    learning_rate: Positive = Field(0.1, description="Step size of the importances.")
    temperature_start: Positive = Field(1.0, description="Temperature of the first step.")
    temperature_end: Positive = Field(0.1, description="Temperature of the last step.")
    straight_through: bool = Field(
        False, description="Run forward with exactly k units, backward as if they were relaxed."
    )

    def n_examples(self, sparsities: Sequence[float]) -> int:
        """Return the number of examples of all sparsities together."""
        return len(sparsities) * self.steps * self.batch_size


def subset(problem: Problem, options: SubsetOptions) -> list[Ranking]:
    """Train one importance per unit, separately for each number of units.

    Every run starts from the same seed, so that a subnetwork does not depend on which others are
    asked for.

    Returns:
        One ranking for each number of units, the importances among its facts.

    Source:
        Li, Cotterell and Sachan (2021). They minimise the task's loss and train the weights too.
        Here the weights are frozen and the loss is the divergence from the full model, as in the
        learned search; noise is drawn for every example, and gates end at 1.
    """
    rankings = []
    for i, k in enumerate(problem.keep):
        progress = problem.stage(i, len(problem.keep))
        scores = np.zeros(len(problem.prunable))
        if 0 < k < problem.n_prunable:
            scores[problem.prunable] = _fit(problem, k, options, progress)
        else:  # nothing to choose
            progress(options.steps, options.steps)
        facts = {"scores": problem.named(scores)}
        rankings.append(from_scores(scores, problem.prunable, facts=facts))
    return rankings


def _fit(
    problem: Problem, k: int, options: SubsetOptions, progress: Progress
) -> Float[np.ndarray, " gate"]:
    """Train the importances of the prunable units for exactly k of them kept."""
    model, data, n_gates = problem.model, problem.data, problem.n_prunable
    generator = torch.Generator(model.device).manual_seed(problem.seed)
    importance = torch.zeros(n_gates, dtype=torch.float32, device=model.device, requires_grad=True)
    optimiser = torch.optim.Adam([importance], lr=options.learning_rate)
    rng = np.random.default_rng(problem.seed)
    batches = data.encoded.shuffled(options.batch_size, options.steps, rng)
    with model.frozen(), model.gated(data.values) as gates:
        for step, rows in enumerate(batches):
            # Named dtypes: a seed's noise must not depend on torch's default one.
            uniform = torch.rand(
                len(rows), n_gates, generator=generator, device=model.device, dtype=torch.float32
            )
            keys = importance + gumbel(uniform)
            # The relaxation can choose a unit more than once. Gates above 1 disturb the model as
            # those below do, so training would come to prefer units that do nothing.
            chosen = relaxed_top_k(keys, k, temperature(options, step)).clamp(max=1)
            if options.straight_through:
                chosen = hard_top_k(keys, k) + chosen - chosen.detach()
            gates.z = problem.gates(chosen)
            logits = model(**data.encoded.batch(rows, model.device)).logits
            loss = kl_divergence(data.reference[rows].to(logits.device), logits).mean()
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
            progress(step + 1, options.steps)
    return importance.detach().cpu().double().numpy()


def temperature(options: SubsetOptions, step: int) -> float:
    """Return a step's temperature, which falls geometrically from start to end."""
    share = step / max(1, options.steps - 1)
    return float(
        options.temperature_start * (options.temperature_end / options.temperature_start) ** share
    )
