"""Searching for subnetworks that match the model and overlap as little as they can."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pandas as pd

from ...faithful.divergence import Divergences
from ...faithful.repelling import repelling_subnetworks
from ...progress import Progress
from ...storage import write_table
from ..bench import Workbench
from ..planner import Checkpoint, Planner, precision_of
from ..store import Cell
from .evaluate import unit_rows
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


def plan_repelled(planner: Planner, checkpoint: Checkpoint, matching: float | None) -> list[Cell]:
    """Plan the searches for subnetworks that repel each other, in one checkpoint.

    Args:
        planner: The study's planner.
        checkpoint: The model.
        matching: The highest sparsity at which subnetworks match the model, if any.
    """
    found = faithful_inputs(planner, checkpoint, matching)
    if found is None:
        return []
    settings, sparsity, inputs = found
    search = planner.config.search
    n_searches = settings.repelled * len(settings.weights)
    return [
        REPELLED.cell(
            f"repelled-{checkpoint.label}",
            spec=faithful_spec(planner, checkpoint, settings, sparsity)
            | {"repelled": settings.repelled, "weights": sorted(set(settings.weights))},
            inputs=inputs,
            system=checkpoint.columns
            | {"kind": "subnetwork", "method": search.method, "sparsity": sparsity},
            effort=n_searches * search_effort_of(planner, settings, sparsity),
            disk=1e5,
        )
    ]


def _work(bench: Workbench, cell: Cell, folder: Path, progress: Progress) -> dict[str, Any]:
    model, spec = classifier(bench, cell), cell.spec
    data = search_data(bench, cell, model)
    found = repelling_subnetworks(
        model,
        data,
        spec["sparsity"],
        n=spec["repelled"],
        weights=spec["weights"],
        seed=spec["seeds"][0],
        units=spec["units"],
        examples=spec["examples"],
        unfinished=bench.store.stages(cell),
        progress=progress,
        precision=precision_of(spec),
        **options_of(cell),
    )
    judge = Divergences(model, data.sample(spec["examples"], seed=0))
    bound = judge.bound(searched(bench, cell, spec["seeds"]))
    parts = []
    for weight, subnetworks in found.subnetworks.items():
        for subnetwork, divergence in zip(subnetworks, found.divergences[weight], strict=True):
            seed = subnetwork.provenance["seed"]
            rows = unit_rows(subnetwork).drop(columns="soft")
            parts.append(rows.assign(repel=weight, seed=seed, divergence=divergence, bound=bound))
            subnetwork.save(folder / f"repel-{weight:g}" / f"seed-{seed}")
    write_table(folder / "table.parquet", pd.concat(parts, ignore_index=True))
    return {"bound": bound}


REPELLED = Kind(
    name="repelled",
    version=1,
    efficiency=0.62,
    work=_work,
    tables=(TableSource("repelled", of_analyses=True),),
)
