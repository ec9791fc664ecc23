"""Intervals and corrections that every analysis uses."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from jaxtyping import Float
from scipy import stats

Decision = Literal["supported", "contradicted", "not decided by these data"]
SUPPORTED: Decision = "supported"
CONTRADICTED: Decision = "contradicted"
UNDECIDED: Decision = "not decided by these data"

#: Numbers whose range is so small a share of their size differ by rounding alone.
_SAME = 1e-12
#: Where Fisher's z is still finite.
_ALMOST_1 = 1 - 1e-12


@dataclass(frozen=True)
class Verdict:
    """What the data say of a claim, and why.

    Args:
        claim: The claim, in plain words.
        decision: Supported, contradicted, or not decided by these data.
        reason: The numbers behind the decision.
    """

    claim: str
    decision: Decision
    reason: str


@dataclass(frozen=True)
class Estimate:
    """A number with its 95 % interval."""

    value: float
    low: float
    high: float


def p_text(p: float) -> str:
    """Write a p-value for a reason; one too small for its type is no 0."""
    return f"p = {p:.2g}" if p > 0 else "p < 1e-300"


def signed(value: float, digits: int) -> str:
    """Write a change for a reason, with its sign; what rounds to 0 has none.

    Args:
        value: The change.
        digits: Digits after the point.
    """
    rounded = round(value, digits)
    return f"{rounded:+.{digits}f}" if rounded else f"{0:.{digits}f}"


def change_text(change: Estimate, digits: int) -> str:
    """Write a change with its interval, where that is known, as :func:`signed` does."""
    ends = (change.low, change.high)
    if any(map(np.isnan, ends)):
        return signed(change.value, digits)
    low, high = (signed(end, digits) for end in ends)
    return f"{signed(change.value, digits)} [{low}, {high}]"


def ends_text(estimate: Estimate, form: str) -> str:
    """Write an interval in brackets for a reason, after a space; nothing where it is not known.

    Args:
        estimate: The estimate.
        form: How to write a number, such as ``+.1f``.
    """
    if np.isnan(estimate.low) or np.isnan(estimate.high):
        return ""
    return f" [{estimate.low:{form}}, {estimate.high:{form}}]"


def wilson(successes: int, n: int) -> Estimate:
    """Give a proportion with its 95 % Wilson score interval.

    Args:
        successes: How many of n.
        n: At least 1.
    """
    interval = stats.binomtest(int(successes), int(n)).proportion_ci(0.95, method="wilson")
    return Estimate(successes / n, float(interval.low), float(interval.high))


def student(
    values: Float[np.ndarray, " sample"], within: tuple[float, float] = (-np.inf, np.inf)
) -> Estimate:
    """Give a mean with its 95 % interval from Student's t, which small samples need.

    Args:
        values: One number per independent sample; at least one.
        within: Where the mean must lie, such as (0, 1) for shares; the interval ends there.

    Returns:
        The estimate; a single sample tells nothing of its spread, so its interval is not a number
        and nothing lies outside it.
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
    """Give a correlation with its 95 % interval from Fisher's z.

    Args:
        x: One number per independent sample.
        y: Another for each.
        rank: Spearman's correlation of ranks in place of Pearson's.

    Returns:
        The estimate; ``None`` where there is none: fewer than four samples, or a constant side.

    Source:
        For ranks, the standard error of Bonett and Wright 2000.
    """
    sides = [np.asarray(side, dtype=np.float64) for side in (x, y)]
    if len(sides[0]) < 4 or any(np.ptp(side) <= _SAME * np.abs(side).max() for side in sides):
        return None
    if rank:
        sides = [stats.rankdata(side) for side in sides]
    r = float(np.clip(stats.pearsonr(*sides).statistic, -1, 1))
    error = ((1 + r**2 / 2 if rank else 1) / (len(sides[0]) - 3)) ** 0.5
    z = np.arctanh(np.clip(r, -_ALMOST_1, _ALMOST_1))
    low, high = np.tanh([z - 1.96 * error, z + 1.96 * error])
    return Estimate(r, float(min(low, r)), float(max(high, r)))


def bootstrap(
    values: Float[np.ndarray, "sample ..."],
    seed: int,
    statistic: Callable[..., Any] = np.mean,
    n_draws: int = 4000,
) -> Estimate:
    """Give a statistic of a sample with its 95 % percentile bootstrap interval.

    Args:
        values: One entry per independent sample.
        seed: Where the draws come from.
        statistic: From the values and ``axis`` to a number.
        n_draws: Resamples.

    Returns:
        The estimate; of a single sample the interval is the value itself.
    """
    sample = np.asarray(values, dtype=np.float64)
    value = float(statistic(sample, axis=0))
    if len(sample) < 2:
        return Estimate(value, value, value)
    rows = np.random.default_rng(seed).integers(0, len(sample), size=(n_draws, len(sample)))
    draws = statistic(sample[rows], axis=1)
    low, high = np.quantile(draws, [0.025, 0.975])
    return Estimate(value, float(low), float(high))


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
