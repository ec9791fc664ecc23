"""How searches agree on heads, observed and in draws of a null model."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float
from scipy import stats

from .intervals import EQUAL
from .nulls import Chance
from .pairs import jaccard

#: Each half of the searches needs so many for a correlation between halves.
ENOUGH_IN_HALF = 2

#: How often each head is kept at a sparsity and at the next one, for each draw.
Frequencies = tuple[Float[np.ndarray, "draw head"], Float[np.ndarray, "draw head"]]


@dataclass(frozen=True, eq=False, kw_only=True)
class Agreement:
    """Numbers on the agreement of searches, for each draw.

    Args:
        mean: Mean Jaccard index over pairs of searches, at each sparsity.
        least: The least Jaccard index of a pair.
        whole: Spearman's correlation of heads' frequencies at a sparsity and at the next; 0 where
            one of them is constant.
        halves: The same with half of the searches at either sparsity; 0 with too few.
    """

    mean: Float[np.ndarray, "draw level"]
    least: Float[np.ndarray, "draw level"]
    whole: Float[np.ndarray, "draw neighbour"]
    halves: Float[np.ndarray, "draw neighbour"]

    @classmethod
    def of(
        cls,
        draws: Iterable[Bool[np.ndarray, "draw run level head"]],
        exists: Bool[np.ndarray, "run level"],
    ) -> Agreement:
        """Measure it.

        Args:
            draws: The heads kept, some draws at a time.
            exists: Which sparsities each run has a subnetwork of; two runs a sparsity at least.
        """
        parts = [_measured(kept, exists) for kept in draws]
        return cls(**{name: np.concatenate([part[name] for part in parts]) for name in parts[0]})


def _measured(
    kept: Bool[np.ndarray, "draw run level head"], exists: Bool[np.ndarray, "run level"]
) -> dict[str, np.ndarray]:
    n_draws, _, n_levels, _ = kept.shape
    mean, least = np.empty((2, n_draws, n_levels))
    whole, halves = np.zeros((2, n_draws, n_levels - 1))
    for level in range(n_levels):
        similarity = jaccard(kept[:, exists[:, level], level])
        one, other = np.triu_indices(similarity.shape[-1], k=1)
        mean[:, level] = similarity[:, one, other].mean(-1)
        least[:, level] = similarity[:, one, other].min(-1)
    for low in range(n_levels - 1):
        whole[:, low] = _spearman(*frequencies(kept, exists, low))
        if (split := split_frequencies(kept, exists, low)) is not None:
            halves[:, low] = _spearman(*split)
    return {"mean": mean, "least": least, "whole": whole, "halves": halves}


def frequencies(
    kept: Bool[np.ndarray, "draw run level head"], exists: Bool[np.ndarray, "run level"], low: int
) -> Frequencies:
    """Compute how often heads are kept at a sparsity and at the next."""
    return (
        kept[:, exists[:, low], low].mean(1),
        kept[:, exists[:, low + 1], low + 1].mean(1),
    )


def split_frequencies(
    kept: Bool[np.ndarray, "draw run level head"], exists: Bool[np.ndarray, "run level"], low: int
) -> Frequencies | None:
    """Compute them in the first, third, ... run at a sparsity, and in the others at the next."""
    both = np.flatnonzero(exists[:, low : low + 2].all(1))
    if len(both) < 2 * ENOUGH_IN_HALF:
        return None
    return kept[:, both[::2], low].mean(1), kept[:, both[1::2], low + 1].mean(1)


def _spearman(
    x: Float[np.ndarray, "draw head"], y: Float[np.ndarray, "draw head"]
) -> Float[np.ndarray, " draw"]:
    ranks = [stats.rankdata(values, axis=-1) for values in (x, y)]
    a, b = (some - some.mean(-1, keepdims=True) for some in ranks)
    scale = np.sqrt((a**2).sum(-1) * (b**2).sum(-1))
    return np.divide((a * b).sum(-1), scale, out=np.zeros(len(scale)), where=scale > 0)


def by_draws(observed: float, draws: Float[np.ndarray, " draw"]) -> Chance:
    """Compare a number with draws of it; what was observed counts as one of them."""
    reached = int((draws >= observed - EQUAL).sum())
    return Chance(float(draws.mean()), (reached + 1) / (len(draws) + 1))


def all_levels(
    observed: Float[np.ndarray, " level"], draws: Float[np.ndarray, "draw level"]
) -> tuple[float, float] | None:
    """Test several sparsities at once, by the mean of their standard scores.

    Returns:
        The probabilities of at least as much and of at most as much; ``None`` where nothing is
        left to chance at any sparsity.
    """
    everything = np.vstack([observed, draws])
    spread = everything.std(0)
    free = spread > EQUAL
    if not free.any():
        return None
    scores = ((everything - everything.mean(0))[:, free] / spread[free]).mean(1)
    above, below = by_draws(scores[0], scores[1:]), by_draws(-scores[0], -scores[1:])
    return above.p_value, below.p_value
