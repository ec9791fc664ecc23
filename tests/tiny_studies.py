"""Tiny studies, and what their run folders hold."""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path

import pandas as pd
import pytest
from rich.console import Console

from heuristic_core.study import kinds
from heuristic_core.study.config import StudyConfig, check_study
from heuristic_core.study.watch import Watch

#: Settings that make all analyses of a tiny study quick.
SMALL = {
    "id_size": 10,
    "per_case": 2,
    "grid": {"sparsities": [0.3, 0.5], "seeds": [1]},
    "disjoint": {"seeds": 2, "forbidden": [0.5, 1.0]},
    "removal": {"controls": 2, "pairs": 2, "groups": {"mine": ["L0H1", "L1MLP"]}},
    "dependency": {"per_case": 2, "receivers": 3},
}
TABLES = ("evaluations", "subnetworks", "finetuning")
VERDICTS = "conclusions/verdicts.parquet"


def decisions(folder: Path, question: str) -> list[str]:
    """The decisions that a run folder's conclusions hold of a question."""
    verdicts = pd.read_parquet(folder / VERDICTS)
    return verdicts.loc[verdicts["question"] == question, "decision"].tolist()


def study(source: Path, **changes) -> StudyConfig:
    raw = {
        "name": "tiny",
        "model": {"source": str(source)},
        "task": {
            "name": "hans-grammar",
            "options": {"train_size": 64, "search_size": 32, "id_size": 20, "per_case": 2},
        },
        "finetune": {"steps": 4, "checkpoints": [0, 2, 4], "seeds": [1], "batch_size": 8},
        "search": {
            "sparsities": [0.5, 0.7],
            "seeds": [1, 2],
            "options": {"ramp_steps": 4, "hold_steps": 1, "batch_size": 8},
        },
    }
    return check_study(raw | changes)


def change_kind(monkeypatch: pytest.MonkeyPatch, name: str, **changes) -> None:
    """Change a kind of cell, where its cells are planned and where they are computed."""
    (kind,) = (kind for kind in kinds.KINDS if kind.name == name)
    changed = replace(kind, **changes)
    monkeypatch.setattr(sys.modules[kind.work.__module__], name.upper(), changed)
    some = tuple(changed if other is kind else other for other in kinds.KINDS)
    monkeypatch.setattr(kinds, "KINDS", some)


def quiet() -> Watch:
    return Watch(Console(stderr=True, quiet=True))


def cells(folder: Path) -> dict[str, float]:
    """Name and time of change of every finished cell."""
    records = folder.glob("cells/[!.]*/record.json")  # not those that are being written
    return {path.parent.name: path.stat().st_mtime for path in records}


def tables(folder: Path) -> dict[str, pd.DataFrame]:
    return {name: pd.read_parquet(folder / "tables" / f"{name}.parquet") for name in TABLES}


def equal(one: Path, other: Path) -> bool:
    a, b = tables(one), tables(other)
    return all(a[name].equals(b[name]) for name in TABLES)
