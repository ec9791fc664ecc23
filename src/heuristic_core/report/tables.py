"""Tables as people see them: cells for the page and the terminal, CSV, LaTeX and Markdown."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import pandas as pd

from ..columns import Column, Form, Table
from ..errors import expect_known
from ..tables import SUBJECT, VERDICTS
from .results import Results
from .wording import (
    NOTHING,
    bounded,
    change,
    expectation,
    level,
    name,
    number,
    probability,
    share,
)

if TYPE_CHECKING:
    from .sections import Section

#: What tables can be exported as, beside the archive.
TABLE_FORMATS = ("csv", "latex")

_FORMS: dict[Form, Callable[[Any, int], str]] = {
    "": number,
    "percent": share,
    "signed": change,
    "probability": lambda value, digits: probability(value),
    "expectation": lambda value, digits: expectation(value),
}
#: Typographic characters of cells, as LaTeX writes them.
_LATEX = {"−": "$-$", "–": "--", "\u00a0": "~", "×": r"$\times$", "’": "'"}
_LONGEST = 2000


@dataclass(frozen=True, kw_only=True)
class View:
    """A table as people see it.

    Args:
        title: Its heading.
        columns: The columns that are shown.
        rows: The cells as text, row by row.
        folded: Whether the page hides it until a reader asks for it.
    """

    title: str
    columns: tuple[Column, ...]
    rows: list[list[str]]
    folded: bool

    @property
    def headings(self) -> list[str]:
        """The heading of each column."""
        return [heading(column) for column in self.columns]

    @property
    def legend(self) -> str:
        """What each column holds, where its heading does not say all."""
        titles: dict[str, list[str]] = {}
        for column in self.columns:
            if column not in SUBJECT and heading(column) != column.meaning:
                titles.setdefault(column.meaning, []).append(heading(column))
        texts = [f"{', '.join(some)}: {meaning}" for meaning, some in titles.items()]
        return f"{'; '.join(texts)}." if texts else ""


def view(table: Table, frame: pd.DataFrame, *, brief: bool = False) -> View:
    """Choose the columns of a table that are worth showing, and write their cells.

    Args:
        table: The table as it is declared.
        frame: Its rows.
        brief: Show only the columns that are brief.

    Returns:
        The table without columns that have no title or no values, and without columns of the
        subject where all rows say the same.
    """
    if table.across:
        table, frame = _spread_out(table, frame)
    rows = frame.to_dict("records")
    columns, cells = [], []
    for column in table.columns:
        if not column.title or (brief and not column.brief) or frame[column.name].isna().all():
            continue
        texts = [cell(column, row) for row in rows]
        if column in SUBJECT and len(set(texts)) < 2:
            continue
        columns.append(column)
        cells.append(texts)
    written = [list(row) for row in zip(*cells, strict=True)]
    return View(title=table.title, columns=tuple(columns), rows=written, folded=table.folded)


def _spread_out(table: Table, frame: pd.DataFrame) -> tuple[Table, pd.DataFrame]:
    """Turn the values of one column into columns, as ``Table.across`` says."""
    of, value = table.across
    names = [key for key in table.names if key not in table.across]
    wide = frame.set_index([*names, of])[value].unstack(of, sort=False).reset_index()
    heads = list(frame[of].unique())
    # A column of the table may have the name of a value.
    wide.columns = pd.Index([*names, *(f"{of} {head}" for head in heads)])
    made = (replace(table[value], name=f"{of} {head}", title=name(head)) for head in heads)
    return table.with_columns((*(table[key] for key in names), *made)), wide


def heading(column: Column) -> str:
    """Return the heading of a column; shares in per cent say so."""
    in_percent = column.form == "percent" and "%" not in column.title
    return f"{column.title} %" if in_percent else column.title


def cell(column: Column, row: Mapping[str, Any]) -> str:
    """Write the cell of a row, with its interval if the column has one."""
    if not column.interval:
        return text(column, row[column.name])
    value, low, high = (text(column, row[part]) for part in column.names)
    return bounded(value, low, high)


def text(column: Column, value: Any) -> str:
    """Write a value as its column says."""
    is_sparsity = column.name.endswith("sparsity")
    if pd.isna(value):
        missing = "" if column.type in ("str", "bool") else NOTHING
        return "all" if is_sparsity and column in SUBJECT else missing
    if column.type == "str":
        return name(value, _LONGEST)
    if column.type == "bool":
        return "yes" if value else ""
    if column.type == "int":
        return str(value)
    if is_sparsity and not column.form:
        return level(value)
    return _FORMS[column.form](value, column.digits)


def to_csv(table: Table, frame: pd.DataFrame) -> str:
    """Write all columns of a table with full values as CSV."""
    texts = [column.name for column in table.columns if column.type == "str"]
    safe = {key: frame[key].map(lambda v: name(v, _LONGEST), na_action="ignore") for key in texts}
    return frame.assign(**safe).to_csv(index=False, lineterminator="\n")


def to_latex(table: Table, frame: pd.DataFrame) -> str:
    r"""Write the columns of a table that the page shows as LaTeX, for the package booktabs.

    Returns:
        A ``tabular`` environment, after comments that hold the title and the legend.
    """
    seen = view(table, frame)
    alignment = "".join("l" if c.type in ("str", "bool") else "r" for c in seen.columns)
    about = (seen.title or table.about, seen.legend)
    return _latex(seen.headings, seen.rows, alignment, about)


def verdicts_to_latex(sections: Sequence[Section]) -> str:
    """Write the verdicts of a run as LaTeX, for the package booktabs; texts break within cells."""
    rows = [
        [section.question.key, card.where, card.claim, card.decision, card.reason]
        for section in sections
        for card in section.cards
    ]
    widths = "lp{0.14\\textwidth}p{0.26\\textwidth}p{0.12\\textwidth}p{0.32\\textwidth}"
    return _latex(("question", "about", "claim", "decision", "reason"), rows, widths, ("Verdicts",))


def _latex(
    headings: Sequence[str], rows: Sequence[Sequence[str]], alignment: str, about: Iterable[str]
) -> str:
    columns = pd.Index(list(headings), dtype=object)
    cells = pd.DataFrame([list(row) for row in rows], columns=columns, dtype=object)
    body = cells.to_latex(index=False, escape=True, column_format=alignment)
    for character, latex in _LATEX.items():
        body = body.replace(character, latex)
    return "".join(f"% {line}\n" for line in about if line) + body


def table_files(results: Results, kind: str) -> dict[str, str]:
    """Write a run's tables and verdicts as files.

    Args:
        results: The run's results.
        kind: ``csv``: all tables with all columns, but those of packed values; or ``latex``:
            the verdicts and the tables that the page shows, as it shows them.

    Returns:
        The files' contents by name.

    Raises:
        InputError: If the kind is unknown.
    """
    from .frames import all_tables
    from .sections import sections

    expect_known("format of tables", (kind,), TABLE_FORMATS)
    if kind == "latex":
        answered = sections(results)
        shown = {
            f"{name}.tex": to_latex(section.question.table(name), frame)
            for section in answered
            for name, frame in section.tables.items()
            if section.question.table(name).title
        }
        return {f"{VERDICTS.name}.tex": verdicts_to_latex(answered)} | shown
    tables = {
        f"{name}.csv": to_csv(table, frame)
        for name, (table, frame) in all_tables(results).items()
        if not any(column.type == "bytes" for column in table.columns)
    }
    verdicts = to_csv(VERDICTS, results.conclusions.verdicts)
    return {f"{VERDICTS.name}.csv": verdicts} | tables
