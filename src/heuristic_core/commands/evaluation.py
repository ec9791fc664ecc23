"""The command that evaluates models and subnetworks, of a run or of the user."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated

import pandas as pd
import typer

from ..errors import InputError, remark
from ..measure.accuracy import evaluate as evaluate_model
from ..measure.assignments import check_labels
from ..measure.remarks import majorities
from ..measure.removal import removal
from ..models.classifier import Classifier
from ..models.device import pick_device
from ..models.labels import read_label_map
from ..models.loading import load_model
from ..precision import Precision, check_precision
from ..storage import digest, write_table
from ..study.config import EvaluationConfig
from ..study.kinds.search import load_subnetwork
from ..study.run import RunOptions, evaluate_run, load_study_task
from ..study.run_folder import open_run
from ..study.watch import Watch, watching
from ..subnetwork import Subnetwork
from ..tasks.registry import TASKS_OF
from ..tasks.task import Suite, Task
from .console import (
    DataOption,
    DeviceOption,
    JsonOption,
    LabelsOption,
    MaxLengthOption,
    PrecisionOption,
    TaskOptionsOption,
    command_line,
    err,
    out,
    print_json,
)
from .evaluation_runs import chosen_cases, print_models, removed_in_run, run_models
from .evaluation_tables import (
    evaluation_record,
    rich_table,
    shown_worst,
    summary,
    with_majority,
    worst_lines,
)
from .executors import RayOption, ThreadsOption, WorkersOption, executor, refuse_executor
from .loading import command_suites, command_task


def evaluate(
    target: Annotated[str, typer.Argument(help="A run folder, a model folder, or a hub id.")],
    suite: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME",
            help="A suite that `hcore suites` lists, or NAME=PATH to read a local copy of it; "
            "repeatable.",
            show_default="the task's own",
        ),
    ] = None,
    task: Annotated[
        str | None,
        typer.Option(
            "--task",
            help="For a model: task, or task file, of the suites and of the means of --without.",
            show_default="hans-grammar; with --suite, the suite's own",
        ),
    ] = None,
    task_options: TaskOptionsOption = None,
    case: Annotated[
        list[str] | None, typer.Option(help="Only this case; repeatable.", show_default="all")
    ] = None,
    per_case: Annotated[
        str | None,
        typer.Option(
            help="Examples of each case of --suite: a number, or all.", show_default="100"
        ),
    ] = None,
    subnetwork: Annotated[
        Path | None, typer.Option(help="For a model: evaluate this saved subnetwork of it.")
    ] = None,
    without: Annotated[
        list[str] | None,
        typer.Option(
            help="Remove this unit, such as L4H0; repeatable. For a run, from every model of it."
        ),
    ] = None,
    checkpoint: Annotated[
        list[int] | None,
        typer.Option(
            help="For a run with --without: only the models of this step; repeatable.",
            show_default="all",
        ),
    ] = None,
    ablation: Annotated[
        str | None,
        typer.Option(
            help="What the outputs of --without become: mean, over the task's mask-learning "
            "examples, or zero.",
            show_default="mean",
        ),
    ] = None,
    other_model: Annotated[
        bool,
        typer.Option(
            "--other-model", help="Accept a --subnetwork that was found in other weights."
        ),
    ] = False,
    device: DeviceOption = "auto",
    dtype: Annotated[
        str | None,
        typer.Option("--dtype", help="For a model: weight type.", show_default="float32"),
    ] = None,
    precision: PrecisionOption = None,
    labels: LabelsOption = None,
    max_length: MaxLengthOption = None,
    data: DataOption = None,
    workers: WorkersOption = None,
    threads: ThreadsOption = None,
    ray: RayOption = None,
    as_json: JsonOption = False,
) -> None:
    """Evaluate a run's models and subnetworks, or one model, on every case of a suite."""
    n = _count(per_case or "100")
    if per_case is not None and not suite:
        raise InputError(
            "--per-case is for --suite; how many examples the task's own suites have, the task says"
        )
    chosen_in = None if precision is None else check_precision(precision)
    suites = command_suites(suite, data, n) if suite else None
    if os.path.isfile(Path(target) / "study.json"):
        for_models = {
            "--task": task,
            "--task-option": task_options,
            "--subnetwork": subnetwork,
            "--other-model": other_model,
            "--dtype": dtype,
            "--labels": labels,
            "--max-length": max_length,
        }
        for option, value in for_models.items():
            if value:
                raise InputError(f"{option} is for a model; a run has its own: leave it out")
        _check_system(subnetwork, without, ablation, other_model)
        if checkpoint and not without:
            raise InputError("--checkpoint is for --without; leave it out")
        if without:
            refuse_executor(workers, threads, ray, "is for cells, and --without computes none")
        options = RunOptions(
            out=Path(target),
            device=device,
            data=data,
            command=command_line(),
            executor=executor(workers, threads, ray),
        )
        if without:
            removed_in_run(options, suites, case, without, ablation, checkpoint, chosen_in, as_json)
        else:
            _evaluate_run(options, suites, case, per_case or "100", as_json, chosen_in)
        return
    if checkpoint:
        raise InputError("--checkpoint is for a run; give the checkpoint's own folder")
    refuse_executor(workers, threads, ray, "is for a run, which has many cells")
    if os.path.isdir(Path(target) / "cells"):
        raise InputError(f"{target} is a run folder without study.json; start the run again")
    _check_rounding(chosen_in, dtype or "float32")
    _check_system(subnetwork, without, ablation, other_model)
    # Means may need a task of which nothing is evaluated; nothing else does.
    named = task or (None if suites else "hans-grammar")
    if without and not named and ablation != "zero":
        named = _own_task([given.partition("=")[0] for given in suite or ()])
    if task_options and named is None:
        raise InputError("--task-option is for a task, and none is loaded; name it with --task")
    loaded = None if named is None else command_task(named, data, task_options)
    classifier = load_model(
        target,
        device=pick_device(device),
        dtype=dtype or "float32",
        max_length=128 if max_length is None else max_length,
        labels=None if labels is None else read_label_map(labels),
    )
    of_task = loaded.suites if loaded else ()
    chosen = chosen_cases(suites or list(of_task), case)
    chosen = [suite.for_labels(classifier.labels) for suite in chosen]
    check_labels(classifier, chosen, [*chosen, *of_task])
    system = _system(classifier, loaded, subnetwork, without, ablation)
    with watching(err()) as bar:
        table = evaluate_model(
            classifier,
            chosen,
            subnetwork=system,
            other_model=other_model,
            compact=not without,
            precision=chosen_in or "float32",
            progress=bar("evaluation"),
        )
    if subnetwork and system is not None:
        _compare_data(system, loaded)
    _remark_on_texts(classifier, chosen)
    table.insert(5, "accuracy", table["correct"] / table["n"])
    for text in table.attrs["remarks"]:
        remark(text)
    if as_json:
        place = {"finetune_seed": None, "checkpoint": None, "path": target, "new_head": False}
        print_json(evaluation_record(table, table.attrs.get("ablation"), [place]))
        return
    out().print(rich_table(shown_worst(with_majority(table))))
    for line in worst_lines(table):
        out().print(line, markup=False, soft_wrap=True)
    if system is not None:
        out().print(_replaced(system), markup=False, soft_wrap=True)


def _evaluate_run(
    options: RunOptions,
    suites: list[Suite] | None,
    cases: list[str] | None,
    per_case: str,
    as_json: bool,
    precision: Precision | None,
) -> None:
    folder, data = options.out, options.data
    config = open_run(folder)
    _check_rounding(precision, config.model.dtype)
    precision = precision or config.evaluation.precision
    other_type = precision != config.evaluation.precision
    if other_type:
        config = config.model_copy(update={"evaluation": EvaluationConfig(precision=precision)})
    task = load_study_task(config, data, folder)
    chosen = chosen_cases(suites or list(task.suites), cases)
    # Every selection has a table of its own and overwrites no other.
    selection = [*(s.name for s in chosen), per_case if suites else "own", *(cases or ())]
    if other_type:
        selection.append(precision)
    tag = "-".join(selection).replace("/", "_")
    if len(tag.encode()) > 120:  # too long for a file name with prefix and suffix
        tag = f"{chosen[0].name}-{digest(selection)[:16]}"
    # Cells of the run's own evaluation keep their names.
    label = f"{tag}-" if suites or cases or other_type else ""
    plan, store, table = evaluate_run(config, chosen, label, options, Watch(err()))
    path = folder / "tables" / f"{tag}.parquet"
    write_table(path, table)
    table["accuracy"] = table["correct"] / table["n"]
    by_case = summary(table)
    shares = [majorities(suite).assign(suite=suite.name) for suite in chosen]
    by_case = by_case.merge(pd.concat(shares), on=["suite", "case"], validate="1:1")
    found = next(
        (load_subnetwork(store, cell) for cell in plan.cells if cell.system["seed"] >= 0), None
    )
    models = run_models(config, task, store)
    if as_json:
        replaced = None if found is None else found.replacement
        print_json(evaluation_record(by_case, replaced, models, path))
        return
    out().print(rich_table(shown_worst(with_majority(by_case))))
    for line in worst_lines(by_case, " for the full model"):
        out().print(line, markup=False, soft_wrap=True)
    if found is not None:
        out().print(f"Output of dropped units: {found.replacement}.", markup=False, soft_wrap=True)
    out().print(f"One row per system and case: {path}", markup=False, soft_wrap=True)
    print_models(models)


def _check_rounding(precision: Precision | None, dtype: str) -> None:
    if precision not in (None, "float32") and dtype != "float32":
        raise InputError(
            f"--precision {precision} is for weights in float32, these are in {dtype}; leave it out"
        )


def _check_system(
    subnetwork: Path | None, without: list[str] | None, ablation: str | None, other_model: bool
) -> None:
    if subnetwork and without:
        raise InputError("give --subnetwork or --without, not both")
    if ablation and not without:
        raise InputError("--ablation is for --without; a subnetwork has values of its own")
    if other_model and not subnetwork:
        raise InputError("--other-model is for --subnetwork; leave it out")


def _own_task(suites: list[str]) -> str:
    """Return the task whose mask-learning examples are averaged over for suites.

    Raises:
        InputError: If they are of several tasks, or of none.
    """
    tasks = {suite: TASKS_OF.get(suite, ()) for suite in suites}
    if len({task for some in tasks.values() for task in some}) == 1 and all(tasks.values()):
        return next(iter(tasks.values()))[0]
    suite = next(suite for suite, some in tasks.items() if len(some) != 1 or len(tasks) > 1)
    of = " and ".join(tasks[suite]) or "no task"
    raise InputError(
        f"--without takes means over a task's mask-learning examples, and the suite {suite} is "
        f"of {of}; name one with --task, or say --ablation zero"
    )


def _system(
    classifier: Classifier,
    task: Task | None,
    subnetwork: Path | None,
    without: list[str] | None,
    ablation: str | None,
) -> Subnetwork | None:
    if subnetwork:
        return Subnetwork.load(subnetwork)
    if without:
        ablation = ablation or "mean"
        over = None if ablation == "zero" else task
        return removal(classifier, *without, task=over, ablation=ablation)
    return None


def _compare_data(subnetwork: Subnetwork, task: Task | None) -> None:
    """Say if a subnetwork was found, and its means computed, on other data than a task's."""
    recorded = subnetwork.provenance.get("data")
    then = recorded.get("search") if isinstance(recorded, Mapping) else None
    if task is not None and then not in (None, task.search.digest):
        of = subnetwork.provenance.get("task") or "other examples"
        remark(
            f"the subnetwork was found on the mask-learning examples of {of}, which are not those "
            f"of {task.name}; what replaces its dropped units: {subnetwork.replacement}"
        )


def _replaced(subnetwork: Subnetwork) -> str:
    """Say in a line what becomes of dropped units."""
    dropped = [str(unit) for unit in subnetwork.space if unit not in subnetwork]
    shown = ", ".join(dropped) if len(dropped) <= 8 else f"{len(dropped)} dropped units"
    return f"Output of {shown}: {subnetwork.replacement}."


def _count(text: str) -> int | None:
    if text == "all":
        return None
    if not text.isascii() or not text.isdigit() or int(text) < 1:
        raise InputError(f"--per-case {text!r} is neither a number from 1 nor all")
    return int(text)


def _remark_on_texts(classifier: Classifier, suites: list[Suite]) -> None:
    for suite in suites:
        for text in classifier.encode(suite.examples).remarks(f"examples of {suite.name}"):
            remark(text)
