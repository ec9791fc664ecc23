"""Whether systems are equally accurate, or almost: tests on one scale from floor to ceiling.

The scale is Cohen's h, 2 arcsin(sqrt(p)), on which a proportion has the same error everywhere: 0.4
is 20 points about one half, from 0.4 to 0.6, and 4 points from 0.
"""

from __future__ import annotations

import numpy as np
from jaxtyping import Bool, Float, Int
from scipy import stats


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
    one, other = np.triu_indices(len(share), 1)
    h, error = cohen_h(share), pair_errors(len(share), n, answers)
    return float(stats.norm.cdf((np.abs(h[one] - h[other]) - bar) / error).max(initial=0.0))


def pair_errors(
    k: int, n: int, answers: Bool[np.ndarray, "system example"] | None = None
) -> Float[np.ndarray, " pair"]:
    """Compute the standard error of the difference of every pair of systems, in Cohen's h.

    Args:
        k: How many systems there are.
        n: How many examples there are.
        answers: As for :func:`equivalence`.
    """
    one, other = np.triu_indices(k, 1)
    r = np.zeros(len(one))
    if answers is not None:
        varied = answers.any(axis=1) & ~answers.all(axis=1)
        known = np.zeros((k, k))
        known[np.ix_(varied, varied)] = np.corrcoef(answers[varied]) if varied.any() else 0.0
        r = known[one, other]
    # Answers that are all alike say nothing of how systems differ on other examples.
    return np.sqrt(2 * np.maximum(1 - r, 1 / n) / n)
