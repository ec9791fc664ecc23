"""Estimates with intervals, corrected p-values, and how reasons write them."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float
from scipy import stats

from ..writing import signed

#: Numbers whose range is a smaller share of their size than this differ by rounding alone.
_SAME = 1e-12
#: Numbers that differ by less are equal: rounding alone decides nothing.
EQUAL = 1e-9
#: Spearman's interval covers too little over fewer points: 58 % over four.
ENOUGH_POINTS = 10
#: The largest correlation whose Fisher's z is finite.
_ALMOST_1 = 1 - 1e-12


@dataclass(frozen=True)
class Estimate:
    """A number with its 95 % interval, whose ends are not numbers where it is not known."""

    value: float
    low: float = math.nan
    high: float = math.nan


def estimate_text(estimate: Estimate, write: Callable[[float], str]) -> str:
    """Write an estimate, and its interval in brackets where that is known.

    Args:
        estimate: The estimate.
        write: How to write a number, such as ``"{:.1f}".format``.
    """
    value, *ends = map(write, (estimate.value, estimate.low, estimate.high))
    known = not np.isnan([estimate.low, estimate.high]).any()
    return f"{value} [{', '.join(ends)}]" if known else value


def change_text(change: Estimate, digits: int) -> str:
    """Write a change as :func:`signed` does, with its interval."""
    return estimate_text(change, lambda value: signed(value, digits))


def wilson(successes: int, n: int) -> Estimate:
    """Compute a proportion and its 95 % Wilson score interval.

    Args:
        successes: Number of successes.
        n: Number of trials, at least 1.
    """
    interval = stats.binomtest(int(successes), int(n)).proportion_ci(0.95, method="wilson")
    return Estimate(successes / n, float(interval.low), float(interval.high))


def student(
    values: Float[np.ndarray, " sample"], within: tuple[float, float] = (-np.inf, np.inf)
) -> Estimate:
    """Compute a mean and its 95 % interval from Student's t, which small samples need.

    Args:
        values: One number per independent sample; at least one.
        within: Bounds of the mean, such as (0, 1) for shares; the interval is cut to them.

    Returns:
        The estimate. A single sample has no known spread, so the ends of its interval are not
        numbers, and no comparison with them is true.
    """
    sample = np.asarray(values, dtype=np.float64)
    value = float(sample.mean())
    if len(sample) < 2:
        return Estimate(value, np.nan, np.nan)
    error = float(sample.std(ddof=1)) / len(sample) ** 0.5
    half = float(stats.t.ppf(0.975, len(sample) - 1)) * error
    low, high = np.clip([value - half, value + half], *within)
    return Estimate(value, float(low), float(high))


def correlation(
    x: Float[np.ndarray, " sample"], y: Float[np.ndarray, " sample"], rank: bool = False
) -> Estimate | None:
    """Compute a correlation and its 95 % interval from Fisher's z.

    Args:
        x: One number per independent sample.
        y: Another for each.
        rank: Whether to compute Spearman's correlation of ranks instead of Pearson's.

    Returns:
        The estimate; ``None`` with fewer than four samples or if x or y is constant. Spearman's
        has no interval with fewer than ``ENOUGH_POINTS``: its ends are not numbers.

    Source:
        For ranks, the standard error of Bonett and Wright 2000.
    """
    samples = [np.asarray(sample, dtype=np.float64) for sample in (x, y)]
    if len(samples[0]) < 4 or any(
        np.ptp(sample) <= _SAME * np.abs(sample).max() for sample in samples
    ):
        return None
    if rank:
        samples = [stats.rankdata(sample) for sample in samples]
    r = float(np.clip(stats.pearsonr(*samples).statistic, -1, 1))
    if rank and len(samples[0]) < ENOUGH_POINTS:
        return Estimate(r)
    error = ((1 + r**2 / 2 if rank else 1) / (len(samples[0]) - 3)) ** 0.5
    z = np.arctanh(np.clip(r, -_ALMOST_1, _ALMOST_1))
    low, high = np.tanh([z - 1.96 * error, z + 1.96 * error])
    return Estimate(r, float(min(low, r)), float(max(high, r)))


def holm(p_values: Float[np.ndarray, " test"]) -> Float[np.ndarray, " test"]:
    """Correct p-values for many tests by Holm's step-down rule.

    Args:
        p_values: One per test.

    Returns:
        The corrected values, in the same order.
    """
    p = np.asarray(p_values, dtype=np.float64)
    order = np.argsort(p, kind="stable")
    stepped = np.maximum.accumulate(p[order] * np.arange(len(p), 0, -1))
    corrected = np.empty_like(p)
    corrected[order] = np.minimum(stepped, 1.0)
    return corrected


def crossed_share(holds: Bool[np.ndarray, "item sample"]) -> Estimate:
    """Compute the share of items that hold in samples, and its 95 % interval over both.

    An item that holds in one sample is likelier to hold in another. The items therefore count as
    n = items x samples / (1 + (samples - 1) r) independent ones, where r is the correlation of one
    item's samples, from the analysis of variance. The interval is Wilson's for n, with Student's t
    of the items for the normal quantile, as r is estimated; where samples agree on every item, n is
    the number of items and the interval is Wilson's own.

    Args:
        holds: Whether each item holds in each sample; at least one of either.

    Returns:
        The estimate; the ends of its interval are not numbers for a single item.

    Source:
        For the number of independent items and Student's t, Korn and Graubard 1998; for the
        correlation, Donner 1986.
    """
    items, samples = holds.shape
    value = float(holds.mean())
    if items < 2:
        return Estimate(value)
    means = holds.mean(1)
    within = float(np.square(holds - means[:, None]).sum())
    n, quantile = float(items), float(stats.norm.ppf(0.975))
    if within > EQUAL:
        within /= items * (samples - 1)
        between = samples * float(means.var(ddof=1))
        r = (between - within) / (between + (samples - 1) * within)
        n *= samples / (1 + (samples - 1) * max(0.0, r))
        quantile = float(stats.t.ppf(0.975, items - 1))
    return _share_interval(value, n, quantile)


def mean_share(value: float, items: int) -> Estimate:
    """Compute what :func:`crossed_share` does where samples of an item agree, on average.

    Args:
        value: The share.
        items: The items, at least two.
    """
    return _share_interval(value, items, float(stats.t.ppf(0.975, items - 1)))


def _share_interval(value: float, n: float, quantile: float) -> Estimate:
    """Compute Wilson's interval of a share of n, for a quantile of any distribution."""
    squared = quantile**2 / n
    centre = (value + squared / 2) / (1 + squared)
    half = math.sqrt(squared * value * (1 - value) + squared**2 / 4) / (1 + squared)
    return Estimate(value, max(0.0, centre - half), min(1.0, centre + half))
