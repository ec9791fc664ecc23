"""The models of a run: where they are, and what removing units does to each of them."""

from __future__ import annotations

from contextlib import suppress
from typing import Any

import pandas as pd

from ..errors import InputError, unknown
from ..measure.accuracy import evaluate
from ..measure.removal import removal
from ..models.device import pick_device
from ..precision import Precision
from ..study.bench import Workbench
from ..study.config import StudyConfig
from ..study.kinds.evaluate import plan_full
from ..study.kinds.finetune import FINETUNE, classifier, has_new_head, location
from ..study.planner import Checkpoint, Planner
from ..study.run import RunOptions, load_study_task
from ..study.run_folder import open_run
from ..study.stale import not_finished
from ..study.store import Cell, Store
from ..tasks.task import Suite, Task
from .console import out, print_json
from .evaluation_tables import (
    evaluation_record,
    rich_table,
    shown_worst,
    with_majority,
    worst_lines,
)


def chosen_cases(suites: list[Suite], cases: list[str] | None) -> list[Suite]:
    """Restrict suites to some cases; all if none are given.

    Raises:
        InputError: If no suite has a case.
    """
    if not cases:
        return suites
    known = [case for suite in suites for case in suite.cases]
    for case in cases:
        if case not in known:
            raise unknown("case", case, known)
    picked = [(suite, [case for case in cases if case in suite.cases]) for suite in suites]
    return [suite.only(some) for suite, some in picked if some]


def run_models(config: StudyConfig, task: Task, store: Store) -> list[dict[str, Any]]:
    """List the models of a run that are there: seed of fine-tuning, step, path, if the head is new.

    Args:
        config: The run's study.
        task: Its task.
        store: Its folder.
    """
    found = []
    for checkpoint, cell in _full_models(config, task).items():
        tuned = FINETUNE.input_of(cell)
        if tuned is not None and not store.has(tuned):
            continue
        with suppress(InputError):  # one of the user's own that has moved or changed
            found.append(_place(config, store, checkpoint, cell))
    return found


def print_models(models: list[dict[str, Any]]) -> None:
    """Print where each model of a run is; one with a classifier, as `hcore evaluate` takes it."""
    for model in models:
        new = " (pretrained; the run drew a classifier for it)" if model["new_head"] else ""
        out().print(
            f"Model of fine-tuning {model['finetune_seed']}, step {model['checkpoint']}: "
            f"{model['path']}{new}",
            markup=False,
            soft_wrap=True,
        )


def removed_in_run(
    options: RunOptions,
    suites: list[Suite] | None,
    cases: list[str] | None,
    units: list[str],
    ablation: str | None,
    steps: list[int] | None,
    precision: Precision | None,
    as_json: bool,
) -> None:
    """Evaluate every full model of a run without some units, and print it.

    Args:
        options: Where the run is, and how models are run.
        suites: The suites; the task's own if ``None``.
        cases: Only these cases.
        units: The units to remove.
        ablation: What their outputs become; means over the task's mask-learning examples if
            ``None``.
        steps: Only the models of these steps.
        precision: What to compute in; as removals of a study in the weights' type if ``None``.
        as_json: Print JSON.

    Raises:
        InputError: If the run lacks a model or a step, or the model a unit.
    """
    config = open_run(options.out)
    for step in steps or ():
        if step not in config.checkpoints:
            raise unknown("checkpoint", step, map(str, config.checkpoints))
    task = load_study_task(config, options.data, options.out)
    store = Store(options.out, make=False)
    chosen = chosen_cases(suites or list(task.suites), cases)
    bench = Workbench(config, task, store, pick_device(options.device), chosen)
    tables, models, replaced = [], [], ""
    for checkpoint, cell in _full_models(config, task).items():
        if steps and checkpoint.step not in steps:
            continue
        tuned = FINETUNE.input_of(cell)
        if tuned is not None and not store.has(tuned):
            raise not_finished(tuned, store, config)
        model = classifier(bench, cell)
        over = None if ablation == "zero" else task
        kept = removal(model, *units, task=over, ablation=ablation or "mean")
        table = evaluate(
            model, chosen, subnetwork=kept, compact=False, precision=precision or "float32"
        )
        table.insert(5, "accuracy", table["correct"] / table["n"])
        replaced = kept.replacement
        models.append(_place(config, store, checkpoint, cell))
        tables.append(table.assign(**checkpoint.columns))
    names = list(Checkpoint(0, 0).columns)
    whole = pd.concat(tables, ignore_index=True)
    whole = whole[[*names, *(column for column in whole.columns if column not in names)]]
    if as_json:
        print_json(evaluation_record(whole, replaced, models))
        return
    out().print(rich_table(shown_worst(with_majority(whole))))
    for line in worst_lines(whole):
        out().print(line, markup=False, soft_wrap=True)
    out().print(f"Output of {', '.join(units)}: {replaced}.", markup=False, soft_wrap=True)
    print_models(models)


def _place(config: StudyConfig, store: Store, at: Checkpoint, cell: Cell) -> dict[str, Any]:
    new_head = has_new_head(config, store, cell)
    return {**at.columns, "path": str(location(config, store, cell)), "new_head": new_head}


def _full_models(config: StudyConfig, task: Task) -> dict[Checkpoint, Cell]:
    planner = Planner(config, task, task.suites)
    return {
        (point := Checkpoint(seed, step)): plan_full(planner, point)
        for seed in planner.finetune_seeds
        for step in config.checkpoints
    }
