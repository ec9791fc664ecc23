"""Commands that run a whole study and its analyses."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Annotated

import typer

from ..errors import InputError, unknown
from ..models.device import pick_device
from ..study.analyses import analyze_run, open_finished, plan_run, stale_remark
from ..study.archive import is_archive, opened
from ..study.config import load_study
from ..study.design import design_of, warnings
from ..study.kinds.finetune import check_trainable
from ..study.run import RunOptions, prepare_study, run_study
from ..study.run_folder import check_claim
from ..study.store import Store
from ..study.watch import Watch
from .console import (
    DataOption,
    DeviceOption,
    JsonOption,
    RunArgument,
    command_line,
    err,
)
from .executors import (
    GPU_WITHOUT_PLAN,
    GpuOption,
    RayOption,
    ThreadsOption,
    WorkersOption,
    executor,
    planned_machine,
    refuse_executor,
    weights_of,
)
from .planning import print_plan
from .results import print_results

UNTIL = {"finetune": ("finetune",), "search": ("search",), "evaluate": ("evaluate",)}


def run(
    study: Annotated[
        str, typer.Argument(help="A TOML file, or the name of a packaged study.")
    ] = "quickstart",
    out_folder: Annotated[
        Path | None, typer.Option("--out", help="Run folder.", show_default="runs/NAME")
    ] = None,
    sets: Annotated[
        list[str] | None,
        typer.Option(
            "--set", help="Change one setting, such as 'search.seeds=[1,2]'; none for no value."
        ),
    ] = None,
    plan: Annotated[
        bool,
        typer.Option("--plan", help="Print cells, forecast time and disk space; start nothing."),
    ] = False,
    until: Annotated[
        str | None,
        typer.Option(
            "--until", help="Stop after finetune, search or evaluate.", show_default="the end"
        ),
    ] = None,
    update: Annotated[
        bool,
        typer.Option("--update", help="Replace the settings of the run folder by changed ones."),
    ] = False,
    device: DeviceOption = "auto",
    dtype: Annotated[
        str | None,
        typer.Option(
            "--dtype",
            help="Type of the weights; the same as model.dtype.",
            show_default="as the study says",
        ),
    ] = None,
    data: DataOption = None,
    workers: WorkersOption = None,
    threads: ThreadsOption = None,
    ray: RayOption = None,
    gpu: GpuOption = None,
    as_json: JsonOption = False,
) -> None:
    """Run a whole study; finished cells are not computed again."""
    if until is not None and until not in UNTIL:
        raise unknown("step", until, UNTIL)
    changes = list(sets or []) + ([] if dtype is None else [f"model.dtype={dtype}"])
    config = load_study(study, changes)
    options = RunOptions(
        out=out_folder or Path("runs") / config.name,
        device=device,
        data=data,
        update=update,
        command=command_line(),
    )
    kinds = None if until is None else UNTIL[until]
    if plan:
        machine = planned_machine(pick_device(device), workers, threads, ray, gpu)
        config, task = prepare_study(config, data, options.out)
        check_claim(options.out, config, update)
        store = Store(options.out, make=False)
        planned, later = plan_run(config, task, store, kinds)
        check_trainable(planned.cells, store, "cuda" if gpu else machine.device)
        print_plan(
            config.name,
            options.out,
            planned.cells,
            machine,
            as_json,
            later=later,
            warnings=warnings(design_of(config, task)),
            weights=weights_of(config),
        )
        return
    if gpu is not None:
        raise InputError(GPU_WITHOUT_PLAN)
    options = replace(options, executor=executor(workers, threads, ray))
    results = run_study(config, options, Watch(err()), kinds=kinds)
    if results is None:
        err().print(f"cells up to {until} are finished in {options.out}", markup=False)
        return
    print_results(options.out, results, as_json)


def analyze(
    folder: RunArgument,
    tables_only: Annotated[
        bool,
        typer.Option(
            "--tables-only", help="Run no model: draw conclusions from stored measurements."
        ),
    ] = False,
    plan: Annotated[
        bool,
        typer.Option("--plan", help="Print cells, forecast time and disk space; start nothing."),
    ] = False,
    device: DeviceOption = "auto",
    data: DataOption = None,
    workers: WorkersOption = None,
    threads: ThreadsOption = None,
    ray: RayOption = None,
    gpu: GpuOption = None,
    as_json: JsonOption = False,
) -> None:
    """Run the analyses of a finished run, which resume, and draw all conclusions."""
    if plan and tables_only:
        raise InputError("--plan is about running models, which --tables-only does not")
    if tables_only:
        none_runs = "is about running models, which --tables-only does not"
        refuse_executor(workers, threads, ray, none_runs)
    if gpu is not None and not plan:
        raise InputError(GPU_WITHOUT_PLAN)
    on = pick_device(device)  # a missing device is an error even if no model is run
    if plan:
        if is_archive(folder):
            raise InputError(f"{folder} is an archive, which has no models to run")
        run = open_finished(folder, data)
        title = f"analyses of {run.config.name}"
        # Inputs of the analyses are planned too if another version of the code computed them.
        cells = (*run.own_stale.cells, *run.analyses.cells)
        stale = {cell.label for cell in run.stale.cells}
        print_plan(
            title,
            folder,
            cells,
            planned_machine(on, workers, threads, ray, gpu),
            as_json,
            others=run.plan.cells,
            stale=stale,
            weights=weights_of(run.config),
        )
        if remark := stale_remark(run):
            err().print(remark, markup=False, soft_wrap=True)
        return
    with opened(folder, change=tables_only) as place:
        if is_archive(folder) and not tables_only:
            raise InputError(
                f"{folder} is an archive, which has no models to run; conclude from its tables "
                "with --tables-only"
            )
        options = RunOptions(
            out=place,
            device=device,
            data=data,
            command=command_line(),
            executor=executor(workers, threads, ray),
        )
        results, missing = analyze_run(place, options, Watch(err()), run_models=not tables_only)
    missing = missing.replace(str(place), str(folder))
    if missing:
        err().print(missing, markup=False, soft_wrap=True)
    print_results(folder, results, as_json)
