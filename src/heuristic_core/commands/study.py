"""Commands about a whole study: run it, and look at what came out."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer
from rich.padding import Padding
from rich.text import Text

from ..errors import InputError, unknown
from ..report import render, write_report
from ..report.results import Results
from ..study.analyses import analyze_run, open_finished, plan_run
from ..study.beside import beside
from ..study.config import load_study
from ..study.results import read_results
from ..study.run import RunOptions, load_study_task, pick_device, run_study
from ..study.store import Store
from ..study.watch import Watch
from .console import DataOption, DeviceOption, JsonOption, command_line, err, out, print_json
from .planning import print_plan

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
        typer.Option(
            "--set", help="Change one setting, such as search.seeds=[1,2]; none for no value."
        ),
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
        task = load_study_task(config, data)
        planned, later = plan_run(config, task, Store(options.out, make=False))
        print_plan(
            config.name, options.out, planned.cells, pick_device(device), as_json, later=later
        )
        return
    results = run_study(config, options, Watch(err()), kinds=UNTIL[until] if until else None)
    if results is None:
        err().print(f"cells up to {until} are finished in {options.out}", markup=False)
        return
    _print_results(options.out, results, as_json)


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
        bool,
        typer.Option("--tables-only", help="Run no model: conclude from what is measured already."),
    ] = False,
    plan: Annotated[
        bool, typer.Option("--plan", help="Print cells, forecast time and disk; start nothing.")
    ] = False,
    beside_run: Annotated[
        Path | None,
        typer.Option(
            "--beside",
            metavar="OTHER_RUN",
            help="Compare the cores of both runs instead, from stored tables; runs no model.",
        ),
    ] = None,
    device: DeviceOption = "auto",
    data: DataOption = None,
    as_json: JsonOption = False,
) -> None:
    """Measure what the analyses of a finished run need, resuming, and draw all conclusions."""
    if plan and (tables_only or beside_run is not None):
        raise InputError("--plan is about running models, which --tables-only and --beside do not")
    if tables_only and beside_run is not None:
        raise InputError(
            "--beside only compares stored tables, --tables-only concludes anew; give one of them"
        )
    on = pick_device(device)  # one that is not there is told even where no model is run
    if beside_run is not None:
        _print_beside(folder, beside_run, as_json)
        return
    if plan:
        run = open_finished(folder, data)
        title = f"analyses of {run.config.name}"
        # What the analyses rest on is planned too where another version of the code made it.
        cells = (*run.own_stale.cells, *run.analyses.cells)
        stale = {cell.label for cell in run.stale.cells}
        print_plan(title, folder, cells, on, as_json, others=run.plan.cells, stale=stale)
        if said := run.told_stale():
            err().print(said, markup=False, soft_wrap=True)
        return
    options = RunOptions(out=folder, device=device, data=data, command=command_line())
    results, missing = analyze_run(folder, options, Watch(err()), run_models=not tables_only)
    if missing:
        err().print(missing, markup=False, soft_wrap=True)
    _print_results(folder, results, as_json)


def report(
    folder: RunArgument,
    out_folder: Annotated[
        Path | None, typer.Option("--out", help="Where to. [default: RUN/report]")
    ] = None,
) -> None:
    """Write a run's report again: one HTML page, its figures and its tables."""
    page = write_report(read_results(folder), out_folder or folder / "report")
    out().print(f"{page.resolve()}", markup=False, soft_wrap=True)


def _print_results(folder: Path, results: Results, as_json: bool) -> None:
    """Print what a run found, and where its page is."""
    page = folder / "report" / "report.html"
    if as_json:
        print_json({"run": str(folder), "report": str(page), **results.analysis})
        return
    render(results, out())
    out().print(f"\nReport: {page.resolve()}", markup=False, soft_wrap=True)


def _print_beside(folder: Path, other: Path, as_json: bool) -> None:
    """Print the comparison of two runs' cores, a verdict for each pair of models."""
    found = beside(folder, other)
    if as_json:
        print_json({"runs": [str(folder), str(other)], "beside": [asdict(pair) for pair in found]})
        return
    console = out()
    console.print(Text("Do the two runs have the same core?", style="bold"))
    for pair in found:
        models = zip((folder, other), pair.finetune_seeds, pair.checkpoints, strict=True)
        named = [f"{path}, fine-tuning {seed}, step {step}" for path, seed, step in models]
        verdict = pair.verdict
        about = f"{' and '.join(named)}, both searched by {pair.method}"
        line = Text(f"{verdict.decision.upper()}  {verdict.claim} ({about})")
        console.print(Padding(line, (0, 0, 0, 2), expand=False))
        reason = f"{verdict.reason}; in both: {', '.join(pair.shared) or 'no head'}"
        console.print(Padding(Text(reason, style="dim"), (0, 0, 0, 4), expand=False))
