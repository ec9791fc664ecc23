"""Pairs of subnetworks that change places between cases."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float
from scipy import stats

from .intervals import holm

Values = Float[np.ndarray, "subnetwork case"]


@dataclass(frozen=True)
class Crossing:
    """Two subnetworks of which each is clearly better in one of two cases.

    Args:
        seed: One subnetwork's seed.
        other: The other's.
        case: Where the first is better.
        points: By so much, in points of accuracy or hundredths of area.
        other_case: Where the second is better.
        other_points: By so much.
    """

    seed: int
    other: int
    case: str
    points: float
    other_case: str
    other_points: float


def pairs_of(n: int) -> tuple[np.ndarray, np.ndarray]:
    """Give the first and the second of every two of n subnetworks."""
    one, other = np.triu_indices(n, 1)
    return one, other


def proportion_z(correct: Values, n: Values) -> Float[np.ndarray, "pair case"]:
    """Give differences of every two subnetworks' accuracies in standard errors.

    The subnetworks answer the same examples, which makes it cautious.

    Args:
        correct: Examples that are right.
        n: Examples.
    """
    one, other = pairs_of(len(correct))
    n = np.minimum(n[one], n[other]).astype(np.float64)
    pooled = (correct[one] + correct[other]) / (2 * n)
    error = np.sqrt(2 * pooled * (1 - pooled) / n)
    difference = (correct[one] - correct[other]) / n
    return np.divide(difference, error, out=np.zeros_like(difference), where=error > 0)


def crossings(
    values: Values, z: Float[np.ndarray, "pair case"], seeds: Sequence[int], names: Sequence[str]
) -> list[Crossing]:
    """Find pairs of subnetworks that change places between cases, beyond sampling noise.

    Args:
        values: What subnetworks are compared by: shares or areas.
        z: For every two subnetworks, the difference in standard errors; tests are Holm-corrected
            over all pairs and cases.
        seeds: The subnetworks' seeds.
        names: The cases' names.
    """
    one, other = pairs_of(len(seeds))
    if not z.size:
        return []
    p_values = holm(2 * stats.norm.sf(np.abs(z)).ravel()).reshape(z.shape)
    clear = np.where(p_values < 0.05, 100 * (values[one] - values[other]), 0.0)
    found = []
    for i in np.flatnonzero((clear.max(1) > 0) & (clear.min(1) < 0)):
        best, worst = int(clear[i].argmax()), int(clear[i].argmin())
        found.append(
            Crossing(
                seeds[one[i]],
                seeds[other[i]],
                names[best],
                float(clear[i, best]),
                names[worst],
                float(-clear[i, worst]),
            )
        )
    return found
