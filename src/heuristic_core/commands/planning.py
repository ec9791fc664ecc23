"""What ``--plan`` prints: cells, forecast time and disk."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from pathlib import Path

from rich.table import Table
from rich.text import Text

from ..report.wording import prose, unbroken
from ..study.forecast import Forecast, forecast, makespan
from ..study.machines import GPUS, Machine
from ..study.store import Cell, Store
from ..writing import duration
from .console import out, print_json


def print_plan(
    title: str,
    folder: Path,
    cells: Sequence[Cell],
    machine: Machine,
    as_json: bool,
    others: Sequence[Cell] = (),
    later: Sequence[str] = (),
    stale: Collection[str] = (),
    warnings: Mapping[str, str] | None = None,
    weights: int = 0,
) -> None:
    """Print cells with forecasts of their time, memory and disk space.

    Args:
        title: Name of the study or analysis.
        folder: The run folder, which may not exist yet.
        cells: The cells.
        machine: What they will be computed on.
        as_json: Print JSON.
        others: Further cells, whose times improve the forecast if they are finished.
        later: Tables of ``[analysis]`` whose cells are added later and are not known yet.
        stale: Labels of the cells that another version of the code computed.
        warnings: Why questions, by their keys, can hardly be decided.
        weights: Bytes of the model's weights; 0 if not known.
    """
    store = Store(folder) if (folder / "cells").is_dir() else None
    forecasts = forecast(cells, store, machine, others, weights)
    missing = [f for f in forecasts if not f.finished]
    known = all(f.seconds is not None for f in missing)
    seconds = sum(f.seconds or 0.0 for f in missing) if known else None
    whole = makespan(forecasts, machine.workers)
    megabytes = sum(f.megabytes for f in missing)
    memory = max((f.memory for f in missing), default=0.0)
    if as_json:
        print_json(
            {
                "run": str(folder),
                "device": machine.device,
                "gpu": machine.gpu,
                "cells": [_row(f) | {"again": f.cell.label in stale} for f in forecasts],
                "missing_seconds": seconds,
                "workers": machine.workers,
                "whole_seconds": whole,
                "missing_megabytes": megabytes,
                "worker_bytes": memory if weights else None,
                "planned_later": list(later),
                "hardly_decided": dict(warnings or {}),
            }
        )
        return
    table = Table("cell", "state", "time", "disk", title=Text(f"{title} in {folder}"))
    for f in forecasts:
        table.add_row(
            f.cell.label,
            "finished" if f.finished else "again" if f.cell.label in stale else "to do",
            duration(f.seconds),
            f"{f.megabytes:.1f} MB",
        )
    out().print(table)
    taken = f", and {memory / 1e9:.1f} GB of memory a worker" if weights and missing else ""
    out().print(
        f"{len(missing)} of {len(cells)} cells to do, about {duration(whole)} on {machine.name}, "
        f"{megabytes:.0f} MB of disk{taken}; nothing was started",
        soft_wrap=True,
    )
    if machine.gpu:
        gigabytes = GPUS[machine.gpu].gigabytes
        if weights and memory > gigabytes * 1e9:
            out().print(f"a worker needs more than the {gigabytes} GB of {machine.gpu}")
        out().print(
            f"the time is that of the maker's peak for {machine.gpu}, of which each kind of cell "
            "is taken to reach the share that it reaches on a CPU with MiniLM",
            soft_wrap=True,
        )
    if later:
        out().print(
            f"cells for {' and '.join(f'analysis.{name}' for name in later)} come on top: they "
            "are about the core's heads and are planned after the searches",
            soft_wrap=True,
        )
    for key, reason in (warnings or {}).items():
        said = f"{key} can hardly be decided: {unbroken(prose(reason))}"
        out().print(said, markup=False, soft_wrap=True)


def _row(f: Forecast) -> dict[str, object]:
    return {
        "cell": f.cell.label,
        "finished": f.finished,
        "seconds": f.seconds,
        "megabytes": f.megabytes,
    }
