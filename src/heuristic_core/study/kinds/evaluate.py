"""Evaluating a full model, or one subnetwork of it, on the suites."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from ...measure.accuracy import predict_each, score
from ...measure.discrimination import discriminate
from ...measure.predictions import predictions
from ...measure.remarks import remarks
from ...models.classifier import Classifier
from ...progress import Progress
from ...storage import write_table, write_tensors
from ...subnetwork import Subnetwork
from ...tables import TABLES
from ..bench import Workbench
from ..config import SearchConfig
from ..planner import Checkpoint, Planner, precision_spec
from ..store import Cell, Store
from .finetune import classifier, plan_finetune
from .kind import Kind, TableSource
from .search import load_subnetwork, plan_search, seed_spec


def plan_full(planner: Planner, checkpoint: Checkpoint) -> Cell:
    """Plan the evaluation of a full model."""
    return _plan(
        planner,
        checkpoint.label,
        spec=planner.spec(checkpoint),
        inputs=plan_finetune(planner, checkpoint.finetune_seed),
        system=checkpoint.columns | {"kind": "full", "method": "", "sparsity": 0.0, "seed": -1},
    )


def plan_subnetworks(
    planner: Planner, checkpoint: Checkpoint, seed: int, search: SearchConfig, tag: str = ""
) -> list[Cell]:
    """Plan the searches of a seed, and the evaluations of the subnetworks that they find.

    Args:
        planner: The study's planner.
        checkpoint: The model that is searched in.
        seed: The search's seed.
        search: Its settings.
        tag: Put before the label of the search.
    """
    full = plan_full(planner, checkpoint)
    # One cell is one object, whichever of its sparsities is asked for.
    cells: dict[str, Cell] = {}
    searches: dict[float, Cell] = {}
    for sparsity in search.sparsities:
        searched = plan_search(planner, checkpoint, seed, sparsity, search, tag)
        searches[sparsity] = cells.setdefault(searched.name, searched)
    evaluations = [
        _plan(
            planner,
            f"{checkpoint.label}-k{seed}-{sparsity * 100:g}pc",
            spec=planner.spec(checkpoint) | {"sparsity": sparsity} | seed_spec(searched, seed),
            inputs=(*full.inputs, full, searched),
            system=subnetwork_system(checkpoint, search, sparsity, seed),
        )
        for sparsity, searched in searches.items()
    ]
    return [*cells.values(), *evaluations]


def subnetwork_system(
    checkpoint: Checkpoint, search: SearchConfig, sparsity: float, seed: int
) -> dict[str, Any]:
    """Return the columns that name a subnetwork."""
    about = {"kind": "subnetwork", "method": search.method, "sparsity": sparsity, "seed": seed}
    return checkpoint.columns | about


def evaluation_spec(planner: Planner) -> dict[str, Any]:
    """Return the entries of a spec that say what is evaluated on, and in which precision."""
    return planner.suites_spec() | precision_spec(planner.config.evaluation.precision)


def _plan(
    planner: Planner,
    label: str,
    *,
    spec: dict[str, Any],
    inputs: tuple[Cell, ...],
    system: dict[str, Any],
) -> Cell:
    return EVALUATE.cell(
        f"{planner.tag}evaluate-{label}",
        spec=spec | evaluation_spec(planner),
        inputs=inputs,
        system=system,
        effort=planner.suite_passes(1),
        disk=2e4 + 12 * sum(len(suite.examples) for suite in planner.suites),
    )


def full_logits(bench: Workbench, cell: Cell, model: Classifier) -> dict[str, np.ndarray]:
    """Read a full model's logits, by suite, for a cell about a subnetwork of it."""
    shapes = {suite.name: (len(suite.examples), len(model.labels)) for suite in bench.suites}
    return bench.store.tensors(EVALUATE.needed_by(cell), "logits", shapes)


def suite_logits(
    bench: Workbench,
    model: Classifier,
    subnetwork: Subnetwork | None,
    progress: Progress | None = None,
) -> dict[str, np.ndarray]:
    """Compute the logits of a model or subnetwork on all suites, by suite."""
    logits = predict_each(
        model,
        [bench.encode(suite, model) for suite in bench.suites],
        subnetwork=subnetwork,
        precision=bench.config.evaluation.precision,
        progress=progress,
    )
    return {suite.name: part for suite, part in zip(bench.suites, logits, strict=True)}


def scores(
    bench: Workbench,
    model: Classifier,
    logits: dict[str, np.ndarray],
    reference: dict[str, np.ndarray],
) -> pd.DataFrame:
    """Score logits case by case, beside the full model's."""
    rows = [score(s, model.labels, logits[s.name], reference[s.name]) for s in bench.suites]
    return pd.concat(rows, ignore_index=True)


def _work(bench: Workbench, cell: Cell, folder: Path, progress: Progress) -> dict[str, Any]:
    model, suites = classifier(bench, cell), bench.suites
    subnetwork = load_subnetwork(bench.store, cell)
    reference = None if subnetwork is None else full_logits(bench, cell, model)
    logits = suite_logits(bench, model, subnetwork, progress)
    rows, packed = (
        pd.concat([of(suite, model.labels, logits[suite.name]) for suite in suites])
        for of in (discriminate, predictions)
    )
    write_tensors(folder / "logits.safetensors", logits)
    write_table(folder / "table.parquet", scores(bench, model, logits, reference or logits))
    write_table(folder / "discrimination.parquet", rows)
    write_table(folder / "predictions.parquet", packed)
    encoded = {f"suite/{s.name}": bench.encode(s, model) for s in suites}
    said = [said for suite in suites for said in remarks(suite, model.labels, logits[suite.name])]
    return {
        "truncated": {name: of.n_truncated for name, of in encoded.items()},
        "unknown": {name: of.n_unknown for name, of in encoded.items()},
        "remarks": said,
    }


@dataclass(frozen=True)
class UnitsSource(TableSource):
    """A table of the units of the subnetworks that are evaluated."""

    def read(self, store: Store, cell: Cell) -> pd.DataFrame:
        """List the units of a cell's subnetwork; no rows for the full model."""
        subnetwork = load_subnetwork(store, cell)
        if subnetwork is None:
            return TABLES[self.table].empty()
        return TABLES[self.table].conform(unit_rows(subnetwork).assign(**cell.system))


def unit_rows(subnetwork: Subnetwork) -> pd.DataFrame:
    """List the units of one subnetwork with the columns unit, layer, head, kept and soft."""
    units = subnetwork.space.units
    return pd.DataFrame(
        {
            "unit": [str(unit) for unit in units],
            "layer": [unit.layer for unit in units],
            "head": [-1 if unit.head is None else unit.head for unit in units],
            "kept": subnetwork.mask,
            "soft": float("nan") if subnetwork.soft is None else subnetwork.soft,
        }
    )


EVALUATE = Kind(
    name="evaluate",
    version=9,
    efficiency=1.05,
    work=_work,
    tables=(
        TableSource("evaluations"),
        TableSource("discrimination", "discrimination"),
        TableSource("predictions", "predictions"),
        UnitsSource("subnetworks"),
        TableSource("grid", of_analyses=True),
        UnitsSource("grid_subnetworks", of_analyses=True),
        TableSource("grid_predictions", "predictions", of_analyses=True),
    ),
)
