"""A run's tables in Python: data frames by name, with what their columns hold."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import pandas as pd

from .. import notebook
from ..columns import Table
from ..errors import unknown
from ..tables import SUBJECT, TABLES, VERDICTS
from .results import Results

#: The key of a data frame's attributes that says what one of its rows is.
_ABOUT = "about"
#: Rows and columns that a notebook shows at most.
_ROWS, _COLUMNS = 20, 20


class Frame(pd.DataFrame):
    """A data frame that a notebook shows with what its rows say; what is made of it is a plain one.

    Its attributes (``attrs``) hold the sentence as ``about``.
    """

    def _repr_html_(self) -> str:
        shown = str(
            pd.DataFrame(self).to_html(max_rows=_ROWS, max_cols=_COLUMNS, show_dimensions=True)
        )
        safe = "".join(c for c in shown if c.isprintable() or c == "\n")
        return notebook.heading(str(self.attrs.get(_ABOUT, ""))) + safe


class Verdicts(Frame):
    """The table of verdicts, which a notebook shows as sentences."""

    def _repr_html_(self) -> str:
        needed = {"question", "claim", "decision", "reason"}
        if not needed <= set(self.columns):
            return super()._repr_html_()
        rows = [
            (row["decision"], f"{row['question']}: {row['claim']}", _subject(row), row["reason"])
            for row in self.to_dict("records")
        ]
        return notebook.table(
            ("decision", "claim", "about", "reason"), rows, f"{len(rows)} verdicts"
        )


def _subject(row: Mapping[Any, Any]) -> str:
    known = [
        (column.title, row[column.name])
        for column in SUBJECT
        if column.name in row and not pd.isna(row[column.name]) and row[column.name] != ""
    ]
    return ", ".join(f"{title} {value}" for title, value in known)


class Tables(Mapping[str, pd.DataFrame]):
    """A run's tables: those that were measured, and those that answer its questions.

    ``tables.evaluations`` and ``tables["evaluations"]`` are the same data frame.
    ``docs/reference/tables.md`` lists all of them; ``describe`` says what the columns of one hold.

    Args:
        results: The run's results.
    """

    def __init__(self, results: Results) -> None:
        tables = all_tables(results)
        self._declared = {name: table for name, (table, _) in tables.items()}
        self._frames = {name: frame for name, (_, frame) in tables.items()}

    def __getitem__(self, name: str) -> pd.DataFrame:
        """Return a table.

        Raises:
            InputError: If there is none of the name; the message suggests the nearest.
        """
        found = _spelled(self._frames, name)
        if found is None:
            raise unknown("table", name, self._frames)
        return framed(self._frames[found], self._declared[found].about)

    def __getattr__(self, name: str) -> pd.DataFrame:
        if name.startswith("_") or _spelled(self._frames, name) is None:
            raise AttributeError(str(unknown("table", name, self._frames)))
        return self[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._frames)

    def __len__(self) -> int:
        return len(self._frames)

    def __contains__(self, name: object) -> bool:
        return isinstance(name, str) and _spelled(self._frames, name) is not None

    def __dir__(self) -> list[str]:
        return [*super().__dir__(), *(name.replace("-", "_") for name in self._frames)]

    def _ipython_key_completions_(self) -> list[str]:
        return list(self._frames)

    def describe(self, name: str) -> pd.DataFrame:
        """Say what the columns of a table hold.

        Args:
            name: The table's name; ``verdicts`` is one, too.

        Returns:
            One row for each column, with its ``column`` (name), ``type``, ``key`` (whether it is
            one of those that together name a row) and ``meaning``.

        Raises:
            InputError: If there is no such table.
        """
        found = _spelled(self._frames, name)
        if found is None and name != VERDICTS.name:
            raise unknown("table", name, [VERDICTS.name, *self._frames])
        table = VERDICTS if found is None else self._declared[found]
        return framed(table.described(), table.about)

    def __repr__(self) -> str:
        filled = sum(len(frame) > 0 for frame in self._frames.values())
        return f"Tables({len(self)}, {filled} of them with rows)"

    def _repr_html_(self) -> str:
        rows = [
            (name, len(frame), self._declared[name].about) for name, frame in self._frames.items()
        ]
        return notebook.table(("table", "rows", "what one row says"), rows)


def all_tables(results: Results) -> dict[str, tuple[Table, pd.DataFrame]]:
    """Return all tables of a run by name, as they are declared and with their rows.

    A table that answers a question is called ``NAME-answers`` where a measured one has its name.
    """
    from ..analysis.questions import QUESTIONS  # loads SciPy

    found = {name: (TABLES[name], frame) for name, frame in results.measured.items()}
    for question in QUESTIONS:
        for table in question.tables:
            name = f"{table.name}-answers" if table.name in TABLES else table.name
            found[name] = (table, results.conclusions.tables[table.name])
    return found


def framed(frame: pd.DataFrame, about: str, kind: type[Frame] = Frame) -> Frame:
    """Return a copy of a data frame that says what its rows are."""
    made = kind(frame.copy())
    made.attrs[_ABOUT] = about
    return made


def _spelled(names: Mapping[str, Any], name: str) -> str | None:
    """Find a name in which underscores may stand for hyphens."""
    alike = {known.replace("-", "_"): known for known in names}
    return name if name in names else alike.get(name)
