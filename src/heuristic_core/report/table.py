"""What a table of the report is: rows with full values, and how people see them."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd

from .results import Results
from .wording import bounded, name

Row = Mapping[str, Any]


@dataclass(frozen=True)
class Column:
    """One column as people see it.

    Args:
        title: Its heading.
        show: From a row to what stands in the cell.
        text: Whether it is set as words, not as numbers.
        only_if_varied: Left out where all rows say the same.
    """

    title: str
    show: Callable[[Row], str]
    text: bool = False
    only_if_varied: bool = False


@dataclass(frozen=True)
class Table:
    """Rows with full values, and how people see them.

    Args:
        name: Its file name without an ending.
        title: What it shows.
        note: What a reader needs to know to read it; may be empty.
        fields: The keys of the rows that are written to the CSV file, in order.
        columns: The columns that are shown.
        rows: The rows.
        folded: Whether the page hides it until it is asked for.
    """

    name: str
    title: str
    note: str
    fields: tuple[str, ...]
    columns: tuple[Column, ...]
    rows: tuple[Row, ...]
    folded: bool = False

    def shown(self, titles: Sequence[str] | None = None) -> tuple[list[Column], list[list[str]]]:
        """Give the columns worth showing and the cells as text.

        Args:
            titles: Show these columns only, apart from those that tell models apart.
        """
        columns, cells = [], []
        for column in self.columns:
            texts = [column.show(row) for row in self.rows]
            if not any(texts) or (column.only_if_varied and len(set(texts)) < 2):
                continue
            if titles is None or column.title in titles or column.only_if_varied:
                columns.append(column)
                cells.append(texts)
        return columns, [list(row) for row in zip(*cells, strict=True)]

    def note_on(self, columns: Sequence[Column]) -> str:
        """Give the note without what it says of columns that are not among some."""
        shown = {_label(column.title) for column in columns}
        hidden = {_label(column.title) for column in self.columns} - shown
        parts = re.split(r"(?<=[.;]) ", self.note)
        # What explains a column starts with its title, in quotation marks or before a colon.
        kept = [
            part
            for part in parts
            if not ((found := re.match(r"“?([^:”]+)[:”]", part)) and _label(found[1]) in hidden)
        ]
        return re.sub(";$", ".", " ".join(kept))

    def csv(self) -> str:
        """Give the rows with full values as CSV."""
        rows = [
            {key: name(v, 2000) if isinstance(v, str) else v for key, v in row.items()}
            for row in self.rows
        ]
        frame = pd.DataFrame(rows, columns=list(self.fields))
        return frame.to_csv(index=False, lineterminator="\n")


def _label(title: str) -> str:
    return title.removesuffix(" %").lower()


#: The parts of an estimate and what is added to a field's name for each.
_ENDS = (("value", ""), ("low", "_low"), ("high", "_high"))


def estimated(field: str, estimate: Row | None) -> dict[str, Any]:
    """Give an estimate as three fields: the number and the ends of its 95 % interval."""
    return {field + end: None if estimate is None else estimate[key] for key, end in _ENDS}


def estimate_fields(*fields: str) -> tuple[str, ...]:
    """Name the fields that :func:`estimated` gives."""
    return tuple(field + end for field in fields for _, end in _ENDS)


def estimate_column(title: str, field: str, digits: int = 1, times: float = 1) -> Column:
    """Show what :func:`estimated` gives: a number with its interval in brackets."""

    def show(row: Row) -> str:
        ends = {key: row[field + end] for key, end in _ENDS}
        return bounded(ends, digits, times)

    return Column(title, show)


#: What tells one pruned model from another.
MODEL = ("finetune_seed", "checkpoint", "method")
MODEL_COLUMNS = (
    Column("fine-tuning", lambda r: str(r["finetune_seed"]), only_if_varied=True),
    Column("step", lambda r: str(r["checkpoint"]), only_if_varied=True),
    Column("method", lambda r: name(r["method"]), text=True, only_if_varied=True),
)


def place(results: Results, row: Row) -> str:
    """Say which model a result is about, in as few words as tell it apart from others."""
    words = []
    if results.evaluations["finetune_seed"].nunique() > 1:
        words.append(f"fine-tuning {row['finetune_seed']}")
    if results.config.get("finetune") and "checkpoint" in row:
        words.append(f"step {row['checkpoint']}")
    methods = results.subnetworks["method"].unique()
    if len(methods) > 1 and "method" in row:
        words.append(name(row["method"]))
    return ", ".join(words)
