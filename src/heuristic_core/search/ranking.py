"""What a search gives back for each sparsity, before the exact cut."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from jaxtyping import Bool, Float


@dataclass(frozen=True, eq=False)
class Ranking:
    """Soft values of all units at one sparsity.

    Args:
        soft: One finite value per unit, higher for units to keep first; 1 where not prunable.
        kept: Which units are kept, where the method chooses them itself; ``None`` for the exact
            cut by the soft values.
        facts: Further findings to record with the subnetwork, as plain JSON values.
    """

    soft: Float[np.ndarray, " unit"]
    kept: Bool[np.ndarray, " unit"] | None = None
    facts: Mapping[str, Any] = field(default_factory=dict)
