"""Causal gating: gates fitted once pushed open and once pushed shut, and what that says of units.

Nam et al. (2025), "Causal Head Gating", with MLP layers as well as heads and with units gated
towards their ablation values instead of zero.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from jaxtyping import Float
from pydantic import Field
from torch import Tensor

from .gate_gradients import Target, log_probability, target_classes
from .options import Count, MethodOptions, Positive
from .problem import Problem
from .ranking import Ranking

#: Log-odds beyond which a gate is not pushed further: 0.982 open or shut, as in Nam et al.
CLIP = 4.0


class TwoSidedOptions(MethodOptions):
    """Settings of causal gating."""

    steps: Count = Field(80, description="Steps of each of the three fits.")
    batch_size: Count = Field(16, description="Examples a step.")
    learning_rate: Positive = Field(0.2, description="Step size of the gates' log-odds.")
    strength: Positive = Field(
        0.1, description="Weight of the mean log-odds that push gates open or shut."
    )
    target: Target = "label"

    def n_examples(self, sparsities: Sequence[float]) -> int:
        """Return the number of examples of the three fits, whatever the sparsities."""
        return 3 * self.steps * self.batch_size


def two_sided(problem: Problem, options: TwoSidedOptions) -> list[Ranking]:
    """Fit gates to the task, continue once pushed open and once pushed shut, rank by the mean.

    Returns:
        The same ranking for every number of units, each unit's causal roles among its facts.
    """
    model, data, seed = problem.model, problem.data, problem.seed
    classes, followed = target_classes(data, options.target)
    done = 0

    def fit(start: Float[Tensor, " gate"], push: float) -> Float[Tensor, " gate"]:
        nonlocal done
        log_odds = start.clone().requires_grad_()
        optimiser = torch.optim.Adam([log_odds], lr=options.learning_rate)
        # The same batches in every fit, so that only the push differs.
        rng = np.random.default_rng(seed)
        for rows in data.encoded.shuffled(options.batch_size, options.steps, rng):
            gates.z = problem.gates(log_odds.sigmoid())
            logits = model(**data.encoded.batch(rows, model.device)).logits
            loss = -log_probability(logits, classes[rows]).mean()
            loss = loss - push * log_odds.clamp(-CLIP, CLIP).mean()
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
            done += 1
            problem.progress(done, 3 * options.steps)
        return log_odds.detach()

    generator = torch.Generator(model.device).manual_seed(seed)
    # Named dtypes: a seed's noise must not depend on torch's default one.
    uniform = torch.rand(
        problem.n_prunable, generator=generator, device=model.device, dtype=torch.float32
    )
    with model.frozen(), model.gated(data.values) as gates:
        start = fit(torch.logit(uniform).clamp(-CLIP, CLIP), 0.0)
        fits = [fit(start, push) for push in (options.strength, -options.strength)]
    opened, shut = (problem.everywhere(x.double().sigmoid().cpu().numpy()) for x in fits)
    by_role = {role: problem.named(values) for role, values in roles(opened, shut).items()}
    by_unit = {
        label: {role: values[label] for role, values in by_role.items()}
        for label in problem.named(opened)
    }
    facts = {"followed": followed, "roles": by_unit}
    return [Ranking((opened + shut) / 2, facts=facts)] * len(problem.keep)


def roles(
    opened: Float[np.ndarray, " unit"], shut: Float[np.ndarray, " unit"]
) -> dict[str, Float[np.ndarray, " unit"]]:
    """Score the causal roles of units.

    Args:
        opened: Gates fitted while pushed open (G+).
        shut: Gates fitted while pushed shut (G-).

    Returns:
        By name: ``facilitation`` (open although pushed shut), ``interference`` (shut although
        pushed open) and ``irrelevance`` (the gate goes where it is pushed), each in [0, 1].

    Source:
        Nam et al. (2025).
    """
    return {
        "facilitation": shut,
        "interference": 1 - opened,
        "irrelevance": opened * (1 - shut),
    }
