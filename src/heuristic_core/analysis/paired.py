"""Errors over examples that are the same for all systems, and over search seeds."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pandas as pd
from scipy import stats

from .accuracies import CASE
from .intervals import Estimate
from .predictions import unpacked

#: Bootstrap draws of the examples.
DRAWS = 1000
_SYSTEM = ["checkpoint", "seed", "sparsity"]
#: Kinds of data, and the kinds of case that accuracy on them is a mean over.
_CASES = {
    "in-domain": ("id",),
    "adversarial": ("adversarial",),
    "friendly": ("friendly",),
    "mixed": ("id", "adversarial"),
}


def drawn_means(
    predictions: pd.DataFrame, kinds: Mapping[tuple[str, str], str], seed: list[int]
) -> dict[str, pd.DataFrame]:
    """Compute mean accuracies over cases in bootstrap draws of the examples of every case.

    Systems answer the same examples, so each draw takes the same examples for all of them, at all
    checkpoints. Their differences vary less than each of them does.

    Args:
        predictions: Rows as in ``tables.PREDICTIONS`` of one fine-tuning and search method, with
            the full models.
        kinds: The kind of each case, by suite and case.
        seed: Seed of the draws.

    Returns:
        By kind of data a row per draw and a column per system, named by checkpoint, search seed
        and sparsity; none if systems were not run on the same examples, or a case is unknown.
    """
    rng = np.random.default_rng(seed)
    by_kind: dict[str, list[pd.DataFrame]] = {}
    once = predictions.drop_duplicates([*_SYSTEM, *CASE])
    if not set(once[CASE].itertuples(index=False, name=None)) <= set(kinds):
        return {}
    for case, rows in once.groupby(CASE, sort=False):
        n = int(rows["n"].iloc[0])
        if (rows["n"] != n).any():
            return {}
        correct = unpacked(rows).astype(np.float32)
        times = rng.multinomial(n, np.full(n, 1 / n), DRAWS).astype(np.float32)
        # Whole numbers are exact in float32, so systems that answer alike are equal in every draw.
        counts = (times @ correct.T).astype(np.float64)
        means = pd.DataFrame(counts / n, columns=pd.MultiIndex.from_frame(rows[_SYSTEM]))
        by_kind.setdefault(kinds[case], []).append(means)
    drawn = {}
    for data, needed in _CASES.items():
        cases = [means for kind in needed for means in by_kind.get(kind, ())]
        if set(needed) <= set(by_kind):
            drawn[data] = sum(cases[1:], cases[0]) / len(cases)
    if {"adversarial", "friendly"} <= set(drawn):
        drawn["balanced"] = (drawn["adversarial"] + drawn["friendly"]) / 2
    return drawn


def over_both(by_seed: pd.Series, shared: float) -> Estimate:
    """Estimate a mean over search seeds with its 95 % interval over seeds and examples.

    The variance over seeds has in it what examples do to each seed by itself. What they do to all
    seeds alike is added.

    Args:
        by_seed: One number per search seed.
        shared: The covariance over examples of the numbers of two seeds.

    Returns:
        The estimate; the interval of a single seed is not a number.

    Source:
        Two crossed random effects; their sum has the interval of Banerjee 1960, which covers at
        least 95 %. That by Satterthwaite's degrees of freedom covers 92.5 % at three seeds.
    """
    value, n = float(by_seed.mean()), len(by_seed)
    if n < 2:
        return Estimate(value)
    over_seeds = stats.t.ppf(0.975, n - 1) ** 2 * by_seed.var(ddof=1) / n
    half = float(over_seeds + stats.norm.ppf(0.975) ** 2 * max(0.0, shared)) ** 0.5
    return Estimate(value, value - half, value + half)
