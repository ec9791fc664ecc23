"""The sparsest subnetwork that is good enough, and how far off its size may be."""

from __future__ import annotations

import numpy as np
import pandas as pd
from jaxtyping import Float
from scipy import stats

from .intervals import Estimate

#: Accuracies this close are equal: the rule is strict, and sums of shares are rounded.
EQUAL = 1e-9
#: Draws of the error that all seeds have in common.
_DRAWS = 1000
#: Its variance in those of the full model's accuracy: the bar's own, and half as much for what
#: subnetworks, which answer the same examples, get wrong together.
_COMMON = 1.5
#: From this sparsity on; below, answers are ever more the model's, down to no error at 0.
_UNLIKE = 0.5


def sizes(
    accuracy: Float[np.ndarray, "seed sparsity"],
    sparsities: Float[np.ndarray, " sparsity"],
    bar: float | Float[np.ndarray, "draw 1 sparsity"],
) -> Float[np.ndarray, "*draw seed"]:
    """Give the size of each seed's sparsest subnetwork that is above a bar.

    Args:
        accuracy: Of each subnetwork; NaN where there is none.
        sparsities: The columns' sparsities, as shares.
        bar: What accuracy must exceed; one for all, or drawn for each sparsity.

    Returns:
        Per cent of units kept; 100 where no subnetwork is above.
    """
    kept = np.where(accuracy > bar + EQUAL, 1 - sparsities, 1.0)
    return 100 * kept.min(axis=-1)


def drawn_sizes(
    accuracy: Float[np.ndarray, "seed sparsity"],
    sparsities: Float[np.ndarray, " sparsity"],
    bar: float,
    variance: float,
    seed: list[int],
) -> Float[np.ndarray, "draw seed"]:
    """Give each seed's size in draws of the error that all seeds have in common.

    Args:
        accuracy: Of each subnetwork; NaN where there is none.
        sparsities: The columns' sparsities, as shares.
        bar: What accuracy must exceed.
        variance: The sampling variance of the full model's accuracy.
        seed: Where the draws come from.

    Returns:
        As of :func:`sizes`, for each draw.
    """
    scale = (_COMMON * variance * np.minimum(1, sparsities / _UNLIKE)) ** 0.5
    # One number a draw: what is hard for one subnetwork is hard for those beside it.
    error = stats.norm.ppf(_shares(seed))[:, None, None]
    return sizes(accuracy, sparsities, bar + error * scale)


def variances(full: pd.DataFrame) -> dict[str, pd.Series]:
    """Give the sampling variance of the full model's mean accuracies over cases.

    Args:
        full: Rows as in ``tables.EVALUATION`` of one fine-tuning's full models.

    Returns:
        For each kind of data a series by checkpoint; empty where there are no such cases.
    """
    share = full["correct"] / full["n"]
    full = full.assign(variance=share * (1 - share) / (full["n"] - 1).clip(lower=1))

    def of_mean(rows: pd.Series) -> pd.Series:
        cases = full[rows].groupby("checkpoint")["variance"]
        return cases.mean() / cases.size()

    id_, adversarial, friendly = (
        of_mean(full["case_kind"] == kind) for kind in ("id", "adversarial", "friendly")
    )
    return {
        "id": id_,
        "adversarial": adversarial,
        "balanced": (adversarial + friendly) / 4,
        "mixed": of_mean(full["case_kind"] != "friendly"),
    }


def estimate(
    found: Float[np.ndarray, " seed"],
    drawn: Float[np.ndarray, "draw seed"],
    seed: int,
    least: float,
) -> Estimate:
    """Give the mean size over seeds, or of its change, with its 95 % interval.

    Args:
        found: One number per seed.
        drawn: The same in each draw of the error that all seeds have in common.
        seed: Where the draws of Student's t come from, which stands for other seeds in each.
        least: The interval ends there, and at 100.

    Returns:
        The estimate; the interval of a single seed is not a number.
    """
    value, n = float(found.mean()), len(found)
    if n < 2:
        return Estimate(value, np.nan, np.nan)
    # Another stream than that of any step's errors, [seed, step].
    t = stats.t.ppf(_shares([seed, 0, 1]), n - 1)
    means = drawn.mean(axis=1) + t * drawn.std(axis=1, ddof=1) / n**0.5
    low, high = np.quantile(means, [0.025, 0.975], method="hazen").clip(least, 100.0)
    return Estimate(value, float(low), float(high))


def _shares(seed: list[int]) -> Float[np.ndarray, " draw"]:
    """Shuffle equal steps from 0 to 1, of which quantiles spread more evenly than free draws."""
    return (np.random.default_rng(seed).permutation(_DRAWS) + 0.5) / _DRAWS
