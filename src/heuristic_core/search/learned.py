"""The learned search: hard-concrete gates trained to agree with the full model at a sparsity.

The paper's objective (section 3.1) with the changes that make it fast and steady: gates of their
own for each example, in antithetic pairs, no dropout, the expected number of open gates in the
penalty instead of the sampled one, reference predictions computed once, batches of similar length,
gates averaged over the steps at a target, and one run that passes through every sparsity asked for.
After each cut a few kept units are exchanged for dropped ones where this lowers the divergence.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from jaxtyping import Bool
from pydantic import Field

from ..models.classifier import Classifier, Progress
from .cut import cut
from .data import SearchData
from .exchange import exchange
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
        140, ge=1, description="Steps in which the target would rise from 0 to 100 %."
    )
    hold_steps: int = Field(15, ge=0, description="Steps at each sparsity before it is cut.")
    exchange_rounds: int = Field(
        6, ge=0, description="Rounds of exchanges of units after each cut; none if 0."
    )
    exchange_examples: int = Field(500, ge=1, description="Further examples of each round.")
    exchange_size: int = Field(4, ge=1, description="Exchanges a round, at most.")


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
    schedule = target_schedule(sparsities, options.ramp_steps, options.hold_steps)
    n_rounds = options.exchange_rounds * len(sparsities)

    def tell(done: int, of: int) -> None:
        if progress is not None:
            progress(done, of + n_rounds)

    readings = train_gates(model, data, schedule, seed, prunable, options, tell)
    rankings = []
    for i, (sparsity, log_alpha) in enumerate(zip(sparsities, readings, strict=True)):
        soft = np.ones(len(prunable))
        soft[prunable] = soft_value(log_alpha).numpy()
        found = exchange(
            model,
            data,
            cut(soft, sparsity, prunable),
            prunable,
            rounds=options.exchange_rounds,
            examples=options.exchange_examples,
            size=options.exchange_size,
            seed=seed,
        )
        for pair in found.pairs:  # so that the order of the soft values is that of the units kept
            soft[list(pair)] = soft[list(pair[::-1])]
        pairs = [[str(model.space.units[unit]) for unit in pair] for pair in found.pairs]
        rankings.append(Ranking(soft, found.kept, {"exchanges": pairs}))
        tell(len(schedule) + (i + 1) * options.exchange_rounds, len(schedule))
    return rankings


def examples_seen(options: LearnedOptions, sparsities: Sequence[float]) -> int:
    """Give the number of examples one run passes forward and backward, at most.

    A round of exchanges runs its examples forward and backward once, and forward once more for
    each trial: at most one more than the times that its size can be halved.
    """
    steps = len(target_schedule(sparsities, options.ramp_steps, options.hold_steps))
    passes = 1 + options.exchange_size.bit_length() / 2
    exchanges = math.ceil(options.exchange_rounds * options.exchange_examples * passes)
    return options.batch_size * options.accumulate * steps + len(sparsities) * exchanges


def target_schedule(
    sparsities: Sequence[float], ramp_steps: int, hold_steps: int
) -> list[tuple[float, bool]]:
    """Give the target sparsity of each step, and whether a cut follows it.

    The target rises linearly, and rests for ``hold_steps`` at each sparsity.

    Args:
        sparsities: The sparsities, rising.
        ramp_steps: Steps in which the target would rise from 0 to 1.
        hold_steps: Steps at each sparsity.

    Returns:
        Pairs of target and whether to cut after the step.
    """
    reached = 0.0
    schedule = []
    for sparsity in sparsities:
        rise = max(1, round((sparsity - reached) * ramp_steps))
        targets = [reached + (sparsity - reached) * (i + 1) / rise for i in range(rise)]
        targets += [sparsity] * hold_steps
        schedule += [(target, i == len(targets) - 1) for i, target in enumerate(targets)]
        reached = sparsity
    return schedule
