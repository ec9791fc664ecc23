"""From the measured tables of a run to its stored results, and back."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pandas as pd

from ..analysis.conclusions import Conclusions
from ..columns import Table
from ..errors import InputError
from ..report.results import Results
from ..storage import file_digest, read_table, write_table
from ..tables import EVALUATIONS, SUBNETWORKS, TABLES
from .conclusions import conclude, read_conclusions, write_conclusions
from .config import StudyConfig, check_study
from .manifest import read_manifest

_RUN_AGAIN = "compute it again with `hcore run`"


def concluded(
    config: StudyConfig,
    manifest: Mapping[str, Any],
    tables: Mapping[str, pd.DataFrame],
    conclusions: Conclusions | None = None,
) -> Results:
    """Put a run's results together.

    Args:
        config: The study.
        manifest: What to record with the results.
        tables: All measured tables by name.
        conclusions: Their conclusions; drawn from the tables if not given.
    """
    return Results(
        name=config.name,
        manifest=manifest,
        config=config.model_dump(mode="json"),
        command=str(manifest.get("command", "")),
        measured=tables,
        conclusions=conclusions or conclude(config.analysis, tables),
    )


def write_results(results: Results, config: StudyConfig, folder: Path) -> dict[str, str]:
    """Write measured tables, conclusions and report into a run folder.

    Args:
        results: The run's results.
        config: The study.
        folder: The run folder.

    Returns:
        The SHA-256 of each measured table's file, by the table's name.
    """
    digests = {}
    for name, table in results.measured.items():
        path = folder / "tables" / f"{name}.parquet"
        write_table(path, table)
        digests[name] = file_digest(path)
    _write_conclusions(results, config, folder, digests)
    return digests


def conclude_again(folder: Path) -> Results:
    """Draw a run's conclusions from its measured tables alone, and write them and the report.

    Raises:
        InputError: If a table is damaged, or lacks what today's questions need.
    """
    config, manifest = open_results(folder)
    digests = manifest.get("tables", {})
    results = concluded(config, manifest, _measured(folder, digests, _RUN_AGAIN))
    _write_conclusions(results, config, folder, digests)
    return results


def _write_conclusions(
    results: Results, config: StudyConfig, folder: Path, digests: Mapping[str, str]
) -> None:
    from ..report.html import write_report  # loads what makes pages, which reading does not need

    write_conclusions(folder, results.conclusions, config.analysis, digests)
    write_report(results, folder / "report", sweep=True)


def read_results(folder: Path) -> Results:
    """Read a finished run's results without running a model.

    Conclusions that another version of the questions drew are drawn again.

    Args:
        folder: The run folder.

    Raises:
        InputError: If the folder holds no finished run.
    """
    config, manifest, tables, stored = _read(folder)
    return concluded(config, manifest, tables, stored)


def read_searched(folder: Path) -> dict[str, pd.DataFrame]:
    """Read the tables of a run's results that its analyses are planned from."""
    digests = read_manifest(folder).get("tables", {})
    return {
        table.name: _stored(folder, table, digests, _RUN_AGAIN)
        for table in (SUBNETWORKS, EVALUATIONS)
    }


def standing_results(folder: Path, stamp: str) -> Results | None:
    """Read a run folder's results if they are whole and have a stamp; ``None`` if not."""
    try:
        config, manifest, tables, stored = _read(folder)
    except InputError:
        return None
    page = folder / "report" / "report.html"
    if stored is None or manifest.get("stamp") != stamp or not page.is_file():
        return None
    return concluded(config, manifest, tables, stored)


def _read(
    folder: Path,
) -> tuple[StudyConfig, dict[str, Any], dict[str, pd.DataFrame], Conclusions | None]:
    """Read a finished run: its study, manifest, measured tables, and conclusions if they stand."""
    config, manifest = open_results(folder)
    digests = manifest.get("tables", {})  # runs of earlier versions have none
    remedy = f"make it again from the finished cells with `hcore analyze {folder} --tables-only`"
    tables = _measured(folder, digests, remedy)
    return config, manifest, tables, read_conclusions(folder, config.analysis, digests)


def open_results(folder: Path) -> tuple[StudyConfig, dict[str, Any]]:
    """Read the configuration and the manifest of a finished run.

    Raises:
        InputError: If the folder holds no finished run.
    """
    if not os.path.isfile(folder / "study.json"):
        raise InputError(f"{folder} is no run folder (it has no study.json); start one: hcore run")
    if not os.path.isfile(folder / "manifest.json"):
        raise InputError(f"the run in {folder} is not finished yet; finish it with `hcore run`")
    manifest = read_manifest(folder)
    # Its own configuration: study.json may be ahead of it if a changed study is not finished.
    return check_study(manifest["config"]), manifest


def _measured(folder: Path, digests: Mapping[str, str], remedy: str) -> dict[str, pd.DataFrame]:
    return {name: _stored(folder, table, digests, remedy) for name, table in TABLES.items()}


def _stored(folder: Path, table: Table, digests: Mapping[str, str], remedy: str) -> pd.DataFrame:
    """Read one of a run folder's tables, and make sure that it is what was written."""
    path = folder / "tables" / f"{table.name}.parquet"
    if digests and table.name not in digests and not os.path.lexists(path):
        return table.empty()  # a run of a version that did not measure it
    try:
        frame = table.conform(read_table(path))
        if table.name in digests and digests[table.name] != file_digest(path):
            raise InputError("it has been changed since it was made")
        return frame
    except InputError as error:
        raise InputError(
            f"the table {table.name} of {folder} cannot be used ({error}); {remedy}"
        ) from error
