"""Commands whose modules are imported when they are called."""

from __future__ import annotations

import importlib
import inspect
import json
from collections.abc import Iterator, Mapping, Sequence
from importlib import resources
from itertools import zip_longest
from typing import Annotated, Any, NamedTuple

import typer
from typer.core import TyperCommand, TyperGroup

from ..errors import unknown

#: Options that may stand without a value, and the value that is then meant.
_BARE = {"--ray": "auto"}
#: The options of all commands, which ``docs/generate.py`` writes.
OUTLINES = "options.json"


class Entry(NamedTuple):
    """A command in the map.

    Args:
        home: Its module in this folder and its function, joined by a colon.
        panel: The heading that the help lists it under.
        help: What it does, in a line.
    """

    home: str
    panel: str
    help: str


def group(commands: Mapping[str, Entry]) -> type[TyperGroup]:
    """Make the class of a command group that knows its commands by name only.

    Args:
        commands: The commands, in the order of the help.
    """

    class LazyGroup(TyperGroup):
        def list_commands(self, ctx: Any) -> list[str]:
            return list(commands)

        def get_command(self, ctx: Any, cmd_name: str) -> TyperCommand | None:
            """Return what the help shows of a command, without importing it."""
            if cmd_name not in commands:
                return None
            entry = commands[cmd_name]
            return TyperCommand(cmd_name, help=entry.help, rich_help_panel=entry.panel)

        def resolve_command(self, ctx: Any, args: list[str]) -> Any:
            """Find the command that is called, and import it unless its words are completed."""
            name, *rest = args
            if name not in commands:
                raise unknown("command", name, commands)
            if ctx.resilient_parsing:
                return name, _outline(name), rest
            return name, load(name, commands[name]), list(_filled(rest))

    return LazyGroup


def _filled(arguments: Sequence[str]) -> Iterator[str]:
    """Give options that stand without a value the one that is meant."""
    for argument, following in zip_longest(arguments, arguments[1:], fillvalue="-"):
        yield argument
        if argument in _BARE and following.startswith("-"):
            yield _BARE[argument]


def load(name: str, entry: Entry) -> Any:
    """Import a command.

    Args:
        name: Its name.
        entry: Where it is.
    """
    module, function = entry.home.split(":")
    home = importlib.import_module(f"{__package__}.{module}")
    app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)
    app.command(name)(getattr(home, function))
    return typer.main.get_command(app)


def outline(command: Any) -> dict[str, dict[str, Any]]:
    """Return a command's options, as they are stored for completion.

    Args:
        command: The command.

    Returns:
        For each option what it says (``help``), and whether it is a ``flag`` or takes a value.
    """
    return {
        option: {"help": parameter.help or "", "flag": parameter.is_flag}
        for parameter in command.params
        if parameter.param_type_name == "option"
        for option in (*parameter.opts, *parameter.secondary_opts)
    }


def _outline(name: str) -> Any:
    """Return a command that knows its options from a file, which takes no time to import."""
    text = (resources.files(__package__) / OUTLINES).read_text("utf-8")
    parameters = []
    for i, (option, kept) in enumerate(json.loads(text).get(name, {}).items()):
        takes: Any = bool | None if kept["flag"] else str | None
        kind = Annotated[takes, typer.Option(option, help=kept["help"])]
        parameters.append(
            inspect.Parameter(
                f"option_{i}", inspect.Parameter.KEYWORD_ONLY, default=None, annotation=kind
            )
        )

    def nothing(**options: Any) -> None:
        pass

    nothing.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
    nothing.__annotations__ = {one.name: one.annotation for one in parameters}
    app = typer.Typer(add_completion=False)
    app.command(name)(nothing)
    return typer.main.get_command(app)
