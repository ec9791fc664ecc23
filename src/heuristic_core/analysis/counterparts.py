"""The scored examples that are compared with each other: adversarial ones and counterparts."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pandas as pd

from .accuracies import CASE
from .predictions import unpacked_scores


def compared(predictions: pd.DataFrame, kinds: Mapping[tuple[str, str], str]) -> pd.DataFrame:
    """Keep the scores of adversarial cases and of their friendly counterparts.

    Friendly examples that have the adversarial case's own label are no counterparts; their scores
    are not numbers. Neither are cases without any.

    Args:
        predictions: Rows as in ``tables.PREDICTIONS``.
        kinds: The kind of each case, by suite and case.

    Returns:
        The rows of cases that are compared, with the scores of these examples alone; rows whose
        scores were not kept stay as they are.
    """
    rows = predictions[predictions["label"] != ""]
    if rows.empty:
        return rows
    kind = [kinds.get(case) for case in rows[CASE].itertuples(index=False, name=None)]
    of_kind = rows.assign(kind=kind).groupby(["suite", "case_group", "label"])["kind"]
    rows = rows[of_kind.transform(lambda some: {"adversarial", "friendly"} <= set(some))]
    parts = [_of_numbers(some) for _, some in rows.groupby([*CASE, "label"], sort=False)]
    return pd.concat(parts) if parts else rows


def _of_numbers(rows: pd.DataFrame) -> pd.DataFrame:
    """Drop the examples of one case and label whose scores are not numbers."""
    known = rows["scores"].notna()
    if not known.any():
        return rows
    scores = unpacked_scores(rows[known])
    is_number = ~np.isnan(scores[0])
    if is_number.all():
        return rows
    packed = [some.tobytes() for some in scores[:, is_number].astype("<f2")]
    return rows.assign(scores=pd.Series(packed, rows.index[known], dtype=object))
