"""What ``--plan`` prints: cells, forecast time and disk."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from pathlib import Path

from rich.table import Table
from rich.text import Text

from ..report.wording import prose, unbroken
from ..study.forecast import Forecast, forecast, makespan
from ..study.store import Cell, Store
from ..writing import duration
from .console import out, print_json


def print_plan(
    title: str,
    folder: Path,
    cells: Sequence[Cell],
    device: str,
    as_json: bool,
    others: Sequence[Cell] = (),
    later: Sequence[str] = (),
    stale: Collection[str] = (),
    warnings: Mapping[str, str] | None = None,
    workers: int = 1,
) -> None:
    """Print cells with forecasts of their time and disk space.

    Args:
        title: Name of the study or analysis.
        folder: The run folder, which may not exist yet.
        cells: The cells.
        device: The device that models will run on.
        as_json: Print JSON.
        others: Further cells, whose times improve the forecast if they are finished.
        later: Tables of ``[analysis]`` whose cells are added later and are not known yet.
        stale: Labels of the cells that another version of the code computed.
        warnings: Why questions, by their keys, can hardly be decided.
        workers: How many cells will be computed at once.
    """
    store = Store(folder) if (folder / "cells").is_dir() else None
    forecasts = forecast(cells, store, device, others)
    missing = [f for f in forecasts if not f.finished]
    known = all(f.seconds is not None for f in missing)
    seconds = sum(f.seconds or 0.0 for f in missing) if known else None
    whole = makespan(forecasts, workers)
    megabytes = sum(f.megabytes for f in missing)
    if as_json:
        print_json(
            {
                "run": str(folder),
                "device": device,
                "cells": [_row(f) | {"again": f.cell.label in stale} for f in forecasts],
                "missing_seconds": seconds,
                "workers": workers,
                "whole_seconds": whole,
                "missing_megabytes": megabytes,
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
    by = f"{device} with {workers} workers" if workers > 1 else device
    out().print(
        f"{len(missing)} of {len(cells)} cells to do, about {duration(whole)} on {by} "
        f"and {megabytes:.0f} MB; nothing was started"
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
