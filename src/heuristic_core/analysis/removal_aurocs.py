"""Changes of AUROC by removals, with their errors over examples."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from operator import attrgetter
from typing import Any

import pandas as pd

from .covariances import Covariance
from .effect import Effect
from .removal_covariances import removal_covariance, variance_of
from .removal_effects import BY_READOUT
from .removal_rows import Removal, Rows, by_removal, grouped, known_rows, mean_of


@dataclass(frozen=True, eq=False)
class Aurocs:
    """AUROCs of some cases of one model.

    Args:
        rows: Their rows by removal.
        covariance: How their means vary together over examples, if it is known.
    """

    rows: Rows
    covariance: Covariance | None

    def change(self, removal: Removal, column: str) -> Effect | None:
        """Return the mean of a change over the cases, with its error over examples.

        Args:
            removal: The group, the draw and the units.
            column: The change's name: ``auc_change`` or ``auc_interaction``.
        """
        rows = self.rows.get(removal, [])
        known = known_rows(rows, column)
        if not known:
            return None
        removed = removal[2]
        weights = {removed: 1.0, "": -1.0}
        if column == "auc_interaction":
            units = removed.split("+")
            weights |= {"": len(units) - 1.0, **dict.fromkeys(units, -1.0)}
        variance = variance_of(self.covariance, weights) if len(known) == len(rows) else None
        if variance is None:
            return Effect(mean_of(known, column), *_at_most(known, column))
        freedom = min(sum(row.n - 1 for row in known), *(row.n_friendly - 1 for row in known))
        return Effect(mean_of(known, column), (variance,), (float(max(1, freedom)),))


def aurocs_by_model(
    table: pd.DataFrame, labels: Mapping[Any, Mapping[Any, str]]
) -> dict[Any, Aurocs]:
    """Gather AUROCs by model; ``labels`` gives the right label of each case, by model."""
    covariances = {
        key: removal_covariance(rows, labels.get(key, {}))
        for key, rows in table.groupby(list(BY_READOUT))
    }
    return {key: Aurocs(rows, covariances[key]) for key, rows in by_removal(table).items()}


def _at_most(rows: Sequence[Any], column: str) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Bound the variance of a mean change over cases, and give its degrees of freedom.

    The cases of a group share their friendly examples. Without scores, how their errors correlate
    is not known; at worst they add up.
    """
    k = len(rows)
    parts = [(float(getattr(row, f"{column}_se") / k) ** 2, row.n) for row in rows]
    for some in grouped(rows, attrgetter("suite", "case_group")).values():
        error = sum(getattr(row, f"{column}_common_se") for row in some) / k
        parts.append((float(error) ** 2, min(row.n_friendly for row in some)))
    variances, sizes = zip(*parts, strict=True)
    return variances, tuple(float(max(1, n - 1)) for n in sizes)
