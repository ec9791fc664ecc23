"""How AUROCs without units vary together over the examples that all removals are measured on."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd

from .accuracies import CASE
from .covariances import Covariance, auroc_covariances

#: No case of a suite is named so.
_FRIENDLY = "\0"


def removal_covariance(rows: pd.DataFrame, labels: Mapping[Any, str]) -> Covariance | None:
    """Compute how mean AUROCs over cases vary together, with and without units.

    Args:
        rows: Rows as in ``tables.REMOVAL_DISCRIMINATION`` of one model and readout.
        labels: The right label of each adversarial case, by suite and case.

    Returns:
        The covariances over examples of systems named by the units that they lack, joined as in
        the table; ``None`` where the scores of single examples were not kept for all of them.

    Source:
        DeLong, DeLong and Clarke-Pearson 1988.
    """
    # Equal sets of units, such as a core of two heads and their pair, are measured once.
    rows = rows.drop_duplicates(["removed", *CASE])
    if rows.empty or rows[["scores", "friendly_scores"]].isna().any(axis=None):
        return None
    rows = rows.assign(label=[labels[case] for case in zip(*(rows[c] for c in CASE), strict=True)])
    # The cases of a group and label have the same counterparts.
    friendly = rows.drop_duplicates(["removed", "suite", "case_group", "label"])
    friendly = friendly.assign(
        case=_FRIENDLY + friendly["case_group"],
        n=friendly["n_friendly"],
        scores=friendly["friendly_scores"],
    )
    cases = rows[rows["removed"] == ""].set_index(CASE)
    found = auroc_covariances(pd.concat([rows, friendly]), cases, ["removed"])
    return None if found is None else found.of_mean


def variance_of(covariance: Covariance | None, weights: Mapping[Any, float]) -> float | None:
    """Compute the variance over examples of a weighted sum of systems' numbers.

    Args:
        covariance: Covariances of these numbers, if they are known.
        weights: The weight of each system.

    Returns:
        The variance; ``None`` if a system is not known.
    """
    known = None if covariance is None else covariance.among(weights)
    if known is None:
        return None
    factors = np.array(list(weights.values()))
    return max(0.0, float(factors @ known @ factors))
