"""Columns and tables: what a table holds is declared once, for its check, its file and its readers.

A ``Column`` says what it holds, of which type and range, and how people see it. A
``Table`` is a tuple of columns. Measured tables are declared in ``tables``, those that
answer a question beside the question.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping
from dataclasses import KW_ONLY, dataclass
from numbers import Real
from typing import Any, Literal

import numpy as np
import pandas as pd

from .errors import InputError, one_line, unknown

Type = Literal["str", "int", "float", "bool", "bytes"]
#: How values are written: shares of 1 in per cent, differences with their sign, probabilities and
#: expectations, which can be small, with two significant digits. By default as their type is.
Form = Literal["", "percent", "signed", "probability", "expectation"]

_DTYPES = {"str": "str", "int": "int64", "float": "float64", "bool": "bool", "bytes": "object"}
#: The same where values may be missing.
_NULLABLE = _DTYPES | {"int": "Int64", "bool": "boolean"}
#: Nothing that is measured is larger, and fourth powers of what is not stay finite.
_LARGEST = 1e50
#: What is added to a column's name for the ends of its 95 % interval.
ENDS = ("_low", "_high")


@dataclass(frozen=True)
class Column:
    """One column of a table.

    Args:
        name: Its name.
        meaning: What it holds, with units; the documentation and the page's legends use it.
        type: The type of its values.
        title: Its heading where people see it; without one it is in files only.
        digits: Digits after the point where it is shown.
        form: How values are written where it is shown.
        interval: Whether it is an estimate: two more columns, ``NAME_low`` and ``NAME_high``, hold
            the ends of its 95 % interval.
        optional: Whether values may be missing.
        choices: The values it may hold; any if empty.
        low: The least value allowed. By default 0 for whole numbers, shares, probabilities and
            expectations, and any for others.
        high: The greatest value allowed; by default 1 for shares and probabilities.
        key: Whether it is one of those that together name a row.
        brief: Whether the terminal shows it too.
        formerly: Its name in tables of earlier versions, which are still read.
        later: Whether tables of earlier versions lack it, where its values are missing.
    """

    name: str
    meaning: str
    type: Type = "float"
    title: str = ""
    _: KW_ONLY
    digits: int = 2
    form: Form = ""
    interval: bool = False
    optional: bool = False
    choices: tuple[str, ...] = ()
    low: float | None = None
    high: float | None = None
    key: bool = False
    brief: bool = False
    formerly: str = ""
    later: bool = False

    @property
    def names(self) -> tuple[str, ...]:
        """The names that it has in files: its own, and those of the ends of its interval."""
        return (self.name, *(self.name + end for end in ENDS)) if self.interval else (self.name,)

    @property
    def bounds(self) -> tuple[float, float]:
        """The least and the greatest value allowed."""
        counted = self.type == "int" or self.form in ("percent", "probability", "expectation")
        low = (0.0 if counted else -math.inf) if self.low is None else self.low
        share = self.form in ("percent", "probability")
        return low, (1.0 if share else math.inf) if self.high is None else self.high

    @property
    def dtype(self) -> str:
        """The type that pandas gives it."""
        return (_NULLABLE if self.optional else _DTYPES)[self.type]


@dataclass(frozen=True, init=False)
class Table:
    """A table as it is declared; its rows are pandas data frames.

    Args:
        name: Its name, also that of its file.
        about: What one row says.
        columns: Its columns, in order.
        title: Its heading where people see it.
        folded: Whether the page hides it until a reader asks for it.
        top: The terminal shows so many rows of each subject; all if 0.
        across: Two columns: people see a column for each value of the first, with the values of
            the second; files have a row for each. Empty if people see the rows as they are.
    """

    name: str
    about: str
    columns: tuple[Column, ...]
    title: str
    folded: bool
    top: int
    across: tuple[str, ...]

    def __init__(
        self,
        name: str,
        about: str,
        *columns: Column,
        title: str = "",
        folded: bool = False,
        top: int = 0,
        across: tuple[str, ...] = (),
    ) -> None:
        shown = {"title": title, "folded": folded, "top": top, "across": across}
        vars(self).update(name=name, about=about, columns=columns, **shown)

    def __getitem__(self, name: str) -> Column:
        """Return a column by its name.

        Raises:
            InputError: If there is none.
        """
        for column in self.columns:
            if column.name == name:
                return column
        raise unknown(f"column of the table {self.name}", name, [c.name for c in self.columns])

    @property
    def names(self) -> list[str]:
        """The names of its columns in files, in order."""
        return list(self.dtypes)

    @property
    def dtypes(self) -> dict[str, str]:
        """The types of its columns in files, by name."""
        return {name: column.dtype for column in self.columns for name in column.names}

    @property
    def key(self) -> list[str]:
        """The names of the columns that name a row; rows may repeat if there are none."""
        return [column.name for column in self.columns if column.key]

    def with_columns(self, columns: Iterable[Column]) -> Table:
        """Return the table with other columns."""
        kept = {column.name: column for column in columns}
        return Table(
            self.name,
            self.about,
            *kept.values(),
            title=self.title,
            folded=self.folded,
            top=self.top,
            across=self.across,
        )

    def without(self, names: Iterable[str]) -> Table:
        """Return the table without some columns, such as those that name its subject."""
        dropped = set(names)
        return self.with_columns(column for column in self.columns if column.name not in dropped)

    def described(self) -> pd.DataFrame:
        """Return one row for each of its columns: ``column``, ``type``, ``key`` and ``meaning``."""
        rows = []
        for column in self.columns:
            meaning = column.meaning
            if column.choices:
                meaning += f" ({' or '.join(filter(None, column.choices))})"
            what = {column.name: meaning}
            for name, end in zip(column.names[1:], ("lower", "upper"), strict=False):
                what[name] = f"{end} end of the 95 % interval of {column.name}"
            rows += [(name, column.type, column.key, text) for name, text in what.items()]
        return pd.DataFrame(rows, columns=["column", "type", "key", "meaning"])

    def empty(self) -> pd.DataFrame:
        """Return the table without rows."""
        return self.conform(pd.DataFrame(columns=self.names))

    def frame(self, rows: Iterable[Mapping[str, Any]]) -> pd.DataFrame:
        """Build the table from rows.

        Args:
            rows: Values by column; an estimate is an object with ``value``, ``low`` and ``high``.
                Optional columns may be absent.

        Raises:
            InputError: If another column is absent, one is not declared, or a value is not allowed.
        """
        flat = [self._cells(row) for row in rows]
        # Objects: pandas would turn None into NaN, and a nullable whole number into a fraction.
        return self.check(pd.DataFrame(flat, columns=self.names, dtype=object))

    def conform(self, frame: pd.DataFrame) -> pd.DataFrame:
        """Return a data frame with exactly these columns, in this order, with these types.

        It is for rows of the program's own; ``check`` checks the values of others.

        Raises:
            InputError: If a column is missing, or values cannot be turned into its type.
        """
        frame = self._renamed(frame)
        missing = [name for name in self.names if name not in frame.columns]
        if missing:
            raise InputError(
                f"a results table lacks the columns {missing}; was it written by hand?"
            )
        types = self.dtypes
        columns = {name: frame[name].array for name in types}
        try:
            # Most tables have the right types; to change them takes pandas most of the time.
            for name, values in columns.items():
                if str(values.dtype) != types[name]:
                    columns[name] = values.astype(types[name])
            return pd.DataFrame(columns, index=range(len(frame)))
        except (TypeError, ValueError) as error:
            raise InputError(
                f"a results table holds other values than it should ({one_line(str(error), 120)})"
            ) from error

    def check(self, frame: Any) -> pd.DataFrame:
        """Return a data frame with these columns and types, after a check of every value.

        Args:
            frame: The rows, from anywhere; columns that are not declared are dropped.

        Raises:
            InputError: If a column or a row is missing, or a value is not allowed; the message
                names the table, the column and what to do.
        """
        if not isinstance(frame, pd.DataFrame):
            raise InputError(f"the table {self.name} is no pandas DataFrame; give it as one")
        frame = self._renamed(frame).reset_index(drop=True)
        for column in self.columns:
            for name in column.names:
                self._check_type(frame, name, column)
        frame = self.conform(frame)
        for column in self.columns:
            for name in column.names:
                self._check_values(frame, name, column)
        return frame

    def check_key(self, frame: pd.DataFrame) -> None:
        """Make sure that no two rows have the same key.

        Raises:
            InputError: If two have.
        """
        twice = frame.index[frame.duplicated(self.key)] if self.key else []
        if len(twice):
            raise InputError(
                f"the table {self.name} has two rows of one {', '.join(self.key)} (the second is "
                f"row {twice[0]}); drop one of them"
            )

    def refuse(
        self, frame: pd.DataFrame, name: str, wrong: pd.Series | np.ndarray, rule: str
    ) -> None:
        """Refuse rows that break a rule.

        Args:
            frame: The rows.
            name: The column that breaks it.
            wrong: Which rows do.
            rule: What the column should do, such as ``is at most n``.

        Raises:
            InputError: If any row does; the message names the first.
        """
        rows = np.flatnonzero(wrong)
        if len(rows):
            value = frame[name].iloc[rows[0]]
            shown = one_line(repr(value.item() if isinstance(value, np.generic) else value), 60)
            raise InputError(
                f"the table {self.name} holds {shown} as {name} in row {rows[0]}, but {name} "
                f"{rule}; correct or drop such rows"
            )

    def _cells(self, row: Mapping[str, Any]) -> dict[str, Any]:
        """Return one row's values by their names in files."""
        declared = {column.name for column in self.columns}
        for name in row:
            if name not in declared:
                raise unknown(f"column of the table {self.name}", name, sorted(declared))
        cells: dict[str, Any] = {}
        for column in self.columns:
            if column.name not in row and not column.optional:
                raise InputError(f"a row of the table {self.name} lacks the column {column.name}")
            value = row.get(column.name)
            cells[column.name] = value
            if column.interval:
                parts = ("value", "low", "high")
                ends = [None if value is None else getattr(value, part) for part in parts]
                cells |= dict(zip(column.names, ends, strict=True))
        return cells

    def _renamed(self, frame: pd.DataFrame) -> pd.DataFrame:
        old = {c.formerly: c.name for c in self.columns if c.formerly and c.name not in frame}
        new = {c.name: None for c in self.columns if c.later and c.name not in frame}
        return frame.rename(columns=old).assign(**new) if old or new else frame

    def _check_type(self, frame: pd.DataFrame, name: str, column: Column) -> None:
        if name not in frame.columns:
            raise InputError(
                f"the table {self.name} lacks the column {name}; docs/reference/tables.md lists "
                "the columns it needs"
            )
        values = frame[name]
        if not isinstance(values, pd.Series):
            raise InputError(f"the table {self.name} has the column {name} twice; drop one of them")
        if not column.optional and name == column.name:
            self.refuse(frame, name, values.isna(), "may not be missing")
        if str(values.dtype) != column.dtype or column.type == "bytes":
            fits, words = _FITS[column.type]
            wrong = ~np.fromiter(map(fits, values.array), bool, len(values))
            if column.optional:
                wrong &= values.notna().to_numpy()
            self.refuse(frame, name, wrong, f"takes {words} only")

    def _check_values(self, frame: pd.DataFrame, name: str, column: Column) -> None:
        values = frame[name]
        if column.choices:
            rule = f"is one of {', '.join(column.choices)}"
            self.refuse(frame, name, ~values.isin(column.choices) & values.notna(), rule)
        if column.type in ("int", "float"):
            # NumPy's comparisons: there are many small tables, and pandas' take most of the time.
            numbers = values.to_numpy(dtype=float, na_value=np.nan)
            low, high = column.bounds
            bounded = math.isfinite(high)
            rule = f"lies within {low:g} and {high:.4g}" if bounded else f"is at least {low:g}"
            self.refuse(frame, name, (numbers < low) | (numbers > high), rule)
            self.refuse(frame, name, np.abs(numbers) > _LARGEST, f"is at most {_LARGEST:g} in size")


def _is_number(value: Any) -> bool:
    return isinstance(value, Real | np.bool_) and not isinstance(value, bool | np.bool_)


def _is_whole(value: Any) -> bool:
    return _is_number(value) and math.isfinite(value) and value == int(value) < 2**63


#: What a column of a type takes, and that in words.
_FITS: dict[Type, tuple[Callable[[Any], bool], str]] = {
    "str": (lambda value: isinstance(value, str), "texts"),
    "bytes": (lambda value: isinstance(value, bytes), "bytes"),
    "bool": (lambda value: isinstance(value, bool | np.bool_), "true and false"),
    "int": (_is_whole, "whole numbers"),
    "float": (_is_number, "numbers"),
}
