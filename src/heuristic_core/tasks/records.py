"""Columns of a table whose rows know their place in the source."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, replace
from typing import Any

from ..errors import InputError, one_line


@dataclass(frozen=True, eq=False)
class Records:
    """Columns of a table, with the place of each row in its source.

    Args:
        name: Name of the source in messages.
        unit: What ``numbers`` count: ``line`` or ``row``.
        present: Names of all columns of the source.
        columns: Values of the requested columns that the source has.
        numbers: Number of each row in the source, from 1.
    """

    name: str
    unit: str
    present: tuple[str, ...]
    columns: dict[str, list[Any]]
    numbers: list[int]

    def only(self, rows: Collection[int]) -> Records:
        """Return the rows at some positions."""
        columns = {name: [values[i] for i in rows] for name, values in self.columns.items()}
        return replace(self, columns=columns, numbers=[self.numbers[i] for i in rows])


def check_columns(name: str, present: tuple[str, ...]) -> None:
    """Raise an error if two columns have the same name."""
    for i, column in enumerate(present):
        if column in present[:i]:
            raise InputError(
                f"{name} has two columns called {one_line(column, 60)!r}; rename or remove one"
            )
