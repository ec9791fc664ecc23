"""The record, beside a run's results, of what every number depends on."""

from __future__ import annotations

import platform
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ValidationError

from ..errors import InputError, one_line
from ..storage import read_json
from ..tasks.task import Task
from ..validation import wrong
from ..versions import versions
from .config import StudyConfig
from .store import Cell, Store


def make_manifest(
    config: StudyConfig, task: Task, cells: Sequence[Cell], store: Store, command: str
) -> dict[str, Any]:
    """Record what every number of a run depends on.

    Args:
        config: The study.
        task: Its task.
        cells: The finished cells that its results rest on.
        store: Where they are.
        command: The command that made the results.

    Raises:
        InputError: If a cell is damaged.
    """
    place = config.place(config.last_source)
    tuned = config.model.fine_tunings
    records = [store.record(cell) for cell in cells]
    facts = [_read_facts(cell, store) for cell in cells]
    threads = sorted({record["threads"] for record in records if "threads" in record})
    return {
        "study": config.name,
        "config": config.model_dump(mode="json"),
        "command": command,
        "created": datetime.now(UTC).isoformat(timespec="seconds"),
        "versions": versions(),
        "seeds": {
            "task": config.task.seed,
            "finetune": config.finetune_seeds if config.over_training else [],
            "search": config.search.seeds,
            "analysis": config.analysis.seed,
        },
        "data": task.digests,
        "notes": list(task.notes),
        "remarks": _remarks(config, cells, facts),
        "model": {"source": config.last_source} | dict(place.identity) | dict(place.shape or {}),
        "checkpoints": [
            {"finetune_seed": seed, "step": step, "source": source}
            | dict(config.place(source).identity)
            for (seed, step), source in (config.sources.items() if tuned else ())
        ],
        "truncated": {name: n for known in facts for name, n in known.truncated.items()},
        "unknown": {name: n for known in facts for name, n in known.unknown.items()},
        "cells": [
            {"name": c.name, "kind": c.kind, "seconds": r["seconds"], "examples": known.examples}
            for c, r, known in zip(cells, records, facts, strict=True)
        ],
        "machine": {
            "system": platform.platform(terse=True),
            # Cells of earlier versions do not record it.
            "processors": sorted({str(r.get("processor", "not recorded")) for r in records}),
            "devices": sorted({record["device"] for record in records}),
            "threads": threads[0] if len(threads) == 1 else ", ".join(map(str, threads)),
        },
    }


class _Facts(BaseModel):
    """What a cell records of its work; cells of earlier versions record less."""

    truncated: dict[str, int] = {}
    unknown: dict[str, int] = {}
    examples: int = 0
    remarks: list[str] = []


def _remarks(config: StudyConfig, cells: Sequence[Cell], facts: Sequence[_Facts]) -> list[str]:
    """List what is odd about the answers of the full models, at the end of their training."""
    seeds = config.finetune_seeds
    said = []
    for cell, known in zip(cells, facts, strict=True):
        # Those of analyses are on a sample of the same suites.
        full = cell.label.startswith("evaluate-") and cell.system["kind"] == "full"
        if full and cell.system["checkpoint"] == config.checkpoints[-1]:
            which = f"fine-tuning {cell.system['finetune_seed']}, " if len(seeds) > 1 else ""
            said += [which + text for text in known.remarks]
    return list(dict.fromkeys(said))


def _read_facts(cell: Cell, store: Store) -> _Facts:
    with store.reading(cell, "facts.json") as folder:
        try:
            return _Facts.model_validate(read_json(folder / "facts.json"), strict=True)
        except ValidationError as error:
            raise InputError("facts.json holds other facts than it should") from error


class _CellEntry(BaseModel):
    """What a manifest says of a cell."""

    name: str
    kind: str
    seconds: float | None = None
    examples: int = 0


class _ModelEntry(BaseModel):
    """What a manifest says of the model."""

    num_hidden_layers: int | None = None
    num_attention_heads: int | None = None


class _CheckpointEntry(BaseModel):
    """What a manifest says of a checkpoint that the study names."""

    finetune_seed: int
    step: int
    source: str


class _Manifest(BaseModel):
    """The entries of a manifest that are read again, with their types."""

    config: dict[str, Any]
    command: str = "hcore run"
    notes: list[str] = []
    remarks: list[str] = []
    model: _ModelEntry = _ModelEntry()
    checkpoints: list[_CheckpointEntry] = []
    truncated: dict[str, int] = {}
    unknown: dict[str, int] = {}
    cells: list[_CellEntry] = []
    tables: dict[str, str] = {}


def read_manifest(folder: Path) -> dict[str, Any]:
    """Read a run folder's manifest.

    Raises:
        InputError: If it is damaged.
    """
    path = folder / "manifest.json"
    try:
        manifest = read_json(path)
        if not isinstance(manifest, dict):
            raise InputError("it should hold a dictionary")
        _Manifest.model_validate(manifest, strict=True)
    except (InputError, ValidationError) as error:
        reason = str(error)
        if isinstance(error, ValidationError):
            place, message = wrong(error)
            reason = f"{'.'.join(map(str, place)) or 'it'}: {message}"
        raise InputError(
            f"{path} is damaged ({one_line(reason, 200)}); `hcore run` writes it again"
        ) from error
    return manifest
