"""The analyses of a finished run: what they need is planned and measured, then all is concluded."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from ..errors import InputError
from ..tables import SUBNETWORKS, empty
from ..tasks.task import Task
from .analysis_plan import plan_analyses
from .config import StudyConfig
from .manifest import read_manifest
from .plan import Plan, make_plan
from .results import subnetwork_table
from .run import RunOptions, finish, load_study_task, measure, open_run, pick_device
from .store import Store
from .watch import Watch


@dataclass(frozen=True, eq=False)
class FinishedRun:
    """A run whose own cells are all there.

    Args:
        config: Its study.
        task: Its task.
        plan: Its own cells.
        store: Where they are.
    """

    config: StudyConfig
    task: Task
    plan: Plan
    store: Store

    def analyses(self) -> Plan:
        """Lay out the cells of its analyses that run the model."""
        found = subnetwork_table(self.plan.cells, self.store)
        return plan_analyses(self.config, self.task, self.plan, found)


def open_finished(folder: Path, data: Path | None) -> FinishedRun:
    """Open a run for its analyses.

    Args:
        folder: The run folder.
        data: The folder of data files.

    Raises:
        InputError: If it holds no run, or one that is not finished.
    """
    config = open_run(folder)
    task = load_study_task(config, data)
    run = FinishedRun(config, task, make_plan(config, task), Store(folder, make=False))
    missing = [cell.label for cell in run.plan.cells if not run.store.has(cell)]
    if missing:
        raise InputError(
            f"the run in {folder} is not finished ({missing[0]} is missing); finish it first with "
            "`hcore run`"
        )
    return run


def analyze_run(folder: Path, options: RunOptions, watch: Watch, *, run_models: bool = True) -> str:
    """Compute what a finished run's analyses need to run the model for, and conclude anew.

    Args:
        folder: The run folder.
        options: Where and how.
        watch: What shows progress.
        run_models: Otherwise conclusions are drawn from the cells that are finished.

    Returns:
        What is not measured, in a sentence; empty if nothing is missing.

    Raises:
        InputError: If the run is not finished, or damaged; what is finished is kept.
    """
    run = open_finished(folder, options.data)
    device = pick_device(options.device)
    with run.store.locked():
        run.store.sweep(run.plan.cells)
        analyses = run.analyses()
        command, fresh = _command(folder), 0
        if run_models:
            fresh = measure(run.config, run.task, analyses, run.store, device, watch)
            # What made a run is told by both commands; it is analysed any number of times.
            command = f"{command.partition(' && ')[0]} && {options.command}"
        anew = fresh > 0 or not run_models
        finish(run.config, run.task, run.plan, analyses, run.store, command, anew=anew)
    wanted = analyses.cells
    n = sum(not run.store.has_whole(cell) for cell in wanted)
    if not wanted:
        return "the study has no analyses that run the model"
    if n:
        return (
            f"{n} of the {len(wanted)} cells of the analyses are not measured, and what needs them "
            f"is not concluded; `hcore analyze {folder}` measures them"
        )
    return ""


def _command(folder: Path) -> str:
    """Give the command that a run's results were made with."""
    if not os.path.isfile(folder / "manifest.json"):
        return "hcore run"
    return str(read_manifest(folder).get("command", "hcore run"))


def plan_run(config: StudyConfig, task: Task, store: Store) -> tuple[Plan, tuple[str, ...]]:
    """Lay out the cells that `hcore run` computes, those of analyses too where it does them.

    Args:
        config: The study.
        task: Its task.
        store: Its run folder, which need not exist.

    Returns:
        The cells that are known; and the tables of ``[analysis]`` whose cells come on top, since
        they are about the core, which is not known before the searches are finished.
    """
    plan = make_plan(config, task)
    settings = config.analysis
    later: tuple[str, ...] = ()
    if not settings.in_run:
        return plan, later
    if all(store.has(cell) for cell in plan.cells):
        found = subnetwork_table(plan.cells, store)
    else:
        found = empty(SUBNETWORKS)
        if config.search.sparsities:
            about_core = ("removal", "dependency")
            later = tuple(name for name in about_core if getattr(settings, name) is not None)
        settings = settings.model_copy(update=dict.fromkeys(later))
    known = config.model_copy(update={"analysis": settings})
    return Plan(plan.cells + plan_analyses(known, task, plan, found).cells), later
