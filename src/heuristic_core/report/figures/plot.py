"""What is drawn: rows of a table, and which of their columns plays which part."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import cached_property

import pandas as pd

from ...analysis.question import DrawingKind, Figure
from ...columns import Column, Table
from ..tables import text
from ..wording import count, number, percent, share

#: The part that holds the numbers, by kind of drawing.
VALUES: dict[DrawingKind, str] = {
    "strips": "x",
    "lines": "y",
    "heatmap": "value",
    "units": "value",
    "graph": "weight",
}
#: A description lists the values of so many rows, and only their range if there are more.
_LISTED = 8


class Plot:
    """The rows of one figure.

    Args:
        spec: The figure as its question declares it.
        table: The table that it draws.
        rows: The rows to be drawn; their index is their number in the table.
        panel: The title of the panel that they are drawn in.
    """

    def __init__(self, spec: Figure, table: Table, rows: pd.DataFrame, panel: str = "") -> None:
        self.spec = spec
        self.table = table
        self.rows = rows
        self.panel = panel

    def part(self, rows: pd.DataFrame) -> Plot:
        """Return the figure with some of its rows only."""
        return Plot(self.spec, self.table, rows, self.panel)

    def has(self, role: str) -> bool:
        """Return whether a column plays a part."""
        return role in self.spec.columns

    def column(self, role: str) -> Column:
        """Return the column that plays a part."""
        return self.table[self.spec.columns[role]]

    def title(self, role: str) -> str:
        """Return what a part is called."""
        return self.column(role).title or self.column(role).name.replace("_", " ")

    @property
    def measure(self) -> Column:
        """The column of numbers."""
        return self.column(VALUES[self.spec.kind])

    def numbers(self, role: str) -> pd.Series:
        """Return a part's numbers by row."""
        return self.rows[self.column(role).name].astype(float)

    @cached_property
    def values(self) -> pd.Series:
        """The numbers that are drawn, by row."""
        return self.numbers(VALUES[self.spec.kind])

    @cached_property
    def ends(self) -> pd.DataFrame:
        """The ends ``low`` and ``high`` of the intervals by row; missing where there are none."""
        if not self.measure.interval:
            return pd.DataFrame(index=self.rows.index, columns=["low", "high"], dtype=float)
        names = dict(zip(self.measure.names[1:], ("low", "high"), strict=True))
        return self.rows[list(names)].rename(columns=names).astype(float)

    def texts(self, role: str) -> pd.Series:
        """Return a part's values by row as they are written; empty where it has no column."""
        if not self.has(role):
            return pd.Series("", index=self.rows.index, dtype=object)
        column = self.column(role)
        words = [text(column, value) for value in self.rows[column.name]]
        return pd.Series(words, index=self.rows.index, dtype=object)

    def flags(self, role: str) -> pd.Series:
        """Return by row whether a column says yes; no where it has no column."""
        if not self.has(role):
            return pd.Series(False, index=self.rows.index)
        return self.rows[self.column(role).name].eq(True).fillna(False).astype(bool)

    def panels(self) -> Iterator[tuple[str, Plot]]:
        """Split the rows by panel, in order, each with its title."""
        titles = self.texts("panel")
        if self.has("panel") and self.column("panel").type in ("int", "float"):
            titles = f"{self.title('panel')} " + titles
        for title in dict.fromkeys(titles):
            yield title, Plot(self.spec, self.table, self.rows[titles == title], title)

    @property
    def reference(self) -> float | None:
        """The value that a thin line marks in this panel."""
        reference = self.spec.reference
        return reference.get(self.panel) if isinstance(reference, Mapping) else reference

    @property
    def in_percent(self) -> bool:
        """Whether values are shares of 1, written in per cent."""
        return self.spec.percent or self.measure.form == "percent"

    @cached_property
    def whole(self) -> bool:
        """Whether the axis of values runs from 0 to 100 %."""
        ends = self.ends.min().min(), self.ends.max().max()
        known_ends = [end for end in (*ends, self.values.min(), self.values.max()) if pd.notna(end)]
        return self.in_percent and min(known_ends) >= 0 and max(known_ends) <= 1

    def short(self, value: float) -> str:
        """Write a value for a cell."""
        if self.in_percent:
            # Of changes, small ones have a digit after the point.
            return share(value, 0 if self.whole or abs(value) >= 0.0995 else 1)
        return number(value, 0 if self.measure.type == "int" else self.measure.digits)

    def written(self, value: float) -> str:
        """Write a value for a sentence."""
        return percent(value, 1) if self.in_percent else self.short(value)

    @property
    def axis_label(self) -> str:
        """What the axis of values is called."""
        return self.spec.label or self.title(VALUES[self.spec.kind])

    def description(self) -> str:
        """Say in words what is seen, from the rows."""
        roles = ("panel", "section", "series", "y", "x", "unit", "source", "target", "detail")
        naming = [r for r in roles if self.has(r) and r != VALUES[self.spec.kind]]
        names = pd.concat([self.texts(role) for role in naming], axis=1)
        words = {
            row: f"{', '.join(filter(None, names.loc[row]))}: {self.written(value)}"
            for row, value in self.values.items()
        }
        what = f"{self.axis_label}."
        if len(words) <= _LISTED:
            return f"{what} {'; '.join(words.values())}."
        low, high = self.values.idxmin(), self.values.idxmax()
        return f"{what} {count(len(words), 'value')}, from {words[low]}, to {words[high]}."
