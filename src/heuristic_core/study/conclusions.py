"""A run's conclusions as files: drawn from its measured tables, kept beside them, read again."""

from __future__ import annotations

import os
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

import pandas as pd

from ..analysis.conclusions import Conclusions
from ..errors import InputError
from ..storage import digest, file_digest, read_json, read_table, write_json, write_table
from ..tables import VERDICTS
from .analysis_config import AnalysisConfig

_FOLDER = "conclusions"
#: What conclusions and the report follow from, in the package.
_CODE = (
    *("analysis", "report"),
    *("card_tables.py", "columns.py", "tables.py", "units.py", "writing.py"),
)


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
    files = {}
    for name, table in {VERDICTS.name: conclusions.verdicts, **conclusions.tables}.items():
        path = place / f"{name}.parquet"
        write_table(path, table)
        files[path.name] = file_digest(path)
    write_json(place / "basis.json", {"basis": _basis(config, digests), "files": files})
    for path in place.glob("*.parquet"):
        if path.name not in files:
            path.unlink(missing_ok=True)
    (folder / "analysis.json").unlink(missing_ok=True)  # what earlier versions concluded


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
        version of the questions, or if a file of theirs has been changed.
    """
    from ..analysis.questions import QUESTIONS

    place = folder / _FOLDER
    if not os.path.isfile(place / "basis.json"):
        return None
    declared = [VERDICTS, *(table for question in QUESTIONS for table in question.tables)]
    try:
        basis: Any = read_json(place / "basis.json")
        files = {
            name: file_digest(place / name) for name in (f"{t.name}.parquet" for t in declared)
        }
        if basis != {"basis": _basis(config, digests), "files": files}:
            return None
        verdicts, *tables = (t.conform(read_table(place / f"{t.name}.parquet")) for t in declared)
    except (InputError, OSError):
        return None
    names = (table.name for table in declared[1:])
    return Conclusions(verdicts, dict(zip(names, tables, strict=True)))


@cache
def code_version() -> str:
    """Compute the SHA-256 of the code that concludes and reports.

    Finished runs are concluded again when it changes.
    """
    root = Path(__file__).parents[1]
    paths = (path for name in _CODE for path in ((root / name), *(root / name).rglob("*")))
    kept = sorted(p for p in paths if p.is_file() and "__pycache__" not in p.parts)
    return digest({str(path.relative_to(root)): file_digest(path) for path in kept})


def _basis(config: AnalysisConfig, digests: Mapping[str, str]) -> str:
    settings = {"margin_points": config.margin_points, "seed": config.seed}
    return digest({"version": code_version(), "tables": dict(digests), "settings": settings})
