"""Exchanges: a kept and a dropped unit are swapped while this lowers the divergence.

Gates are trained half open and under noise. The exact cut then closes some for good, and which
units serve best depends on all the others. Exchanges are chosen by the linearised model, and made
only if the divergence of the model itself, or what else a search aims at, falls with them.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Generator, Sequence
from dataclasses import dataclass, field
from functools import partial
from itertools import cycle
from typing import Any

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from ..models.classifier import Classifier
from .asked import LEAST_FALL, Answer, Costs, Mask, Question, linearised, pieces, swapped
from .data import SearchData
from .gate_gradients import logit_slopes
from .linear import AimedModel, LinearModel, Pair
from .measured import measured_rounds
from .problem import Problem
from .rows import ROWS, at_once


@dataclass
class Exchanged:
    """The result of exchanges.

    Args:
        kept: Which units are kept, as many as before.
        pairs: The exchanges made, (dropped, kept instead), in order.
    """

    kept: Mask
    pairs: list[Pair] = field(default_factory=list)


def exchange(
    problems: Sequence[Problem],
    kept: Sequence[Mask],
    *,
    rounds: int,
    examples: int,
    size: int,
    measured: int = 0,
    units: int = 24,
    rows_per_pass: int | None = None,
    repel: float = 0.0,
    until_unchanged: bool = False,
) -> list[Exchanged]:
    """Exchange kept for dropped units while the divergence from the full model falls.

    Each round linearises the model on a further part of the examples, chooses exchanges by this
    part and those of earlier rounds, and makes them if the model's own divergence on this part
    falls. If it does not, the first half of them is tried, and so on. Where a single exchange
    fails, the unit it would have dropped is not dropped in later rounds either. Where a problem has
    an aim, its value takes the place of the divergence. Seeds decide alone, unless they repel each
    other; what they ask of the model is run together.

    Args:
        problems: Model, data and the units that may be exchanged, once for each seed, which orders
            the examples.
        kept: Which units are kept at the start, for each seed.
        rounds: Rounds; each runs forward and backward, and forward again for each trial.
        examples: Examples of a part, at most; when all parts have been used, the first is next.
        size: Exchanges of a round at most.
        measured: Rounds that follow, by what units are measured to do; see ``measured_rounds``.
        units: Units measured in such a round, at most.
        rows_per_pass: Examples of all seeds that run at once, at most; if ``None``, 32 of each, and
            on a processor 32.
        repel: What a seed's divergence may rise by, in nats, for not sharing any of its units with
            the others; see ``sharing_costs``.
        until_unchanged: End a seed's rounds with the first that makes no exchange.

    Returns:
        The units kept and the exchanges made, for each seed.
    """
    limit = at_once(rows_per_pass, problems[0].model.device) or ROWS * len(problems)
    results = [Exchanged(start.copy()) for start in kept]
    asked: dict[int, Question] = {}

    def costs(seed: int) -> Costs:
        return sharing_costs([one.kept for one in results], seed, repel)

    seeds = [
        _rounds(
            problem,
            results[i],
            rounds=rounds,
            examples=examples,
            size=size,
            measured=measured,
            units=units,
            costs=partial(costs, i),
            until_unchanged=until_unchanged,
        )
        for i, problem in enumerate(problems)
    ]

    def go_on(seed: int, answer: Answer | None) -> None:
        try:
            asked[seed] = seeds[seed].send(answer)
        except StopIteration:
            asked.pop(seed, None)

    for seed in range(len(seeds)):
        go_on(seed, None)
    while asked:
        # Trials first, so that all seeds begin their next round together.
        trials = {seed: question for seed, question in asked.items() if not question.slopes}
        now = trials or dict(asked)
        for seed, answer in zip(now, _answers(problems[0], list(now.values()), limit), strict=True):
            go_on(seed, answer)
    return results


def sharing_costs(kept: Sequence[Mask], seed: int, repel: float) -> Costs:
    """Return what a seed pays for each unit: its share of the other seeds that keep the unit too.

    Args:
        kept: The units that each seed keeps, as many for all.
        seed: The seed that pays.
        repel: What it pays if all others keep all of its units, in nats.
    """
    if not repel:
        return np.zeros(len(kept[seed]))
    others = [one for i, one in enumerate(kept) if i != seed]
    return repel * np.mean(others, axis=0) / max(1, kept[seed].sum())


def _rounds(
    problem: Problem,
    result: Exchanged,
    *,
    rounds: int,
    examples: int,
    size: int,
    measured: int,
    units: int,
    costs: Callable[[], Costs],
    until_unchanged: bool,
) -> Generator[Question, Any, None]:
    """Make the exchanges of one seed in its result, asking for what the model says."""
    prunable = problem.prunable
    if not (result.kept & prunable).any() or result.kept.all():
        return
    movable = prunable.copy()
    some = pieces(problem, examples)
    seen: deque[Any] = deque(maxlen=len(some))
    for _, rows in zip(range(rounds), cycle(some), strict=False):
        logits, slopes = yield Question(rows, result.kept, slopes=True)
        assert slopes is not None
        here = linearised(problem, rows, logits, slopes)
        seen.append(here)  # replaces what an earlier round computed on this part
        pairs = best_pairs(type(here).joined(list(seen)), result.kept, movable, size, costs())
        while pairs:
            after = swapped(result.kept, pairs)
            logits, _ = yield Question(rows, after, slopes=False)
            there = linearised(problem, rows, logits.to(slopes), slopes)
            cost = costs()  # anew: other seeds may have made the same exchange meanwhile
            dearer = float(cost[after].sum() - cost[result.kept].sum())
            if there.value + dearer < here.value - LEAST_FALL:
                others = [model_of_part.moved(pairs) for model_of_part in list(seen)[:-1]]
                seen = deque([*others, there], maxlen=len(some))
                break
            if len(pairs) == 1:
                movable[pairs[0][0]] = False
            pairs = pairs[: len(pairs) // 2]
        result.kept = swapped(result.kept, pairs)
        result.pairs += pairs
        if until_unchanged and not pairs:
            break
    result.pairs += yield from measured_rounds(
        problem, result.kept, rounds=measured, examples=examples, units=units, costs=costs
    )


def _answers(problem: Problem, questions: Sequence[Question], limit: int) -> list[Answer]:
    """Run the model on what several seeds ask, together; all ask for slopes or none does."""
    model, data = problem.model, problem.all_data
    some = data.take(np.concatenate([question.rows for question in questions]))
    lengths = [len(question.rows) for question in questions]
    kept = np.repeat([question.kept for question in questions], lengths, axis=0)
    z = torch.from_numpy(kept).float()
    if not questions[0].slopes:
        return [(logits, None) for logits in _logits(model, some, z, limit).split(lengths)]
    logits, slopes = logit_slopes(model, some, z, batch_size=limit)
    return list(zip(logits.split(lengths), slopes.split(lengths), strict=True))


def best_pairs(
    linear: LinearModel | AimedModel,
    kept: Mask,
    movable: Mask,
    size: int,
    costs: Costs | None = None,
) -> list[Pair]:
    """Choose exchanges one by one, each the best by the linear model after those before.

    Args:
        linear: The model linearised at the units kept.
        kept: Which units are kept.
        movable: Which units may be exchanged.
        size: Exchanges at most; no unit is in two.
        costs: What keeping each unit adds to what is to fall; nothing if not given.

    Returns:
        Pairs of a unit to drop and one to keep instead; none where no exchange would lower the
        divergence by more than rounding error.
    """
    outs, backs = np.flatnonzero(kept & movable), np.flatnonzero(~kept & movable)
    pairs: list[Pair] = []
    while len(pairs) < size and len(outs) and len(backs):
        table = torch.stack([linear.predicted(int(out), backs) for out in outs])
        if costs is not None and costs.any():
            table += torch.from_numpy(costs[backs] - costs[outs][:, None]).to(table)
        row, column = divmod(int(table.argmin()), len(backs))
        if not table[row, column] < linear.value - LEAST_FALL:
            break
        pairs.append((int(outs[row]), int(backs[column])))
        linear = linear.moved(pairs[-1:])
        outs, backs = np.delete(outs, row), np.delete(backs, column)
    return pairs


def _logits(
    model: Classifier, data: SearchData, z: Float[Tensor, "example unit"], batch_size: int
) -> Float[Tensor, "example label"]:
    at = z.to(model.device)
    result = torch.empty(data.reference.shape, dtype=torch.float32, device=model.device)
    with model.inference(), model.gated(data.values) as gates:
        for rows in data.encoded.by_length(batch_size):
            gates.z = at[rows]
            result[rows] = model(**data.encoded.batch(rows, model.device)).logits.float()
    return result.clone()  # no inference tensor: it is computed with outside
