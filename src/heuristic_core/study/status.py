"""How far a run is, from its log and its notes alone; loads no slow library."""

from __future__ import annotations

import json
import os
import stat
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from ..errors import InputError
from ..progress import LEAST_SHARE
from .journal import BEAT, heard_of, number, read_log, read_notes, unreadable
from .process import Process, quiet_for

#: Seconds after which something that writes every ``BEAT`` counts as not heard of.
_SILENT = 15 * BEAT


@dataclass(frozen=True)
class Running:
    """A cell that is being computed.

    Args:
        label: The cell's label.
        where: The process that computes it.
        seconds: For how long.
        share: The share that is done.
        silent: Seconds since it was heard of, where that is too long; else 0.
    """

    label: str
    where: Process
    seconds: float
    share: float
    silent: float


@dataclass(frozen=True)
class Status:
    """How far the last command that computed cells in a run folder is.

    Args:
        study: The study's name.
        driver: The process that writes into the folder now; ``None`` if none does.
        silent: Seconds since the driver was heard of, if it is on another machine and that is too
            long; else 0.
        locked: Whether the folder is locked; ``None`` if that cannot be seen.
        planned: How many cells there are; ``None`` in a run of a version without a log.
        done: How many are finished.
        running: Those that are being computed.
        failed: Why cells failed, by their labels.
        finished: How many cells this command finished.
        elapsed: For how many seconds it has run.
        left: Seconds until all are finished, as far as known.
    """

    study: str
    driver: Process | None
    silent: float
    locked: bool | None
    planned: int | None
    done: int
    running: Sequence[Running]
    failed: Mapping[str, str]
    finished: int
    elapsed: float
    left: float | None

    @property
    def per_hour(self) -> float | None:
        """Cells that this command finished per hour."""
        return 3600 * self.finished / self.elapsed if self.finished and self.elapsed else None


def status_of(folder: Path) -> Status:
    """Read how far a run is; nothing is written.

    Args:
        folder: The run folder.

    Raises:
        InputError: If it is none, or cannot be read.
    """
    study, done = _study(folder), _finished(folder)
    log = _last_command(read_log(folder))
    cells = _planned(log)
    notes = [(path, note) for path, note in read_notes(folder) if note["cell"] not in done]
    started = {str(said.get("cell")): number(said, "elapsed") for said in log}
    running, shares, times = [], {}, [number(said, "elapsed") for said in log]
    for path, note in notes:
        name, where = note["cell"], Process.of_suffix(path.name)
        if where is None or where.ended:
            continue
        shares[name] = min(max(number(note, "share"), 0.0), 1.0)
        with suppress(OSError):
            silent = quiet_for(path)
            label = str(cells.get(name, {}).get("label", name))
            seconds = number(note, "elapsed")
            long = silent if silent > _SILENT else 0.0
            running.append(Running(label, where, seconds, shares[name], long))
            times.append(started.get(name, 0.0) + seconds)
    finished = {str(s.get("cell")) for s in log if s["event"] == "finished"} & done
    weights = {name: number(cell, "weight") for name, cell in cells.items()}
    failures = {
        str(said.get("cell")): str(said.get("error", ""))
        for said in log
        if said["event"] == "failed"
    }
    elapsed = max(times, default=0.0)
    worked = sum(weights.get(name, 0.0) for name in finished)
    worked += sum(share * weights.get(name, 0.0) for name, share in shares.items())
    to_do = sum(w * (1 - shares.get(name, 0.0)) for name, w in weights.items() if name not in done)
    locked = _locked(folder)
    driver, silent = _driver(folder, locked)
    return Status(
        study=study,
        driver=driver,
        silent=silent,
        locked=locked,
        planned=len(cells) if cells else None,
        done=len(done & cells.keys()) if cells else len(done),
        running=running,
        failed={
            str(cells.get(name, {}).get("label", name)): error
            for name, error in failures.items()
            if name not in done and name not in shares
        },
        finished=len(finished),
        elapsed=elapsed,
        left=elapsed * to_do / worked if worked > LEAST_SHARE * to_do else (None if to_do else 0.0),
    )


def _study(folder: Path) -> str:
    if os.path.exists(folder) and not os.path.isdir(folder):  # such as an archive
        raise InputError(f"{folder} is a file; the state is that of a run folder")
    try:
        raw = json.loads((folder / "study.json").read_text(encoding="utf-8"))
        return str(raw["name"])
    except (OSError, ValueError, KeyError, TypeError, RecursionError) as error:
        raise InputError(
            f"{folder} is no run folder (it has no study.json that can be read); start one: "
            "hcore run"
        ) from error


def _finished(folder: Path) -> set[str]:
    cells = folder / "cells"
    try:
        names = [name for name in os.listdir(cells) if not name.startswith(".")]
        return {name for name in names if _is_file(cells / name / "record.json")}
    except FileNotFoundError:  # the tables alone
        return set()
    except OSError as error:
        raise unreadable(cells, error) from error


def _is_file(path: Path) -> bool:
    try:
        return stat.S_ISREG(os.stat(path).st_mode)
    except (FileNotFoundError, NotADirectoryError):
        return False


def _last_command(log: Sequence[Mapping[str, Any]]) -> Sequence[Mapping[str, Any]]:
    """Return what the last command that planned cells wrote; other commands only conclude."""
    start, found = 0, log[:0]
    for i, said in enumerate(log):
        if said["event"] == "opened":
            start = i
        elif said["event"] == "planned":
            found = log[start:]
    return found


def _planned(log: Sequence[Mapping[str, Any]]) -> dict[str, Mapping[str, Any]]:
    """List the cells that a command planned; it may plan some when others are finished."""
    cells: dict[str, Mapping[str, Any]] = {}
    for said in log:
        planned = said.get("cells")
        if said["event"] == "planned" and isinstance(planned, list):
            cells |= {str(c["name"]): c for c in planned if isinstance(c, dict) and "name" in c}
    return cells


def _driver(folder: Path, locked: bool | None) -> tuple[Process | None, float]:
    """Find the driver, and for how many seconds one on another machine was not heard of."""
    holder = folder / ".lock-holder"
    try:
        driver = Process.of_text(holder.read_text(encoding="utf-8", errors="replace"))
        silent = min(quiet_for(holder), heard_of(folder))
    except OSError:
        return None, 0.0
    if driver is None or driver.ended:
        return None, 0.0
    if driver.ended is None:
        return driver, silent if silent > _SILENT else 0.0
    # Where the folder is not locked, another process has got the driver's number.
    return (None if locked is False else driver), 0.0


def _locked(folder: Path) -> bool | None:
    """Return whether a program holds the folder's lock; ``None`` where that cannot be seen."""
    path = folder / ".lock"
    if not os.path.lexists(path):
        return False
    try:
        with FileLock(path, fallback_to_soft=False).acquire(timeout=0):
            pass
    except Timeout:
        return True
    except OSError:
        return None
    return False
