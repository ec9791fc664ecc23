"""Paper mode: the published procedure with its quirks, each an option that can be turned off.

Bhaskar, Friedman and Chen (2024), section 3.1 and appendix, as published: one run for each
sparsity, one draw of gates for all examples of a pass, dropout on in the pruned model, sparsity
measured on sampled gates, weight decay on gates and multipliers, inputs padded to full length.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from typing import Literal

import numpy as np
from jaxtyping import Bool, Float
from pydantic import Field
from torch import Tensor

from ..units import UnitSpace
from .gate_training import GateOptions, train_gates
from .hard_concrete import open_probability, soft_value
from .options import Count, CountOrZero, Fraction, Positive, PositiveOrZero
from .problem import Problem
from .ranking import Ranking


class PaperOptions(GateOptions):
    """Settings of paper mode: published values of the settings explained in ``GateOptions``.

    Further settings are the schedule and the cut.
    """

    batch_size: Count = 32
    accumulate: Count = 4
    multiplier_rate: Positive = 1.0
    warmup_steps: CountOrZero = 200
    decay: bool = True
    second_beta: Fraction = 0.999
    weight_decay: PositiveOrZero = 0.01
    clip_norm: Positive | None = 1.0
    start: float = 10.0
    start_spread: PositiveOrZero = 0.01
    shared_noise: bool = True
    sampled_penalty: bool = True
    dropout: bool = True
    by_length: bool = False
    full_padding: bool = True
    cached_reference: bool = False
    ramp_steps: Count | None = Field(
        None, description="Steps in which the target rises; 6500 + 50 a percent if unset."
    )
    hold_steps: CountOrZero | None = Field(
        None, description="Steps at the target; 6 a percent if unset."
    )
    cut: Literal["exact", "published"] = Field(
        "exact",
        description="Keep exactly the number of units asked for, or the published deterministic "
        "gates above a threshold.",
    )
    threshold: float | None = Field(
        None,
        ge=0,
        lt=1,
        description="For the published cut; if unset, the one that comes closest to the sparsity.",
    )

    def n_examples(self, sparsities: Sequence[float]) -> int:
        """Return the number of examples that all runs pass forward and backward."""
        n_steps = sum(len(paper_schedule(sparsity, self)) for sparsity in sparsities)
        return self.batch_size * self.accumulate * n_steps


def paper(problem: Problem, options: PaperOptions) -> list[Ranking]:
    """Learn soft values with one seed; see ``paper_together``."""
    return paper_together([problem], options)[0]


def paper_together(problems: Sequence[Problem], options: PaperOptions) -> list[list[Ranking]]:
    """Learn soft values by the published procedure, one run for each sparsity.

    Args:
        problems: The same problem once for each seed; one alone where dropout is on, which torch
            draws from one generator.
        options: Settings.

    Returns:
        For each seed one ranking for each number of units; with the published cut its kept units
        too, whose number is not exact.

    Source:
        Paper, section 3.1 and the appendix on training.
    """
    problem = problems[0]
    schedules = [paper_schedule(target, options) for target in problem.targets]
    n_steps = sum(len(schedule) for schedule in schedules)
    before = 0
    rankings: list[list[Ranking]] = [[] for _ in problems]
    for n_kept, schedule in zip(problem.keep, schedules, strict=True):

        def progress(done: int, _: int, before: int = before) -> None:
            problem.progress(before + done, n_steps)

        training = [replace(one, progress=progress) for one in problems]
        trained = train_gates(training, schedule, options)
        for ranking, (log_alpha,) in zip(rankings, trained, strict=True):
            soft = problem.everywhere(soft_value(log_alpha).numpy())
            kept = None
            if options.cut == "published":
                space, prunable = problem.model.space, problem.prunable
                kept = published_cut(log_alpha, n_kept, space, prunable, options.threshold)
            ranking.append(Ranking(soft, kept))
        before += len(schedule)
    return rankings


def paper_schedule(sparsity: float, options: PaperOptions) -> list[tuple[float, bool]]:
    """Return the target sparsity of each optimiser step; the gates are read after the last.

    The target rises linearly from 0 over 6500 + 50p steps and rests for 6p, p being the sparsity
    in percent: 9,300 steps for 50 %.

    Args:
        sparsity: Where the target rises to.
        options: Settings, which may name other numbers of steps.
    """
    percent = 100 * sparsity
    ramp = options.ramp_steps or round(6500 + 50 * percent)
    hold = round(6 * percent) if options.hold_steps is None else options.hold_steps
    targets = [sparsity * step / ramp for step in range(ramp)] + [sparsity] * hold
    return [(target, i == len(targets) - 1) for i, target in enumerate(targets)]


def deterministic_gates(
    log_alpha: Float[Tensor, " gate"],
    space: UnitSpace,
    prunable: Bool[np.ndarray, " unit"],
) -> Float[np.ndarray, " unit"]:
    """Turn trained gates into deterministic ones, some of them exactly 0.

    Within each group of gates (one layer's heads, or one MLP) the expected number of zeros,
    rounded, is set to 0, lowest first.

    Args:
        log_alpha: Location of each prunable unit's gate.
        space: The units.
        prunable: Which units have a gate; the others are 1.

    Source:
        Paper, section 3.1, after Xia, Zhong and Chen (2022).
    """
    gates, closed = np.ones(len(space)), np.zeros(len(space))
    gates[prunable] = soft_value(log_alpha).numpy()
    closed[prunable] = 1 - open_probability(log_alpha).numpy()
    for start, n_heads in zip(space.offsets, space.heads, strict=True):
        for group in (range(start, start + n_heads), range(start + n_heads, start + n_heads + 1)):
            members = np.array([unit for unit in group if prunable[unit]], dtype=np.int64)
            # Halves are rounded up, as PyTorch's and Python's rounding to even differ by version.
            n_zeros = math.floor(closed[members].sum() + 0.5)
            gates[members[np.argsort(gates[members], kind="stable")[:n_zeros]]] = 0.0
    return gates


def published_cut(
    log_alpha: Float[Tensor, " gate"],
    n_kept: int,
    space: UnitSpace,
    prunable: Bool[np.ndarray, " unit"],
    threshold: float | None = None,
) -> Bool[np.ndarray, " unit"]:
    """Keep the units whose deterministic gates are above a threshold.

    Args:
        log_alpha: Location of each prunable unit's gate.
        n_kept: How many prunable units to keep, as nearly as the rule allows.
        space: The units.
        prunable: Which units may be dropped.
        threshold: The threshold; if not given, the lowest one at which the number of units kept
            comes closest to ``n_kept``.

    Returns:
        Which units are kept.
    """
    gates = deterministic_gates(log_alpha, space, prunable)
    if threshold is None:
        candidates = [0.0, *sorted(set(gates[prunable]) - {0.0})]
        threshold = min(candidates, key=lambda t: abs(int((gates[prunable] > t).sum()) - n_kept))
    return (gates > threshold) | ~prunable
