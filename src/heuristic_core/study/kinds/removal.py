"""Removing units from a full model: every unit alone, pairs, the core, and groups like it."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

from ...measure.removal import removals
from ...measure.removal_sets import Removal, matched_controls, pairs, singles
from ...models.classifier import Classifier
from ...progress import Progress
from ...storage import write_table
from ...units import Unit
from ..analysis_config import RemovalConfig
from ..bench import Workbench
from ..planner import Checkpoint, Planner
from ..store import Cell
from .finetune import classifier
from .kind import Kind, TableSource
from .prepare import plan_prepare, search_data

#: Removals and probes fill the same tables; the column "readout" says which it is.
REMOVAL_TABLES = (
    TableSource("removal", of_analyses=True),
    TableSource("removal_discrimination", "discrimination", of_analyses=True),
)

#: Bytes that a score takes of an example, as measured: many are alike or come twice.
_SCORED = 2


def plan_removal(planner: Planner, checkpoint: Checkpoint, core: list[str]) -> list[Cell]:
    """Plan the removals in one checkpoint; ``core`` lists the heads of its core."""
    settings = planner.config.analysis.removal
    if settings is None:
        return []
    prepared = plan_prepare(planner, checkpoint)
    cell = REMOVAL.cell(
        f"removal-{checkpoint.label}",
        spec=planner.sample_spec(checkpoint) | removal_spec(settings, core),
        inputs=(*prepared.inputs, prepared),
        system=checkpoint.columns,
        effort=removal_effort(planner, settings, core),
        disk=removal_disk(planner, settings, core),
    )
    return [cell]


def removal_spec(settings: RemovalConfig, core: list[str]) -> dict[str, Any]:
    """Return the entries of a spec that say what is removed."""
    return settings.model_dump(exclude={"probe"}) | {"core": core}


def removal_effort(planner: Planner, settings: RemovalConfig, core: list[str]) -> float:
    """Forecast the multiply-adds of all removals."""
    # The layers below a unit are not run again, which saves half of the work for single units.
    return planner.suite_passes(planner.cost.units / 2 + _n_groups(settings, core))


def removal_disk(planner: Planner, settings: RemovalConfig, core: list[str]) -> float:
    """Forecast the bytes of both tables."""
    n_ood = sum(len(suite.examples) for suite in planner.suites if suite.role == "ood")
    n = planner.cost.units + _n_groups(settings, core)
    return 5e4 + _SCORED * n * n_ood


def _n_groups(settings: RemovalConfig, core: list[str]) -> int:
    """Count the removals of no unit and of several."""
    n_pairs = math.comb(min(settings.pairs, len(core)), 2)
    return n_pairs + settings.controls + len(settings.groups) + 2


def removal_sets(model: Classifier, cell: Cell) -> list[Removal]:
    """List the sets of units that a cell removes."""
    spec = cell.spec
    core = [Unit.parse(label) for label in spec["core"]]
    sets = [*singles(model.space), *pairs(core[: spec["pairs"]])]
    if len(core) > 1:
        controls, _ = matched_controls(model.space, core, spec["controls"], spec["draws"])
        sets += [Removal("core", tuple(core)), *controls]
    own = spec["groups"].items()
    return sets + [Removal(name, tuple(map(Unit.parse, labels))) for name, labels in own]


def _work(bench: Workbench, cell: Cell, folder: Path, progress: Progress) -> dict[str, Any]:
    model = classifier(bench, cell)
    values = search_data(bench, cell, model).values
    rows, discrimination = removals(
        model,
        bench.suites,
        removal_sets(model, cell),
        values,
        unfinished=bench.store.stages(cell),
        progress=progress,
    )
    write_table(folder / "table.parquet", rows)
    write_table(folder / "discrimination.parquet", discrimination)
    return {}


REMOVAL = Kind(name="removal", version=5, efficiency=0.58, work=_work, tables=REMOVAL_TABLES)
