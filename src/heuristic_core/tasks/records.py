"""Some columns of a table, with where each row stands in its source."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from typing import Any

from ..errors import InputError, one_line


@dataclass(frozen=True, eq=False)
class Records:
    """Some columns of a table, with where each row stands in its source.

    Args:
        name: The source, fit for a message.
        unit: What ``numbers`` count: ``line`` or ``row``.
        present: The names of all columns of the source.
        columns: The values of those columns that were wanted and are there.
        numbers: For each row its number in the source, from 1.
    """

    name: str
    unit: str
    present: tuple[str, ...]
    columns: dict[str, list[Any]]
    numbers: list[int]

    def only(self, rows: Collection[int]) -> Records:
        """Give the rows at some positions."""
        columns = {name: [values[i] for i in rows] for name, values in self.columns.items()}
        numbers = [self.numbers[i] for i in rows]
        return Records(self.name, self.unit, self.present, columns, numbers)


def check_columns(name: str, present: tuple[str, ...]) -> None:
    """Fail if a table has two columns of one name, as it is not known which is meant."""
    for i, column in enumerate(present):
        if column in present[:i]:
            raise InputError(
                f"{name} has two columns called {one_line(column, 60)!r}; rename or remove one"
            )
