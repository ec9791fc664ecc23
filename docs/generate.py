"""Write what is generated: the index of analyses, the tables, the power of verdicts, and options.

Run it after a change to a question, a table, a column, an option of a command, or the results of
``benchmarks/verdicts.py``:
``python docs/generate.py``. A test compares the pages with what it writes.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterable
from pathlib import Path

from heuristic_core.analysis.questions import QUESTIONS
from heuristic_core.cli import COMMANDS
from heuristic_core.columns import Column, Table
from heuristic_core.commands.lazy import OUTLINES, load, outline
from heuristic_core.study.kinds import KINDS
from heuristic_core.tables import TABLES, VERDICTS

HERE = Path(__file__).parent
LABORATORY = HERE.parent / "benchmarks/results/verdicts.md"


def index() -> str:
    """Write the index of the analyses."""
    rows = [
        f"| {q.asks} | [{q.page}]({q.page}.md) | `{q.key}` "
        f"| {', '.join(map('`{}`'.format, q.needs))} | {q.source or 'not asked'} |"
        for q in QUESTIONS
    ]
    own = [s.table for kind in KINDS for s in kind.tables if not s.of_analyses]
    return "\n".join(
        [
            "# Analyses",
            "",
            "Each question has a page that says how it is answered, how to read the answer, and "
            "what the answer cannot tell. Every answer has a verdict: a claim is *supported*, "
            "*contradicted* or *not decided by these data*, with the numbers behind the decision.",
            "",
            "[Known answers](known-answers.md) describes the tests on models whose mechanism is "
            "known. [How often verdicts are right](power.md) is measured on simulated studies; "
            "[What an open verdict would take](undecided.md) says how that is computed. "
            "[Tables](../tables.md) lists the columns of all tables.",
            "",
            "| question | page | key | measured tables | paper |",
            "|---|---|---|---|---|",
            *rows,
            "",
            f"`hcore run` measures the tables {', '.join(f'`{name}`' for name in own)}. "
            "`hcore analyze` measures the others, with the settings in `[analysis]`.",
            "",
        ]
    )


def tables() -> str:
    """Write the reference of all tables."""
    return "\n".join(
        [
            "# Tables",
            "",
            "A run folder holds the measured tables in `tables/`, and verdicts with the tables of "
            "the questions in `conclusions/`, all as Parquet. The latter are also in "
            "`report/tables/`, as CSV and LaTeX. A column *with interval* has two more, `NAME_low` "
            "and `NAME_high`, the ends of its 95 % interval.",
            "",
            "## Verdicts",
            "",
            *_table(VERDICTS),
            "## Measured",
            "",
            *(line for table in TABLES.values() for line in _table(table)),
            *(
                line
                for question in QUESTIONS
                if question.tables
                for line in (
                    f"## {question.key}",
                    "",
                    f"{question.asks} ([{question.page}](analyses/{question.page}.md))",
                    "",
                    *(line for table in question.tables for line in _table(table)),
                )
            ),
        ]
    )


def _table(table: Table) -> Iterable[str]:
    yield f"### `{table.name}`"
    yield ""
    yield table.about
    yield ""
    yield "| column | type | meaning |"
    yield "|---|---|---|"
    for column in table.columns:
        meaning = column.meaning.replace("|", "\\|")
        yield f"| `{column.name}` | {_type(column)} | {meaning} |"
    yield ""


def _type(column: Column) -> str:
    words = ["key", column.type] if column.key else [column.type]
    if column.interval:
        words.append("with interval")
    if column.choices:
        words.append(" or ".join(map("`{}`".format, column.choices)))
    if any(map(math.isfinite, column.bounds)):
        low, high = (f"{end:.4g}" if math.isfinite(end) else "" for end in column.bounds)
        words.append(f"{low} to {high}" if low and high else f"from {low}" if low else f"to {high}")
    if column.optional:
        words.append("may be missing")
    return ", ".join(words)


def power() -> str:
    """Write the page on error and power, with the laboratory's tables."""
    measured = LABORATORY.read_text(encoding="utf-8")
    # Without its title; the text on how to read it is this page's.
    _, setting, _, found = measured.split("\n\n", 3)
    return (HERE / "power.md.in").read_text(encoding="utf-8").format(setting=setting, found=found)


def options() -> str:
    """Write the options of all commands, for completion in a shell."""
    outlines = {name: outline(load(name, entry)) for name, entry in COMMANDS.items()}
    return json.dumps(outlines, indent=1) + "\n"


PAGES = {
    "analyses/README.md": index,
    "tables.md": tables,
    "analyses/power.md": power,
    f"../src/heuristic_core/commands/{OUTLINES}": options,
}

if __name__ == "__main__":
    for name, write in PAGES.items():
        (HERE / name).write_text(write(), encoding="utf-8")
        print(HERE / name)
