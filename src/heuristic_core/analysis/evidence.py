"""What a study measured, read once for all questions."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, TypeVar

import pandas as pd

from ..tables import TABLES

T = TypeVar("T")


class Evidence:
    """The measured tables of a study, and what several questions read from them.

    Args:
        tables: Rows by the name of the table in ``tables.TABLES``; one that is absent has none.
            They are taken as they are; :func:`~heuristic_core.analysis.validation.check_tables`
            checks what comes from outside.
        margin_points: Points of in-domain accuracy within which a subnetwork matches the model.
        seed: Seed of bootstrap draws and permutations.
    """

    def __init__(
        self, tables: Mapping[str, pd.DataFrame], *, margin_points: float = 3.0, seed: int = 0
    ) -> None:
        self._tables = tables
        self.margin_points = margin_points
        self.seed = seed
        self._read: dict[Callable[..., Any], Any] = {}

    def __getitem__(self, name: str) -> pd.DataFrame:
        """Return a table's rows; none if it was not measured."""
        return self._tables[name] if name in self._tables else TABLES[name].empty()

    def once(self, read: Callable[[Evidence], T]) -> T:
        """Return what a function reads from this evidence; it is called the first time only.

        Args:
            read: The function, such as :func:`~heuristic_core.analysis.cores.cores`.
        """
        if read not in self._read:
            self._read[read] = read(self)
        return self._read[read]
