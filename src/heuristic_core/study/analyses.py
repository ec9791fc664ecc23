"""The analyses of a finished run: what they need is planned and measured, then all is concluded."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from ..errors import InputError
from ..report.results import Results
from ..tables import EVALUATION, SUBNETWORKS, empty
from ..tasks.task import Task
from .analysis_plan import plan_analyses
from .config import StudyConfig
from .manifest import read_manifest
from .plan import Plan, make_plan
from .results import conclude_anew, found_tables, read_found
from .run import RunOptions, finish, load_study_task, measure, open_run, pick_device
from .stale import Record, Stale, find_stale, other_version, results_records
from .store import Store
from .watch import Watch


@dataclass(frozen=True, eq=False)
class FinishedRun:
    """A run whose own cells are all there, or were when its results were made.

    Args:
        config: Its study.
        task: Its task.
        plan: Its own cells.
        store: Where they are.
        records: Those of the cells that its results rest on, by label.
    """

    config: StudyConfig
    task: Task
    plan: Plan
    store: Store
    records: Mapping[str, Record]

    @cached_property
    def own_stale(self) -> Stale:
        """Its own cells that another version of the code made."""
        return find_stale(self.plan.cells, self.store, self.records)

    @cached_property
    def analyses(self) -> Plan:
        """The cells of its analyses that run the model."""
        stale = self.own_stale.cells
        found = (
            read_found(self.store.folder) if stale else found_tables(self.plan.cells, self.store)
        )
        return plan_analyses(self.config, self.task, self.plan, *found)

    @cached_property
    def stale(self) -> Stale:
        """All cells that another version of the code made, those of analyses too."""
        cells = (*self.plan.cells, *self.analyses.cells)
        return find_stale(cells, self.store, self.records)

    def told_stale(self) -> str:
        """Say in a sentence what another version made, and what makes it anew; empty if nothing."""
        if not self.stale.cells:
            return ""
        analyze = f"`hcore analyze {self.store.folder}`"
        return (
            f"the results rest on cells of another version of the code "
            f"({', '.join(self.stale.kinds)}, and what uses them); "
            + (f"`hcore run`, then {analyze}, make" if self.own_stale.cells else f"{analyze} makes")
            + " them anew"
        )


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
    store = Store(folder, make=False)
    records = results_records(config, store)
    run = FinishedRun(config, task, make_plan(config, task), store, records)
    stale = run.own_stale.cells
    missing = [cell.label for cell in run.plan.cells if not store.has(cell) and cell not in stale]
    if missing:
        raise InputError(
            f"the run in {folder} is not finished ({missing[0]} is missing); finish it first with "
            "`hcore run`"
        )
    return run


def analyze_run(
    folder: Path, options: RunOptions, watch: Watch, *, run_models: bool = True
) -> tuple[Results, str]:
    """Compute what a finished run's analyses need to run the model for, and conclude anew.

    Args:
        folder: The run folder.
        options: Where and how.
        watch: What shows progress.
        run_models: Otherwise conclusions are drawn from the cells that are finished, or from the
            run's tables where another version of the code made some of those cells.

    Returns:
        What came out, and what is not measured, or by another version, in a sentence; empty if
        nothing is missing.

    Raises:
        InputError: If the run is not finished, or damaged; what is finished is kept.
    """
    run = open_finished(folder, options.data)
    device = pick_device(options.device)
    if run_models and run.own_stale.cells:
        instead = f", or conclude from its tables with `hcore analyze {folder} --tables-only`"
        raise other_version(folder, run.own_stale, instead)
    with run.store.locked():
        if not run_models and run.stale.cells:
            return conclude_anew(folder), run.told_stale()
        run.store.sweep(run.plan.cells)
        command, fresh = _command(folder), 0
        if run_models:
            fresh = measure(run.config, run.task, run.analyses, run.store, device, watch)
            # What made a run is told by both commands; it is analysed any number of times.
            command = f"{command.partition(' && ')[0]} && {options.command}"
        anew = fresh > 0 or not run_models
        results = finish(
            run.config, run.task, run.plan, run.analyses, run.store, command, anew=anew
        )
    wanted, said = run.analyses.cells, ""
    n = sum(not run.store.has_whole(cell) for cell in wanted)
    if not wanted:
        said = "the study has no analyses that run the model"
    elif n:
        said = (
            f"{n} of the {len(wanted)} cells of the analyses are not measured, and what needs them "
            f"is not concluded; `hcore analyze {folder}` measures them"
        )
    return results, said


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
        they are about the core, which is not known before the searches are finished. Before
        that, disjoint subnetworks are planned at the lowest sparsity alone.
    """
    plan = make_plan(config, task)
    settings = config.analysis
    later: tuple[str, ...] = ()
    if not settings.in_run:
        return plan, later
    if all(store.has(cell) for cell in plan.cells):
        found = found_tables(plan.cells, store)
    else:
        found = empty(SUBNETWORKS), empty(EVALUATION)
        if config.search.sparsities:
            about_core = ("removal", "dependency")
            later = tuple(name for name in about_core if getattr(settings, name) is not None)
        settings = settings.model_copy(update=dict.fromkeys(later))
    known = config.model_copy(update={"analysis": settings})
    return Plan(plan.cells + plan_analyses(known, task, plan, *found).cells), later
