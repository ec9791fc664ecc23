"""The learned search: hard-concrete gates trained to agree with the full model at a sparsity.

The paper's objective (section 3.1) with the changes that make it fast and steady: separate gates
for each example, in antithetic pairs; no dropout; the expected number of open gates in the penalty
instead of the sampled one; reference predictions computed once; batches of similar length; gates
averaged over the steps at a target; and one run through all sparsities asked for. After each cut a
few kept units are exchanged for dropped ones where this lowers the divergence.

The seeds of one pass can repel each other, and a search can have an aim (``aim.py``), or start from
a subnetwork: then it makes exchanges alone.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from pydantic import Field

from .cut import cut
from .exchange import exchange
from .gate_training import GateOptions, train_gates
from .hard_concrete import soft_value
from .measured import N_TRIED
from .options import Count, CountOrZero, PositiveOrZero
from .problem import Problem
from .ranking import Ranking


class LearnedOptions(GateOptions):
    """Settings of the learned search; those of ``GateOptions`` are explained there."""

    antithetic: bool = True
    averaged: bool = True
    ramp_steps: Count = Field(
        140, description="Steps in which the target would rise from 0 to 100 %."
    )
    hold_steps: CountOrZero = Field(15, description="Steps at each sparsity before it is cut.")
    exchange_rounds: CountOrZero = Field(
        6, description="Rounds of exchanges of units after each cut; none if 0."
    )
    exchange_examples: Count = Field(500, description="Further examples of each round.")
    exchange_size: Count = Field(4, description="Exchanges a round, at most.")
    measured_rounds: CountOrZero = Field(
        0, description="Further rounds, by what units are measured to do alone; none if 0."
    )
    measured_units: Count = Field(24, description="Units measured in each of them, at most.")
    repel: PositiveOrZero = Field(
        0.0,
        description="What a seed pays, in nats of divergence, if the other seeds of its pass keep "
        "all of its units too.",
    )

    def n_examples(self, sparsities: Sequence[float]) -> int:
        """Return the number of examples one run passes forward and backward, at most.

        A round of exchanges runs its examples forward and backward once, and forward once more for
        each trial: at most one more than the times that its size can be halved. One by measured
        effects runs them forward for each unit measured and each exchange tried.
        """
        n_steps = len(target_schedule(sparsities, self.ramp_steps, self.hold_steps))
        passes = 1 + self.exchange_size.bit_length() / 2
        passes *= self.exchange_rounds
        passes += self.measured_rounds * (1 + self.measured_units / 2 + N_TRIED)
        exchanges = math.ceil(self.exchange_examples * passes)
        return self.batch_size * self.accumulate * n_steps + len(sparsities) * exchanges


def learned(problem: Problem, options: LearnedOptions) -> list[Ranking]:
    """Learn soft values with one seed; see ``learned_together``."""
    return learned_together([problem], options)[0]


def learned_together(problems: Sequence[Problem], options: LearnedOptions) -> list[list[Ranking]]:
    """Learn soft values of all units at each of several rising sparsities, in one run.

    Args:
        problems: The same problem once for each seed.
        options: Settings.

    Returns:
        For each seed one ranking for each number of units: soft values in float64, the units kept
        and the exchanges made.
    """
    problem = problems[0]
    schedule = target_schedule(problem.targets, options.ramp_steps, options.hold_steps)
    if problem.start is not None:
        schedule = []
    n_steps = len(schedule) + options.exchange_rounds * len(problem.keep)
    training = [
        replace(one, progress=lambda done, _: problem.progress(done, n_steps)) for one in problems
    ]
    if problem.start is None:
        readings = train_gates(training, schedule, options, repel=options.repel)
    rankings: list[list[Ranking]] = [[] for _ in problems]
    for i, n_kept in enumerate(problem.keep):
        if problem.start is None:
            softs = [problem.everywhere(soft_value(reading[i]).numpy()) for reading in readings]
        else:
            softs = [problem.start.astype(np.float64) for _ in problems]
        every = exchange(
            problems,
            [cut(soft, n_kept, problem.prunable) for soft in softs],
            rounds=options.exchange_rounds,
            examples=options.exchange_examples,
            size=options.exchange_size,
            measured=options.measured_rounds,
            units=options.measured_units,
            rows_per_pass=options.rows_per_pass,
            repel=options.repel,
        )
        for ranking, soft, exchanged in zip(rankings, softs, every, strict=True):
            for pair in exchanged.pairs:  # so that kept units still have the highest soft values
                soft[list(pair)] = soft[list(pair[::-1])]
            pairs = [
                [str(problem.model.space.units[unit]) for unit in pair] for pair in exchanged.pairs
            ]
            ranking.append(Ranking(soft, exchanged.kept, {"exchanges": pairs}))
        problem.progress(len(schedule) + (i + 1) * options.exchange_rounds, n_steps)
    return rankings


def target_schedule(
    sparsities: Sequence[float], ramp_steps: int, hold_steps: int
) -> list[tuple[float, bool]]:
    """Return the target sparsity of each step, and whether a cut follows it.

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
