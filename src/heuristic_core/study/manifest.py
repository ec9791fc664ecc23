"""What every number of a run depends on, as a record beside the results."""

from __future__ import annotations

import platform
import sys
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import torch
from pydantic import BaseModel, ValidationError

from ..errors import InputError, one_line
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
    examples: list[int] = []
    for cell in cells:
        with store.reading(cell) as path:
            facts = read_json(path / "facts.json")
            counts = facts.get("truncated", {}) if isinstance(facts, Mapping) else None
            if not isinstance(counts, Mapping):
                raise InputError("facts.json holds other facts than it should")
            n = facts.get("examples", 0)  # cells of earlier versions do not say it
            if any(type(count) is not int for count in (n, *counts.values())):
                raise InputError("facts.json holds other facts than it should")
        truncated |= counts
        examples.append(n)
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
            {"name": c.name, "kind": c.kind, "seconds": record["seconds"], "examples": n}
            for c, record, n in zip(cells, records, examples, strict=True)
        ],
        "machine": {
            "system": platform.platform(terse=True),
            # Cells of earlier versions do not say it.
            "processors": sorted({str(r.get("processor", "not recorded")) for r in records}),
            "devices": sorted({record["device"] for record in records}),
            "threads": torch.get_num_threads(),
        },
    }


class _CellFacts(BaseModel):
    """What a manifest says of a cell."""

    name: str
    kind: str
    seconds: float | None = None
    examples: int = 0


class _ModelFacts(BaseModel):
    """What a manifest says of the model."""

    num_hidden_layers: int | None = None
    num_attention_heads: int | None = None


class _Manifest(BaseModel):
    """What is read of a manifest again, so that it has to be of these types."""

    config: dict[str, Any]
    command: str = "hcore run"
    notes: list[str] = []
    model: _ModelFacts = _ModelFacts()
    truncated: dict[str, int] = {}
    cells: list[_CellFacts] = []
    tables: dict[str, str] = {}


def read_manifest(folder: Path) -> dict[str, Any]:
    """Read a run folder's manifest.

    Raises:
        InputError: If it is damaged.
    """
    path = folder / "manifest.json"
    try:
        manifest = read_json(path)
        _Manifest.model_validate(manifest, strict=True)
    except (InputError, ValidationError) as error:
        reason = str(error)
        if isinstance(error, ValidationError):
            first = error.errors()[0]
            place = ".".join(map(str, first["loc"])) or "it"
            reason = f"{place}: {first['msg']}"
        raise InputError(
            f"{path} is damaged ({one_line(reason, 200)}); `hcore run` makes it anew"
        ) from error
    return dict(manifest)


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
