"""Search seeds that repeat one search count once."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd

from ..tables import DETERMINISTIC
from .accuracies import CASE

#: Divergences that differ by a smaller share, or by less in nats, are equal up to rounding.
_ROUNDING, _SMALLEST = 1e-4, 1e-7


def different_seeds(
    rows: pd.DataFrame, names: Sequence[str], masks: pd.DataFrame | None = None
) -> pd.DataFrame:
    """Keep the rows of the search seeds whose subnetworks differ from each lower seed's.

    Seeds of a method in which chance plays a part are searches of their own, also if they agree.

    Args:
        rows: Rows as in ``tables.EVALUATIONS`` of one search method.
        names: The columns that name a seed's subnetworks.
        masks: Rows as in ``tables.SUBNETWORKS`` of these subnetworks. Where some are missing,
            subnetworks are told apart by what they answer, and how far they diverge.
    """
    if not set(rows["method"]) <= DETERMINISTIC:
        return rows
    by_name: dict[str, pd.DataFrame] = {}
    if masks is not None and len(masks):
        by_name = {"kept": masks.pivot(index="seed", columns=[*names, "unit"], values="kept")}
    if not by_name or not _covered(rows, by_name["kept"], names):
        values = ("n", "correct", "kl")
        by_name = {x: rows.pivot(index="seed", columns=[*names, *CASE], values=x) for x in values}
    numbers = {name: table.sort_index() for name, table in by_name.items()}
    first = next(iter(numbers.values()))
    different: list[int] = []
    for i in range(len(first)):
        if not any(_alike(numbers, i, earlier) for earlier in different):
            different.append(i)
    return rows[rows["seed"].isin(first.index[different])]


def _covered(rows: pd.DataFrame, kept: pd.DataFrame, names: Sequence[str]) -> bool:
    """Check that the masks of all subnetworks are known."""
    known = kept.stack([*range(len(names) + 1)]).dropna().reset_index()
    return set(_systems(rows, names)) <= set(_systems(known, names))


def _systems(rows: pd.DataFrame, names: Sequence[str]) -> list[tuple]:
    return list(rows[["seed", *names]].drop_duplicates().itertuples(index=False, name=None))


def _alike(numbers: dict[str, pd.DataFrame], one: int, other: int) -> bool:
    """Say whether two seeds have the same numbers; divergences up to rounding."""
    for name, table in numbers.items():
        a, b = (table.iloc[i].to_numpy(dtype=np.float64) for i in (one, other))
        share, least = (_ROUNDING, _SMALLEST) if name == "kl" else (0.0, 0.0)
        if not np.allclose(a, b, rtol=share, atol=least, equal_nan=True):
            return False
    return True
