"""The findings in a terminal, for ``hcore show``."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import pandas as pd
from rich import box
from rich.cells import cell_len
from rich.console import Console
from rich.padding import Padding
from rich.table import Table as RichTable
from rich.text import Text

from ..columns import Table
from ..tables import CONTRADICTED, SUBJECT, SUPPORTED
from .document import Document, document
from .in_short import Line, counted, in_short
from .results import Results
from .sections import Section
from .tables import View, view
from .wording import name, unbroken

if TYPE_CHECKING:  # loads SciPy
    from ..analysis.question import Question

_COLOURS: dict[str, str] = {SUPPORTED: "bold green", CONTRADICTED: "bold red"}
_GAP = "  "


def render(results: Results, console: Console, questions: Sequence[Question] | None = None) -> None:
    """Print all of a run's findings, the verdicts in short first.

    Args:
        results: The run's results.
        console: Where to; nothing from the results is read as markup.
        questions: The questions to report on; all of the project's if not given.
    """
    from ..analysis.questions import QUESTIONS  # loads SciPy

    render_document(document(results), console, QUESTIONS if questions is None else questions)


def render_document(reported: Document, console: Console, questions: Sequence[Question]) -> None:
    """Print all that is reported, of one run or of several, the verdicts in short first.

    Args:
        reported: What is reported.
        console: Where to; nothing from the results is read as markup.
        questions: The questions to report on.
    """
    answered = reported.sections(questions)
    render_verdicts(reported, console, answered)
    for table, rows in reported.overview:
        render_table(console, view(table, rows, brief=True))
    if not answered:
        console.print(Text("\nThere is nothing to compare: no verdict could be drawn."))
    render_sections(answered, console)


def render_verdicts(reported: Document, console: Console, answered: Sequence[Section]) -> None:
    """Print the verdicts in short, and what they are of.

    Args:
        reported: What is reported.
        console: Where to; nothing from the results is read as markup.
        answered: The questions that have a verdict.
    """
    console.print(Text(name(reported.name), style="bold"))
    if answered:
        _verdicts(console, in_short(answered))
    console.print(Text(unbroken(reported.story)))
    if reported.outstanding:
        console.print(Text(f"\n{reported.outstanding}", style="bold yellow"))


def render_sections(answered: Sequence[Section], console: Console) -> None:
    """Print questions with all their verdicts, then their tables.

    Args:
        answered: The questions that have a verdict.
        console: Where to; nothing from the results is read as markup.
    """
    for section in answered:
        _section(console, section)
    for section in answered:
        for table in section.question.tables:
            own = [column for column in table.columns if column not in SUBJECT]
            if table.name in section.tables and any(column.brief for column in own):
                rows = _chosen(section.question, table, section.tables[table.name])
                render_table(console, view(table, rows, brief=True))


def _verdicts(console: Console, lines: Sequence[Line]) -> None:
    """Print a line for each question: decision, claim, effect and p-value."""
    console.print(Text(f"{counted(lines)}\n"))
    heads = ("verdict", "claim in short", "effect [95% interval]", "p")
    rows = [(line.decided, line.claim, unbroken(line.effect), line.p) for line in lines]
    widths = [max(map(cell_len, column)) for column in zip(heads, *rows, strict=True)]
    console.print(Text(_in_columns(heads, widths), style="dim"))
    for line, row in zip(lines, rows, strict=True):
        text = Text(_in_columns(row, widths))
        text.stylize(_COLOURS.get(line.decision, "bold yellow"), 0, len(line.decided))
        start = text.plain.index(line.claim, len(line.decided))
        text.stylize("bold", start, start + len(line.key))
        console.print(text)
        if line.note:
            note = Text(unbroken(line.note), style="dim")
            console.print(Padding(note, (0, 0, 0, widths[0] + len(_GAP)), expand=False))
    console.print()


def _in_columns(cells: Sequence[str], widths: Sequence[int]) -> str:
    """Write cells side by side, the last one to the right."""
    *left, last = (cell + " " * (w - cell_len(cell)) for cell, w in zip(cells, widths, strict=True))
    return _GAP.join([*left, last.strip().rjust(widths[-1])])


def _section(console: Console, section: Section) -> None:
    console.print()
    console.print(Text(section.question.asks, style="bold"))
    for card in section.cards:
        line = Text()
        line.append(card.decision.upper(), style=_COLOURS.get(card.decision, "bold yellow"))
        line.append(f"  {unbroken(card.claim)}")
        if card.where:
            line.append(f" ({unbroken(card.where)})")
        console.print(Padding(line, (0, 0, 0, 2), expand=False))
        for text in filter(None, (card.reason, card.caveat, card.power)):
            console.print(Padding(Text(unbroken(text), style="dim"), (0, 0, 0, 4), expand=False))


def _chosen(question: Question, table: Table, rows: pd.DataFrame) -> pd.DataFrame:
    """Keep the last checkpoint of each fine-tuning, and the first rows of each subject."""
    if {"finetune_seed", "checkpoint"} <= set(question.subject):
        models = ["run", "finetune_seed"] if "run" in question.subject else "finetune_seed"
        last = rows.groupby(models, dropna=False)["checkpoint"].transform("max")
        rows = rows[(rows["checkpoint"] == last) | rows["checkpoint"].isna()]
    if not table.top:
        return rows
    subjects = rows.groupby(list(question.subject), dropna=False, sort=False)
    return subjects.head(table.top) if question.subject else rows.head(table.top)


def render_table(console: Console, table: View) -> None:
    """Print a table with its legend."""
    console.print()
    console.print(Text(unbroken(table.title), style="bold"))
    grid = RichTable(box=box.SIMPLE_HEAD, pad_edge=False, padding=(0, 1), show_edge=False)
    for i, (column, title) in enumerate(zip(table.columns, table.headings, strict=True)):
        # Numbers stay whole, but their intervals may stand below them; words may take more lines.
        is_text = column.type in ("str", "bool")
        longest = max(len(word) for row in table.rows for word in row[i].split(" "))
        grid.add_column(
            Text(title),
            justify="left" if is_text else "right",
            overflow="fold",
            min_width=None if is_text else longest,
        )
    for row in table.rows:
        grid.add_row(*(Text(unbroken(cell)) for cell in row))
    console.print(Padding(grid, (0, 0, 0, 2), expand=False))
    if table.legend:
        legend = Text(unbroken(table.legend), style="dim")
        console.print(Padding(legend, (0, 0, 0, 2), expand=False))
