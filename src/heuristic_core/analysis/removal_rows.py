"""The rows of removals by model and by what was removed."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from operator import attrgetter
from typing import Any, TypeVar

import numpy as np
import pandas as pd

from .removal_effects import BY_READOUT

#: A removal's group, draw and units.
Removal = tuple[str, int, str]
Rows = Mapping[Removal, list[Any]]
#: The full model's.
NONE: Removal = ("none", -1, "")
_Key = TypeVar("_Key")


def by_removal(table: pd.DataFrame) -> dict[tuple[Any, ...], dict[Removal, list[Any]]]:
    """Gather a table's rows by model, and there by removal."""
    models = grouped(table.itertuples(index=False), attrgetter(*BY_READOUT))
    removal = attrgetter("group", "draw", "removed")
    return {key: grouped(rows, removal) for key, rows in sorted(models.items())}


def grouped(rows: Iterable[Any], key: Callable[[Any], _Key]) -> dict[_Key, list[Any]]:
    """Gather rows by a key, in the order of their first."""
    # Not by pandas: there are thousands of small groups.
    groups: dict[_Key, list[Any]] = {}
    for row in rows:
        groups.setdefault(key(row), []).append(row)
    return groups


def kind_of(row: Any) -> str:
    """Return the kind of a row's case, ``in_domain`` for in-domain ones."""
    return "in_domain" if row.role == "id" else row.case_kind


def known_rows(rows: Sequence[Any], column: str) -> list[Any]:
    """Keep the rows in which a column is known."""
    return [row for row in rows if np.isfinite(getattr(row, column))]


def mean_of(rows: Sequence[Any], column: str) -> float:
    """Return the mean of a column."""
    return float(np.mean([getattr(row, column) for row in rows]))
