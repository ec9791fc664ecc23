"""Running a study: compute what is missing, cell by cell, then tables, verdicts and report."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from contextlib import closing, suppress
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path

import pandas as pd

from ..errors import InputError, one_line, remark
from ..models.loading import check_model, classes_of
from ..report.results import Results
from ..storage import digest, write_json
from ..tasks import load_task
from ..tasks.own import is_task_file
from ..tasks.published import data_folder
from ..tasks.task import Suite, Task
from .analysis_plan import plan_analyses, sampled
from .bench import Workbench
from .conclusions import code_version
from .config import StudyConfig
from .driver import CellsFailed, Driver
from .executors.executor import Executor
from .executors.here import Here
from .gather import SEARCHED, gather
from .given_losses import given_losses
from .journal import Journal
from .kinds.finetune import check_trainable
from .manifest import make_manifest, read_manifest
from .models import check_models
from .place import Place, origins, places_of, starting_from, write_origin
from .plan import Plan, make_plan
from .results import concluded, read_searched, standing_results, write_results
from .run_folder import check_claim
from .stale import Stale, find_stale, not_finished, other_version
from .store import Store
from .watch import Watch


@dataclass(frozen=True)
class RunOptions:
    """How a study is run; nothing here changes what it computes.

    Args:
        out: The run folder.
        device: Where models run: ``cpu``, ``cuda``, ``mps`` or ``auto``.
        data: The folder of data files.
        update: Let a changed configuration replace the one in the run folder.
        command: The command to record and to print for resuming.
        executor: Where cells are computed.
    """

    out: Path
    device: str = "auto"
    data: Path | None = None
    update: bool = False
    command: str = "hcore run"
    executor: Executor = field(default_factory=Here)


def load_study_task(config: StudyConfig, data: Path | None, run: Path | None = None) -> Task:
    """Load a study's task with the study's settings, as a classifier of its own classes sees it.

    Args:
        config: The study.
        data: The folder of data files.
        run: The run folder; a task file that is not where the study says is looked for where the
            run was made.
    """
    task = load_task(
        _task_name(config, data, run), data=data, seed=config.task.seed, **config.task.options
    )
    for note in task.remarks:
        remark(note)
    if config.finetune is not None:
        return task
    try:
        source = (config if run is None else _with_places(config, run)).place(config.last_source)
        model = check_model(source.to_load(), fresh_head=False, labels=config.model.labels)
    except InputError:  # tables of a finished run can be read without the model
        return task
    suites = tuple(suite.for_labels(classes_of(model)) for suite in task.suites)
    return replace(task, suites=suites)


def _task_name(config: StudyConfig, data: Path | None, run: Path | None) -> str:
    """Find a study's task file: in the study's folder, the data folder, or where a run was made."""
    name = config.task.name
    if not is_task_file(name):
        return name
    bases = [config.folder or Path(), *filter(None, [data_folder(data)])]
    bases += [] if run is None else origins(run)
    found = next((base / name for base in bases if os.path.exists(base / name)), None)
    if found is not None:
        return str(found)
    path = starting_from(name, config.folder)
    if config.folder is not None and not os.path.exists(os.path.expanduser(path)):
        then = ", then in the data folder" if data_folder(data) else ""
        raise InputError(
            f"there is no task file {one_line(name)} (looked for from the study file's folder"
            f"{then}); check the path"
        )
    return path


def _with_places(config: StudyConfig, folder: Path) -> StudyConfig:
    """Find a study's models where it says, or else where the study was run before."""
    sources = dict.fromkeys(config.sources.values())
    known: Mapping[str, Place] = {}
    if os.path.isfile(folder / "manifest.json"):
        away = [s for s in sources if not os.path.exists(_lenient(s, config))]
        with suppress(InputError):  # the manifest is written again
            known = places_of(away, folder, read_manifest(folder))
    found = {source: place for source, place in known.items() if place.location is not None}
    return config.at({source: found.get(source) or config.place(source) for source in sources})


def _lenient(source: str, config: StudyConfig) -> str:
    try:
        return starting_from(source, config.folder)
    except InputError:
        return ""


def prepare_study(config: StudyConfig, data: Path | None, out: Path) -> tuple[StudyConfig, Task]:
    """Find all that a study needs, and check it before anything is computed.

    Args:
        config: The study.
        data: The folder of data files.
        out: The run folder, which need not exist.

    Returns:
        The study with the places of its models, and its task.

    Raises:
        InputError: If the study cannot be run.
    """
    task = load_study_task(config, data, out)
    config = _with_places(config, out)
    classes = check_models(config)
    if classes is not None:
        for suite in task.suites:
            suite.class_map(classes)
    if config.finetune is not None:
        task.check_whole("train")
    task.check_whole("search", "id")
    return config, task


@dataclass(frozen=True, eq=False)
class Run:
    """A study in its run folder; its results need its own cells to be finished.

    Args:
        config: The study.
        task: Its task.
        plan: Its own cells.
        store: Its run folder.
    """

    config: StudyConfig
    task: Task
    plan: Plan
    store: Store

    @cached_property
    def own_stale(self) -> Stale:
        """Its own cells that another version of the code made."""
        return find_stale(self.plan.cells, self.store, self.config)

    @cached_property
    def analyses(self) -> Plan:
        """The cells of its analyses that run the model."""
        if self.own_stale.cells:
            tables = read_searched(self.store.folder)
        else:
            tables = gather(self.plan.cells, (), self.store, SEARCHED)
        return plan_analyses(self.config, self.task, self.plan, tables)

    @cached_property
    def stale(self) -> Stale:
        """All cells that another version of the code made, including those of analyses."""
        return find_stale((*self.plan.cells, *self.analyses.cells), self.store, self.config)

    def measure(self, device: str, driver: Driver, command: str, *, again: bool) -> Results:
        """Compute the cells of analyses that are not finished, then conclude.

        Args:
            device: Where models run.
            driver: Has the cells computed.
            command: The command to record.
            again: Conclude even if nothing had to be computed.

        Returns:
            The results.

        Raises:
            CellsFailed: If some failed; what does not need them is concluded all the same.
        """
        self.store.sweep((*self.plan.cells, *self.analyses.cells))
        suites = sampled(self.config, self.task)
        bench = Workbench(self.config, self.task, self.store, device, suites)
        try:
            again |= driver.compute(self.analyses.cells, bench) > 0
        except CellsFailed:
            self.finish(command, driver.journal, again=True)
            raise
        return self.finish(command, driver.journal, again=again)

    def finish(self, command: str, journal: Journal, *, again: bool) -> Results:
        """Write tables, analyses, manifest and report.

        Args:
            command: The command to record.
            journal: The log of the run.
            again: Write them even if those of these very cells exist.

        Returns:
            The results.
        """
        own, planned, store = self.plan.cells, self.analyses.cells, self.store
        further = [cell for cell in planned if store.has_whole(cell)]
        stamp = digest(
            {
                "cells": [cell.key for cell in (*own, *further)],
                "version": code_version(),
                "analysis": self.config.analysis.model_dump(),
            }
        )
        standing = None if again else standing_results(store.folder, stamp)
        if standing is not None:
            return standing
        manifest = make_manifest(self.config, self.task, [*own, *further], store, command)
        manifest |= {"stamp": stamp, "analyses": {"measured": len(further), "of": len(planned)}}
        tables = gather(own, further, store)
        if self.config.model.fine_tunings:
            tables["finetuning"] = given_losses(self.config)
        results = concluded(self.config, manifest, tables)
        manifest["tables"] = write_results(results, self.config, store.folder)
        # Last: its stamp says that the rest is there.
        write_json(store.folder / "manifest.json", manifest)
        journal.write("tables written", tables=list(manifest["tables"]))
        return results


def run_study(
    config: StudyConfig,
    options: RunOptions,
    watch: Watch,
    *,
    kinds: Sequence[str] | None = None,
) -> Results | None:
    """Compute what a run folder lacks, then write tables, analyses and the report.

    Args:
        config: The study.
        options: Where and how.
        watch: Shows progress.
        kinds: Stop after these kinds of cells and what they need; all by default.

    Returns:
        The results; ``None`` if the run was to stop before.

    Raises:
        InputError: If anything given cannot be used; what is finished is kept.
    """
    device = options.executor.device(options.device)
    # Checked before the folder is touched: a study that cannot be run leaves no folder behind.
    config, task = prepare_study(config, options.data, options.out)
    plan = make_plan(config, task)
    check_claim(options.out, config, options.update)
    cells = plan.cells if kinds is None else plan.of_kind(*kinds)
    check_trainable(cells, Store(options.out, make=False), device)
    run = Run(config, task, plan, Store(options.out))
    with run.store.locked():
        check_claim(options.out, config, options.update)  # now nobody else can change it
        write_json(options.out / "study.json", config.model_dump(mode="json"))
        write_origin(options.out, config.folder or Path())
        run.store.sweep(plan.cells, stages=False)
        bench = Workbench(config, task, run.store, device, task.suites)
        with closing(options.executor):
            driver = Driver(watch, run.store, options.executor, options.command)
            n_computed = 0

            def attempt() -> Results | None:
                nonlocal n_computed
                n_computed += driver.compute(cells, bench)
                if kinds is not None:
                    return None
                if config.analysis.in_run:
                    return run.measure(device, driver, options.command, again=n_computed > 0)
                return run.finish(options.command, driver.journal, again=n_computed > 0)

            return driver.repair(attempt)


def evaluate_run(
    config: StudyConfig, suites: Sequence[Suite], tag: str, options: RunOptions, watch: Watch
) -> tuple[Plan, Store, pd.DataFrame]:
    """Evaluate the pruned checkpoints and all subnetworks of a run on further suites.

    Args:
        config: The run's study.
        suites: The suites.
        tag: Put before the cells' labels; empty for the task's own suites, which may be finished.
        options: Where and how.
        watch: Shows progress.

    Returns:
        The plan of the new cells, the store they are in, and their table ``evaluations``.

    Raises:
        InputError: If the run's searches are not finished.
    """
    device = options.executor.device(options.device)
    task = load_study_task(config, options.data, options.out)
    store = Store(options.out, make=False)
    plan = make_plan(config, task, suites, tag)
    cells = [
        cell
        for cell in plan.cells
        if cell.kind == "evaluate" and cell.system["checkpoint"] in config.pruned_checkpoints
    ]
    unfinished = [
        source
        for cell in cells
        for source in cell.inputs
        if source.kind != "evaluate" and not store.has(source)
    ]
    if unfinished:
        stale = find_stale(plan.cells, store, config)
        if all(cell in stale.cells for cell in unfinished):
            raise other_version(options.out, stale)
        raise not_finished(unfinished[0], store, config)
    bench = Workbench(config, task, store, device, suites)
    with store.locked(), closing(options.executor):
        driver = Driver(watch, store, options.executor, options.command)

        def attempt() -> pd.DataFrame:
            driver.compute(cells, bench)
            return gather(cells, (), store, ["evaluations"])["evaluations"]

        table = driver.repair(attempt)
    return Plan(tuple(cells)), store, table
