"""Write the pages that the program's declarations make, and the options of all commands.

Run it after a change to a question, a table, a column, a setting, an option of a command, a suite,
or the results of ``benchmarks/verdicts.py``: ``python docs/generate.py``. A test compares the pages
with what it writes.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from heuristic_core import card_tables
from heuristic_core.analysis.across.questions import ACROSS
from heuristic_core.analysis.questions import QUESTIONS
from heuristic_core.cli import COMMANDS
from heuristic_core.columns import Column, Table
from heuristic_core.commands.lazy import OUTLINES, load, outline
from heuristic_core.faithful import curve_tables
from heuristic_core.study.compare import RUNS
from heuristic_core.study.keys import study_keys
from heuristic_core.study.kinds import KINDS
from heuristic_core.tables import TABLES, VERDICTS
from heuristic_core.tasks import shelf_entries
from heuristic_core.tasks.shelf import ShelfEntry

HERE = Path(__file__).parent
LABORATORY = HERE.parent / "benchmarks/results/verdicts.md"


def index() -> str:
    """Write the index of the questions."""
    rows, across = (
        [
            f"| {q.asks} | [{q.page}]({q.page}.md) | `{q.key}` "
            f"| {', '.join(map('`{}`'.format, q.needs))} | {q.source or 'not asked'} |"
            for q in questions
        ]
        for questions in (QUESTIONS, ACROSS)
    )
    own = [s.table for kind in KINDS for s in kind.tables if not s.of_analyses]
    return "\n".join(
        [
            "# Questions",
            "",
            "Each question has a page that says how it is answered, how to read the answer, and "
            "what the answer cannot tell. Every answer has a verdict: a claim is *supported*, "
            "*contradicted* or *not decided by these data*, with the numbers behind the decision.",
            "",
            "[Known answers](known-answers.md) describes the tests on models whose mechanism is "
            "known. [How often verdicts are right](power.md) is measured on simulated studies; "
            "[What an open verdict would take](undecided.md) says how that is computed. "
            "[Tables](../reference/tables.md) lists the columns of all tables.",
            "",
            "| question | page | key | measured tables | paper |",
            "|---|---|---|---|---|",
            *rows,
            "",
            "`hcore compare` asks of [several runs](../how-to/comparing.md):",
            "",
            "| question | page | key | measured tables | paper |",
            "|---|---|---|---|---|",
            *across,
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
            "## Compared",
            "",
            *_table(RUNS),
            "## Card of validity",
            "",
            "What `hc.validate` returns ([how to](../how-to/validity.md)).",
            "",
            *(line for table in card_tables.TABLES for line in _table(table)),
            "## CPR and CMD",
            "",
            "What `hc.faithfulness_curves` returns ([how to](../how-to/validity.md#cpr-and-cmd)).",
            "",
            *(line for table in curve_tables.TABLES for line in _table(table)),
            *(
                line
                for question in (*QUESTIONS, *ACROSS)
                if question.tables
                for line in (
                    f"## {question.key}",
                    "",
                    f"{question.asks} ([{question.page}](../questions/{question.page}.md))",
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


def suites() -> str:
    """Write the page on the shelf of suites."""
    entries = shelf_entries().values()
    rows = [
        f"| `{e.name}` | {e.about} | {e.size:,} | {', '.join(e.labels)} | {_kinds(e)} "
        f"| {e.licence} | `{e.hub}`{f', `{e.config}`' if e.config else ''}: "
        f"{', '.join(f'`{split}`' for split in e.splits or [e.split or ''])} "
        f"| {', '.join(f'[{i}]({source})' for i, source in enumerate(e.sources, 1))} |"
        for e in entries
    ]
    return "\n".join(
        [
            "# Suites on the shelf",
            "",
            "`hcore evaluate MODEL --suite NAME --suite NAME` tests a model or a run on several of "
            "them at once. They are read from the Hugging Face hub; `--data FOLDER` reads a file "
            "or folder of the suite's name there instead, and `--suite NAME=PATH` a copy anywhere.",
            "",
            "Columns, splits and label codes stand in the public files of the last column. A "
            "licence is what the data set's page states. Models of two classes (entailment or not) "
            "are tested on three labels, and models of three on two, where the labels allow it; "
            "elsewhere one line says what does not fit.",
            "",
            "| suite | what it is | examples | labels | kinds of cases | licence "
            "| hub id and splits | shown in |",
            "|---|---|---|---|---|---|---|---|",
            *rows,
            "",
            "HANS, MNLI, SNLI, QQP and PAWS-QQP are suites of the tasks on them: see "
            "[the data](data.md).",
            "",
        ]
    )


def _kinds(entry: ShelfEntry) -> str:
    """Say of which kinds a suite's cases are."""
    if entry.kinds_by_label:
        return "by label"
    rest = entry.kind or "adversarial"
    some = [
        f"{case} {kind if isinstance(kind, str) else 'by label'}"
        for case, kind in entry.kinds.items()
    ]
    return ", ".join([*some, f"others {rest}"]) if some else rest


def power() -> str:
    """Write the page on error and power, with the laboratory's tables."""
    measured = LABORATORY.read_text(encoding="utf-8")
    # Without its title; the text on how to read it is this page's.
    _, setting, _, found = measured.split("\n\n", 3)
    page = (HERE / "questions/power.md.in").read_text(encoding="utf-8")
    return page.format(setting=setting, found=found)


def study_file() -> str:
    """Write the reference of a study file's keys."""
    lines = [(HERE / "reference/study-keys.md.in").read_text(encoding="utf-8")]
    for table in study_keys():
        of = sorted({key.of for key in table.keys} - {""})
        name = f"`[{table.name}]`" if table.name else "Outside of any table"
        lines += [f"## {name}{f', {of[0]}' if of else ''}", ""]
        lines += [table.about, ""] if table.name else []
        lines += ["| key | value | default | meaning |", "|---|---|---|---|"]
        for key in table.keys:
            cells = (
                f"`{key.name.removeprefix(f'{table.name}.')}`",
                key.values,
                key.default if key.default in ("required", "none") else f"`{key.default}`",
                key.meaning,
            )
            lines.append(f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in cells)} |")
        lines.append("")
    return "\n".join(lines)


def commands() -> str:
    """Write the reference of all commands."""
    lines = [(HERE / "reference/commands.md.in").read_text(encoding="utf-8").rstrip(), ""]
    panel = ""
    for name, entry in COMMANDS.items():
        if entry.panel != panel:
            panel = entry.panel
            lines += [f"## {panel}", ""]
        given = load(name, entry).params
        arguments = [_argument(one) for one in given if one.param_type_name == "argument"]
        usage = " ".join(["hcore", name, *arguments, "[OPTIONS]"])
        lines += [f"### `hcore {name}`", "", entry.help, "", f"`{usage}`", ""]
        lines += ["| argument or option | default | meaning |", "|---|---|---|"]
        lines += [f"| {' | '.join(_given(one))} |".replace("|  |", "| |") for one in given]
        lines.append("")
    return "\n".join(lines)


def _argument(parameter: Any) -> str:
    """Name an argument as the usage line has it."""
    name = parameter.metavar or parameter.name.upper()
    return str(name) if parameter.required else f"[{name}]"


def _given(parameter: Any) -> Iterable[str]:
    """Give the cells on an argument or an option: its name, its default and its meaning."""
    if parameter.param_type_name == "argument":
        yield f"`{_argument(parameter)}`"
    elif parameter.is_flag:
        yield f"`{parameter.opts[0]}`"
    else:
        yield f"`{parameter.opts[0]} {parameter.metavar or 'VALUE'}`"
    shown = parameter.show_default if isinstance(parameter.show_default, str) else ""
    if shown and parameter.envvar:
        shown = f"`{parameter.envvar}`; {shown}"
    yield (
        "required"
        if parameter.required
        else shown
        or (f"`{parameter.default}`" if parameter.default and parameter.show_default else "")
    )
    yield parameter.help.replace("|", "\\|")


def options() -> str:
    """Write the options of all commands, for completion in a shell."""
    outlines = {name: outline(load(name, entry)) for name, entry in COMMANDS.items()}
    return json.dumps(outlines, indent=1) + "\n"


PAGES = {
    "questions/index.md": index,
    "reference/commands.md": commands,
    "reference/tables.md": tables,
    "reference/study-keys.md": study_file,
    "questions/power.md": power,
    "reference/suites.md": suites,
    f"../src/heuristic_core/commands/{OUTLINES}": options,
}

if __name__ == "__main__":
    for name, write in PAGES.items():
        (HERE / name).write_text(write(), encoding="utf-8")
        print(HERE / name)
