"""How far a run is, from its log and its notes alone; loads no slow library."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..errors import InputError
from ..progress import LEAST_SHARE
from .journal import BEAT, read_log, read_notes
from .process import Process, quiet_for


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
        InputError: If it is none.
    """
    done = _finished(folder)
    log = read_log(folder)
    openings = [i for i, said in enumerate(log) if said["event"] == "opened"]
    log = log[openings[-1] :] if openings else []
    cells = _planned(log)
    notes = [(path, note) for path, note in read_notes(folder) if str(note.get("cell")) not in done]
    started = {str(said.get("cell")): _number(said, "elapsed") for said in log}
    running, shares, times = [], {}, [_number(said, "elapsed") for said in log]
    for path, note in notes:
        name, where = str(note["cell"]), Process.of_suffix(path.name)
        if where is None or where.ended:
            continue
        shares[name] = min(max(_number(note, "share"), 0.0), 1.0)
        with suppress(OSError):
            silent = quiet_for(path)
            label = str(cells.get(name, {}).get("label", name))
            seconds = _number(note, "elapsed")
            long = silent if silent > 15 * BEAT else 0.0
            running.append(Running(label, where, seconds, shares[name], long))
            times.append(started.get(name, 0.0) + seconds)
    finished = {str(s.get("cell")) for s in log if s["event"] == "finished"} & done
    weights = {name: _number(cell, "weight") for name, cell in cells.items()}
    failures = {
        str(said.get("cell")): str(said.get("error", ""))
        for said in log
        if said["event"] == "failed"
    }
    elapsed = max(times, default=0.0)
    worked = sum(weights.get(name, 0.0) for name in finished)
    worked += sum(share * weights.get(name, 0.0) for name, share in shares.items())
    to_do = sum(w * (1 - shares.get(name, 0.0)) for name, w in weights.items() if name not in done)
    return Status(
        study=_study(folder),
        driver=_driver(folder),
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
    try:
        names = os.listdir(folder / "cells")
    except OSError:
        return set()
    return {
        name
        for name in names
        if not name.startswith(".") and os.path.isfile(folder / "cells" / name / "record.json")
    }


def _planned(log: Sequence[Mapping[str, Any]]) -> dict[str, Mapping[str, Any]]:
    """List the cells that a command planned; it may plan some when others are finished."""
    cells: dict[str, Mapping[str, Any]] = {}
    for said in log:
        planned = said.get("cells")
        if said["event"] == "planned" and isinstance(planned, list):
            cells |= {str(c["name"]): c for c in planned if isinstance(c, dict) and "name" in c}
    return cells


def _driver(folder: Path) -> Process | None:
    try:
        text = (folder / ".lock-holder").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return None
    driver = Process.of_text(text)
    return None if driver is None or driver.ended else driver


def _number(said: Mapping[str, Any], key: str) -> float:
    value = said.get(key)
    return float(value) if isinstance(value, int | float) else 0.0
