"""Searching for the best subnetwork without each unit."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from ...faithful.divergence import Divergences
from ...faithful.necessity import EXAMPLES, necessity
from ...progress import Progress
from ...storage import write_table
from ...units import Unit, n_kept
from ..bench import Workbench
from ..planner import Checkpoint, Planner
from ..store import Cell
from .faithful import faithful_inputs, faithful_spec, searched
from .finetune import classifier
from .kind import Kind, TableSource
from .prepare import search_data


def plan_necessity(planner: Planner, checkpoint: Checkpoint, matching: float | None) -> list[Cell]:
    """Plan the searches for the best subnetwork without each unit, in one checkpoint.

    Args:
        planner: The study's planner.
        checkpoint: The model.
        matching: The highest sparsity at which subnetworks match the model, if any.
    """
    found = faithful_inputs(planner, checkpoint, matching)
    if found is None or not any(suite.role == "id" for suite in planner.suites):
        return []
    settings, sparsity, inputs = found
    search = planner.config.search
    # Searches run their examples for slopes and a trial in about two of three rounds; where they
    # start and which is best is judged on as many examples again, for several choices of units.
    n_searches = n_kept(planner.cost.units, sparsity)
    n_passes = n_searches * (3 * settings.rounds + 6) * EXAMPLES
    return [
        NECESSITY.cell(
            f"necessity-{checkpoint.label}",
            spec=faithful_spec(planner, checkpoint, settings, sparsity),
            inputs=inputs,
            system=checkpoint.columns | {"method": search.method, "sparsity": sparsity},
            effort=planner.cost.passes(planner.task.search, 1.0, n_passes),
            disk=1e5,
        )
    ]


def _work(bench: Workbench, cell: Cell, folder: Path, progress: Progress) -> dict[str, Any]:
    model, spec = classifier(bench, cell), cell.spec
    data = search_data(bench, cell, model)
    known = searched(bench, cell, spec["seeds"])
    found = necessity(
        model,
        replace(bench.task, suites=tuple(bench.suites)),
        known[0],
        others=known[1:],
        units=spec["units"],
        data=data,
        rounds=spec["rounds"],
        unfinished=bench.store.stages(cell),
        progress=progress,
    )
    judge = Divergences(model, data.sample(spec["examples"], seed=0))
    kept = np.array([one.mask for one in known])
    rows = found.table.rename(columns={"unit": "label"})
    units = [Unit.parse(label) for label in rows["label"]]
    table = rows.assign(
        unit=rows["label"],
        layer=[unit.layer for unit in units],
        head=[-1 if unit.head is None else unit.head for unit in units],
        times=[int(kept[:, model.space.index(unit)].sum()) for unit in units],
        n_searches=len(known),
        bound=judge.bound(known),
    ).drop(columns="label")
    write_table(folder / "table.parquet", table)
    found.best.save(folder / "best")
    return {"divergence": found.divergence}


NECESSITY = Kind(
    name="necessity",
    version=3,
    efficiency=0.6,
    work=_work,
    tables=(TableSource("necessity", of_analyses=True),),
)
