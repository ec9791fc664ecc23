"""What every number of a run depends on, as a record beside the results."""

from __future__ import annotations

import platform
import sys
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from typing import Any

import torch

from ..errors import InputError
from ..models.sources import identity, shape
from ..storage import read_json
from ..tasks.task import Task
from .config import StudyConfig
from .store import Cell, Store


def make_manifest(
    config: StudyConfig, task: Task, cells: Sequence[Cell], store: Store, command: str
) -> dict[str, Any]:
    """Say what every number of a run depends on."""
    records = [store.record(cell) for cell in cells]
    truncated: dict[str, int] = {}
    for cell in cells:
        with store.reading(cell) as path:
            facts = read_json(path / "facts.json")
            if not isinstance(facts, Mapping):
                raise InputError("facts.json holds no facts")
        truncated |= facts.get("truncated", {})
    return {
        "study": config.name,
        "config": config.model_dump(mode="json"),
        "command": command,
        "created": datetime.now(UTC).isoformat(timespec="seconds"),
        "versions": versions(),
        "seeds": {
            "task": config.task.seed,
            "finetune": config.finetune.seeds if config.finetune else [],
            "search": config.search.seeds,
            "analysis": config.analysis.seed,
        },
        "data": task.digests,
        "notes": list(task.notes),
        "model": {"source": config.model.source}
        | identity(config.model.source)
        | (shape(config.model.source) or {}),
        "truncated": truncated,
        "cells": [
            {"name": cell.name, "kind": cell.kind, "seconds": record["seconds"]}
            for cell, record in zip(cells, records, strict=True)
        ],
        "machine": {
            "system": platform.platform(terse=True),
            "processor": platform.machine(),
            "devices": sorted({record["device"] for record in records}),
            "threads": torch.get_num_threads(),
        },
    }


def versions() -> dict[str, str]:
    """Give the versions of Python, this package and what its numbers rest on."""
    found = {"python": sys.version.split()[0]}
    names = ("heuristic-core", "torch", "transformers", "tokenizers", "numpy", "scipy", "pandas")
    for name in names:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            found[name] = "not installed"
    return found
