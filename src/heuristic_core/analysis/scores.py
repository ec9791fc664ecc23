"""Means over examples as a table holds them: their intervals and one-sided tests."""

from __future__ import annotations

import numpy as np
from jaxtyping import Float, Int
from scipy import special, stats

from .intervals import Estimate


def mean_interval(mean: float, error: float, n: int) -> Estimate:
    """Compute the 95 % interval of a mean over examples.

    Args:
        mean: The mean.
        error: Its standard error; NaN for a single example, which leaves the interval unknown.
        n: Number of examples.
    """
    half = float(special.stdtrit(max(n - 1, 1), 0.975)) * error
    return Estimate(float(mean), float(mean - half), float(mean + half))


def p_above(
    mean: Float[np.ndarray, " row"],
    error: Float[np.ndarray, " row"],
    n: Int[np.ndarray, " row"],
    bound: float,
) -> Float[np.ndarray, " row"]:
    """Compute one-sided p-values for means above a bound.

    Args:
        mean: Means over examples.
        error: Their standard errors; where one is NaN, the p-value is 1.
        n: Numbers of examples.
        bound: The mean under the null.
    """
    spread = error > 0
    t = (mean - bound) / np.where(spread, error, 1.0)
    exact = np.where((error == 0) & (mean > bound), 0.0, 1.0)
    return np.where(spread, stats.t.sf(t, np.maximum(n - 1, 1)), exact)
