"""Commands about a whole study: run it, and look at what came out."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from rich.table import Table

from ..errors import unknown
from ..report import render, write_report
from ..study.config import StudyConfig, load_study
from ..study.forecast import Forecast, forecast
from ..study.plan import make_plan
from ..study.results import read_results, write_results
from ..study.run import RunOptions, analyze_run, load_study_task, pick_device, run_study
from ..study.store import Store
from ..study.watch import Watch
from .console import DataOption, DeviceOption, JsonOption, command_line, err, out, print_json

UNTIL = {"finetune": ("finetune",), "search": ("search",), "evaluate": ("evaluate",)}

RunArgument = Annotated[Path, typer.Argument(help="A run folder.", metavar="RUN")]


def run(
    study: Annotated[
        str, typer.Argument(help="A TOML file, or a study that comes with the package.")
    ] = "quickstart",
    out_folder: Annotated[
        Path | None, typer.Option("--out", help="Run folder. [default: runs/NAME]")
    ] = None,
    sets: Annotated[
        list[str] | None,
        typer.Option("--set", help="Change one setting, such as search.seeds=[1,2]."),
    ] = None,
    plan: Annotated[
        bool, typer.Option("--plan", help="Print cells, forecast time and disk; start nothing.")
    ] = False,
    until: Annotated[
        str | None, typer.Option("--until", help="Stop after finetune, search or evaluate.")
    ] = None,
    update: Annotated[
        bool, typer.Option("--update", help="Let changed settings replace the run folder's own.")
    ] = False,
    device: DeviceOption = "auto",
    dtype: Annotated[
        str | None, typer.Option("--dtype", help="Type of the weights; short for model.dtype.")
    ] = None,
    data: DataOption = None,
    as_json: JsonOption = False,
) -> None:
    """Run a whole study; what is finished is not computed again."""
    if until is not None and until not in UNTIL:
        raise unknown("step", until, UNTIL)
    changes = list(sets or []) + ([f"model.dtype={dtype}"] if dtype else [])
    config = load_study(study, changes)
    options = RunOptions(
        out=out_folder or Path("runs") / config.name,
        device=device,
        data=data,
        update=update,
        command=command_line(),
    )
    if plan:
        _print_plan(config, options, as_json)
        return
    folder = run_study(config, options, Watch(err()), kinds=UNTIL[until] if until else None)
    if until is not None:
        err().print(f"cells up to {until} are finished in {folder}", markup=False)
        return
    page = folder / "report" / "report.html"
    if as_json:
        print_json({"run": str(folder), "report": str(page), **read_results(folder).analysis})
        return
    render(read_results(folder), out())
    out().print(f"\nReport: {page.resolve()}", markup=False, soft_wrap=True)


def show(folder: RunArgument, as_json: JsonOption = False) -> None:
    """Show a run's findings in the terminal."""
    results = read_results(folder)
    if as_json:
        print_json(results.analysis)
    else:
        render(results, out())


def analyze(
    folder: RunArgument,
    tables_only: Annotated[
        bool, typer.Option("--tables-only", help="Run no model: conclude from what is stored.")
    ] = False,
    device: DeviceOption = "auto",
    data: DataOption = None,
    as_json: JsonOption = False,
) -> None:
    """Measure what the analyses of a finished run need, resuming, and draw all conclusions."""
    if not tables_only:
        options = RunOptions(out=folder, device=device, data=data, command=command_line())
        analyze_run(folder, options, Watch(err()))
    results = read_results(folder)
    write_results(results, folder)
    if as_json:
        print_json(results.analysis)
        return
    for name, entries in results.analysis.items():
        for entry in entries:
            verdict = entry["verdict"]
            out().print(
                f"{name}: {verdict['decision']}: {verdict['claim']} ({verdict['reason']})",
                markup=False,
                soft_wrap=True,
            )
    out().print(f"\nReport: {(folder / 'report' / 'report.html').resolve()}", markup=False)


def report(
    folder: RunArgument,
    out_folder: Annotated[
        Path | None, typer.Option("--out", help="Where to. [default: RUN/report]")
    ] = None,
) -> None:
    """Write a run's report again: one HTML page, its figures and its tables."""
    page = write_report(read_results(folder), out_folder or folder / "report")
    out().print(f"{page.resolve()}", markup=False, soft_wrap=True)


def _print_plan(config: StudyConfig, options: RunOptions, as_json: bool) -> None:
    device = pick_device(options.device)
    cells = make_plan(config, load_study_task(config, options.data)).cells
    store = Store(options.out) if (options.out / "cells").is_dir() else None
    forecasts = forecast(cells, store, device)
    missing = [f for f in forecasts if not f.finished]
    known = all(f.seconds is not None for f in missing)
    seconds = sum(f.seconds or 0.0 for f in missing) if known else None
    megabytes = sum(f.megabytes for f in missing)
    if as_json:
        print_json(
            {
                "run": str(options.out),
                "device": device,
                "cells": [_plan_row(f) for f in forecasts],
                "missing_seconds": seconds,
                "missing_megabytes": megabytes,
            }
        )
        return
    table = Table("cell", "state", "time", "disk", title=f"{config.name} in {options.out}")
    for f in forecasts:
        table.add_row(
            f.cell.label,
            "finished" if f.finished else "to do",
            _duration(f.seconds),
            f"{f.megabytes:.1f} MB",
        )
    out().print(table)
    out().print(
        f"{len(missing)} of {len(cells)} cells to do, about {_duration(seconds)} on {device} "
        f"and {megabytes:.0f} MB; nothing was started"
    )


def _plan_row(f: Forecast) -> dict[str, object]:
    return {
        "cell": f.cell.label,
        "finished": f.finished,
        "seconds": f.seconds,
        "megabytes": f.megabytes,
    }


def _duration(seconds: float | None) -> str:
    if seconds is None:
        return "?"
    if seconds < 90:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"
