"""Moves between subnetworks of one size: kept units are exchanged for dropped ones."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from jaxtyping import Float, Int

from .of_size import Choices

#: Shares of subnetworks that keep a unit count as no further from one half than this.
_LEAST = 0.02

#: Computes the log density of choices, up to a constant.
LogDensity = Callable[[Choices], Float[np.ndarray, " choice"]]


class Exchanges:
    """A Markov chain of exchanges, in which units that are seldom kept are seldom taken up.

    A unit is dropped with a probability proportional to the share of subnetworks that drop it, and
    taken up with one proportional to the share that keep it. What this makes likelier is undone
    by Hastings' ratio.

    Args:
        share: For each choice that moves, in which share of subnetworks each unit is kept.
    """

    def __init__(self, share: Float[np.ndarray, "choice prunable"]) -> None:
        kept = np.clip(share, _LEAST, 1 - _LEAST)
        self._drop, self._take = 1 - kept, kept

    def wander(
        self,
        choices: Choices,
        steps: int,
        log_density: LogDensity | None,
        rng: np.random.Generator,
    ) -> tuple[Choices, Float[np.ndarray, " choice"]]:
        """Make some steps of the chain whose stationary distribution has a given density.

        Args:
            choices: Where it starts; each choice moves by itself.
            steps: How many steps each makes.
            log_density: The density; the same everywhere if ``None``.
            rng: The source of randomness.

        Returns:
            Where it ends, and by how much the log density rises from the start to the end.
        """
        x, rows = choices.copy(), np.arange(len(choices))
        here = np.zeros(len(x)) if log_density is None else log_density(x)
        start = here.copy()
        for _ in range(steps):
            out, back = self._drawn(self._drop, x, rng), self._drawn(self._take, ~x, rng)
            y = x.copy()
            y[rows, out], y[rows, back] = False, True
            there = here if log_density is None else log_density(y)
            ratio = there - here + self._log(y, back, out) - self._log(x, out, back)
            moves = np.log(rng.random(len(x))) < ratio
            x[moves], here = y[moves], np.where(moves, there, here)
        return x, here - start

    def _drawn(
        self,
        weights: Float[np.ndarray, "choice prunable"],
        among: Choices,
        rng: np.random.Generator,
    ) -> Int[np.ndarray, " choice"]:
        """Draw one of some units for each choice, with probabilities proportional to weights."""
        upto = np.cumsum(np.where(among, weights, 0.0), axis=1)
        return np.asarray((upto <= rng.random((len(among), 1)) * upto[:, -1:]).sum(1))

    def _log(
        self, x: Choices, out: Int[np.ndarray, " choice"], back: Int[np.ndarray, " choice"]
    ) -> Float[np.ndarray, " choice"]:
        """Compute the log probability of proposing an exchange."""
        rows = np.arange(len(x))
        drops, takes = np.where(x, self._drop, 0.0).sum(1), np.where(x, 0.0, self._take).sum(1)
        drawn = self._drop[rows, out] * self._take[rows, back] / (drops * takes)
        return np.asarray(np.log(drawn))
