"""The command that lists the keys of a study file."""

from __future__ import annotations

from dataclasses import asdict
from typing import Annotated

import typer
from rich import box
from rich.table import Table
from rich.text import Text

from ..errors import InputError
from ..study.keys import study_keys, study_schema
from .console import JsonOption, out, print_json


def keys(
    prefix: Annotated[
        str, typer.Argument(help="Only these keys, such as search or model.seeds.")
    ] = "",
    json_schema: Annotated[
        bool,
        typer.Option("--json-schema", help="Print the JSON schema that editors check a file by."),
    ] = False,
    as_json: JsonOption = False,
) -> None:
    """List the keys of a study file with their defaults and meanings, or print its JSON schema."""
    if json_schema:
        if prefix or as_json:
            raise InputError("--json-schema is of the whole file; give it alone")
        print_json(study_schema())
        return
    tables = study_keys(prefix)
    if as_json:
        print_json({"keys": [asdict(key) for table in tables for key in table.keys]})
        return
    for table in tables:
        title = f"[{table.name}]  {table.about}" if table.name else table.about
        shown = Table(title=Text(title), title_justify="left", box=box.SIMPLE_HEAD)
        for column in ("key", "value", "default", "meaning"):
            shown.add_column(column, no_wrap=column == "key")
        for key in table.keys:
            name = key.name.removeprefix(f"{table.name}.")
            shown.add_row(*map(Text, (name, key.values, key.default, key.meaning)))
        out().print(shown)
