"""The measured tables of a study, as fits read them."""

from __future__ import annotations

from pathlib import Path
from typing import Protocol

import pandas as pd

from heuristic_core.errors import InputError

from .world import Value

#: Numbers by name, each with its source.
Numbers = dict[str, tuple[Value, str]]


class Tables(Protocol):
    """What gives a table's rows by its name."""

    def __getitem__(self, name: str, /) -> pd.DataFrame: ...


class Study:
    """The tables of one study.

    Args:
        folder: A run folder, or one with the folder ``tables``.

    Raises:
        InputError: If it has no tables.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder / "tables"
        if not (self._folder / "evaluations.parquet").is_file():
            raise InputError(f"{folder} has no tables; name a run folder")

    def __getitem__(self, name: str) -> pd.DataFrame:
        path = self._folder / f"{name}.parquet"
        return pd.read_parquet(path) if path.is_file() else pd.DataFrame()


def last(rows: pd.DataFrame) -> pd.DataFrame:
    """Return the rows of the last checkpoint."""
    return rows[rows["checkpoint"] == rows["checkpoint"].max()]


def accuracies(rows: pd.DataFrame, by: list[str]) -> pd.DataFrame:
    """Compute mean accuracies over cases by kind of case, a row per system."""
    share = (rows["correct"] / rows["n"]).groupby([*(rows[x] for x in by), rows["case_kind"]])
    return share.mean().unstack("case_kind")
