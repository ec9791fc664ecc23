"""How far Markov chains can be trusted: R-hat, effective sample size, intervals of shares."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from jaxtyping import Bool, Float

from ..analysis.intervals import mean_share

#: A larger R-hat says that chains differ: Vehtari et al. 2021 recommend 1.01 for final results.
MOST_RHAT = 1.05
#: With this effective sample size the standard error of a share is 0.05 at most.
LEAST_ESS = 100


def mixing(kl: Float[np.ndarray, "chain draw"]) -> tuple[float, float]:
    """Compute R-hat and the effective sample size of divergences.

    Args:
        kl: Divergences of at least two chains, in order.

    Returns:
        The rank-normalised split R-hat and the bulk effective sample size.

    Source:
        Vehtari, Gelman, Simpson, Carpenter and Bürkner 2021, as ArviZ computes them.
    """
    return _rhat(kl, "rank"), _ess(kl, "bulk")


def effective_size(draws: Float[np.ndarray, "chain draw"]) -> float:
    """Compute how many independent draws a mean over those of some chains is worth."""
    return _ess(draws, "mean")


def inclusion(
    names: list[str], kept: Bool[np.ndarray, "chain draw prunable"], ess_of_kl: float
) -> pd.DataFrame:
    """Compute in which share of draws each unit is kept, with the error of the chains.

    Args:
        names: The units' labels.
        kept: Which units each draw of each chain keeps.
        ess_of_kl: The effective sample size of the divergence, for units that all draws keep or
            drop, which have none of their own.

    Returns:
        One row a ``unit``: its ``share``, the ends ``low`` and ``high`` of a 95 % interval, as of
        so many independent draws as its effective sample size ``ess``, and its ``rhat``.
    """
    rows = []
    for name, draws in zip(names, np.moveaxis(kept, -1, 0).astype(float), strict=True):
        constant = bool((draws == draws[0, 0]).all())
        ess = ess_of_kl if constant else _ess(draws, "mean")
        share = mean_share(float(draws.mean()), max(2, round(ess)))
        rows.append(
            {
                "unit": name,
                "share": share.value,
                # Rounding must not leave a share of 0 or 1 outside.
                "low": min(share.low, share.value),
                "high": max(share.high, share.value),
                # Ranks of two values say what the values say.
                "rhat": 1.0 if constant else _rhat(draws, "split"),
                "ess": ess,
            }
        )
    return pd.DataFrame(rows)


def _rhat(draws: Float[np.ndarray, "chain draw"], method: str) -> float:
    if np.ptp(draws) == 0:
        return 1.0
    with np.errstate(divide="ignore", invalid="ignore"):
        rhat = float(_array_stats().rhat(draws, chain_axis=0, draw_axis=1, method=method))
    # Chains that do not move, or of which each stays at one value, have no variance within.
    return np.inf if np.isnan(rhat) else rhat


def _ess(draws: Float[np.ndarray, "chain draw"], method: str) -> float:
    return float(_array_stats().ess(draws, chain_axis=0, draw_axis=1, method=method))


def _array_stats() -> Any:
    from arviz_stats.base import array_stats  # takes a second to import

    return array_stats
