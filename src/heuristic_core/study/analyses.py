"""Analysing a finished run: measure what the analyses need, then draw all conclusions."""

from __future__ import annotations

import os
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path

import pandas as pd

from ..errors import InputError
from ..report.results import Results
from ..tasks.task import Task
from .analysis_plan import plan_analyses
from .bench import Workbench
from .config import StudyConfig
from .driver import Driver
from .gather import SEARCHED, gather
from .journal import Journal
from .manifest import read_manifest
from .plan import Plan, make_plan
from .results import conclude_again
from .run import Run, RunOptions, load_study_task
from .run_folder import open_run
from .stale import changed_inputs, not_finished, other_version
from .store import Cell, Damaged, Store
from .watch import Watch


def open_finished(folder: Path, data: Path | None) -> Run:
    """Open a run for its analyses.

    Args:
        folder: The run folder.
        data: The folder of data files.

    Raises:
        InputError: If it holds no run, or one that is not finished.
    """
    config = open_run(folder)
    task = load_study_task(config, data, folder)
    run = Run(config, task, make_plan(config, task), Store(folder, make=False))
    if missing := _unfinished(run):
        raise not_finished(missing[0], run.store, config)
    return run


def _unfinished(run: Run) -> list[Cell]:
    """List the cells of a study that no version of the code finished."""
    return [
        cell
        for cell in run.plan.cells
        if not run.store.has(cell) and cell not in run.own_stale.cells
    ]


def stale_remark(run: Run) -> str:
    """Say in a sentence which cells another version made, and how to compute them again.

    Returns:
        The sentence; empty if there are none.
    """
    if not run.stale.cells:
        return ""
    analyze = f"`hcore analyze {run.store.folder}`"
    both = f"`hcore run`, then {analyze}, compute"
    return (
        "the results rest on cells of another version of the code "
        f"({', '.join(run.stale.kinds)}, and what uses them); "
        f"{both if run.own_stale.cells else f'{analyze} computes'} them again"
    )


def analyze_run(
    folder: Path, options: RunOptions, watch: Watch, *, run_models: bool = True
) -> tuple[Results, str]:
    """Compute what a finished run's analyses need to run the model for, and conclude again.

    Args:
        folder: The run folder.
        options: Where and how.
        watch: Shows progress.
        run_models: Otherwise conclusions are drawn from the cells that are finished; or from the
            run's tables, where another version of the code made some of those cells, or the cells
            or the task's data are not there.

    Returns:
        The results; and a sentence on what is not measured, or was measured by another version,
        empty if nothing is missing.

    Raises:
        InputError: If the run is not finished, or damaged; what is finished is kept.
    """
    config = open_run(folder)
    alone = "concluded from the run's tables alone"
    if not run_models and not os.path.lexists(folder / "cells"):
        return _from_tables(folder), f"{alone}: {folder} holds no cells"
    try:
        task = load_study_task(config, options.data, folder)
        run = Run(config, task, make_plan(config, task), Store(folder, make=False))
    except InputError as error:
        if run_models:
            raise
        return _from_tables(folder), f"{alone}: {error}"
    if missing := _unfinished(run):
        changed = changed_inputs(missing, run.store, config)
        if run_models or not changed:
            raise not_finished(missing[0], run.store, config)
        return _from_tables(folder), f"{alone}: the run was made with another {changed}"
    device = options.executor.device(options.device)
    if run_models and run.own_stale.cells:
        instead = f", or conclude from its tables with `hcore analyze {folder} --tables-only`"
        raise other_version(folder, run.own_stale, instead)
    with run.store.locked():
        if not run_models and run.stale.cells:
            return conclude_again(folder), stale_remark(run)
        run.store.sweep((*run.plan.cells, *run.analyses.cells))
        if not run_models:
            journal = Journal(folder, options.command)
            return run.finish(_command(folder), journal, again=True), _missing_remark(run)
        return _measured(run, device, options, watch), _missing_remark(run)


def _measured(run: Run, device: str, options: RunOptions, watch: Watch) -> Results:
    """Compute what the analyses of a locked run lack, and conclude."""
    # Both commands made the run, which may have been analysed before.
    command = f"{_command(run.store.folder).partition(' && ')[0]} && {options.command}"
    own = Workbench(run.config, run.task, run.store, device, run.task.suites)
    with closing(options.executor):
        driver = Driver(watch, run.store, options.executor, options.command)

        def attempt() -> Results:
            # Only what was found damaged: the run's own cells were finished.
            again = not all(map(run.store.has, run.plan.cells))
            if again:
                driver.compute(run.plan.cells, own)
            return run.measure(device, driver, command, again=again)

        return driver.repair(attempt)


def _from_tables(folder: Path) -> Results:
    """Conclude from a run's tables while no other program writes into its folder."""
    with Store(folder, make=False).locked():
        return conclude_again(folder)


def _missing_remark(run: Run) -> str:
    wanted = run.analyses.cells
    n_missing = sum(not run.store.has_whole(cell) for cell in wanted)
    if not wanted:
        return "the study has no analyses that run the model"
    if not n_missing:
        return ""
    return (
        f"{n_missing} of the {len(wanted)} cells of the analyses are not measured, and what needs "
        f"them is not concluded; `hcore analyze {run.store.folder}` measures them"
    )


def _command(folder: Path) -> str:
    """Return the command that a run's results were made with."""
    if not os.path.isfile(folder / "manifest.json"):
        return "hcore run"
    return str(read_manifest(folder).get("command", "hcore run"))


def plan_run(
    config: StudyConfig, task: Task, store: Store, kinds: Sequence[str] | None = None
) -> tuple[Plan, tuple[str, ...]]:
    """Plan the cells that `hcore run` computes, those of analyses too where it does them.

    Args:
        config: The study.
        task: Its task.
        store: Its run folder, which need not exist.
        kinds: Plan these kinds of cells and what they need; all by default.

    Returns:
        The cells that are known; and the tables of ``[analysis]`` whose cells are added later,
        since they are about the core, which is not known before the searches are finished. Until
        then, disjoint subnetworks are planned at the lowest sparsity alone.
    """
    plan = make_plan(config, task)
    settings = config.analysis
    if kinds is not None:
        return Plan(plan.of_kind(*kinds)), ()
    if not settings.in_run:
        return plan, ()
    tables, later = _searched(plan, store), []
    if tables is None:
        tables = gather((), (), store, SEARCHED)
        if config.search.sparsities:
            about_core = ("removal", "dependency")
            later = [name for name in about_core if getattr(settings, name) is not None]
    settings = settings.model_copy(update=dict.fromkeys(later))
    known = config.model_copy(update={"analysis": settings})
    analyses = plan_analyses(known, task, plan, tables)
    return Plan(plan.cells + analyses.cells), tuple(later)


def _searched(plan: Plan, store: Store) -> dict[str, pd.DataFrame] | None:
    """Read what searches found; ``None`` where some are not finished, or damaged."""
    if not all(map(store.has, plan.cells)):
        return None
    try:
        return gather(plan.cells, (), store, SEARCHED)
    except Damaged:  # `hcore run` computes it again
        return None
