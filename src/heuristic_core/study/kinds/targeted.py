"""Searching for the extremes: subnetworks that generalise as well or as badly as they can."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

from ...faithful.targeted import APART, PLAIN, generalisation_range
from ...progress import Progress
from ...storage import write_table
from ...tables import MODEL_NAMES
from ...tables import TARGETED as DECLARED
from ..bench import Workbench
from ..planner import Checkpoint, Planner, precision_of
from ..store import Cell
from .faithful import (
    faithful_inputs,
    faithful_spec,
    options_of,
    search_effort_of,
    searched,
)
from .finetune import classifier
from .kind import Kind, TableSource
from .prepare import search_data


def plan_targeted(planner: Planner, checkpoint: Checkpoint, matching: float | None) -> list[Cell]:
    """Plan the searches with aims in one checkpoint, for the task's first out-of-domain suite.

    Args:
        planner: The study's planner.
        checkpoint: The model.
        matching: The highest sparsity at which subnetworks match the model, if any.
    """
    found = faithful_inputs(planner, checkpoint, matching)
    if found is None or not any(suite.role == "ood" for suite in planner.suites):
        return []
    settings, sparsity, inputs = found
    search = planner.config.search
    seeds = search.seeds[: settings.seeds]
    # Three searches a seed, each of which runs as many examples of its aim as of its own.
    effort = 6 * len(seeds) * search_effort_of(planner, settings, sparsity)
    return [
        TARGETED.cell(
            f"targeted-{checkpoint.label}",
            spec=faithful_spec(planner, checkpoint, settings, sparsity) | {"seeds": seeds},
            inputs=inputs,
            system=checkpoint.columns
            | {"kind": "subnetwork", "method": search.method, "sparsity": sparsity},
            effort=effort + planner.suite_passes(4 * len(seeds)),
            disk=1e5,
        )
    ]


def _work(bench: Workbench, cell: Cell, folder: Path, progress: Progress) -> dict[str, Any]:
    model, seeds = classifier(bench, cell), cell.spec["seeds"]
    data = search_data(bench, cell, model)
    found = generalisation_range(
        model,
        replace(bench.task, suites=tuple(bench.suites)),
        cell.spec["sparsity"],
        seeds=seeds,
        plain=searched(bench, cell, seeds),
        units=cell.spec["units"],
        data=data,
        examples=cell.spec["examples"],
        unfinished=bench.store.stages(cell),
        progress=progress,
        precision=precision_of(cell.spec),
        **options_of(cell),
    )
    for aim, subnetworks in found.subnetworks.items():
        for seed, subnetwork in zip(seeds, subnetworks, strict=False):
            if aim != PLAIN:
                subnetwork.save(folder / f"{aim}-seed-{seed}")
    cases = found.cases.merge(found.divergences, on=["aim", "seed"]).assign(bound=found.bound)
    own = [*MODEL_NAMES, "kind", "method", "sparsity"]
    write_table(folder / "table.parquet", cases[DECLARED.without(own).names])
    write_table(folder / "contrasts.parquet", found.contrasts)
    return {"bound": found.bound, "apart": len(found.subnetworks[APART])}


TARGETED = Kind(
    name="targeted",
    version=2,
    efficiency=0.6,
    work=_work,
    tables=(
        TableSource("targeted", of_analyses=True),
        TableSource("targeted_contrasts", file="contrasts", of_analyses=True),
    ),
)
