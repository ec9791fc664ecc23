"""Running a study: what is missing is computed, cell by cell, then tables, verdicts and report."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from ..errors import InputError
from ..models.device import check_device, hardware
from ..models.loading import check_model
from ..report.results import Results
from ..storage import digest, read_json, write_json
from ..tasks import load_task
from ..tasks.task import Suite, Task
from ..training.finetune import seconds_so_far
from .analysis_plan import plan_analyses, sampled
from .config import StudyConfig, check_study
from .manifest import make_manifest, versions
from .plan import Plan, make_plan
from .results import RESULTS_VERSION, collect, found_tables, standing_results, write_results
from .stale import find_stale, other_version, results_records
from .store import Cell, Store
from .watch import Watch
from .work import Workbench


@dataclass(frozen=True)
class RunOptions:
    """How a study is run; nothing here changes what it computes.

    Args:
        out: The run folder.
        device: Where models run: ``cpu``, ``cuda`` or ``auto``.
        data: The folder of data files.
        update: Let a changed configuration replace the one in the run folder.
        command: The command to record and to print for resuming.
    """

    out: Path
    device: str = "auto"
    data: Path | None = None
    update: bool = False
    command: str = "hcore run"


def pick_device(device: str) -> str:
    """Turn ``auto`` into what this machine has, and check that another choice exists.

    Raises:
        InputError: If it is none that is supported, or is not there.
    """
    if device == "auto":
        return "cuda" if torch.cuda.is_available() else "cpu"
    return str(check_device(device))


def load_study_task(config: StudyConfig, data: Path | None) -> Task:
    """Load a study's task with its own settings."""
    return load_task(config.task.name, data=data, seed=config.task.seed, **config.task.options)


def open_run(folder: Path) -> StudyConfig:
    """Read the configuration that a run folder was made with.

    Raises:
        InputError: If the folder holds no run.
    """
    path = folder / "study.json"
    if not os.path.isfile(path):
        raise InputError(f"{folder} is no run folder (it has no study.json); start one: hcore run")
    try:
        raw = read_json(path)
        if not isinstance(raw, Mapping):
            raise InputError("it should hold a configuration")
        return check_study(raw)
    except InputError as error:
        raise InputError(
            f"{path} is damaged ({error}); remove it and start the study again with `hcore run`: "
            "finished cells are kept"
        ) from error


def check_claim(folder: Path, config: StudyConfig, update: bool) -> None:
    """Make sure that a run folder is free for a study, or its own; nothing is written.

    Raises:
        InputError: If it holds another study, this one with other settings, or other files.
    """
    if os.path.isfile(folder / "study.json"):
        old, new = open_run(folder).model_dump(mode="json"), config.model_dump(mode="json")
        if old["name"] != new["name"]:
            raise InputError(
                f"{folder} is the run of another study, {old['name']!r}; choose another --out"
            )
        changed = sorted(_differences(old, new, ""))
        if changed and not update:
            raise InputError(
                f"{folder} holds this study with other settings ({', '.join(changed[:5])}); choose "
                "another --out, or --update to change it (finished cells that still fit are kept)"
            )
    elif folder.is_dir() and any(folder.iterdir()) and not (folder / "cells").is_dir():
        raise InputError(f"{folder} is not empty and no run folder; choose another --out")


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
        watch: What shows progress.
        kinds: Stop after these kinds of cells and what they need; all by default.

    Returns:
        What came out; ``None`` if it was to stop before.

    Raises:
        InputError: If anything given cannot be used; what is finished is kept.
    """
    device = pick_device(options.device)
    task = load_study_task(config, options.data)
    # A study that cannot be run is told before a folder in the way, and leaves no folder behind.
    model = check_model(config.model.source, fresh_head=config.finetune is not None)
    if config.finetune is None:
        for suite in task.suites:
            suite.class_map(tuple(model.id2label[i] for i in range(model.num_labels)))
    plan = make_plan(config, task)
    check_claim(options.out, config, options.update)
    cells = plan.cells if kinds is None else plan.of_kind(*kinds)
    store = Store(options.out)
    with store.locked():
        check_claim(options.out, config, options.update)  # nobody can change it any more
        write_json(options.out / "study.json", config.model_dump(mode="json"))
        store.sweep(plan.cells)
        fresh = compute(cells, store, Workbench(config, task, store, device), watch)
        if kinds is None:
            analyses = plan_analyses(config, task, plan, *found_tables(plan.cells, store))
            if config.analysis.in_run:
                fresh += measure(config, task, analyses, store, device, watch)
            return finish(config, task, plan, analyses, store, options.command, anew=fresh > 0)
    return None


def measure(
    config: StudyConfig, task: Task, analyses: Plan, store: Store, device: str, watch: Watch
) -> int:
    """Compute what the analyses of a study run the model for, and the store lacks.

    Args:
        config: The study.
        task: Its task.
        analyses: The analyses' cells.
        store: Where they go.
        device: Where models run.
        watch: What shows progress.

    Returns:
        How many cells were computed.
    """
    bench = Workbench(config, task, store, device, sampled(config, task))
    return compute(analyses.cells, store, bench, watch)


def compute(cells: Sequence[Cell], store: Store, bench: Workbench, watch: Watch) -> int:
    """Compute the cells that are not finished, in order.

    Returns:
        How many were computed.
    """
    missing = [cell for cell in cells if not store.has(cell)]
    facts = {
        "versions": versions(),
        "device": bench.device,
        "processor": hardware(bench.device),
        "threads": torch.get_num_threads(),
    }
    with watch.running(cells, missing, store):
        for cell in missing:
            before = seconds_so_far(store.unfinished(cell))
            with watch.cell(cell) as progress, store.writing(cell, facts, before) as folder:
                write_json(folder / "facts.json", bench.run(cell, folder, progress))
    return len(missing)


def finish(
    config: StudyConfig,
    task: Task,
    plan: Plan,
    analyses: Plan,
    store: Store,
    command: str,
    *,
    anew: bool,
) -> Results:
    """Write tables, analyses, manifest and report.

    Args:
        config: The study.
        task: Its task.
        plan: Its own cells, all finished.
        analyses: The cells of its analyses, finished or not.
        store: Where they are.
        command: The command to record.
        anew: Write them even if they stand for these very cells.

    Returns:
        What came out.
    """
    further = [cell for cell in analyses.cells if store.has_whole(cell)]
    stamp = digest(
        {
            "cells": [c.key for c in (*plan.cells, *further)],
            "version": RESULTS_VERSION,
            "analysis": config.analysis.model_dump(),
        }
    )
    standing = None if anew else standing_results(store.folder, stamp)
    if standing is not None:
        return standing
    manifest = make_manifest(config, task, [*plan.cells, *further], store, command)
    manifest |= {"stamp": stamp, "analyses": {"measured": len(further), "of": len(analyses.cells)}}
    results = collect(config, plan.cells, further, store, manifest)
    manifest["tables"] = write_results(results, store.folder)
    # Last: its stamp says that the rest is there.
    write_json(store.folder / "manifest.json", manifest)
    return results


def evaluate_run(
    config: StudyConfig, suites: Sequence[Suite], tag: str, options: RunOptions, watch: Watch
) -> tuple[Plan, Store]:
    """Evaluate the pruned checkpoints and all subnetworks of a run on further suites.

    Args:
        config: The run's study.
        suites: The suites.
        tag: Put before the cells' labels; empty for the task's own suites, which may be finished.
        options: Where and how.
        watch: What shows progress.

    Returns:
        The plan of the new cells and the store they are in.

    Raises:
        InputError: If the run's searches are not finished.
    """
    device = pick_device(options.device)
    task = load_study_task(config, options.data)
    store = Store(options.out, make=False)
    plan = make_plan(config, task, suites, tag)
    pruned = set(config.pruned_checkpoints)
    cells = [
        cell
        for cell in plan.cells
        if cell.kind == "evaluate" and cell.system["checkpoint"] in pruned
    ]
    unfinished = [
        source
        for cell in cells
        for source in cell.inputs
        if source.kind != "evaluate" and not store.has(source)
    ]
    if unfinished:
        stale = find_stale(plan.cells, store, results_records(config, store))
        if all(cell in stale.cells for cell in unfinished):
            raise other_version(options.out, stale)
        raise InputError(
            f"the run in {options.out} is not finished ({unfinished[0].label} is missing); "
            "finish it first with `hcore run`"
        )
    with store.locked():
        compute(cells, store, Workbench(config, task, store, device, suites), watch)
    return Plan(tuple(cells)), store


def _differences(old: Any, new: Any, prefix: str) -> list[str]:
    if isinstance(old, Mapping) and isinstance(new, Mapping):
        names = sorted({*old, *new})
        return [
            found
            for name in names
            for found in _differences(old.get(name), new.get(name), f"{prefix}.{name}".lstrip("."))
        ]
    return [] if old == new else [prefix]
