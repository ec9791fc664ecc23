"""The exact cut: from soft values to a subnetwork with the number of units asked for."""

from __future__ import annotations

import numpy as np
from jaxtyping import Bool, Float

from ..errors import InputError
from ..units import n_kept


def cut(
    soft: Float[np.ndarray, " unit"], sparsity: float, prunable: Bool[np.ndarray, " unit"]
) -> Bool[np.ndarray, " unit"]:
    """Keep exactly the units of the highest soft values.

    Units that may not be pruned are kept and do not count. Equal values are kept in the order of
    the unit space.

    Args:
        soft: One value per unit, higher for units to keep first.
        sparsity: Share of the prunable units to drop, in [0, 1).
        prunable: Which units may be dropped.

    Returns:
        Which units are kept.

    Raises:
        InputError: If the sparsity is out of range or a value is not finite.
    """
    if not np.isfinite(soft[prunable]).all():
        raise InputError("soft values are not finite: the search diverged; lower its learning rate")
    candidates = np.flatnonzero(prunable)
    order = candidates[np.argsort(-soft[candidates], kind="stable")]
    mask = ~prunable
    mask[order[: n_kept(len(candidates), sparsity)]] = True
    return mask
