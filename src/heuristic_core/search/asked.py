"""What exchanges of units ask of the model, and what is read in its answers."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float, Int
from torch import Tensor

from .linear import AimedModel, LinearModel, Pair
from .problem import Problem

#: What each unit adds to what is asked if it is kept.
Costs = Float[np.ndarray, " unit"]
Mask = Bool[np.ndarray, " unit"]

#: A smaller fall of the divergence, in nats, may be rounding error.
LEAST_FALL = 1e-6


@dataclass(frozen=True, eq=False)
class Question:
    """What an exchange asks of the model.

    Args:
        rows: The examples.
        kept: Which units are kept.
        slopes: Whether it asks for slopes too, not for the logits alone.
    """

    rows: Int[np.ndarray, " row"]
    kept: Mask
    slopes: bool


Answer = tuple[Float[Tensor, "row label"], Float[Tensor, "row label unit"] | None]


def pieces(problem: Problem, examples: int) -> list[Int[np.ndarray, " row"]]:
    """Split the examples into parts; where there is an aim, as many of its examples to each."""
    n, aim = len(problem.data.encoded), problem.aim
    some = parts(n, examples, problem.seed)
    if aim is None:
        return some
    others = np.random.default_rng(problem.seed).permutation(len(aim.encoded))
    split = np.array_split(n + others, len(some)) if len(others) >= len(some) else [n + others]
    return [np.concatenate([one, np.sort(split[i % len(split)])]) for i, one in enumerate(some)]


def linearised(
    problem: Problem,
    rows: Int[np.ndarray, " row"],
    logits: Float[Tensor, "row label"],
    slopes: Float[Tensor, "row label unit"],
) -> LinearModel | AimedModel:
    """Return what a problem asks, linearised on some examples of its own and of its aim."""
    data, aim = problem.data, problem.aim
    n = int((rows < len(data.encoded)).sum())
    faithful = LinearModel(data.reference[rows[:n]].to(logits), logits[:n], slopes[:n])
    if aim is None:
        return faithful
    return AimedModel(faithful, aim, rows[n:] - len(data.encoded), logits[n:], slopes[n:])


def parts(n_examples: int, size: int, seed: int) -> list[Int[np.ndarray, " row"]]:
    """Split examples at random into parts of nearly equal size, none larger than ``size``."""
    order = np.random.default_rng(seed).permutation(n_examples)
    return [np.sort(rows) for rows in np.array_split(order, math.ceil(n_examples / size))]


def swapped(kept: Mask, pairs: Sequence[Pair]) -> Mask:
    """Return the units kept after some exchanges."""
    after = kept.copy()
    for out, back in pairs:
        after[out], after[back] = False, True
    return after
