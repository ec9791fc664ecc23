"""Commands whose modules are imported when they are called."""

from __future__ import annotations

import importlib
from collections.abc import Iterator, Mapping, Sequence
from itertools import zip_longest
from typing import Any, NamedTuple

import typer
from typer.core import TyperCommand, TyperGroup

from ..errors import unknown

#: Options that may stand without a value, and the value that is then meant.
_BARE = {"--ray": "auto"}


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
            """Find the command that is called, and import it."""
            name, *rest = args
            if name not in commands:
                raise unknown("command", name, commands)
            return name, _load(name, commands[name]), list(_filled(rest))

    return LazyGroup


def _filled(arguments: Sequence[str]) -> Iterator[str]:
    """Give options that stand without a value the one that is meant."""
    for argument, following in zip_longest(arguments, arguments[1:], fillvalue="-"):
        yield argument
        if argument in _BARE and following.startswith("-"):
            yield _BARE[argument]


def _load(name: str, entry: Entry) -> Any:
    module, function = entry.home.split(":")
    home = importlib.import_module(f"{__package__}.{module}")
    app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)
    app.command(name)(getattr(home, function))
    return typer.main.get_command(app)
