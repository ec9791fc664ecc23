"""How searches agree on heads, computed alike for what was found and for draws of a null model."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float
from scipy import stats

from .nulls import Chance
from .pairs import jaccard

#: Each half of the searches needs so many for a correlation between halves.
ENOUGH_IN_HALF = 2
#: Numbers that differ by less differ by rounding alone.
_SAME = 1e-9

Sides = tuple[Float[np.ndarray, "draw head"], Float[np.ndarray, "draw head"]]


@dataclass(frozen=True)
class Agreement:
    """Numbers on the agreement of searches, for each draw.

    Args:
        mean: Mean Jaccard index over pairs of searches, at each level.
        least: The least one.
        whole: Spearman's correlation of heads' frequencies at a level and at the next; 0 where
            one side is constant.
        halves: The same with half of the searches on either side; 0 with too few.
    """

    mean: Float[np.ndarray, "draw level"]
    least: Float[np.ndarray, "draw level"]
    whole: Float[np.ndarray, "draw neighbour"]
    halves: Float[np.ndarray, "draw neighbour"]

    @classmethod
    def of(
        cls, kept: Bool[np.ndarray, "draw run level head"], found: Bool[np.ndarray, "run level"]
    ) -> Agreement:
        """Measure it.

        Args:
            kept: The heads kept in each draw.
            found: Which levels each run has a subnetwork of; two runs a level at least.
        """
        n_draws, _, n_levels, _ = kept.shape
        mean, least = np.empty((2, n_draws, n_levels))
        whole, halves = np.zeros((2, n_draws, n_levels - 1))
        for level in range(n_levels):
            alike = jaccard(kept[:, found[:, level], level])
            one, other = np.triu_indices(alike.shape[-1], k=1)
            mean[:, level] = alike[:, one, other].mean(-1)
            least[:, level] = alike[:, one, other].min(-1)
        for low in range(n_levels - 1):
            whole[:, low] = _spearman(*sides(kept, found, low))
            split = half_sides(kept, found, low)
            if split is not None:
                halves[:, low] = _spearman(*split)
        return cls(mean, least, whole, halves)

    @classmethod
    def join(cls, parts: list[Agreement]) -> Agreement:
        """Put draws together."""
        names = ("mean", "least", "whole", "halves")
        return cls(*(np.concatenate([getattr(part, name) for part in parts]) for name in names))


def sides(
    kept: Bool[np.ndarray, "draw run level head"], found: Bool[np.ndarray, "run level"], low: int
) -> Sides:
    """Give the heads' frequencies at a level and at the next."""
    return (
        kept[:, found[:, low], low].mean(1),
        kept[:, found[:, low + 1], low + 1].mean(1),
    )


def half_sides(
    kept: Bool[np.ndarray, "draw run level head"], found: Bool[np.ndarray, "run level"], low: int
) -> Sides | None:
    """Give them with no run on both sides: the first, third, ... run, then the others."""
    both = np.flatnonzero(found[:, low : low + 2].all(1))
    if len(both) < 2 * ENOUGH_IN_HALF:
        return None
    return kept[:, both[::2], low].mean(1), kept[:, both[1::2], low + 1].mean(1)


def _spearman(
    x: Float[np.ndarray, "draw head"], y: Float[np.ndarray, "draw head"]
) -> Float[np.ndarray, " draw"]:
    ranks = [stats.rankdata(side, axis=-1) for side in (x, y)]
    a, b = (side - side.mean(-1, keepdims=True) for side in ranks)
    scale = np.sqrt((a**2).sum(-1) * (b**2).sum(-1))
    return np.divide((a * b).sum(-1), scale, out=np.zeros(len(scale)), where=scale > 0)


def by_draws(observed: float, draws: Float[np.ndarray, " draw"]) -> Chance:
    """Hold a number against draws of it; what was observed counts as one of them."""
    reached = int((draws >= observed - _SAME).sum())
    return Chance(float(draws.mean()), (reached + 1) / (len(draws) + 1))


def all_levels(
    observed: Float[np.ndarray, " level"], draws: Float[np.ndarray, "draw level"]
) -> tuple[float, float] | None:
    """Test several levels at once, by the mean of their standard scores.

    Returns:
        The probabilities of at least as much and of at most as much; ``None`` where no level is
        open to chance.
    """
    everything = np.vstack([observed, draws])
    spread = everything.std(0)
    free = spread > _SAME
    if not free.any():
        return None
    scores = ((everything - everything.mean(0))[:, free] / spread[free]).mean(1)
    above, below = by_draws(scores[0], scores[1:]), by_draws(-scores[0], -scores[1:])
    return above.p_value, below.p_value
