"""Measuring the attention of every head in one example of each case."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pandas as pd

from ...measure.attention_maps import MOST_TOKENS, case_maps
from ...progress import Progress, partial_progress
from ...storage import write_table
from ..bench import Workbench
from ..planner import Checkpoint, Planner, mean_tokens
from ..store import Cell
from .finetune import classifier, plan_finetune
from .kind import Kind, TableSource

#: What compression leaves of a byte of a map, measured with MiniLM on HANS.
_PACKED = 0.6


def plan_attention_maps(planner: Planner, checkpoint: Checkpoint) -> list[Cell]:
    """Plan the cell that keeps one checkpoint's attention maps."""
    settings = planner.config.analysis.attention
    if settings is None or not settings.maps:
        return []
    cost, suites = planner.cost, planner.suites
    pixels = sum(
        len(suite.cases) * min(mean_tokens(suite.examples), MOST_TOKENS) ** 2 for suite in suites
    )
    cell = ATTENTION_MAPS.cell(
        f"attention-maps-{checkpoint.label}",
        spec=planner.spec(checkpoint) | planner.suites_spec(),
        inputs=plan_finetune(planner, checkpoint.finetune_seed),
        system=checkpoint.columns,
        effort=sum(cost.passes(suite.examples, 1, len(suite.cases)) for suite in suites),
        disk=2e4 + _PACKED * (cost.units - cost.layers) * pixels,
    )
    return [cell]


def _work(bench: Workbench, cell: Cell, folder: Path, progress: Progress) -> dict[str, Any]:
    model = classifier(bench, cell)
    measured = [
        case_maps(model, suite, progress=partial_progress(progress, i, 1, len(bench.suites)))
        for i, suite in enumerate(bench.suites)
    ]
    maps, examples = (
        pd.concat(tables, ignore_index=True) for tables in zip(*measured, strict=True)
    )
    write_table(folder / "table.parquet", maps)
    write_table(folder / "examples.parquet", examples)
    return {}


ATTENTION_MAPS = Kind(
    name="attention_maps",
    version=2,
    efficiency=0.5,
    work=_work,
    tables=(
        TableSource("attention_maps", of_analyses=True),
        TableSource("attention_examples", "examples", of_analyses=True),
    ),
)
