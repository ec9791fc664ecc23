"""Pairs of subnetworks of which each is better in one of two cases."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from jaxtyping import Float
from scipy import stats

from .intervals import holm

Values = Float[np.ndarray, "subnetwork case"]
Differences = Float[np.ndarray, "pair case"]


def index_pairs(n: int) -> tuple[np.ndarray, np.ndarray]:
    """Return the indices of the first and of the second of every two of n subnetworks."""
    one, other = np.triu_indices(n, 1)
    return one, other


def accuracy_z(correct: Values, n: Values, both: Differences) -> Differences:
    """Compute differences of every two subnetworks' accuracies in standard errors.

    Args:
        correct: Examples answered correctly.
        n: Examples.
        both: Examples that both answer correctly. Where this is not a number, accuracies are
            treated as independent, which is conservative if both answer the same examples.

    Source:
        McNemar 1947, where it is known.
    """
    one, other = index_pairs(len(correct))
    n = np.minimum(n[one], n[other]).astype(np.float64)
    either = correct[one] + correct[other]
    pooled = either / (2 * n)
    error = np.sqrt(
        np.where(np.isnan(both), 2 * pooled * (1 - pooled), (either - 2 * both) / n) / n
    )
    difference = (correct[one] - correct[other]) / n
    return np.divide(difference, error, out=np.zeros_like(difference), where=error > 0)


def rank_reversals(
    values: Values, z: Differences, seeds: Sequence[int], cases: Sequence[str]
) -> tuple[list[dict[str, Any]], float]:
    """Find pairs of subnetworks whose order differs between cases beyond sampling noise.

    Args:
        values: What subnetworks are compared by: accuracies or AUROCs.
        z: For every two subnetworks, the difference in standard errors; tests are Holm-corrected
            over all pairs and cases.
        seeds: The subnetworks' seeds.
        cases: The cases' names.

    Returns:
        One row per pair, the widest reversal first: ``seed`` and ``other_seed``, ``case`` and
        ``points`` where the first is better (points of accuracy, or hundredths of AUROC), and
        ``other_case`` and ``other_points`` where the second is. And the p-value of the clearest
        reversal: of a pair it is the larger one of its two advantages, below 0.05 where rows are.
    """
    one, other = index_pairs(len(seeds))
    if not z.size:
        return [], 1.0
    p_values = holm(2 * stats.norm.sf(np.abs(z)).ravel()).reshape(z.shape)
    differences = 100 * (values[one] - values[other])
    first, second = (
        np.where(sign * differences > 0, p_values, 1.0).min(axis=1) for sign in (1, -1)
    )
    clear = np.where(p_values < 0.05, differences, 0.0)
    reversals = []
    for i in np.flatnonzero((clear.max(1) > 0) & (clear.min(1) < 0)):
        best, worst = int(clear[i].argmax()), int(clear[i].argmin())
        reversals.append(
            {
                "seed": seeds[one[i]],
                "case": cases[best],
                "points": float(clear[i, best]),
                "other_seed": seeds[other[i]],
                "other_case": cases[worst],
                "other_points": float(-clear[i, worst]),
            }
        )
    widest = sorted(reversals, key=lambda row: -min(row["points"], row["other_points"]))
    return widest, float(np.maximum(first, second).min())
