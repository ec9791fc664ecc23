"""Commands that list what the program knows."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from pydantic import BaseModel
from rich.table import Table
from rich.text import Text

from ..models.families import FAMILIES
from ..models.sources import PACKAGED
from ..search.find import METHODS
from ..study.published_report import published_report
from ..tasks import SUITES, TASKS
from .console import JsonOption, out, print_json


def tasks(as_json: JsonOption = False) -> None:
    """List the tasks with their settings, and the suites to evaluate on."""
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
                "suites": list(SUITES),
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
    out().print(f"Suites for `hcore evaluate --suite`: {', '.join(SUITES)}")


def models(as_json: JsonOption = False) -> None:
    """List the supported model families, packaged weights and search methods."""
    packaged = {name: f"heuristic-core[{PACKAGED[name][2]}]" for name in PACKAGED}
    methods = {name: method.summary for name, method in METHODS.items()}
    if as_json:
        print_json({"families": list(FAMILIES), "packaged": packaged, "methods": methods})
        return
    out().print(f"Families (folders or hub ids): {', '.join(FAMILIES)}")
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


def published(
    folder: Annotated[Path, typer.Argument(help="The folder of the authors' JSON files.")],
) -> None:
    """Recompute the paper's figures from its published accuracies and set them beside it."""
    print(published_report(folder))
