"""Errors over examples that are the same for all systems, and over search seeds."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
import pandas as pd
from jaxtyping import Float, Int
from scipy import stats

from .accuracies import CASE
from .intervals import Estimate
from .predictions import unpacked, unpacked_scores
from .separation import placements

#: Bootstrap draws of the examples.
DRAWS = 1000
#: How many numbers of draws are held at once.
_NUMBERS = 20_000_000
_SYSTEM = ["checkpoint", "seed", "sparsity"]
#: Kinds of data, and the kinds of case that accuracy on them is a mean over.
_CASES = {
    "in-domain": ("id",),
    "adversarial": ("adversarial",),
    "friendly": ("friendly",),
    "mixed": ("id", "adversarial"),
    "shift": ("shift",),
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
        # Whole numbers are exact in float32, so systems that answer alike are equal in every draw.
        counts = [times.astype(np.float32) @ correct.T for times in _times(n, rng)]
        shares = np.concatenate(counts).astype(np.float64) / n
        means = pd.DataFrame(shares, columns=pd.MultiIndex.from_frame(rows[_SYSTEM]))
        by_kind.setdefault(kinds[case], []).append(means)
    drawn = {}
    for data, needed in _CASES.items():
        cases = [means for kind in needed for means in by_kind.get(kind, ())]
        if set(needed) <= set(by_kind):
            drawn[data] = sum(cases[1:], cases[0]) / len(cases)
    if {"adversarial", "friendly"} <= set(drawn):
        drawn["balanced"] = (drawn["adversarial"] + drawn["friendly"]) / 2
    return drawn


def drawn_aurocs(
    predictions: pd.DataFrame, kinds: Mapping[tuple[str, str], str], seed: list[int]
) -> tuple[pd.Series, pd.DataFrame] | None:
    """Compute mean AUROCs over adversarial cases, and the same in bootstrap draws of the examples.

    A draw changes an AUROC by how its examples are placed among those of the other kind, to first
    order; examples are the same for all systems, and friendly ones for the cases of a group.

    Args:
        predictions: As for :func:`drawn_means`.
        kinds: The kind of each case, by suite and case.
        seed: Seed of the draws.

    Returns:
        By system, named by checkpoint, search seed and sparsity, the mean AUROC, and a row per
        draw; ``None`` where scores of single examples were not kept for all systems and cases.

    Source:
        For placements, DeLong, DeLong and Clarke-Pearson 1988.
    """
    rng = np.random.default_rng(seed)
    rows = predictions.drop_duplicates([*_SYSTEM, *CASE, "label"]).sort_values(_SYSTEM)
    systems = pd.MultiIndex.from_frame(rows[_SYSTEM].drop_duplicates())
    of_kind = [kinds.get(case) for case in rows[CASE].itertuples(index=False, name=None)]
    means: Any = 0.0
    drawn: Any = 0.0
    n_cases = 0
    rows = rows.assign(kind=of_kind).query("kind in ('adversarial', 'friendly')")
    for _, group in rows.groupby(["suite", "case_group", "label"], sort=False):
        by_case = [
            (kind, some["scores"].notna().all() and len(some) == len(systems), some)
            for (kind, _), some in group.groupby(["kind", "case"], sort=False)
        ]
        if not all(complete for _, complete, _ in by_case):
            return None
        scores = {
            kind: [unpacked_scores(some) for one, _, some in by_case if one == kind]
            for kind in ("adversarial", "friendly")
        }
        if not all(scores.values()):
            return None
        friendly = np.concatenate(scores["friendly"], axis=1)
        on_friendly: Any = 0.0
        for own in scores["adversarial"]:
            placed = [placements(*both) for both in zip(own, friendly, strict=True)]
            of_own, of_others = (np.stack(kind) for kind in zip(*placed, strict=True))
            means += of_own.mean(1)
            drawn += _drawn(of_own, rng)
            on_friendly += of_others
            n_cases += 1
        drawn += _drawn(on_friendly, rng)
    if not n_cases:
        return None
    return pd.Series(means / n_cases, systems), pd.DataFrame(
        (means + drawn) / n_cases, columns=systems
    )


def _drawn(
    values: Float[np.ndarray, "system example"], rng: np.random.Generator
) -> Float[np.ndarray, "draw system"]:
    """Compute how draws of the examples change systems' means over them."""
    n = values.shape[1]
    return np.concatenate([(times - 1) @ values.T / n for times in _times(n, rng)])


def _times(n: int, rng: np.random.Generator) -> Iterator[Int[np.ndarray, "draw example"]]:
    """Draw how often each of n examples is taken, so many draws at once as memory allows."""
    most = max(1, _NUMBERS // n)
    for start in range(0, DRAWS, most):
        yield rng.multinomial(n, np.full(n, 1 / n), min(most, DRAWS - start))


def over_both(
    by_seed: pd.Series, shared: float, within: tuple[float, float] = (-np.inf, np.inf)
) -> Estimate:
    """Estimate a mean over search seeds with its 95 % interval over seeds and examples.

    The variance over seeds has in it what examples do to each seed by itself. What they do to all
    seeds alike is added.

    Args:
        by_seed: One number per search seed.
        shared: The covariance over examples of the numbers of two seeds.
        within: Bounds of the mean; the interval is cut to them.

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
    low, high = np.clip([value - half, value + half], *within)
    return Estimate(value, float(low), float(high))
