"""Search seeds that repeat one search count once."""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd

from ..tables import DETERMINISTIC
from .accuracies import CASE


def different_seeds(rows: pd.DataFrame, names: Sequence[str]) -> pd.DataFrame:
    """Keep the rows of the search seeds of which some number differs from each lower seed's.

    Seeds of a method in which chance plays a part are searches of their own, also if they agree.

    Args:
        rows: Rows as in ``tables.EVALUATIONS`` of one search method.
        names: The columns that name a seed's subnetworks.
    """
    if not set(rows["method"]) <= DETERMINISTIC:
        return rows
    numbers = rows.pivot(index="seed", columns=[*names, *CASE], values=["n", "correct", "kl"])
    same = numbers.index[numbers.sort_index().duplicated()]
    return rows[~rows["seed"].isin(same)]
