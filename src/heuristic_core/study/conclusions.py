"""A run's conclusions as files: drawn from its measured tables, kept beside them, read again."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pandas as pd

from ..analysis.conclusions import Conclusions
from ..errors import InputError
from ..storage import digest, read_json, read_table, write_json, write_table
from ..tables import VERDICTS
from .analysis_config import AnalysisConfig

#: Raised when questions or the report change, so that finished runs are concluded again.
RESULTS_VERSION = 11

_FOLDER = "conclusions"


def conclude(config: AnalysisConfig, tables: Mapping[str, pd.DataFrame]) -> Conclusions:
    """Answer all questions from a run's measured tables.

    Args:
        config: How results are judged.
        tables: The measured tables by name.

    Raises:
        InputError: If a table holds what it cannot.
    """
    from ..analysis.questions import analyze

    return analyze(tables, margin_points=config.margin_points, seed=config.seed)


def write_conclusions(
    folder: Path, conclusions: Conclusions, config: AnalysisConfig, digests: Mapping[str, str]
) -> None:
    """Write conclusions into a run folder, and what they rest on.

    Args:
        folder: The run folder.
        conclusions: The conclusions.
        config: How results are judged.
        digests: The SHA-256 of each measured table's file.
    """
    place = folder / _FOLDER
    for name, table in {VERDICTS.name: conclusions.verdicts, **conclusions.tables}.items():
        write_table(place / f"{name}.parquet", table)
    write_json(place / "basis.json", {"basis": _basis(config, digests)})


def read_conclusions(
    folder: Path, config: AnalysisConfig, digests: Mapping[str, str]
) -> Conclusions | None:
    """Read a run's conclusions.

    Args:
        folder: The run folder.
        config: How results are judged.
        digests: The SHA-256 of each measured table's file.

    Returns:
        The conclusions; ``None`` if there are none of these tables, these settings and this
        version of the questions.
    """
    from ..analysis.questions import QUESTIONS

    place = folder / _FOLDER
    if not os.path.isfile(place / "basis.json"):
        return None
    try:
        basis: Any = read_json(place / "basis.json")
        if basis != {"basis": _basis(config, digests)}:
            return None
        declared = [VERDICTS, *(table for question in QUESTIONS for table in question.tables)]
        verdicts, *tables = (t.conform(read_table(place / f"{t.name}.parquet")) for t in declared)
    except InputError:
        return None
    names = (table.name for table in declared[1:])
    return Conclusions(verdicts, dict(zip(names, tables, strict=True)))


def _basis(config: AnalysisConfig, digests: Mapping[str, str]) -> str:
    settings = {"margin_points": config.margin_points, "seed": config.seed}
    return digest({"version": RESULTS_VERSION, "tables": dict(digests), "settings": settings})
