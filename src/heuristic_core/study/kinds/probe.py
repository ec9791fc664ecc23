"""Removing units before fine-tuning, where a classifier on frozen features answers."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from ...measure.probe import probe_removals
from ...progress import Progress
from ...storage import write_table
from ..bench import Workbench
from ..planner import Checkpoint, Planner
from ..store import Cell
from .finetune import classifier
from .kind import Kind
from .prepare import plan_prepare, search_data
from .removal import REMOVAL_TABLES, removal_disk, removal_effort, removal_sets, removal_spec


def plan_probe(planner: Planner, finetune_seed: int, core: list[str]) -> list[Cell]:
    """Plan the removals before fine-tuning; ``core`` lists the heads of the tuned model's core."""
    settings = planner.config.analysis.removal
    if settings is None or not settings.probe:
        return []
    checkpoint, examples = Checkpoint(finetune_seed, 0), planner.task.search
    prepared = plan_prepare(planner, checkpoint)
    cell = PROBE.cell(
        f"probe-f{finetune_seed}",
        spec=planner.sample_spec(checkpoint)
        | removal_spec(settings, core)
        | {"search": examples.digest},
        inputs=(*prepared.inputs, prepared),
        system=checkpoint.columns,
        effort=removal_effort(planner, settings, core) + planner.cost.passes(examples, 1),
        disk=removal_disk(planner, settings, core),
    )
    return [prepared, cell]


def _work(bench: Workbench, cell: Cell, folder: Path, progress: Progress) -> dict[str, Any]:
    model = classifier(bench, cell)
    measured = probe_removals(
        model,
        bench.task.search,
        bench.suites,
        removal_sets(model, cell),
        search_data(bench, cell, model).values,
        unfinished=bench.store.stages(cell),
        progress=progress,
    )
    write_table(folder / "table.parquet", measured.removal)
    write_table(folder / "discrimination.parquet", measured.discrimination)
    return {}


PROBE = Kind(name="probe", version=5, efficiency=0.5, work=_work, tables=REMOVAL_TABLES)
