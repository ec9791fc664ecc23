"""The sparsest subnetwork that is good enough, and the uncertainty of its size."""

from __future__ import annotations

import numpy as np
import pandas as pd
from jaxtyping import Float
from scipy import stats

from .bounded import mean_share
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


def variances(rows: pd.DataFrame, by: str | list[str] = "checkpoint") -> dict[str, pd.Series]:
    """Compute the sampling variance of systems' mean accuracies over cases.

    Args:
        rows: Rows as in ``tables.EVALUATIONS`` of systems, such as one fine-tuning's full models.
        by: The column, or the columns, that name a system.

    Returns:
        For each kind of data the variance by system; empty where there are no such cases.
    """
    share = rows["correct"] / rows["n"]
    rows = rows.assign(variance=share * (1 - share) / (rows["n"] - 1).clip(lower=1))

    def of_mean(some: pd.Series) -> pd.Series:
        cases = rows[some].groupby(by)["variance"]
        return cases.mean() / cases.size()

    in_domain, adversarial, friendly, shift = (
        of_mean(rows["case_kind"] == kind) for kind in ("id", "adversarial", "friendly", "shift")
    )
    return {
        "in-domain": in_domain,
        "adversarial": adversarial,
        "friendly": friendly,
        "balanced": (adversarial + friendly) / 4,
        "mixed": of_mean(rows["case_kind"].isin(["id", "adversarial"])),
        "shift": shift,
    }


def paired_sizes(drawn: pd.DataFrame, grid: pd.DataFrame, step: int, margin: float) -> pd.DataFrame:
    """Compute each seed's size in bootstrap draws of the examples that all systems answer.

    Args:
        drawn: Accuracies as :func:`paired.drawn_means` draws them, on one kind of data.
        grid: Accuracies by seed (rows) and sparsity (columns) of one checkpoint, as measured.
        step: The checkpoint.
        margin: What a subnetwork may lose against the full model of the same draw.

    Returns:
        Per cent of units, one row per draw and one column per search seed.
    """
    names = pd.MultiIndex.from_product([[step], grid.index, grid.columns])
    accuracy = drawn.reindex(columns=names).to_numpy().reshape(len(drawn), *grid.shape)
    threshold = drawn[step, -1, 0.0].to_numpy()[:, None, None] - margin
    levels = grid.columns.to_numpy(dtype=np.float64)
    return pd.DataFrame(sizes(accuracy, levels, threshold), columns=grid.index)


def mean_size(by_seed: pd.Series, drawn: pd.DataFrame | None, least: float) -> Estimate:
    """Estimate the mean size over seeds with its 95 % interval over seeds and examples.

    What examples do to each seed by itself is in the variance over seeds and in that over draws:
    so it covers the estimate's bias, which depends on how steeply accuracy falls. Small sizes vary
    less than large ones, so the interval is that of a share.

    Args:
        by_seed: Per cent of units, one per search seed.
        drawn: The same in each draw (row) of the examples, for these and maybe other search seeds
            (columns); ``None`` for no interval.
        least: The smallest size that there can be.

    Returns:
        The estimate; the interval of a single seed is not a number.
    """
    if len(by_seed) < 2 or drawn is None:
        return Estimate(float(by_seed.mean()))
    return mean_share(by_seed, variance_parts(by_seed, drawn)[1], (least, 100.0))


def mean_change(by_seed: pd.Series, drawn: pd.DataFrame) -> Estimate:
    """Estimate the mean change of sizes over seeds with its 95 % interval over seeds and examples.

    The interval lies about the mean over draws of the examples: sizes move in steps, and that mean,
    which is smoother, varies less from sample to sample than the size measured.

    Args:
        by_seed: The change in per cent of units, one per search seed.
        drawn: The same in each draw (row) of the examples, for these and maybe other search seeds.

    Returns:
        The change as measured, which is always within its interval; that of a single seed is not a
        number.

    Source:
        Efron 2014: the mean over bootstrap draws of an estimate that jumps.
    """
    value = float(by_seed.mean())
    if len(by_seed) < 2:
        return Estimate(value)
    seeds, examples = variance_parts(by_seed, drawn)
    t, z = stats.t.ppf(0.975, len(by_seed) - 1), stats.norm.ppf(0.975)
    half = float(t**2 * seeds + z**2 * examples) ** 0.5
    middle = float(drawn[by_seed.index].to_numpy().mean())
    low, high = np.clip([middle - half, middle + half], -100.0, 100.0)
    return Estimate(value, min(value, float(low)), max(value, float(high)))


def variance_parts(by_seed: pd.Series, drawn: pd.DataFrame) -> tuple[float, float]:
    """Return what search seeds, and what examples, add to the variance of the mean over seeds.

    Seeds vary by themselves, and by what examples do to each seed alone. The second is known from
    the draws, and counts as the examples'.

    Args:
        by_seed: One number for each of at least two search seeds.
        drawn: The same in each draw (row) of the examples.
    """
    n, draws = len(by_seed), drawn[by_seed.index]
    examples = float(draws.mean(axis=1).var(ddof=1))
    # The mean variance of a seed, less the mean covariance of two.
    alone = max(0.0, n / (n - 1) * (float(draws.var(ddof=1).mean()) - examples))
    return max(0.0, float(by_seed.var(ddof=1)) - alone) / n, examples


def _shares(seed: list[int]) -> Float[np.ndarray, " draw"]:
    """Shuffle equally spaced shares, whose quantiles spread more evenly than free draws."""
    return (np.random.default_rng(seed).permutation(_DRAWS) + 0.5) / _DRAWS
