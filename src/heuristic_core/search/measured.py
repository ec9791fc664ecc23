"""Exchanges chosen by what units were measured to do: each removed or added alone.

The slopes that exchanges are chosen by say what a small change of a gate does. A unit that is
dropped or added as a whole often does something else, so that exchanges which would help are never
tried. Here the units that seem worth it are dropped or added one by one, and their measured effects
on the logits take the place of their slopes. Two exchanges at once are tried as well.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Sequence
from itertools import cycle
from typing import Any

import numpy as np
import torch
from jaxtyping import Float

from .asked import LEAST_FALL, Costs, Mask, Question, linearised, pieces, swapped
from .linear import AimedModel, LinearModel, Pair
from .problem import Problem

#: Single and double exchanges that the model is asked about, at most: so many of each kind.
N_TRIED = 8


def measured_rounds(
    problem: Problem,
    kept: Mask,
    *,
    rounds: int,
    examples: int,
    units: int,
    costs: Callable[[], Costs],
) -> Generator[Question, Any, list[Pair]]:
    """Make the exchanges of one seed, asking for what the model says.

    Args:
        problem: Model, data and the units that may be exchanged.
        kept: Which units are kept; changed by each exchange.
        rounds: Rounds, at most; the first in which no exchange helps is the last.
        examples: Examples of a round, at most; each round takes the next part of them.
        units: Units measured in a round, at most: half of them kept ones, where there are enough.
        costs: What each unit adds to what is asked if it is kept.

    Returns:
        The exchanges made.
    """
    made: list[Pair] = []
    for _, rows in zip(range(rounds), cycle(pieces(problem, examples)), strict=False):
        logits, slopes = yield Question(rows, kept, slopes=True)
        here, effects = linearised(problem, rows, logits, slopes), slopes.clone()
        outs, backs = _worth_measuring(here, kept, problem.prunable, units, costs())
        if not len(outs) or not len(backs):
            break
        for unit in (*outs, *backs):
            flipped = kept.copy()
            flipped[unit] = not flipped[unit]
            there, _ = yield Question(rows, flipped, slopes=False)
            effects[..., unit] = (there - logits).to(slopes) * (-1 if kept[unit] else 1)
        measured = linearised(problem, rows, logits, effects)
        best: list[Pair] = []
        least = here.value - LEAST_FALL
        for pairs in likely_exchanges(measured, outs, backs, costs()):
            after = swapped(kept, pairs)
            there, _ = yield Question(rows, after, slopes=False)
            cost = costs()
            value = linearised(problem, rows, there.to(slopes), slopes).value
            value += float(cost[after].sum() - cost[kept].sum())
            if value < least:
                best, least = pairs, value
        if not best:
            break
        kept[:] = swapped(kept, best)
        made += best
    return made


def _worth_measuring(
    linear: LinearModel | AimedModel, kept: Mask, prunable: Mask, units: int, costs: Costs
) -> tuple[list[int], list[int]]:
    """Choose kept and dropped units by the best exchange that the slopes predict for each."""
    outs, backs = np.flatnonzero(kept & prunable), np.flatnonzero(~kept & prunable)
    n_outs = max(units // 2, units - len(backs))
    table = _predictions(linear, outs, backs, costs)
    if not table.numel():
        return [], []
    by_out, by_back = (table.amin(axis).argsort(stable=True) for axis in (1, 0))
    n_backs = units - min(n_outs, len(outs))
    return outs[by_out[:n_outs].numpy()].tolist(), backs[by_back[:n_backs].numpy()].tolist()


def likely_exchanges(
    linear: LinearModel | AimedModel, outs: Sequence[int], backs: Sequence[int], costs: Costs
) -> list[list[Pair]]:
    """List the single exchanges, then the double ones, for which the least value is predicted.

    Args:
        linear: The model with the measured effects of the units in place of slopes.
        outs: Kept units.
        backs: Dropped units.
        costs: What each unit adds to what is asked if it is kept.
    """
    singles = _listed(linear, outs, backs, costs, [])
    doubles: list[tuple[float, list[Pair]]] = []
    for _, first in singles:
        ((out, back),) = first
        # Each set of four units once.
        others = [one for one in outs if one > out]
        rest = [one for one in backs if one > back]
        paid = float(costs[back] - costs[out])
        doubles += [
            (value + paid, pairs)
            for value, pairs in _listed(linear.moved(first), others, rest, costs, first)
        ]
    return [pairs for some in (singles, doubles) for _, pairs in sorted(some, key=_value)[:N_TRIED]]


def _value(one: tuple[float, list[Pair]]) -> float:
    return one[0]


def _listed(
    linear: LinearModel | AimedModel,
    outs: Sequence[int],
    backs: Sequence[int],
    costs: Costs,
    before: list[Pair],
) -> list[tuple[float, list[Pair]]]:
    """Predict the value of each exchange after some others."""
    table = _predictions(linear, np.array(outs, int), np.array(backs, int), costs).tolist()
    return [
        (value, [*before, (out, back)])
        for out, row in zip(outs, table, strict=True)
        for back, value in zip(backs, row, strict=True)
    ]


def _predictions(
    linear: LinearModel | AimedModel, outs: np.ndarray, backs: np.ndarray, costs: Costs
) -> Float[torch.Tensor, "out back"]:
    """Predict the value of each exchange of a kept for a dropped unit."""
    if not len(outs) or not len(backs):
        return torch.zeros(len(outs), 0)
    table = torch.stack([linear.predicted(int(out), backs) for out in outs]).double().cpu()
    return table + torch.from_numpy(costs[backs] - costs[outs][:, None])
