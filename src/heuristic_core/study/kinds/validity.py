"""Testing whether subnetworks are enough, are needed, and have no idle units."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from ...faithful.validity import validate
from ...progress import Progress
from ...storage import write_table
from ...tables import DETERMINISTIC
from ...units import n_kept
from ..bench import Workbench
from ..planner import Checkpoint, Planner, precision_of
from ..store import Cell
from .evaluate import evaluation_spec, subnetwork_system
from .faithful import sparsity_of
from .finetune import classifier
from .kind import Kind, TableSource
from .search import effort_of, load_subnetwork, plan_search, seed_spec


def plan_validity(
    planner: Planner, checkpoint: Checkpoint, matching: float | None, core: Sequence[str]
) -> list[Cell]:
    """Plan the tests of subnetworks found in one checkpoint, each in a cell of its own.

    Args:
        planner: The study's planner.
        checkpoint: The model.
        matching: The highest sparsity at which subnetworks match the model, if any.
        core: The heads that all subnetworks share; they are tested alone.
    """
    settings, search = planner.config.analysis.validity, planner.config.search
    if settings is None:
        return []
    sparsity = sparsity_of(settings.sparsity, search, matching)
    seeds = search.seeds[: settings.seeds]
    if search.method in DETERMINISTIC and not search.options.get("resample", False):
        seeds = seeds[:1]  # all seeds find the same
    cases = [suite.examples for suite in planner.suites]
    n_id = sum(len(suite.examples) for suite in planner.suites if suite.role == "id")
    kept = n_kept(planner.cost.units, sparsity)
    # Sufficiency, necessity and the core alone, beside two kinds of random sets; about half of the
    # units are run in each.
    sets = (6 if core else 4) * settings.draws * min(settings.examples, n_id or settings.examples)
    units = 2 * kept * settings.unit_examples
    cells = []
    for seed in seeds:
        searched = plan_search(planner, checkpoint, seed, sparsity, search)
        cells.append(
            VALIDITY.cell(
                f"validity-{checkpoint.label}-k{seed}",
                spec=planner.spec(checkpoint)
                | evaluation_spec(planner)
                | {
                    "core": sorted(core),
                    "draws": settings.draws,
                    "examples": settings.examples,
                    "unit_examples": settings.unit_examples,
                    "searches": settings.searches,
                }
                | seed_spec(searched, seed),
                inputs=(*searched.inputs, searched),
                system=subnetwork_system(checkpoint, search, sparsity, seed),
                effort=sum(planner.cost.passes(some, 2.0) for some in cases)
                + planner.cost.passes(cases[0], 0.5, sets + units)
                + settings.searches * effort_of(planner, search, [sparsity]),
                disk=1e5,
            )
        )
    return cells


def _work(bench: Workbench, cell: Cell, folder: Path, progress: Progress) -> dict[str, Any]:
    model, spec = classifier(bench, cell), cell.spec
    subnetwork = load_subnetwork(bench.store, cell)
    assert subnetwork is not None
    card = validate(
        model,
        replace(bench.task, suites=tuple(bench.suites)),
        subnetwork,
        core=spec["core"],
        searches=spec["searches"],
        draws=spec["draws"],
        examples=spec["examples"],
        unit_examples=spec["unit_examples"],
        precision=precision_of(spec),
        progress=progress,
    )
    write_table(folder / "table.parquet", card.tests)
    write_table(folder / "units.parquet", card.units)
    write_table(folder / "cases.parquet", card.cases)
    return {"needed": card.n_needed, "left_out": card.left_out}


VALIDITY = Kind(
    name="validity",
    version=2,
    efficiency=0.5,
    work=_work,
    tables=(
        TableSource("validity", of_analyses=True),
        TableSource("validity_units", "units", of_analyses=True),
        TableSource("validity_cases", "cases", of_analyses=True),
    ),
)
