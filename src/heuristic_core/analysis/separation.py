"""How well scores separate adversarial from friendly examples, and their label bias."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeVar

import numpy as np
from jaxtyping import Float
from scipy import optimize, stats

from ..errors import InputError
from .intervals import Estimate

#: Scores closer than this, in nats, are ties: odds that differ by a thousandth. The order of
#: float32 sums moves log-odds by 1e-6 to 1e-4 nats; a saturated model's scores may differ by less.
RESOLUTION = 1e-3
#: d' is cut here: a larger one says only how little the scores vary.
MOST_D_PRIME = 20.0

Adversarial = Float[np.ndarray, " adversarial"]
Friendly = Float[np.ndarray, " friendly"]
Scores = Float[np.ndarray, " example"]
Aurocs = TypeVar("Aurocs", float, Float[np.ndarray, " pair"])


@dataclass(frozen=True)
class Separation:
    """How well scores separate adversarial from friendly examples.

    Args:
        auc: AUROC: probability that an adversarial example scores higher than a friendly one, ties
            half.
        auc_se: Its standard error over examples of both kinds (DeLong, DeLong and Clarke-Pearson
            1988); not a number if there is a single example of a kind.
        d_prime: Difference of the kinds' mean scores over the root of their mean variance, or over
            ``RESOLUTION`` if that is larger; cut at ``MOST_D_PRIME`` in either direction.
        bias: Label bias: mean of both kinds' mean scores, nats; above 0 to the label that is right
            on adversarial examples.
    """

    auc: float
    auc_se: float
    d_prime: float
    bias: float


def separation(adversarial: Adversarial, friendly: Friendly) -> Separation:
    """Measure the separation of two kinds of examples apart from label bias.

    Args:
        adversarial: Scores of adversarial examples: log-odds of the label that is right on them,
            in nats.
        friendly: Scores of friendly examples, for the same label.

    Returns:
        AUROC and d', which a shift of all scores does not change, and the label bias.

    Raises:
        InputError: If there are no examples of a kind or a score is not finite.
    """
    kinds = [np.asarray(scores, dtype=np.float64) for scores in (adversarial, friendly)]
    if not all(len(scores) for scores in kinds):
        raise InputError("an AUROC compares adversarial with friendly examples; one kind has none")
    if not all(np.isfinite(scores).all() for scores in kinds):
        raise InputError("a score is not a finite number; are all labels' logits finite?")
    one, other = kinds
    difference = one.mean() - other.mean()
    spread = np.sqrt((_variance(one) + _variance(other)) / 2)
    d_prime = np.clip(difference / max(spread, RESOLUTION), -MOST_D_PRIME, MOST_D_PRIME)
    placed = placements(one, other)
    error = sum(x.var(ddof=1) / len(x) if len(x) > 1 else np.nan for x in placed) ** 0.5
    bias = float((one.mean() + other.mean()) / 2)
    return Separation(float(placed[0].mean()), float(error), float(d_prime), bias)


def placements(adversarial: Adversarial, friendly: Friendly) -> tuple[Adversarial, Friendly]:
    """Compute for each example the share of the other kind that scores on its right side.

    Scores that differ by no more than ``RESOLUTION`` are ties, which count half.

    Args:
        adversarial: Scores of adversarial examples, in nats.
        friendly: Scores of friendly ones.

    Returns:
        For each adversarial example the share of friendly ones with a lower score, and for each
        friendly one the share of adversarial ones with a higher score. The mean of either is the
        AUROC.
    """
    return _share_below(adversarial, friendly), _share_below(-friendly, -adversarial)


def _share_below(scores: Scores, others: Float[np.ndarray, " other"]) -> Scores:
    ordered = np.sort(others)
    below = np.searchsorted(ordered, scores - RESOLUTION, side="left")
    not_above = np.searchsorted(ordered, scores + RESOLUTION, side="right")
    return (below + not_above) / (2 * len(others))


def auc_variance(auc: Aurocs, n: int, n_friendly: int) -> Aurocs:
    """Compute the variance of an AUROC over independent examples.

    Args:
        auc: The AUROC, or several.
        n: Adversarial examples.
        n_friendly: Friendly examples.

    Source:
        Hanley and McNeil 1982, in the form of Newcombe 2006 that treats both kinds alike.
    """
    mean = (n + n_friendly) / 2 - 1
    spread = 1 + mean * ((1 - auc) / (2 - auc) + auc / (1 + auc))
    return auc * (1 - auc) * spread / (n * n_friendly)


def conservative_variance(
    auc: Aurocs, n: int, n_friendly: int, errors: Float[np.ndarray, " system"]
) -> Aurocs:
    """Compute the larger of two variances of an AUROC: by formula, and over examples.

    The formula of :func:`auc_variance` assumes that the scores of both kinds are spread alike.
    Those of a saturated model are not: some are very high and some very low, and the error over
    examples is larger. The error over examples in turn is small by chance if AUROCs are near 0 or
    1.

    Args:
        auc: The AUROC, or several.
        n: Adversarial examples.
        n_friendly: Friendly examples.
        errors: Standard errors of the systems' AUROCs over examples; not a number where unknown.
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
    alike: Float[np.ndarray, " pair"] | float = 0.0,
) -> Float[np.ndarray, " pair"]:
    """Compute differences of two AUROCs in standard errors.

    Args:
        one: The AUROCs of one system of each pair.
        other: Those of the other.
        n: Adversarial examples.
        n_friendly: Friendly examples.
        variances: The sum of both AUROCs' variances over examples; not a number where unknown. The
            variance of :func:`auc_variance` at their mean replaces it if larger.
        alike: How both AUROCs correlate over examples; 0, if unknown, is conservative where both
            systems score the same examples.

    Returns:
        Standard normal if the two are equal; 0 where both are perfect.
    """
    by_formula = 2 * auc_variance((one + other) / 2, n, n_friendly)
    # Two AUROCs that are all alike say nothing of how they differ on other examples.
    unlike = np.maximum(1 - alike, 1 / min(n, n_friendly))
    error = np.sqrt(np.fmax(by_formula, variances) * unlike)
    return np.divide(one - other, error, out=np.zeros_like(error), where=error > 0)


def auc_interval(auc: float, n: int, n_friendly: int, error: float = np.nan) -> Estimate:
    """Compute the 95 % interval of an AUROC.

    The interval holds every AUROC from which the observed one lies within 1.96 of that AUROC's
    standard errors, as Wilson's does for proportions, so that it has a length even at 0 and 1.

    Args:
        auc: The AUROC.
        n: Adversarial examples.
        n_friendly: Friendly examples.
        error: Its standard error over examples, where known. If it is larger than that of
            :func:`auc_variance`, the interval is wider in the same ratio.

    Returns:
        The AUROC with its interval.

    Source:
        Newcombe 2006, method 5.
    """
    z2 = stats.norm.ppf(0.975) ** 2
    by_formula = auc_variance(auc, n, n_friendly)
    if by_formula > 0 and np.isfinite(error):
        z2 *= max(1.0, error**2 / by_formula)

    def excess(end: float) -> float:
        return (end - auc) ** 2 - z2 * auc_variance(end, n, n_friendly)

    # The excess is negative at the AUROC itself, and positive at 0 and 1 unless the AUROC is there.
    low = 0.0 if auc <= 0 else float(optimize.brentq(excess, 0.0, _inside(auc)))
    high = 1.0 if auc >= 1 else float(optimize.brentq(excess, _inside(auc), 1.0))
    return Estimate(float(auc), min(low, float(auc)), max(high, float(auc)))


def _inside(auc: float) -> float:
    return float(np.clip(auc, 1e-9, 1 - 1e-9))


def _variance(scores: Scores) -> float:
    return float(scores.var(ddof=1)) if len(scores) > 1 else 0.0
