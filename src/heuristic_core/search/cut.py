"""The exact cut: from soft values to a subnetwork of a given number of units."""

from __future__ import annotations

import numpy as np
from jaxtyping import Bool, Float

from ..errors import InputError


def cut(
    soft: Float[np.ndarray, " unit"], n_kept: int, prunable: Bool[np.ndarray, " unit"]
) -> Bool[np.ndarray, " unit"]:
    """Keep exactly the prunable units of the highest soft values.

    Other units are kept and do not count. Ties are broken by the order of the unit space.

    Args:
        soft: One value per unit, higher for units to keep first.
        n_kept: How many prunable units to keep.
        prunable: Which units may be dropped.

    Returns:
        Which units are kept.

    Raises:
        InputError: If a value is not finite.
    """
    if not np.isfinite(soft[prunable]).all():
        raise InputError(
            "soft values are not finite: the search diverged; lower its "
            "learning rate, or in float16 take bfloat16"
        )
    candidates = np.flatnonzero(prunable)
    order = candidates[np.argsort(-soft[candidates], kind="stable")]
    mask = ~prunable
    mask[order[:n_kept]] = True
    return mask
