"""The findings in a terminal, for ``hcore show``."""

from __future__ import annotations

from collections.abc import Sequence

from rich import box
from rich.console import Console
from rich.padding import Padding
from rich.table import Table as RichTable
from rich.text import Text

from .findings import Finding, findings
from .heads import core_table
from .results import Results
from .story import story
from .summary import case_table, curve_table, sparsity_table
from .table import Table, place
from .wording import level, name

_COLOURS = {"supported": "bold green", "contradicted": "bold red"}
_WIDEST = 5


def render(results: Results, console: Console) -> None:
    """Print a run's findings.

    Args:
        results: The run's results.
        console: Where to; nothing from the results is read as markup.
    """
    console.print(Text(name(results.name), style="bold"))
    console.print(Text(story(results)))
    found = findings(results)
    for finding in found:
        _finding(console, finding)
    if not found:
        console.print(Text("\nThere is nothing to compare: no verdict could be drawn."))
    by_sparsity = sparsity_table(results)
    if by_sparsity.rows:
        _table(
            console, by_sparsity, ("sparsity", "n", "ID %", "diff.", "adversarial %", "friendly %")
        )
    _widest(console, results)
    core = core_table(results)
    if core.rows:
        _table(console, core)
    curves = curve_table(results)
    if curves.rows:
        _table(console, curves)


def _finding(console: Console, finding: Finding) -> None:
    console.print()
    console.print(Text(finding.question, style="bold"))
    for card in finding.cards:
        line = Text()
        line.append(card.decision.upper(), style=_COLOURS.get(card.decision, "bold yellow"))
        line.append(f"  {card.claim}")
        if card.where:
            line.append(f" ({card.where})")
        console.print(Padding(line, (0, 0, 0, 2)))
        console.print(Padding(Text(card.reason, style="dim"), (0, 0, 0, 4)))


def _table(console: Console, table: Table, titles: Sequence[str] | None = None) -> None:
    columns, rows = table.shown(titles)
    console.print()
    console.print(Text(table.title, style="bold"))
    grid = RichTable(box=box.SIMPLE_HEAD, pad_edge=False, padding=(0, 1), show_edge=False)
    for column in columns:
        # Numbers stay whole; words such as names of heads may take several lines.
        grid.add_column(
            Text(column.title),
            justify="left" if column.text else "right",
            overflow="fold",
            min_width=None if column.text else max(len(row[len(grid.columns)]) for row in rows),
        )
    for row in rows:
        grid.add_row(*(Text(cell) for cell in row))
    console.print(Padding(grid, (0, 0, 0, 2)))
    if table.note:
        console.print(Padding(Text(table.note, style="dim"), (0, 0, 0, 2)))


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
        few = Table(
            table.name,
            f"{title} ({where})" if where else title,
            "",
            table.fields,
            table.columns,
            tuple(rows[:_WIDEST]),
        )
        _table(console, few, ("case", "kind", "full %", "low %", "high %", "span", "p"))
