"""The command that checks whether a model can be studied."""

from __future__ import annotations

from dataclasses import asdict, replace
from typing import Annotated

import typer
from rich import box
from rich.table import Table
from rich.text import Text

from ..checks import Result, open_subject, run_checks
from ..models.device import pick_device
from ..study.watch import watching
from .console import DataOption, DeviceOption, JsonOption, err, out, print_json
from .loading import command_task

#: Exit code if a check failed.
FAILED = 1


def check(
    model: Annotated[
        str, typer.Argument(help="A model: minilm, a folder or hub id; also without classifier.")
    ],
    task: Annotated[
        str | None,
        typer.Option(
            "--task",
            help="Check on texts of this task or task file.",
            show_default="a few generated pairs",
        ),
    ] = None,
    device: DeviceOption = "auto",
    dtype: Annotated[str, typer.Option("--dtype", help="Type of the weights.")] = "float32",
    data: DataOption = None,
    as_json: JsonOption = False,
) -> None:
    """Check that a model can be studied; exit code 1 if a check fails."""
    examples = None
    if task is not None:
        loaded = command_task(task, data)
        examples = loaded.search if len(loaded.search) else loaded.suites[0].examples
    subject = open_subject(model, device=pick_device(device), dtype=dtype, examples=examples)
    with watching(err()) as bar:
        rows = run_checks(subject, bar("checks"))
    failed = [row for row in rows if row.result == "failed"]
    if as_json:
        print_json({"model": model, "ok": not failed, "checks": [asdict(row) for row in rows]})
    else:
        # The description of the model is too long for a column.
        out().print(rows[0].note, markup=False)
        out().print(_rich([replace(rows[0], note=""), *rows[1:]]))
        summary = f"{len(failed)} of {len(rows)} checks failed" if failed else "All checks passed"
        out().print(f"{summary}.", markup=False)
    if failed:
        raise typer.Exit(FAILED)


def _rich(rows: list[Result]) -> Table:
    rich = Table(box=box.SIMPLE_HEAD)
    for column in ("check", "result", "difference", "tolerance", "note"):
        rich.add_column(column)
    for row in rows:
        numbers = ("" if x is None else f"{x:.1e}" for x in (row.difference, row.tolerance))
        rich.add_row(row.what, row.result, *numbers, Text(row.note))
    return rich
