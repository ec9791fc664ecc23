"""Commands that list tasks and models."""

from __future__ import annotations

from typing import Annotated, Any

import typer
from pydantic import BaseModel
from rich import box
from rich.table import Table
from rich.text import Text

from ..errors import InputError, one_line
from ..models.families import FAMILIES
from ..models.sources import PACKAGED
from ..search.methods import METHODS
from ..study.settings import settings
from ..tasks import SUITES, TASKS, describe, load_task, shelf_entries, suite_names
from ..tasks.registry import TASKS_OF
from ..tasks.task import Task
from .console import DataOption, JsonOption, TaskOptionsOption, out, print_json


def tasks(
    name: Annotated[
        str | None,
        typer.Argument(
            help="Load this task or task file and print a summary of its data.", show_default=False
        ),
    ] = None,
    task_options: TaskOptionsOption = None,
    data: DataOption = None,
    as_json: JsonOption = False,
) -> None:
    """List the tasks with their settings and the suites, or show one task's data."""
    if name is not None:
        options = settings(task_options or [], option="--task-option")
        _show(load_task(name, data=data, **options), as_json)
        return
    if task_options:
        raise InputError("--task-option is for one task; name it")
    if as_json:
        print_json(
            {
                "tasks": {
                    name: {
                        "description": entry.description,
                        "data": entry.data,
                        "options": _options(entry.options),
                    }
                    for name, entry in TASKS.items()
                },
                "suites": list(suite_names()),
            }
        )
        return
    for name, entry in TASKS.items():
        table = Table(title=f"{name}: {entry.description}", title_justify="left")
        table.add_column("setting")
        table.add_column("default")
        table.add_column("meaning")
        for option, field in _options(entry.options).items():
            table.add_row(option, Text(str(field["default"])), Text(field["description"]))
        out().print(table)
        out().print(f"Data: {entry.data}\n", markup=False)
    out().print("A task file of your own: see docs/tutorials/own-task.md\n", markup=False)
    out().print(f"Suites for `hcore evaluate --suite`: {', '.join(suite_names())}")


def suites(as_json: JsonOption = False) -> None:
    """List the suites that `hcore evaluate --suite` takes, with size, licence and source."""
    of_tasks = {name: f"of {' and '.join(TASKS_OF[name])}" for name in SUITES}
    shelved: list[dict[str, Any]] = [
        {
            "name": entry.name,
            "about": entry.about,
            "size": entry.size,
            "labels": entry.labels,
            "licence": entry.licence,
            "hub": entry.hub,
            "sources": entry.sources,
        }
        for entry in shelf_entries().values()
    ]
    if as_json:
        nothing = dict.fromkeys(("size", "labels", "licence", "hub"), None) | {"sources": []}
        named = [{"name": name, "about": about} | nothing for name, about in of_tasks.items()]
        print_json({"suites": [*named, *shelved]})
        return
    table = Table(box=box.SIMPLE_HEAD)
    for column in ("suite", "examples", "licence", "source", "what it is"):
        table.add_column(
            column, no_wrap=column == "suite", justify="right" if column == "examples" else "left"
        )
    for name, about in of_tasks.items():
        table.add_row(name, "", "", "", Text(f"a suite {about}"))
    for row in shelved:
        source = f"hub:{row['hub']}"
        table.add_row(row["name"], f"{row['size']:,}", row["licence"], source, Text(row["about"]))
    out().print(table)
    out().print(
        "A licence is what the data set's page states. hcore suites --json lists the public files "
        "that show columns, splits and label codes. Local copies: --suite NAME=PATH.",
        markup=False,
        soft_wrap=True,
    )


def _show(task: Task, as_json: bool) -> None:
    """Print a summary of a task."""
    described = describe(task)
    if as_json:
        print_json(described)
        return
    title = f"{described['name']}: {described['form']}, labels {', '.join(task.labels)}"
    table = Table(title=Text(title), title_justify="left", box=box.SIMPLE_HEAD)
    for column in ("part", "case", "kind", "group", "n", "labels"):
        table.add_column(column, no_wrap=column == "case")
    for row in described["cases"]:
        labels = ", ".join(f"{label} {n}" for label, n in row["labels"].items())
        cells = [*(row[name] for name in ("part", "case", "kind", "group")), str(row["n"]), labels]
        table.add_row(*map(Text, cells))
    out().print(table)
    for part, examples in described["examples"].items():
        out().print(f"{part}, for example:", markup=False)
        for example in examples:
            texts = " / ".join(example["texts"])
            out().print(f"  {example['label']}: {texts}", markup=False, soft_wrap=True)
    for note in task.notes:
        out().print(f"Note: {one_line(note)}", markup=False, soft_wrap=True)


def models(as_json: JsonOption = False) -> None:
    """List the supported model families, packaged weights and search methods."""
    packaged = {name: f"heuristic-core[{PACKAGED[name][2]}]" for name in PACKAGED}
    methods = {name: method.summary for name, method in METHODS.items()}
    if as_json:
        families = {
            name: {"kind": family.kind, "note": family.note} for name, family in FAMILIES.items()
        }
        print_json({"families": families, "packaged": packaged, "methods": methods})
        return
    title = (
        "Families: single-label classifiers, from folders or hub ids (docs/reference/families.md)"
    )
    table = Table(title=title, title_justify="left")
    for column in ("model_type", "kind", "units"):
        table.add_column(column)
    for name, family in FAMILIES.items():
        table.add_row(name, family.kind, Text(family.note or "heads and MLP layers"))
    out().print(table)
    out().print("To check a model of your own: hcore check MODEL\n", markup=False)
    for name, extra in packaged.items():
        out().print(f"Packaged weights: {name}, installed by {extra}", markup=False)
    for name, summary in methods.items():
        out().print(f"Search method: {name}, {summary}")


def _options(options: type[BaseModel]) -> dict[str, dict[str, str]]:
    return {
        name: {
            "default": field.get_default(call_default_factory=True),
            "description": field.description or "",
        }
        for name, field in options.model_fields.items()
    }
