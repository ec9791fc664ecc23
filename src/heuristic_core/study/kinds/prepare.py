"""Computing once what all searches in a checkpoint share."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import torch

from ...models.ablation import AblationValues
from ...models.classifier import Classifier
from ...progress import Progress
from ...search.data import SearchData, classes, prepare, source_of
from ...storage import read_tensors, write_tensors
from ..bench import Workbench
from ..planner import Checkpoint, Planner
from ..store import Cell
from .finetune import classifier, plan_finetune
from .kind import Kind


def plan_prepare(planner: Planner, checkpoint: Checkpoint) -> Cell:
    """Plan the cell of what all searches in a checkpoint share."""
    examples = planner.task.search
    return PREPARE.cell(
        f"prepare-{checkpoint.label}",
        spec=planner.spec(checkpoint)
        | {"search": examples.digest, "ablation": planner.config.search.ablation},
        inputs=plan_finetune(planner, checkpoint.finetune_seed),
        system=checkpoint.columns,
        effort=planner.cost.passes(examples, 1),
        disk=1e6,
    )


def search_data(bench: Workbench, cell: Cell, model: Classifier) -> SearchData:
    """Read what searches in a model share, for a cell that needs it."""
    prepared = PREPARE.needed_by(cell)
    examples, ablation = bench.task.search, bench.config.search.ablation

    def read() -> SearchData:
        shape = (len(examples), len(model.labels))
        tensors = bench.store.tensors(prepared, "reference", {"log_p": shape})
        with bench.store.reading(prepared, "values.safetensors") as folder:
            values = AblationValues.from_arrays(
                read_tensors(folder / "values.safetensors"), model.space.n_layers
            )
        if ablation == "mean":
            values = replace(values, source=source_of(bench.task, examples))
        return SearchData(
            model.encode(examples),
            torch.from_numpy(tensors["log_p"]),
            values,
            ablation,
            classes(model, examples),
            task=bench.task.name,
            digest=examples.digest,
        )

    return bench.latest("search data", prepared.key, read)


def _work(bench: Workbench, cell: Cell, folder: Path, progress: Progress) -> dict[str, Any]:
    model = classifier(bench, cell)
    data = prepare(model, bench.task, ablation=bench.config.search.ablation)
    write_tensors(folder / "reference.safetensors", {"log_p": data.reference.numpy()})
    write_tensors(folder / "values.safetensors", data.values.arrays())
    return {
        "truncated": {"search": data.encoded.n_truncated},
        "unknown": {"search": data.encoded.n_unknown},
    }


PREPARE = Kind(name="prepare", version=2, efficiency=0.6, work=_work)
