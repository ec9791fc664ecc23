"""Loading what commands work on: a task with its settings, and suites by name."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from ..errors import InputError, one_line, remark
from ..study.settings import settings
from ..tasks import load_suite, load_task
from ..tasks.task import Suite, Task


def command_task(name: str, data: Path | None, options: Sequence[str] | None = None) -> Task:
    """Load a task, and say which of its rows were dropped.

    Args:
        name: The task, or a task file.
        data: The folder of data files.
        options: Settings of the task as ``NAME=VALUE``.

    Raises:
        InputError: If a setting is unknown, or data are missing.
    """
    task = load_task(name, data=data, **settings(options or [], option="--task-option"))
    for note in task.remarks:
        remark(note)
    return task


def command_suites(names: Sequence[str], data: Path | None, per_case: int | None) -> list[Suite]:
    """Load suites by name, or by name and local copy.

    Args:
        names: Names, or ``NAME=PATH``.
        data: The folder of data files.
        per_case: Examples of each case, at most; all if ``None``.

    Raises:
        InputError: If a suite is unknown or named twice, or its data are missing.
    """
    suites: list[Suite] = []
    for given in names:
        name, equals, copy = given.partition("=")
        if equals and not copy:
            raise InputError(
                f"--suite {one_line(given, 80)!r} names no file; write NAME or NAME=PATH"
            )
        suite = load_suite(name, data=data, per_case=per_case, copy=copy or None)
        if any(suite.name == other.name for other in suites):
            raise InputError(f"--suite gives the suite {suite.name} twice; give it once")
        suites.append(suite)
    return suites
