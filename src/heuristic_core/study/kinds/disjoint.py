"""Searching again with some or all heads of a subnetwork forbidden."""

from __future__ import annotations

import itertools
from pathlib import Path
from typing import Any

import pandas as pd

from ...measure.predictions import predictions
from ...models.classifier import Classifier
from ...progress import Progress, partial_progress
from ...storage import write_table
from ...subnetwork import Subnetwork
from ...tables import DISJOINT as DECLARED
from ...tables import SYSTEM_NAMES
from ...units import n_kept
from ..bench import Workbench
from ..planner import Checkpoint, Planner
from ..store import Cell
from .evaluate import (
    evaluation_spec,
    full_logits,
    plan_full,
    scores,
    subnetwork_system,
    suite_logits,
)
from .finetune import classifier
from .kind import Kind, TableSource
from .search import SEARCH, effort_of, find, load_subnetwork, plan_search


def plan_disjoint(planner: Planner, checkpoint: Checkpoint, matching: float | None) -> list[Cell]:
    """Plan the searches for disjoint subnetworks in one checkpoint.

    Args:
        planner: The study's planner.
        checkpoint: The model.
        matching: The highest sparsity at which subnetworks match the model; they are searched for
            at this sparsity and at the lowest, unless the study names one.
    """
    settings, search = planner.config.analysis.disjoint, planner.config.search
    if settings is None:
        return []
    lowest = min(search.sparsities)
    sparsities = [lowest] if matching in (None, lowest) else [lowest, matching]
    if settings.sparsity is not None:
        sparsities = [settings.sparsity]
    full = plan_full(planner, checkpoint)
    cells = [full]
    for sparsity, seed in itertools.product(sparsities, search.seeds[: settings.seeds]):
        # A label is unique, so it names the second sparsity.
        level = "" if sparsity == sparsities[0] else f"-{100 * sparsity:g}pc"
        searched = plan_search(planner, checkpoint, seed, sparsity, search)
        cells.append(
            DISJOINT.cell(
                f"disjoint-{checkpoint.label}-k{seed}{level}",
                spec=planner.spec(checkpoint)
                | evaluation_spec(planner)
                | {
                    "draws": planner.config.analysis.seed,
                    "sparsity": sparsity,
                    "forbidden": sorted(settings.forbidden),
                    "seed": seed,
                },
                inputs=(*searched.inputs, full, searched),
                system=subnetwork_system(checkpoint, search, sparsity, seed),
                effort=effort_of(planner, search, [sparsity]) * len(settings.forbidden),
                disk=1e5,
            )
        )
    return cells


def _work(bench: Workbench, cell: Cell, folder: Path, progress: Progress) -> dict[str, Any]:
    model = classifier(bench, cell)
    search = SEARCH.needed_by(cell)
    reference = full_logits(bench, cell, model)
    other = load_subnetwork(bench.store, cell)
    assert other is not None
    ranked = _by_soft_value(other)
    shares: list[float] = cell.spec["forbidden"]
    subnetworks = [(0.0, other)]
    for i, share in enumerate(shares):
        forbidden = ranked[: round(share * len(ranked))]
        ((subnetwork,),) = find(
            bench,
            search,
            model,
            [_feasible(model, cell.spec["sparsity"], search.spec["units"], len(forbidden))],
            [cell.spec["seed"]],
            exclude=forbidden,
            progress=partial_progress(progress, i, 1, len(shares)),
        ).values()
        subnetwork.save(folder / f"forbidden-{100 * share:g}")
        subnetworks.append((share, subnetwork))
    # The MLPs alone show whether matching the model takes heads at all.
    mlps = frozenset(unit for unit in model.space if not unit.is_head)
    subnetworks.append(
        (1.0, Subnetwork(model.space, mlps, ablation=other.ablation, values=other.values))
    )
    tables = []
    for share, subnetwork in subnetworks:
        logits = suite_logits(bench, model, subnetwork)
        packed = pd.concat([predictions(s, model.labels, logits[s.name]) for s in bench.suites])
        packed = packed.drop_duplicates(["suite", "case"]).rename(columns={"correct": "answers"})
        rows = scores(bench, model, logits, reference).merge(
            packed[["suite", "case", "answers"]], on=["suite", "case"]
        )
        rows = rows.assign(
            forbidden=share,
            other_heads=len(other.heads),
            heads=len(subnetwork.heads),
            shared_heads=len(subnetwork.heads & other.heads),
            units=len(subnetwork.kept),
        )
        tables.append(rows[DECLARED.without(SYSTEM_NAMES).names])
    write_table(folder / "table.parquet", pd.concat(tables, ignore_index=True))
    return {}


def _by_soft_value(subnetwork: Subnetwork) -> list[str]:
    """List the heads that a subnetwork keeps, those of the highest soft values first."""
    soft = subnetwork.soft
    heads = [unit for unit in subnetwork.space if unit in subnetwork.heads]
    if soft is not None:
        heads.sort(key=lambda unit: -float(soft[subnetwork.space.index(unit)]))
    return [str(unit) for unit in heads]


def _feasible(model: Classifier, sparsity: float, units: str, n_forbidden: int) -> float:
    """Return the sparsity, or that of all units that are left where these are too few for it."""
    n = int(model.space.prunable(units).sum())
    return sparsity if n_kept(n, sparsity) <= n - n_forbidden else n_forbidden / n


DISJOINT = Kind(
    name="disjoint",
    version=4,
    efficiency=0.6,
    work=_work,
    tables=(TableSource("disjoint", of_analyses=True),),
    in_precision=False,  # its spec says in which it evaluates, which takes little of its time
)
