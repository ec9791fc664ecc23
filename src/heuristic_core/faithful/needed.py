"""Which of a subnetwork's units are needed: what dropping each costs, over resampled examples."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pandas as pd
from jaxtyping import Bool, Float
from scipy import stats

from ..analysis.intervals import holm, student
from ..card_tables import LEVEL, UNITS
from ..units import UnitSpace
from .divergence import Masks

#: Draws of the examples, at least, and for each unit tested: the least p-value that they can give
#: has to be below 0.05 still when it is corrected for the units.
N_DRAWS, _DRAWS_A_UNIT = 9999, 40
#: Nats; what costs less is rounding.
ROUNDING = 1e-5


def needed_units(
    space: UnitSpace,
    kept: Bool[np.ndarray, " unit"],
    free: Bool[np.ndarray, " unit"],
    kl: Callable[[Masks], Float[np.ndarray, "choice example"]],
    seed: list[int],
) -> tuple[pd.DataFrame, float]:
    """Test of each unit that a subnetwork keeps whether it is needed.

    Args:
        space: The units.
        kept: The units that the subnetwork keeps.
        free: The units that are tested, kept or left out.
        kl: Computes each example's KL divergence from the full model for some choices of units.
        seed: Seed of the draws of examples.

    Returns:
        Rows as in ``card_tables.UNITS``, and the mean cost of a left-out unit, 0 if there is none.
    """
    tested, out = np.flatnonzero(kept & free), np.flatnonzero(~kept & free)
    masks = np.tile(kept, (1 + len(tested) + len(out), 1))
    changed = np.concatenate([tested, out])
    masks[1 + np.arange(len(changed)), changed] ^= True
    own, *others = np.split(kl(masks), [1, 1 + len(tested)])
    costs, left_out = others[0] - own, own - others[1]
    p = p_needed(costs, left_out, seed)
    corrected = holm(p)
    rows = [
        {
            "unit": str(space.units[unit]),
            "cost": student(costs[i]),
            "p": float(p[i]),
            "p_corrected": float(corrected[i]),
            "needed": bool(corrected[i] < LEVEL),
        }
        for i, unit in enumerate(tested)
    ]
    return UNITS.frame(rows), float(left_out.mean()) if len(out) else 0.0


def p_needed(
    costs: Float[np.ndarray, "unit example"],
    left_out: Float[np.ndarray, "other example"],
    seed: list[int],
) -> Float[np.ndarray, " unit"]:
    """Test of each unit whether dropping it costs more than dropping an idle one.

    An idle unit costs nothing. Where search left units out, these stand for idle ones too: a unit
    is needed if dropping it costs more than nothing, and more than dropping a left-out one costs on
    average after it was added.

    Args:
        costs: The KL divergence without each unit minus that with it, in nats.
        left_out: The KL divergence without each left-out unit minus that with it, in nats.
        seed: Seed of the draws.

    Returns:
        For each unit the larger of both tests' p-values, not corrected for the number of units.
    """
    rng = np.random.default_rng(seed)
    p = _p_above_zero(costs - ROUNDING, rng)
    if len(left_out):
        p = np.maximum(p, _p_above_zero(costs - left_out.mean(0) - ROUNDING, rng))
    return p


def _p_above_zero(
    values: Float[np.ndarray, "unit example"], rng: np.random.Generator
) -> Float[np.ndarray, " unit"]:
    """Test whether means over examples are above 0.

    Returns:
        The larger of the p-values by Student's t and by its bootstrap distribution. Alone, the
        former errs where a few examples are far below the mean, the latter where a few count alone.

    Source:
        For the bootstrap of t, Efron and Tibshirani (1993), chapter 12.
    """
    n = values.shape[1]
    if n < 2:
        return np.ones(len(values))
    mean, error = values.mean(1), values.std(1)
    n_draws = max(N_DRAWS, _DRAWS_A_UNIT * len(values) - 1)
    times = rng.multinomial(n, np.full(n, 1 / n), n_draws)
    # Centred first: a variance as a difference of large numbers would be rounding.
    centred = values - mean[:, None]
    drawn = times @ centred.T / n
    spread = np.sqrt(np.maximum(times @ np.square(centred).T / n - np.square(drawn), 0))
    with np.errstate(divide="ignore", invalid="ignore"):
        t, t_drawn = mean / error, drawn / spread
        beyond = (t_drawn >= t).sum(0)
    bootstrapped = (1 + beyond) / (1 + n_draws)
    student = stats.t.sf(t * (n - 1) ** 0.5, n - 1)
    p = np.maximum(bootstrapped, student)
    # Without spread there is no t: all examples say the same.
    return np.where(error > 0, p, np.where(mean > 0, bootstrapped, 1.0))
