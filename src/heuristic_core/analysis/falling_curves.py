"""Falling curves, and how much of a fall lies within a window of the range."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float
from scipy import optimize, stats

#: Either hypothesis is rejected below this p-value: one of two tests at 5 % together.
CLEAR = 0.025
#: Smaller variances than that of one hundredth of a point say nothing of the shape.
_LEAST_VARIANCE = 1e-8

Levels = Float[np.ndarray, " level"]
Curves = Float[np.ndarray, "seed level"]
Conditions = Float[np.ndarray, "condition level"]


@dataclass(frozen=True)
class Steepest:
    """The window of one width that holds the largest share of a fall, and two tests of that share.

    Args:
        share: The share of the fall within the window, in the falling curve nearest to the mean
            curve; not a number if nothing falls.
        start: Where the window starts.
        end: Where it ends.
        p_sharp: p-value of the hypothesis that some window holds at least a share of the fall.
        p_smooth: p-value of the hypothesis that no window holds more than this share.
        variance: Of one seed's curve at one level; not a number where it is not known.
    """

    share: float
    start: float
    end: float
    p_sharp: float
    p_smooth: float
    variance: float


def steepest(levels: Levels, curves: Curves, width: float, bound: float) -> Steepest:
    """Find the steepest window of a mean curve, and test the share of the fall that it holds.

    Falling curves are straight between neighbouring levels. The squared distance of the mean curve
    from those of a hypothesis, minus that from all of them, is compared with the noise as a square
    of Student's t, one-sided: a likelihood ratio with one condition more. The noise is what seeds
    differ by at a level beyond a constant of each seed.

    Args:
        levels: Where the curves are known, ascending; at least two.
        curves: One curve per seed, not a number where unknown; at every level one is known.
        width: Width of the window, at least the largest step between levels.
        bound: The share that the tests are about.

    Returns:
        The window; p-values are not numbers where a single seed says nothing of the noise.
    """
    known = ~np.isnan(curves)
    counts = known.sum(0)
    mean = np.nansum(curves, 0) / counts
    falling = optimize.isotonic_regression(mean, weights=counts, increasing=False).x
    starts = _starts(levels, width)
    windows = _falls(levels, starts, starts + width)
    total = float(falling[0] - falling[-1])
    # A window that holds all of the fall may hold more of it by rounding.
    shares = np.minimum(windows @ falling / total, 1) if total > 0 else np.full(len(starts), np.nan)
    where = int(shares.argmax())
    p_sharp = p_smooth = variance = np.nan
    # One mean for each level, and one constant for each seed but one.
    freedom = int(known.sum()) - len(levels) - len(curves) + 1
    if len(curves) > 1 and freedom > 0:
        differ = np.where(known, curves - mean, 0.0)
        differ -= known * (differ.sum(1) / known.sum(1))[:, None]
        variance = max(float(np.square(differ).sum()) / freedom, _LEAST_VARIANCE)
        weights = np.sqrt(counts / variance)
        steps = _falls(levels, levels[:-1], levels[1:])
        more = windows - bound * _falls(levels, levels[:1], levels[-1:])
        sharp = smooth = free = float(np.square(weights * (mean - falling)).sum())
        if shares[where] < bound:
            sharp = np.inf
            # No window brings the curves nearer than the nearest falling curve is to its condition.
            least = free + np.square(more @ falling) / np.square(more / weights).sum(1)
            for row in least.argsort():
                if least[row] < sharp:
                    one = np.vstack([steps, more[row]])
                    sharp = min(sharp, _distance(mean, one, weights))
        elif shares[where] > bound:
            smooth = _distance(mean, np.vstack([steps, -more]), weights)
        p_sharp, p_smooth = (
            float(stats.t.sf(max(distance - free, 0.0) ** 0.5, freedom))
            for distance in (sharp, smooth)
        )
    start = float(starts[where])
    share = float(shares[where])
    return Steepest(share, start, start + width, p_sharp, p_smooth, float(variance))


def straight_found(
    levels: Levels, fall: float, variance: float, width: float, bound: float, n_seeds: int
) -> float:
    """Compute how often a straight fall is distinguished from a sharp one.

    Args:
        levels: Where the curves are known, ascending.
        fall: How far it falls.
        variance: Of one seed's curve at one level.
        width: Width of the window, as for :func:`steepest`.
        bound: The share that a window holds of a sharp fall.
        n_seeds: Curves.

    Returns:
        The share of studies, at most: a line is nearest to one condition, and noise to several.
    """
    freedom = (n_seeds - 1) * (len(levels) - 1)
    if freedom < 1:
        return 0.0
    line = fall * (levels[-1] - levels) / (levels[-1] - levels[0])
    starts = _starts(levels, width)
    more = _falls(levels, starts, starts + width) - bound * _falls(levels, levels[:1], levels[-1:])
    squared = np.square(more @ line) / (np.square(more).sum(1) * variance / n_seeds)
    return float(stats.nct.sf(stats.t.isf(CLEAR, freedom), freedom, squared.min() ** 0.5))


def _starts(levels: Levels, width: float) -> Levels:
    """List starts of windows; where a share is largest, a window starts or ends at a level."""
    starts = np.concatenate([levels, levels - width])
    inside = (starts >= levels[0] - 1e-9) & (starts <= levels[-1] - width + 1e-9)
    return np.unique(starts[inside].round(9))


def _falls(levels: Levels, starts: Levels, ends: Levels) -> Conditions:
    """Give the weights of a curve's values in its falls from some places to others."""
    each = np.eye(len(levels))
    at = (np.array([np.interp(places, levels, one) for one in each]) for places in (starts, ends))
    before, after = at
    return (before - after).T


def _distance(curve: Levels, conditions: Conditions, weights: Levels) -> float:
    """Compute the squared distance from the curves on which no condition is negative.

    What separates a point from its projection on such a cone is the nearest combination of the
    conditions' negatives (Moreau's decomposition).
    """
    against = -(conditions / weights).T
    # Many conditions hold one another; scipy's nnls can stop short of the nearest combination then.
    nearest = optimize.lsq_linear(
        against, curve * weights, (0, np.inf), method="bvls", tol=1e-12, max_iter=10 * len(curve)
    )
    return float(np.square(against @ nearest.x).sum())
