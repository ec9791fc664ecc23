"""CPR and CMD: how much of the model's performance subnetworks of rising size recover.

The definitions are those of MIB, the Mechanistic Interpretability Benchmark (Mueller et al. 2025,
arXiv 2504.13151), for units in place of edges.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
from jaxtyping import Float

from ..analysis.intervals import Estimate
from ..analysis.paired import over_both
from .needed import ROUNDING

#: A case counts if the full and the empty model differ by so many standard errors.
ENOUGH_ERRORS = 3
#: Bootstrap draws of the examples.
N_DRAWS = 1000

Curve = Float[np.ndarray, "*#batch size"]


def faithfulness(
    m: Float[np.ndarray, "*#batch size"],
    empty: Float[np.ndarray, "*#batch"] | float,
    full: Float[np.ndarray, "*#batch"] | float,
) -> Curve:
    """Compute f, the share of the full model's performance beyond the empty one's.

    Args:
        m: Mean performance of subnetworks: here the mean log-odds of the right label.
        empty: That of the model without any of its units.
        full: That of the full model.
    """
    none, all_ = np.asarray(empty)[..., None], np.asarray(full)[..., None]
    return (m - none) / (all_ - none)


def recovered(
    inner: Float[np.ndarray, "*#batch inner"],
    empty: Float[np.ndarray, "*#batch"] | float,
    full: Float[np.ndarray, "*#batch"] | float,
) -> Float[np.ndarray, "*#batch every"]:
    """Compute f at all sizes: 0 without units and 1 with all, by definition.

    Args:
        inner: Mean performance of subnetworks between none and all units.
        empty: That of the model without any of its units.
        full: That of the full model.
    """
    ends = ((0, 0),) * (inner.ndim - 1)
    f = np.pad(faithfulness(inner, empty, full), (*ends, (1, 1)))
    f[..., -1] = 1
    return f


def areas(
    sizes: Float[np.ndarray, " size"], f: Curve
) -> tuple[Float[np.ndarray, "*#batch"], Float[np.ndarray, "*#batch"]]:
    """Compute the areas below f (CPR) and between f and 1 (CMD), by the trapezoidal rule.

    MIB's own ten sizes begin at 0.1 % of the edges, on a linear scale, as here.

    Args:
        sizes: Shares of the units kept, rising.
        f: The share of the performance recovered at each of them.

    Returns:
        CPR, of which more is better, and CMD, of which less is.
    """
    cpr, cmd = (np.trapezoid(curve, sizes, axis=-1) for curve in (f, np.abs(1 - f)))
    return np.asarray(cpr), np.asarray(cmd)


def why_none(full: Float[np.ndarray, " example"], empty: Float[np.ndarray, " example"]) -> str:
    """Say why a ratio would mean nothing; empty where the full and the empty model differ enough.

    Args:
        full: Each example's log-odds of the right label by the full model.
        empty: The same by the empty model.
    """
    if not (np.isfinite(full).all() and np.isfinite(empty).all()):
        return "log-odds are infinite: there is but one label"
    if len(full) < 2:
        return "a single example has no standard error"
    change = full - empty
    gap = abs(float(change.mean()))
    # Rounding is alike in all examples, so its standard error can be smaller still.
    if gap <= ROUNDING * max(1.0, float(np.abs(full).mean())):
        return "both models are alike"
    error = float(change.std(ddof=1)) / len(change) ** 0.5
    if gap > ENOUGH_ERRORS * error:
        return ""
    errors = f"{gap / error:.1f} standard errors, less than {ENOUGH_ERRORS}"
    return f"the full and the empty model differ by {errors}"


@dataclass(frozen=True, eq=False)
class Recovered:
    """What runs of one method recover on one case, with bootstrap draws of its examples.

    Args:
        sizes: Shares of the units kept, rising from 0 to 1.
        f: For each run and size the share recovered.
        drawn: The same in each draw.
    """

    sizes: Float[np.ndarray, " size"]
    f: Float[np.ndarray, "run size"]
    drawn: Float[np.ndarray, "draw run size"]

    @classmethod
    def of(
        cls,
        sizes: Float[np.ndarray, " size"],
        empty: Float[np.ndarray, " example"],
        full: Float[np.ndarray, " example"],
        runs: Float[np.ndarray, "run inner example"],
        seed: list[int],
    ) -> Recovered:
        """Compute what is recovered at all sizes.

        Args:
            sizes: Shares of the units kept, rising, without 0 and 1.
            empty: Each example's log-odds of the right label without any units.
            full: The same with all units.
            runs: The same for each run's subnetwork of each size.
            seed: Seed of the draws.
        """
        n = len(full)
        rng = np.random.default_rng(seed)
        times = np.vstack([np.ones(n), rng.multinomial(n, np.full(n, 1 / n), N_DRAWS)]) / n
        inner = (times @ runs.reshape(-1, n).T).reshape(len(times), *runs.shape[:2])
        f = recovered(inner, (times @ empty)[:, None], (times @ full)[:, None])
        return cls(np.concatenate([[0.0], sizes, [1.0]]), f[0], f[1:])

    def at(self, size: int) -> Estimate:
        """Estimate the share recovered at one size, by its position."""
        return _over_runs(self.f[:, size], self.drawn[..., size])

    @property
    def cpr(self) -> Estimate:
        """The area below the share recovered, averaged over runs."""
        return _over_runs(areas(self.sizes, self.f)[0], areas(self.sizes, self.drawn)[0])

    @property
    def cmd(self) -> Estimate:
        """The area between the share recovered and 1, averaged over runs."""
        own, drawn = (areas(self.sizes, f)[1] for f in (self.f, self.drawn))
        return _over_runs(own, drawn, (0.0, np.inf))


def _over_runs(
    values: Float[np.ndarray, " run"],
    drawn: Float[np.ndarray, "draw run"],
    within: tuple[float, float] = (-np.inf, np.inf),
) -> Estimate:
    """Estimate a mean over runs, with its 95 % interval over runs and examples.

    Of a single run the interval is over examples alone.
    """
    low, high = np.quantile(drawn.mean(1), [0.025, 0.975])
    value = float(values.mean())
    if len(values) < 2:
        return Estimate(value, min(value, float(low)), max(value, float(high)))
    # From quantiles: where a draw leaves hardly any difference to divide by, ratios are far out.
    shared = ((float(high) - float(low)) / (2 * 1.96)) ** 2
    return over_both(pd.Series(values), shared, within)
