"""The command that shows how far a run is."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from ..errors import one_line
from ..study.status import Status, status_of
from ..writing import duration
from .console import JsonOption, out


def status(
    folder: Annotated[Path, typer.Argument(help="A run folder.", metavar="RUN")],
    as_json: JsonOption = False,
) -> None:
    """Show how far a run is, from any shell or machine: done, running, failed, time left."""
    found = status_of(folder)
    if as_json:
        print(json.dumps(_record(found) | {"run": str(folder)}, indent=2))
        return
    for line in _lines(found):
        out().print(one_line(line, 1000), markup=False, soft_wrap=True)


def _record(found: Status) -> dict[str, object]:
    named = {
        "driver": None if found.driver is None else found.driver._asdict(),
        "running": [asdict(cell) | {"where": cell.where._asdict()} for cell in found.running],
    }
    return asdict(found) | named | {"per_hour": found.per_hour}


def _lines(found: Status) -> list[str]:
    if found.planned is None:
        return [f"{found.study}: {found.done} cells are finished; there is no log of what remains"]
    cells = f"{found.done} of {found.planned} cells are finished"
    lines = [f"{found.study}: {cells}; {_driver(found)}"]
    for cell in found.running:
        silent = f", {_silence(cell.silent)}" if cell.silent else ""
        lines.append(
            f"  running: {cell.label}, {cell.share:.0%} after {duration(cell.seconds)}, "
            f"{cell.where}{silent}"
        )
    lines += [f"  failed: {label}: {error}" for label, error in found.failed.items()]
    if found.per_hour is not None:
        speed = f"{found.finished} cells in {duration(found.elapsed)}, {found.per_hour:.0f} an hour"
        rest = f"; about {duration(found.left)} left" if found.left else ""
        lines.append(f"  {speed}{rest}")
    return lines


def _driver(found: Status) -> str:
    if found.driver is None:
        return "no program is writing"
    if not found.silent:
        return f"{found.driver} is writing"
    if found.locked:
        return f"{found.driver} holds the lock, not heard of for {duration(found.silent)}"
    return f"{found.driver} was {_silence(found.silent)}"


def _silence(seconds: float) -> str:
    return f"not heard of for {duration(seconds)}; perhaps it has ended"
