"""The log of a run and its notes on running cells, which any process of any machine can read.

It loads no slow library, so that the state of a run can be shown at once.
"""

from __future__ import annotations

import json
import math
import os
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from ..errors import InputError
from ..progress import Progress
from .process import Process, quiet_for

_LOG = "log.jsonl"
_RUNNING = "running"
#: Seconds between two writes of a note; a note that is much older is of a process that ended.
BEAT = 2.0


def log_path(folder: Path) -> Path:
    """Return the log of a run folder."""
    return folder / _LOG


class Journal:
    """Writes the log of one program that computes cells: one JSON object a line.

    Every line says what happened (``event``), when (``time``, the clock's), and how many seconds
    after the program began (``elapsed``), which no change of the clock touches. A log that cannot
    be written stops nothing.

    Args:
        folder: The run folder.
        command: The command that is logged.
    """

    def __init__(self, folder: Path, command: str) -> None:
        self.path = log_path(folder)
        self._start = time.monotonic()
        self._cut = _is_cut(self.path)
        self.write("opened", **Process.this()._asdict(), command=command)

    @property
    def elapsed(self) -> float:
        """Seconds since the program began."""
        return time.monotonic() - self._start

    def write(self, event: str, **facts: Any) -> None:
        """Add a line."""
        said = {"time": _now(), "elapsed": round(self.elapsed, 3), "event": event}
        line = json.dumps(said | facts, ensure_ascii=False) + "\n"
        with suppress(OSError), self.path.open("ab") as file:
            # A killed program may have left half a line.
            file.write(("\n" * self._cut + line).encode(errors="replace"))
            self._cut = False


def read_log(folder: Path) -> list[dict[str, Any]]:
    """Read the log of a run folder; lines that were cut or changed are left out.

    Raises:
        InputError: If there is one that cannot be read.
    """
    path = log_path(folder)
    try:
        text = path.read_text(encoding="utf-8", errors="replace")
    except FileNotFoundError:
        return []
    except OSError as error:
        raise unreadable(path, error) from error
    lines = []
    for line in text.splitlines():
        with suppress(ValueError, RecursionError):
            said = json.loads(line)
            if isinstance(said, dict) and isinstance(said.get("event"), str):
                lines.append(said)
    return lines


@contextmanager
def noted(folder: Path, name: str, show: Progress | None = None) -> Iterator[Progress]:
    """Keep a note on a running cell: where it runs, since when, and which share is done.

    Args:
        folder: The run folder.
        name: The cell's name.
        show: Is told of the progress as well.

    Yields:
        What the cell's work reports its progress to.
    """
    me, start, began = Process.this(), time.monotonic(), _now()
    note = folder / _RUNNING / f"{name}{me.suffix}.json"
    share, ended = 0.0, threading.Event()

    def report(done: int, of: int) -> None:
        nonlocal share
        share = done / max(of, 1)
        if show is not None:
            show(done, of)

    def beat() -> None:
        while True:
            said = {"cell": name, **me._asdict(), "started": began}
            said |= {"elapsed": round(time.monotonic() - start, 1), "share": round(share, 4)}
            with suppress(OSError):
                _replace(note, json.dumps(said))
            if ended.wait(BEAT):
                break
        with suppress(OSError):
            note.unlink(missing_ok=True)

    thread = threading.Thread(target=beat, daemon=True)
    thread.start()
    try:
        yield report
    finally:
        ended.set()
        thread.join()


def _replace(path: Path, text: str) -> None:
    path.parent.mkdir(exist_ok=True)
    temporary = path.with_name(f".{path.name}.tmp")
    temporary.write_text(text, encoding="utf-8")
    os.replace(temporary, path)


def read_notes(folder: Path) -> list[tuple[Path, dict[str, Any]]]:
    """Read the notes on running cells, with their files; those that are not whole are left out."""
    notes = []
    for path in sorted((folder / _RUNNING).glob("*.json")):
        with suppress(OSError, ValueError, RecursionError):
            said = json.loads(path.read_text(encoding="utf-8"))
            whole = isinstance(said, dict) and isinstance(said.get("cell"), str)
            if whole and Process.of_suffix(path.name) is not None:
                notes.append((path, said))
    return notes


def forget(folder: Path, name: str) -> None:
    """Remove the notes that killed processes left on a cell."""
    for path, said in read_notes(folder):
        with suppress(OSError):  # it may be another user's
            if said["cell"] == name:
                path.unlink(missing_ok=True)


def sweep_notes(folder: Path) -> None:
    """Remove the notes of processes that ended."""
    for path, _ in read_notes(folder):
        owner = Process.of_suffix(path.name)
        with suppress(OSError):
            if owner is not None and not owner.may_live(path, 30 * BEAT):
                path.unlink(missing_ok=True)


def shares(folder: Path) -> Mapping[str, float]:
    """Return which share of every running cell is done, by its name."""
    return {said["cell"]: number(said, "share") for _, said in read_notes(folder)}


def number(said: Mapping[str, Any], key: str) -> float:
    """Return a number that a line or a note says; 0 where it says none that can be used."""
    value = said.get(key)
    with suppress(OverflowError):
        if isinstance(value, int | float) and math.isfinite(value):
            return float(value)
    return 0.0


def heard_of(folder: Path) -> float:
    """Return for how many seconds nothing was written into a run's log and notes."""
    written = [log_path(folder), *(path for path, _ in read_notes(folder))]
    silent = []
    for path in written:
        with suppress(OSError):
            silent.append(quiet_for(path))
    return min(silent, default=math.inf)


def unreadable(path: Path, error: OSError) -> InputError:
    """Build the error for a part of a run folder that is there and cannot be read."""
    return InputError(
        f"cannot read {path}: {error.strerror or error}; make it readable, or take another copy of "
        "the run"
    )


def _is_cut(path: Path) -> bool:
    try:
        with path.open("rb") as file:
            file.seek(-1, os.SEEK_END)
            return file.read(1) != b"\n"
    except OSError:  # it is empty, or not there
        return False


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="milliseconds")
