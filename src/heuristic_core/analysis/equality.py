"""Whether systems are equally good, or almost: tests on one scale from floor to ceiling.

The scale is Cohen's h, 2 arcsin(sqrt(p)), on which a proportion has the same error everywhere, and
an AUROC almost: 0.4 is 20 points about one half, from 0.4 to 0.6, and 4 points from 0.
"""

from __future__ import annotations

import numpy as np
from jaxtyping import Bool, Float, Int
from scipy import stats

from .separation import auc_variance, conservative_variance

Correlations = Float[np.ndarray, "system system"]


def cohen_h(share: Float[np.ndarray, " system"]) -> Float[np.ndarray, " system"]:
    """Transform proportions to a scale on which their errors are equal.

    Source:
        Cohen 1988, section 6.2.
    """
    return 2 * np.arcsin(np.sqrt(share))


def homogeneity(
    correct: Int[np.ndarray, " system"],
    n: int,
    answers: Bool[np.ndarray, "system example"] | None = None,
) -> float:
    """Test whether systems are equally often correct on n examples.

    Args:
        correct: How often each is.
        n: How many examples there are.
        answers: Which examples each answers correctly, if known; otherwise systems are taken as
            independent, which is conservative where they answer the same examples.

    Returns:
        The p-value; 1 where all or none are correct.

    Source:
        Cochran 1950, the Q test, for the same examples; else Pearson's chi-squared test.
    """
    k = len(correct)
    if k < 2 or correct.sum() in (0, k * n):
        return 1.0
    if answers is None:
        table = np.stack([correct, n - correct])
        return float(stats.chi2_contingency(table, correction=False).pvalue)
    by_example = answers.sum(axis=0)
    varied = k * by_example.sum() - np.square(by_example).sum()
    if varied == 0:  # all systems answer alike
        return 1.0
    q = (k - 1) * (k * np.square(correct).sum() - correct.sum() ** 2) / varied
    return float(stats.chi2.sf(q, k - 1))


def equivalence(
    share: Float[np.ndarray, " system"],
    n: int,
    bar: float,
    answers: Bool[np.ndarray, "system example"] | None = None,
) -> float:
    """Test whether no two systems differ by as much as a bar, in Cohen's h.

    Every pair has to differ by less, so the largest p-value of a pair is that of them all.

    Args:
        share: The share of n examples that each answers correctly.
        n: How many examples there are.
        bar: The difference to be excluded.
        answers: Which examples each answers correctly, if known; otherwise systems are taken as
            independent, which is conservative where they answer the same examples.

    Returns:
        The p-value of the null hypothesis that some two differ by at least the bar.

    Source:
        Berger 1982 for the union of nulls; each is tested one-sided, by the normal distribution.
    """
    return _all_within(bar, cohen_h(share), accuracy_errors(len(share), n, answers))


def accuracy_errors(
    k: int, n: int, answers: Bool[np.ndarray, "system example"] | None = None
) -> Float[np.ndarray, " pair"]:
    """Compute the error of the difference of every two systems' accuracies, in Cohen's h.

    Args:
        k: How many systems there are.
        n: How many examples there are.
        answers: As for :func:`equivalence`.
    """
    r = np.eye(k)
    if answers is not None:
        varied = answers.any(axis=1) & ~answers.all(axis=1)
        r[np.ix_(varied, varied)] = np.corrcoef(answers[varied]) if varied.any() else 0.0
    return _pair_errors(np.full(k, 1 / n), r, n)


def auroc_homogeneity(
    auc: Float[np.ndarray, " system"],
    n: int,
    n_friendly: int,
    errors: Float[np.ndarray, " system"],
    alike: Correlations | None = None,
) -> float:
    """Test whether systems have equal AUROCs.

    Args:
        auc: The AUROC of each.
        n: Adversarial examples.
        n_friendly: Friendly examples.
        errors: Their standard errors over examples; not a number where unknown.
        alike: How AUROCs correlate over examples, if known; otherwise systems are taken as
            independent, which is conservative where they score the same examples.

    Returns:
        The p-value; 1 where all are perfect.

    Source:
        Kaufmann, Werner and Brunner 2005: the ANOVA-type statistic, which is valid with few
        examples. For independent systems it is the chi-squared test.
    """
    k, variance = len(auc), conservative_variance(float(auc.mean()), n, n_friendly, errors)
    if k < 2 or variance <= 0:
        return 1.0
    r = np.eye(k) if alike is None else _not_one(alike, min(n, n_friendly))
    centred = r - r.mean(axis=0) - r.mean(axis=1)[:, None] + r.mean()
    trace = float(np.trace(centred))
    free = trace**2 / float(np.square(centred).sum())
    squares = float(np.square(auc - auc.mean()).sum()) / variance
    return float(stats.chi2.sf(free * squares / trace, free))


def auroc_equivalence(
    auc: Float[np.ndarray, " system"],
    n: int,
    n_friendly: int,
    bar: float,
    errors: Float[np.ndarray, " system"],
    alike: Correlations | None = None,
) -> float:
    """Test whether no two systems' AUROCs differ by as much as a bar, in Cohen's h.

    Args:
        auc: The AUROC of each.
        n: Adversarial examples.
        n_friendly: Friendly examples.
        bar: The difference to be excluded.
        errors: Their standard errors over examples; not a number where unknown. Where they are
            larger than those by formula, all are enlarged in the ratio of their mean squares.
        alike: How AUROCs correlate over examples, as for :func:`auroc_homogeneity`.

    Returns:
        The p-value of the null hypothesis that some two differ by at least the bar, as
        :func:`equivalence` tests it.
    """
    return _all_within(bar, cohen_h(auc), auroc_errors(auc, n, n_friendly, errors, alike))


def auroc_errors(
    auc: Float[np.ndarray, " system"],
    n: int,
    n_friendly: int,
    errors: Float[np.ndarray, " system"],
    alike: Correlations | None = None,
) -> Float[np.ndarray, " pair"]:
    """Compute the error of the difference of every two systems' AUROCs, in Cohen's h.

    Args:
        auc: The AUROC of each.
        n: Adversarial examples.
        n_friendly: Friendly examples.
        errors: As for :func:`auroc_equivalence`.
        alike: As for :func:`auroc_homogeneity`.
    """
    inside = np.clip(auc, 1e-9, 1 - 1e-9)  # the error of h is finite at both ends of the scale
    by_formula = auc_variance(inside, n, n_friendly)
    known = np.isfinite(errors)
    larger = max(1.0, np.square(errors[known]).sum() / by_formula[known].sum() if any(known) else 1)
    variance = larger * by_formula / (inside * (1 - inside))
    r = np.eye(len(auc)) if alike is None else alike
    return _pair_errors(variance, r, min(n, n_friendly))


def _all_within(
    bar: float, h: Float[np.ndarray, " system"], errors: Float[np.ndarray, " pair"]
) -> float:
    one, other = np.triu_indices(len(h), 1)
    return float(stats.norm.cdf((np.abs(h[one] - h[other]) - bar) / errors).max(initial=0.0))


def _pair_errors(
    variance: Float[np.ndarray, " system"], alike: Correlations, n: int
) -> Float[np.ndarray, " pair"]:
    one, other = np.triu_indices(len(variance), 1)
    covariance = _not_one(alike, n) * np.sqrt(np.outer(variance, variance))
    return np.sqrt(variance[one] + variance[other] - 2 * covariance[one, other])


def _not_one(alike: Correlations, n: int) -> Correlations:
    """Bound correlations: what is all alike says nothing of how systems differ elsewhere."""
    bounded = np.minimum(alike, 1 - 1 / n)
    np.fill_diagonal(bounded, 1.0)
    return bounded
