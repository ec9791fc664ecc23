"""How mean margins without units vary together over the examples that all share."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
from jaxtyping import Float

from .accuracies import CASE
from .covariances import Covariance
from .predictions import unpacked_scores
from .removal_effects import BY_READOUT

#: Kept scores are rounded to 11 bits.
_ROUNDED = 2e-3
_Scores = Sequence[Float[np.ndarray, "system example"]]


def margin_covariances(
    removal: pd.DataFrame, discrimination: pd.DataFrame
) -> dict[tuple[Any, ...], dict[str, Covariance]]:
    """Compute how mean OOD margins vary together over examples, with and without units.

    Args:
        removal: Rows as in ``tables.REMOVAL``.
        discrimination: Rows as in ``tables.REMOVAL_DISCRIMINATION``, with scores of all examples.

    Returns:
        By model, and by the names of measures, ``adversarial margin`` and ``balanced margin``, the
        covariances of systems named by the units that they lack, joined by +. Nothing where scores
        were not kept for all of them, or margins are not means of these scores: those of more than
        two labels, or of friendly cases that are no counterparts.
    """
    margins, scores = (
        dict(list(rows.drop_duplicates([*BY_READOUT, "removed", *CASE]).groupby(list(BY_READOUT))))
        for rows in (removal, discrimination)
    )
    return {key: _of_model(margins[key], scores[key]) for key in scores.keys() & margins.keys()}


def _of_model(margins: pd.DataFrame, rows: pd.DataFrame) -> dict[str, Covariance]:
    if rows[["scores", "friendly_scores"]].isna().any(axis=None):
        return {}
    rows = rows.merge(margins[["removed", *CASE, "label"]], on=["removed", *CASE])
    rows = rows.sort_values("removed", kind="stable")
    # The cases of a group and label have the same counterparts.
    group = ["suite", "case_group", "label"]
    friendly = rows.drop_duplicates(["removed", *group]).assign(scores=rows["friendly_scores"])
    systems = sorted(rows["removed"].unique())
    by_case, by_group = list(rows.groupby(CASE)), list(friendly.groupby(group))
    if len(systems) < 2 or any(len(some) != len(systems) for _, some in [*by_case, *by_group]):
        return {}
    of_case, of_group = ([unpacked_scores(some) for _, some in x] for x in (by_case, by_group))
    if any(some.shape[1] < 2 for some in [*of_case, *of_group]):
        return {}
    margins = margins.assign(total=margins["margin"] * margins["n"])
    adversarial, counterparts = (
        margins[margins["case_kind"] == kind].groupby("removed")
        for kind in ("adversarial", "friendly")
    )
    found: dict[str, np.ndarray] = {}
    if _are(adversarial["margin"].mean(), np.mean([x.mean(1) for x in of_case], axis=0)):
        found["adversarial margin"] = _of_mean(of_case, [1.0] * len(of_case))
        # Counterparts are kept without their cases, so each example counts alike.
        sizes = [float(x.shape[1]) for x in of_group]
        mean = np.average([x.mean(1) for x in of_group], axis=0, weights=sizes)
        if _are(counterparts["total"].sum() / counterparts["n"].sum(), -mean):
            of_friendly = _of_mean(of_group, sizes)
            found["balanced margin"] = (found["adversarial margin"] + of_friendly) / 4
    return {name: Covariance(systems, values) for name, values in found.items()}


def _are(margins: pd.Series, scores: Float[np.ndarray, " system"]) -> bool:
    """Check that margins by system, in their order, are these means of scores."""
    return len(margins) == len(scores) and np.allclose(margins, scores, _ROUNDED, _ROUNDED)


def _of_mean(scores: _Scores, weights: Sequence[float]) -> Float[np.ndarray, "system system"]:
    """Compute the covariances of the systems' weighted means over parts that vary apart."""
    shares = np.array(weights) / np.sum(weights)
    parts = zip(shares, scores, strict=True)
    return np.sum([share**2 * np.cov(x) / x.shape[1] for share, x in parts], axis=0)
