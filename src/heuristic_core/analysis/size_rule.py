"""The sparsest subnetwork that is good enough, and the uncertainty of its size."""

from __future__ import annotations

import numpy as np
import pandas as pd
from jaxtyping import Float
from scipy import stats

from .intervals import EQUAL, Estimate

#: Draws of the error that all seeds share.
_DRAWS = 1000
#: Its variance in multiples of that of the full model's accuracy: the threshold's own, and half as
#: much for what subnetworks, which answer the same examples, get wrong together.
_SHARED = 1.5
#: The variance is full from this sparsity on. Denser subnetworks answer more and more like the
#: model, down to no error at sparsity 0.
_UNLIKE = 0.5


def sizes(
    accuracy: Float[np.ndarray, "seed sparsity"],
    sparsities: Float[np.ndarray, " sparsity"],
    threshold: float | Float[np.ndarray, "draw 1 sparsity"],
) -> Float[np.ndarray, "*draw seed"]:
    """Compute the size of each seed's sparsest subnetwork whose accuracy is above a threshold.

    Args:
        accuracy: Of each subnetwork; NaN where there is none.
        sparsities: The sparsity of each column, as a share.
        threshold: What accuracy must exceed; one for all, or one per draw and sparsity.

    Returns:
        Per cent of units kept; 100 where no subnetwork is above the threshold.

    Source:
        Section 6: effective size.
    """
    kept = np.where(accuracy > threshold + EQUAL, 1 - sparsities, 1.0)
    return 100 * kept.min(axis=-1)


def sizes_of(grid: pd.DataFrame, threshold: float, every: int = 1) -> pd.Series:
    """Compute each seed's size as :func:`sizes` does.

    Args:
        grid: Accuracies by seed (rows) and sparsity (columns, ascending).
        threshold: What accuracy must exceed.
        every: Use only every so many sparsities, counted from the highest.
    """
    levels = grid.columns.to_numpy(dtype=np.float64)[::-1][::every]
    return pd.Series(sizes(grid.to_numpy()[:, ::-1][:, ::every], levels, threshold), grid.index)


def drawn_sizes(
    grid: pd.DataFrame, threshold: float, variance: float, seed: list[int]
) -> pd.DataFrame:
    """Compute each seed's size in random draws of the error that all seeds share.

    Args:
        grid: Accuracies by seed (rows) and sparsity (columns).
        threshold: What accuracy must exceed.
        variance: The sampling variance of the full model's accuracy.
        seed: Seed of the draws.

    Returns:
        Per cent of units, one row per draw and one column per search seed.
    """
    levels = grid.columns.to_numpy(dtype=np.float64)
    scale = (_SHARED * variance * np.minimum(1, levels / _UNLIKE)) ** 0.5
    # One number per draw: examples that are hard for one subnetwork are hard for similar ones.
    error = stats.norm.ppf(_shares(seed))[:, None, None]
    return pd.DataFrame(sizes(grid.to_numpy(), levels, threshold + error * scale), None, grid.index)


def variances(full: pd.DataFrame) -> dict[str, pd.Series]:
    """Compute the sampling variance of the full model's mean accuracies over cases.

    Args:
        full: Rows as in ``tables.EVALUATIONS`` of the full models of one fine-tuning.

    Returns:
        For each kind of data the variance by checkpoint; empty where there are no such cases.
    """
    share = full["correct"] / full["n"]
    full = full.assign(variance=share * (1 - share) / (full["n"] - 1).clip(lower=1))

    def of_mean(rows: pd.Series) -> pd.Series:
        cases = full[rows].groupby("checkpoint")["variance"]
        return cases.mean() / cases.size()

    in_domain, adversarial, friendly = (
        of_mean(full["case_kind"] == kind) for kind in ("id", "adversarial", "friendly")
    )
    return {
        "in-domain": in_domain,
        "adversarial": adversarial,
        "balanced": (adversarial + friendly) / 4,
        "mixed": of_mean(full["case_kind"] != "friendly"),
    }


def estimate(by_seed: pd.Series, drawn: pd.DataFrame | None, seed: int, least: float) -> Estimate:
    """Estimate the mean size over seeds, or the mean change of sizes, with its 95 % interval.

    Args:
        by_seed: One number per search seed.
        drawn: The same in each draw (row) of the error that all seeds share, for these and maybe
            other search seeds (columns); ``None`` for no interval.
        seed: Seed of the draws of Student's t, which account for the variation over seeds.
        least: The interval is cut here and at 100.

    Returns:
        The estimate; the interval of a single seed is not a number.
    """
    value, n = float(by_seed.mean()), len(by_seed)
    if n < 2 or drawn is None:
        return Estimate(value, np.nan, np.nan)
    each = drawn[by_seed.index].to_numpy()
    # A stream other than that of any checkpoint's errors, [seed, checkpoint].
    t = stats.t.ppf(_shares([seed, 0, 1]), n - 1)
    means = each.mean(axis=1) + t * each.std(axis=1, ddof=1) / n**0.5
    low, high = np.quantile(means, [0.025, 0.975], method="hazen").clip(least, 100.0)
    return Estimate(value, float(low), float(high))


def _shares(seed: list[int]) -> Float[np.ndarray, " draw"]:
    """Shuffle equally spaced shares, whose quantiles spread more evenly than free draws."""
    return (np.random.default_rng(seed).permutation(_DRAWS) + 0.5) / _DRAWS
