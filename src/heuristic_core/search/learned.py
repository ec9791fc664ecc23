"""The learned search: hard-concrete gates trained to agree with the full model at a sparsity.

The paper's objective (section 3.1) with the changes that make it fast and steady: gates of their
own for each example, in antithetic pairs, no dropout, the expected number of open gates in the
penalty instead of the sampled one, reference predictions computed once, batches of similar length,
gates averaged over the steps at a target, and one run that passes through every sparsity asked for.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
from jaxtyping import Bool
from pydantic import Field

from ..models.classifier import Classifier, Progress
from .data import SearchData
from .gate_training import GateOptions, train_gates
from .hard_concrete import soft_value
from .ranking import Ranking


class LearnedOptions(GateOptions):
    """Settings of the learned search."""

    antithetic: bool = Field(
        True, description="Pair every draw of noise u with 1 - u, on the next example."
    )
    averaged: bool = Field(
        True, description="Read the mean of log alpha over the steps at a target, not its last."
    )
    ramp_steps: int = Field(
        160, ge=1, description="Steps in which the target rises from 0 to the first sparsity."
    )
    hold_steps: int = Field(40, ge=0, description="Steps at each sparsity before it is cut.")


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
    schedule = list(target_schedule(sparsities, options.ramp_steps, options.hold_steps))
    readings = train_gates(model, data, schedule, seed, prunable, options, progress)
    rankings = []
    for log_alpha in readings:
        soft = np.ones(len(prunable))
        soft[prunable] = soft_value(log_alpha).numpy()
        rankings.append(Ranking(soft))
    return rankings


def examples_seen(options: LearnedOptions, sparsities: Sequence[float]) -> int:
    """Give the number of examples one run passes forward and backward."""
    steps = list(target_schedule(sparsities, options.ramp_steps, options.hold_steps))
    return options.batch_size * options.accumulate * len(steps)


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
