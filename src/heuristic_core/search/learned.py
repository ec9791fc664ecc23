"""The learned search: hard-concrete gates trained to agree with the full model at a sparsity.

The paper's objective (section 3.1) with the changes that make it fast and steady: gates of their
own for each example, no dropout, the expected number of open gates in the penalty instead of the
sampled one, reference predictions computed once, and one run that passes through every sparsity
asked for.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
import torch
from jaxtyping import Bool, Float
from pydantic import BaseModel, ConfigDict, Field
from torch import Tensor

from ..models.classifier import Classifier, Progress
from .data import SearchData
from .hard_concrete import open_probability, sample_gates, soft_value
from .ranking import Ranking


class LearnedOptions(BaseModel):
    """Settings of the learned search."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    ramp_steps: int = Field(
        160, ge=1, description="Steps in which the target rises from 0 to the first sparsity."
    )
    hold_steps: int = Field(40, ge=0, description="Steps at each sparsity before it is cut.")
    batch_size: int = Field(16, ge=1, description="Examples a step.")
    learning_rate: float = Field(0.1, gt=0, description="Step size of the gates.")
    multiplier_rate: float = Field(0.1, gt=0, description="Step size of the Lagrange multipliers.")
    start: float = Field(3.0, description="Mean of log alpha at the start; larger is more open.")
    start_spread: float = Field(0.1, ge=0, description="Standard deviation of log alpha there.")


def learned(
    model: Classifier,
    data: SearchData,
    sparsities: Sequence[float],
    seed: int,
    prunable: Bool[np.ndarray, " unit"],
    options: LearnedOptions,
    progress: Progress | None = None,
) -> list[Ranking]:
    """Learn soft values for every unit at each of several rising sparsities, in one run.

    Args:
        model: The full model; its weights stay frozen.
        data: Examples, reference predictions and ablation values.
        sparsities: Shares of the prunable units to drop, rising.
        seed: Where start values, data order and gate noise come from.
        prunable: Which units have a gate; the others stay open.
        options: Settings.
        progress: Called with (steps done, steps in all) after each step.

    Returns:
        One ranking per sparsity, its soft values in float64.
    """
    generator = torch.Generator(model.device).manual_seed(seed)
    gated_units = torch.from_numpy(np.flatnonzero(prunable)).to(model.device)
    n_gates = len(gated_units)
    noise = torch.randn(n_gates, generator=generator, device=model.device)
    log_alpha = (options.start + options.start_spread * noise).requires_grad_()
    multipliers = torch.zeros(2, device=model.device, requires_grad=True)
    optimiser = torch.optim.Adam([log_alpha], lr=options.learning_rate, betas=(0.9, 0.98))
    ascent = torch.optim.Adam([multipliers], lr=options.multiplier_rate, maximize=True)

    schedule = list(target_schedule(sparsities, options.ramp_steps, options.hold_steps))
    rows_of = data.encoded.shuffled(options.batch_size, len(schedule), np.random.default_rng(seed))
    results = []
    with model.frozen(), model.gated(data.values) as gates:
        for step, (target, cut_here) in enumerate(schedule):
            rows = next(rows_of)
            uniform = torch.rand(len(rows), n_gates, generator=generator, device=model.device)
            z = torch.ones(len(rows), len(prunable), device=model.device)
            gates.z = z.index_copy(1, gated_units, sample_gates(log_alpha, uniform))
            logits = model(**data.encoded.batch(rows, model.device)).logits
            divergence = kl_divergence(data.reference[rows].to(logits.device), logits)
            gap = target - (1 - open_probability(log_alpha).mean())
            loss = divergence.mean() + multipliers[0] * gap + multipliers[1] * gap**2
            optimiser.zero_grad()
            ascent.zero_grad()
            loss.backward()
            optimiser.step()
            ascent.step()
            if cut_here:
                soft = np.ones(len(prunable))
                soft[prunable] = soft_value(log_alpha.detach().double()).cpu().numpy()
                results.append(Ranking(soft))
            if progress is not None:
                progress(step + 1, len(schedule))
    return results


def examples_seen(options: LearnedOptions, sparsities: Sequence[float]) -> int:
    """Give the number of examples one run passes forward and backward."""
    schedule = target_schedule(sparsities, options.ramp_steps, options.hold_steps)
    return options.batch_size * len(list(schedule))


def target_schedule(
    sparsities: Sequence[float], ramp_steps: int, hold_steps: int
) -> Iterator[tuple[float, bool]]:
    """Give the target sparsity of each step, and whether a cut follows it.

    The target rises linearly at one slope, ``ramp_steps`` for the first sparsity, and rests for
    ``hold_steps`` at each.

    Args:
        sparsities: The sparsities, rising.
        ramp_steps: Steps from 0 to the first sparsity.
        hold_steps: Steps at each sparsity.

    Yields:
        Pairs of target and whether to cut after the step.
    """
    reached = 0.0
    slope = (sparsities[0] or 1.0) / ramp_steps
    for sparsity in sparsities:
        rise = max(1, round((sparsity - reached) / slope))
        targets = [reached + (sparsity - reached) * (i + 1) / rise for i in range(rise)]
        targets += [sparsity] * hold_steps
        yield from ((target, i == len(targets) - 1) for i, target in enumerate(targets))
        reached = sparsity


def kl_divergence(
    reference: Float[Tensor, "batch label"], logits: Float[Tensor, "batch label"]
) -> Float[Tensor, " batch"]:
    """Give KL(full model || subnetwork) of each example, in nats.

    Args:
        reference: The full model's log-probabilities.
        logits: The subnetwork's logits.
    """
    difference = reference - torch.log_softmax(logits.float(), dim=-1)
    return (reference.exp() * difference).sum(-1)
