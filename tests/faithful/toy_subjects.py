"""Stand-ins for models whose divergences are given: what chains ask, without a model."""

from __future__ import annotations

from collections.abc import Callable
from itertools import combinations

import numpy as np

from heuristic_core.faithful.of_size import choices_of


def every_choice(n_units: int, n_kept: int) -> np.ndarray:
    """All choices of so many of some units."""
    every = list(combinations(range(n_units), n_kept))
    return choices_of(every, len(every), n_units)


class Given:
    """A subject that outputs some numbers and whose divergence is the mean of their exponentials.

    Args:
        outputs: From choices to these numbers, one row a choice.
    """

    def __init__(self, outputs: Callable[[np.ndarray], np.ndarray]) -> None:
        self._outputs = outputs
        self.n_runs = 0

    def outputs(self, choices: np.ndarray) -> np.ndarray:
        self.n_runs += len(choices)
        return self._outputs(choices)

    def divergence(self, outputs: np.ndarray) -> np.ndarray:
        return np.exp(outputs).mean(1)

    def kl(self, choices: np.ndarray) -> np.ndarray:
        return self.divergence(self._outputs(choices))


def two_ways(one: tuple[int, ...], other: tuple[int, ...]) -> Given:
    """A subject whose divergence is small where all units of either way are kept."""

    def outputs(choices: np.ndarray) -> np.ndarray:
        missing = [(~choices[:, way]).sum(1) for way in (list(one), list(other))]
        return np.minimum(*missing)[:, None] * 1.0 - 3

    return Given(outputs)


def polynomial(n_units: int, seed: int, threes: float = 0.0) -> Given:
    """A subject whose outputs depend on units singly, in pairs and, if wanted, in threes."""
    rng = np.random.default_rng(seed)
    single = rng.normal(size=(n_units, 6))
    pairs = rng.normal(size=(n_units, n_units, 6)) / 4
    cubes = threes * rng.normal(size=(n_units, n_units, n_units, 6))

    def outputs(choices: np.ndarray) -> np.ndarray:
        x = choices.astype(float)
        result = x @ single + np.einsum("ni,nj,ijo->no", x, x, pairs)
        return result + np.einsum("ni,nj,nk,ijko->no", x, x, x, cubes)

    return Given(outputs)
