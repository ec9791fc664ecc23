"""Running ``hcore`` as a user would, without a process of its own for every call."""

from __future__ import annotations

import contextlib
import io
import os
import signal
import sys
from dataclasses import dataclass
from pathlib import Path
from unittest import mock

from heuristic_core.cli import main

#: Settings that make the study ``smoke`` run in seconds on a tiny model.
SMALL = [
    "--set", "task.options.train_size=32",
    "--set", "task.options.search_size=16",
    "--set", "task.options.id_size=10",
    "--set", "task.options.per_case=1",
    "--set", "finetune.steps=2",
    "--set", "finetune.checkpoints=[0, 2]",
    "--set", "finetune.batch_size=4",
    "--set", "search.options={ramp_steps=2, hold_steps=0, batch_size=4}",
    "--set", "analysis.grid.options={ramp_steps=2, hold_steps=0, batch_size=4}",
]  # fmt: skip


@dataclass(frozen=True)
class Done:
    """How a command ended and what it printed."""

    code: int
    stdout: str
    stderr: str


def hcore(*arguments: object, cwd: Path, code: int = 0) -> Done:
    """Run the command in a folder, and check how it ends."""
    stdout, stderr = io.StringIO(), io.StringIO()
    handler = signal.getsignal(signal.SIGTERM)
    try:
        with (
            contextlib.chdir(cwd),
            contextlib.redirect_stdout(stdout),
            contextlib.redirect_stderr(stderr),
            mock.patch.object(sys, "argv", ["hcore", *map(str, arguments)]),
            mock.patch.dict(os.environ, {"COLUMNS": "200"}),
        ):
            try:
                main()
                ended = 0
            except SystemExit as stop:
                ended = stop.code
    finally:
        signal.signal(signal.SIGTERM, handler)
    assert ended == code, stderr.getvalue()
    assert "Traceback" not in stderr.getvalue()
    return Done(ended, stdout.getvalue(), stderr.getvalue())


def mistake(*arguments: object, cwd: Path) -> str:
    """Run a command that must fail with one line and exit code 2; give the line."""
    done = hcore(*arguments, cwd=cwd, code=2)
    assert done.stdout == ""
    lines = done.stderr.strip().splitlines()
    assert len(lines) == 1, done.stderr
    assert lines[0].startswith("hcore: error: ")
    return lines[0]
