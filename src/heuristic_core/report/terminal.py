"""The findings in a terminal, for ``hcore show``."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

from rich import box
from rich.console import Console
from rich.padding import Padding
from rich.table import Table as RichTable
from rich.text import Text

from .findings import Finding, findings
from .results import Results
from .story import outstanding, story
from .table import Row, Table, place
from .tables import tables
from .tables.accuracies import case_table
from .wording import SPACE, level, name

_COLOURS = {"supported": "bold green", "contradicted": "bold red"}
_WIDEST = 5
#: The tables that are shown, and of each the columns; all where none are named.
_SHOWN: dict[str, tuple[str, ...] | None] = {
    "by-sparsity": ("sparsity", "n", "ID %", "diff.", "adversarial %", "friendly %"),
    "core": ("sparsity", "n", "shared", "expected", "p", "in layers", "p in layers"),
    "full-model": None,
    "size": ("data", "step", "accuracy %", "size %", "margin 5"),
    "core-removal": ("change of", "core", "groups", "p"),
    "head-types": ("core", "shallow %", "others’ %", "p"),
    "dependency": ("path", "core %", "others %", "difference", "p", "edges"),
}


def _last(rows: Sequence[Row]) -> list[Row]:
    """Leave out checkpoints of a fine-tuning before the last one."""
    last: dict[int, int] = {}
    for row in rows:
        seed = row["finetune_seed"]
        last[seed] = max(row["checkpoint"], last.get(seed, 0))
    return [row for row in rows if row["checkpoint"] == last[row["finetune_seed"]]]


#: Which rows of a table are shown where not all are.
_ROWS: dict[str, Callable[[Sequence[Row]], list[Row]]] = {
    "core-removal": _last,
    "head-types": _last,
}


def render(results: Results, console: Console) -> None:
    """Print a run's findings.

    Args:
        results: The run's results.
        console: Where to; nothing from the results is read as markup.
    """
    console.print(Text(name(results.name), style="bold"))
    console.print(Text(_unbroken(story(results))))
    if later := outstanding(results):
        console.print(Text(f"\n{later}", style="bold yellow"))
    found, heading = findings(results), ""
    for finding in found:
        if finding.further and not heading:
            heading = "Further analyses"
            console.print(Text(f"\n{heading}", style="bold underline"))
        _finding(console, finding)
    if not found:
        console.print(Text("\nThere is nothing to compare: no verdict could be drawn."))
    made = {table.name: table for some in tables(results).values() for table in some}
    for key, titles in _SHOWN.items():
        if key in made:
            table = made[key]
            rows = tuple(_ROWS[key](table.rows)) if key in _ROWS else table.rows
            _table(console, replace(table, rows=rows), titles)
        if key == "by-sparsity":
            _widest(console, results)


def _unbroken(text: str) -> str:
    """Write percentages without a space: lines of a terminal break at every kind of one."""
    return text.replace(f"{SPACE}%", "%")


def _finding(console: Console, finding: Finding) -> None:
    console.print()
    console.print(Text(finding.question, style="bold"))
    for card in finding.cards:
        line = Text()
        line.append(card.decision.upper(), style=_COLOURS.get(card.decision, "bold yellow"))
        line.append(f"  {card.claim}")
        if card.where:
            line.append(f" ({_unbroken(card.where)})")
        console.print(Padding(line, (0, 0, 0, 2), expand=False))
        console.print(Padding(Text(card.reason, style="dim"), (0, 0, 0, 4), expand=False))
        if card.detail:
            console.print(Padding(Text(card.detail), (0, 0, 0, 4), expand=False))


def _table(console: Console, table: Table, titles: Sequence[str] | None = None) -> None:
    columns, rows = table.shown(titles)
    console.print()
    console.print(Text(_unbroken(table.title), style="bold"))
    grid = RichTable(box=box.SIMPLE_HEAD, pad_edge=False, padding=(0, 1), show_edge=False)
    for column in columns:
        # Numbers stay whole, but their intervals may stand below them; words may take more lines.
        numbers = [word for row in rows for word in row[len(grid.columns)].split(" ")]
        grid.add_column(
            Text(column.title),
            justify="left" if column.text else "right",
            overflow="fold",
            min_width=None if column.text else max(map(len, numbers)),
        )
    for row in rows:
        grid.add_row(*(Text(cell) for cell in row))
    console.print(Padding(grid, (0, 0, 0, 2), expand=False))
    if note := table.note_on(columns):
        console.print(Padding(Text(note, style="dim"), (0, 0, 0, 2), expand=False))


def _widest(console: Console, results: Results) -> None:
    """Print the cases on which the subnetworks of one sparsity differ most."""
    table = case_table(results)
    for spread in results.analysis.get("spread", ()):
        if not spread["cases"] or len(spread["subnetworks"]) < 2:
            continue
        keys = ("finetune_seed", "checkpoint", "method", "sparsity")
        rows = [row for row in table.rows if all(row[key] == spread[key] for key in keys)]
        where = place(results, spread)
        title = f"Widest cases at {level(spread['sparsity'])} sparsity"
        few = replace(
            table,
            title=f"{title} ({where})" if where else title,
            note="",
            rows=tuple(rows[:_WIDEST]),
        )
        _table(console, few, ("case", "kind", "full %", "low %", "high %", "span", "p"))
