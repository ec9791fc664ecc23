"""Columns of a table whose rows know their place in the source."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
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
        numbers: Place of each row in the source: its number, from 1, and the file if there are
            several.
        class_names: The names of the classes in the columns where the source itself names them;
            their values are these names.
        notes: Sentences on how the source was read.
        one_split: Whether the rows are those of the split that was asked for.
    """

    name: str
    unit: str
    present: tuple[str, ...]
    columns: dict[str, list[Any]]
    numbers: Sequence[int | str]
    class_names: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    one_split: bool = False

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


def wrong_encoding(place: str) -> InputError:
    """Build the error for text that is not UTF-8."""
    # Also for zero bytes: UTF-16 without a byte order mark is valid UTF-8, but not text.
    return InputError(f"{place} is not UTF-8; convert the file, for instance with iconv -t UTF-8")
