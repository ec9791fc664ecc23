"""How well scores tell two kinds of examples apart, and where they lean."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeVar

import numpy as np
from jaxtyping import Float
from scipy import optimize, stats

from ..errors import InputError
from .intervals import Estimate

#: Scores closer than this, in nats, are ties: odds that differ by a thousandth. Sums in float32 in
#: another order move log-odds by 1e-6 to 1e-4 nats, and where a model's answers are saturated no
#: larger difference is left.
RESOLUTION = 1e-3
#: d' is cut here, so that it does not say how little the scores of a side vary.
MOST_D_PRIME = 20.0

Adversarial = Float[np.ndarray, " adversarial"]
Friendly = Float[np.ndarray, " friendly"]
Scores = Float[np.ndarray, " example"]
Areas = TypeVar("Areas", float, Float[np.ndarray, " pair"])


@dataclass(frozen=True)
class Separation:
    """How adversarial examples' scores stand to friendly ones'.

    Args:
        auc: Probability that an adversarial example scores higher than a friendly one, ties half.
        auc_se: Its standard error over examples of both sides (DeLong, DeLong and Clarke-Pearson
            1988); not a number where a side is a single example.
        d_prime: Difference of the sides' means over the root of their mean variance, or over
            ``RESOLUTION`` if that is larger; at most ``MOST_D_PRIME`` either way.
        bias: Mean of both sides' means: > 0 leans to the answer that is right on the adversarial
            side.
    """

    auc: float
    auc_se: float
    d_prime: float
    bias: float


def separation(adversarial: Adversarial, friendly: Friendly) -> Separation:
    """Tell discrimination from bias: how far apart two sides' scores are, and where they lie.

    Args:
        adversarial: Scores of adversarial examples: log-odds of the label that is right on them,
            in nats.
        friendly: Scores of friendly examples, for the same label.

    Returns:
        Area under the curve and d', which no shift of all scores changes, and the bias.

    Raises:
        InputError: If a side is empty or a score is not finite.
    """
    sides = [np.asarray(side, dtype=np.float64) for side in (adversarial, friendly)]
    if not all(len(side) for side in sides):
        raise InputError("adversarial and friendly examples are told apart; one side has none")
    if not all(np.isfinite(side).all() for side in sides):
        raise InputError("a score is not a finite number; are all labels' logits finite?")
    one, other = sides
    difference = one.mean() - other.mean()
    spread = np.sqrt((_variance(one) + _variance(other)) / 2)
    d_prime = np.clip(difference / max(spread, RESOLUTION), -MOST_D_PRIME, MOST_D_PRIME)
    placed = placements(one, other)
    error = sum(side.var(ddof=1) / len(side) if len(side) > 1 else np.nan for side in placed) ** 0.5
    bias = float((one.mean() + other.mean()) / 2)
    return Separation(float(placed[0].mean()), float(error), float(d_prime), bias)


def placements(adversarial: Adversarial, friendly: Friendly) -> tuple[Adversarial, Friendly]:
    """Give for each example the share of the other side that it stands rightly to, ties half.

    Scores are ties if they differ by no more than ``RESOLUTION``.

    Args:
        adversarial: Scores of adversarial examples, in nats.
        friendly: Scores of friendly ones.

    Returns:
        For each adversarial example the share of friendly ones with a lower score, and for each
        friendly one the share of adversarial ones with a higher score. Either has the area under
        the curve as its mean.
    """
    return _share_below(adversarial, friendly), _share_below(-friendly, -adversarial)


def _share_below(scores: Scores, others: Float[np.ndarray, " other"]) -> Scores:
    ordered = np.sort(others)
    below = np.searchsorted(ordered, scores - RESOLUTION, side="left")
    not_above = np.searchsorted(ordered, scores + RESOLUTION, side="right")
    return (below + not_above) / (2 * len(others))


def auc_variance(auc: Areas, n: int, n_friendly: int) -> Areas:
    """Give the variance of an area under the curve of independent examples.

    Args:
        auc: The area, or several.
        n: Examples on the adversarial side.
        n_friendly: On the friendly side.

    Source:
        Hanley and McNeil 1982, in the form of Newcombe 2006 that treats both sides alike.
    """
    mean = (n + n_friendly) / 2 - 1
    spread = 1 + mean * ((1 - auc) / (2 - auc) + auc / (1 + auc))
    return auc * (1 - auc) * spread / (n * n_friendly)


def cautious_variance(
    auc: Areas, n: int, n_friendly: int, errors: Float[np.ndarray, " system"]
) -> Areas:
    """Give the variance of an area under the curve, the larger of two.

    The formula of :func:`auc_variance` takes both sides' scores to be spread alike. Those of a
    model that is sure of itself are not: some examples lie far on one side and some far on the
    other, and the error over examples is larger. That one in turn is small by chance where areas
    are near 0 or 1.

    Args:
        auc: The area, or several.
        n: Examples on the adversarial side.
        n_friendly: On the friendly side.
        errors: Standard errors over examples of the systems that the area is of; not a number
            where unknown.
    """
    known = errors[np.isfinite(errors)]
    over_examples = float(np.square(known).mean()) if len(known) else 0.0
    return np.maximum(auc_variance(auc, n, n_friendly), over_examples)  # type: ignore[return-value]


def auc_z(
    one: Float[np.ndarray, " pair"],
    other: Float[np.ndarray, " pair"],
    n: int,
    n_friendly: int,
    variances: Float[np.ndarray, " pair"],
) -> Float[np.ndarray, " pair"]:
    """Give differences of two areas under the curve in standard errors.

    The areas are treated as independent. Where both systems score the same examples, this is
    cautious.

    Args:
        one: The areas of one system of each pair.
        other: Those of the other.
        n: Examples on the adversarial side.
        n_friendly: On the friendly side.
        variances: The sum of both areas' variances over examples; not a number where unknown. The
            variance of :func:`auc_variance` at the areas' mean is taken if it is larger.

    Returns:
        Standard normal if the two are equal; 0 where both are perfect.
    """
    by_formula = 2 * auc_variance((one + other) / 2, n, n_friendly)
    error = np.sqrt(np.fmax(by_formula, variances))
    return np.divide(one - other, error, out=np.zeros_like(error), where=error > 0)


def auc_interval(auc: float, n: int, n_friendly: int, error: float = np.nan) -> Estimate:
    """Give an area under the curve with its 95 % interval.

    The interval holds all areas that lie within 1.96 standard errors of their own, as Wilson's
    does for proportions, so that it has a length even at 0 and 1.

    Args:
        auc: The area.
        n: Examples on the adversarial side.
        n_friendly: On the friendly side.
        error: The area's standard error over examples, where it is known. If it is larger than by
            the formula of :func:`auc_variance`, the interval is wider in the same ratio.

    Source:
        Newcombe 2006, method 5.
    """
    z2 = stats.norm.ppf(0.975) ** 2
    by_formula = auc_variance(auc, n, n_friendly)
    if by_formula > 0 and np.isfinite(error):
        z2 *= max(1.0, error**2 / by_formula)

    def excess(area: float) -> float:
        return (area - auc) ** 2 - z2 * auc_variance(area, n, n_friendly)

    # At the area itself the excess is negative, at 0 and 1 positive, unless the area is there.
    low = 0.0 if auc <= 0 else float(optimize.brentq(excess, 0.0, _inside(auc)))
    high = 1.0 if auc >= 1 else float(optimize.brentq(excess, _inside(auc), 1.0))
    return Estimate(float(auc), min(low, float(auc)), max(high, float(auc)))


def _inside(auc: float) -> float:
    return float(np.clip(auc, 1e-9, 1 - 1e-9))


def _variance(scores: Scores) -> float:
    return float(scores.var(ddof=1)) if len(scores) > 1 else 0.0
