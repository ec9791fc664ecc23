"""What a search returns for each number of units to keep, before the exact cut."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from jaxtyping import Bool, Float

from ..errors import InputError


@dataclass(frozen=True, eq=False)
class Ranking:
    """Soft values of all units.

    Args:
        soft: One finite value per unit, higher for units to keep first; 1 where not prunable.
        kept: Which units are kept, where the method chooses them itself; ``None`` for the exact
            cut by the soft values.
        facts: Further results to record with the subnetwork, as plain JSON values.
    """

    soft: Float[np.ndarray, " unit"]
    kept: Bool[np.ndarray, " unit"] | None = None
    facts: Mapping[str, Any] = field(default_factory=dict)


def from_scores(
    scores: Float[np.ndarray, " unit"],
    prunable: Bool[np.ndarray, " unit"],
    *,
    kept: Bool[np.ndarray, " unit"] | None = None,
    facts: Mapping[str, Any] | None = None,
) -> Ranking:
    """Turn scores on any scale into soft values, from 0 for the lowest to 1 for the highest.

    Args:
        scores: One score per unit, higher for units to keep first.
        prunable: Which units may be dropped; scores of other units are ignored.
        kept: Which units are kept, where this does not follow from the scores. Soft values of
            kept units then lie in the upper half, those of dropped units in the lower half.
        facts: Further results.

    Returns:
        The ranking; all values are one half where all scores are equal.

    Raises:
        InputError: If a score is not finite.
    """
    chosen = scores[prunable].astype(np.float64)
    if not np.isfinite(chosen).all():
        raise InputError("scores are not finite: the model's outputs overflow; use float32 weights")
    soft = np.ones(len(prunable))
    spread = np.ptp(chosen)
    soft[prunable] = (chosen - chosen.min()) / spread if spread > 0 else 0.5
    if kept is not None:
        soft[prunable] = (soft[prunable] + kept[prunable]) / 2
    return Ranking(soft, kept, facts or {})
