"""Paper mode: the published procedure, its quirks included, each an option that can be turned off.

Bhaskar, Friedman and Chen (2024), section 3.1 and appendix, as published: one run for each
sparsity, one draw of gates for all examples of a pass, dropout on in the pruned model, sparsity
measured on sampled gates, weight decay on gates and multipliers, inputs padded to full length.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Literal

import numpy as np
from jaxtyping import Bool, Float
from pydantic import Field
from torch import Tensor

from ..models.classifier import Classifier, Progress
from ..units import UnitSpace, n_kept
from .data import SearchData
from .gate_training import GateOptions, train_gates
from .hard_concrete import open_probability, soft_value
from .ranking import Ranking


class PaperOptions(GateOptions):
    """Settings of paper mode; the defaults are the published ones."""

    batch_size: int = Field(32, ge=1, description="Examples a forward and backward pass.")
    accumulate: int = Field(4, ge=1, description="Passes an optimiser step.")
    multiplier_rate: float = Field(1.0, gt=0, description="Step size of the Lagrange multipliers.")
    warmup_steps: int = Field(200, ge=0, description="Steps in which step sizes rise linearly.")
    decay: bool = Field(True, description="Let step sizes fall linearly to 0 after that.")
    second_beta: float = Field(0.999, gt=0, lt=1, description="Adam's memory of squared gradients.")
    weight_decay: float = Field(0.01, ge=0, description="AdamW's, on gates and multipliers.")
    clip_norm: float | None = Field(
        1.0, gt=0, description="Bound on the joint norm of all gradients; none if unset."
    )
    start: float = Field(10.0, description="Mean of log alpha at the start; larger is more open.")
    start_spread: float = Field(0.01, ge=0, description="Standard deviation of log alpha there.")
    shared_noise: bool = Field(True, description="One draw of gates for all examples of a pass.")
    sampled_penalty: bool = Field(
        True, description="Measure sparsity on the sampled gates, not as an expectation."
    )
    dropout: bool = Field(True, description="Leave dropout on in the gated model.")
    by_length: bool = Field(
        False, description="Make batches of examples alike in length, to save padding."
    )
    full_padding: bool = Field(True, description="Pad every batch to the longest input allowed.")
    cached_reference: bool = Field(
        False, description="Compute the full model's predictions once, not at every step."
    )
    ramp_steps: int | None = Field(
        None, ge=1, description="Steps in which the target rises; 6500 + 50 a percent if unset."
    )
    hold_steps: int | None = Field(
        None, ge=0, description="Steps at the target; 6 a percent if unset."
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


def paper(
    model: Classifier,
    data: SearchData,
    sparsities: Sequence[float],
    seed: int,
    prunable: Bool[np.ndarray, " unit"],
    options: PaperOptions,
    progress: Progress | None = None,
) -> list[Ranking]:
    """Learn soft values by the published procedure, one run for each sparsity.

    Args:
        model: The full model; its weights stay frozen.
        data: Examples, reference predictions and ablation values.
        sparsities: Shares of the prunable units to drop.
        seed: Where start values, data order, noise and dropout come from.
        prunable: Which units have a gate; the others stay open.
        options: Settings.
        progress: Called with (steps done, steps in all) after each step.

    Returns:
        One ranking per sparsity; with the published cut its kept units too, whose number is not
        exact.

    Source:
        Paper, section 3.1 and the appendix on training.
    """
    schedules = [paper_schedule(sparsity, options) for sparsity in sparsities]
    n_steps = sum(len(schedule) for schedule in schedules)
    before = 0
    rankings = []
    for sparsity, schedule in zip(sparsities, schedules, strict=True):

        def part(done: int, _: int, before: int = before) -> None:
            if progress is not None:
                progress(before + done, n_steps)

        (log_alpha,) = train_gates(model, data, schedule, seed, prunable, options, part)
        soft = np.ones(len(prunable))
        soft[prunable] = soft_value(log_alpha).numpy()
        kept = None
        if options.cut == "published":
            kept = published_cut(log_alpha, sparsity, model.space, prunable, options.threshold)
        rankings.append(Ranking(soft, kept))
        before += len(schedule)
    return rankings


def examples_seen(options: PaperOptions, sparsities: Sequence[float]) -> int:
    """Give the number of examples all runs pass forward and backward."""
    n_steps = sum(len(paper_schedule(sparsity, options)) for sparsity in sparsities)
    return options.batch_size * options.accumulate * n_steps


def paper_schedule(sparsity: float, options: PaperOptions) -> list[tuple[float, bool]]:
    """Give the target sparsity of each optimiser step; the gates are read after the last.

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
    """Turn trained gates into deterministic ones, the surely closed ones exactly 0.

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
    sparsity: float,
    space: UnitSpace,
    prunable: Bool[np.ndarray, " unit"],
    threshold: float | None = None,
) -> Bool[np.ndarray, " unit"]:
    """Keep the units whose deterministic gates are above a threshold.

    Args:
        log_alpha: Location of each prunable unit's gate.
        sparsity: The sparsity asked for.
        space: The units.
        prunable: Which units may be dropped.
        threshold: The threshold; if not given, a sweep takes the lowest one at which the number
            of units kept comes closest to the sparsity asked for.

    Returns:
        Which units are kept; their number is near what was asked for, not exact.
    """
    gates = deterministic_gates(log_alpha, space, prunable)
    if threshold is None:
        wanted = n_kept(int(prunable.sum()), sparsity)
        candidates = [0.0, *sorted(set(gates[prunable]) - {0.0})]
        threshold = min(candidates, key=lambda t: abs(int((gates[prunable] > t).sum()) - wanted))
    return (gates > threshold) | ~prunable
