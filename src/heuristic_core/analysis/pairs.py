"""The similarity of sets, pair by pair."""

from __future__ import annotations

import numpy as np
from jaxtyping import Bool, Float
from scipy import stats

from .intervals import Estimate


def jaccard(sets: Bool[np.ndarray, "*batch set member"]) -> Float[np.ndarray, "*batch set set"]:
    """Compute each pair's intersection over its union; 1.0 if both sets are empty."""
    bits = sets.astype(np.float64)
    shared = bits @ np.swapaxes(bits, -1, -2)
    sizes = bits.sum(-1)
    union = sizes[..., :, None] + sizes[..., None, :] - shared
    return np.divide(shared, union, out=np.ones_like(shared), where=union > 0)


def pair_mean(values: Float[np.ndarray, "set set"]) -> Estimate:
    """Compute the mean over pairs of independent sets, with its 95 % interval in [0, 1].

    Pairs that have a set in common are not independent. The error is that of the jackknife over
    sets, minus its bias where pairs vary by themselves. The interval uses Student's t with one
    degree of freedom less than there are sets; from five sets on with two, as two variances are
    estimated.

    Args:
        values: A number in [0, 1] for each pair, symmetric; at least two sets.

    Returns:
        The estimate; its interval is not a number if there are two sets only, which are one pair.

    Source:
        Efron and Stein 1981.
    """
    n = len(values)
    pairs = np.triu_indices(n, k=1)
    mean = float(values[pairs].mean())
    if n < 3:
        return Estimate(mean, np.nan, np.nan)
    off = np.where(np.eye(n, dtype=bool), 0.0, values)
    deviation = off.sum(1) / (n - 1) - mean
    variance = 4 * (n - 1) / (n * (n - 2) ** 2) * float(deviation @ deviation)
    if n > 3:
        # What is left of each pair's value after both sets' own effects.
        effect = deviation * (n - 1) / (n - 2)
        left = (values - mean - effect[:, None] - effect[None, :])[pairs]
        alone = float(left @ left) / (n * (n - 3) / 2)
        variance -= 2 * alone / ((n - 1) * (n - 2))
        variance = max(variance, 2 * alone / (n * (n - 1)))
    half = float(stats.t.ppf(0.975, n - (1 if n < 5 else 2))) * variance**0.5
    low, high = np.clip([mean - half, mean + half], 0.0, 1.0)
    return Estimate(mean, float(low), float(high))
