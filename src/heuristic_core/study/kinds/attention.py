"""Measuring what every head attends to."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pandas as pd

from ...measure.attention import attention_patterns
from ...progress import Progress, partial_progress
from ...storage import write_table
from ..bench import Workbench
from ..planner import Checkpoint, Planner
from ..store import Cell
from .finetune import classifier, plan_finetune
from .kind import Kind, TableSource


def plan_attention(planner: Planner, checkpoint: Checkpoint) -> list[Cell]:
    """Plan the measurements of one checkpoint's attention, one cell for each weighting."""
    settings = planner.config.analysis.attention
    return [
        ATTENTION.cell(
            f"attention-{weighting}-{checkpoint.label}",
            spec=planner.sample_spec(checkpoint) | {"weighting": weighting},
            inputs=plan_finetune(planner, checkpoint.finetune_seed),
            system=checkpoint.columns,
            effort=planner.suite_passes(1),
            disk=5e4,
        )
        for weighting in ([] if settings is None else settings.weightings)
    ]


def _work(bench: Workbench, cell: Cell, folder: Path, progress: Progress) -> dict[str, Any]:
    model = classifier(bench, cell)
    tables = [
        attention_patterns(
            model,
            suite.examples,
            suite=suite.name,
            weighting=cell.spec["weighting"],
            seed=cell.spec["draws"],
            progress=partial_progress(progress, i, 1, len(bench.suites)),
        )
        for i, suite in enumerate(bench.suites)
    ]
    write_table(folder / "table.parquet", pd.concat(tables, ignore_index=True))
    return {}


ATTENTION = Kind(
    name="attention",
    version=2,
    efficiency=0.6,
    work=_work,
    tables=(TableSource("attention", of_analyses=True),),
)
