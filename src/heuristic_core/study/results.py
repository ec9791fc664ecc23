"""From finished cells to the tables of a run, its analyses and its report."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from ..analysis import analyze
from ..errors import InputError
from ..report import Results, write_report
from ..storage import file_digest, read_table, write_json, write_table
from ..subnetwork import Subnetwork
from ..tables import (
    ATTENTION,
    DEPENDENCY,
    DISCRIMINATION,
    DISJOINT,
    EVALUATION,
    FINETUNING,
    MEASURED,
    REMOVAL,
    REMOVAL_DISCRIMINATION,
    SUBNETWORKS,
    conform,
    empty,
)
from .config import StudyConfig, check_study
from .manifest import read_manifest
from .saved import load_subnetwork
from .store import Cell, Store

#: Raised when analyses or the report change, so that finished runs are described anew.
RESULTS_VERSION = 10

_RUN_ANEW = "make it anew with `hcore run`"

_TABLES = {"evaluations": EVALUATION, "subnetworks": SUBNETWORKS, "finetuning": FINETUNING}


def collect(
    config: StudyConfig,
    cells: Sequence[Cell],
    further: Sequence[Cell],
    store: Store,
    manifest: Mapping[str, Any],
) -> Results:
    """Gather a run's tables from its cells and draw the conclusions.

    Args:
        config: The study.
        cells: Its cells, all finished.
        further: The finished cells of analyses that run the model.
        store: Where they are.
        manifest: What to record with the results.

    Returns:
        The results, ready to be written or shown.
    """
    evaluations = evaluation_table(cells, store)
    subnetworks = subnetwork_table(cells, store)
    return _results(
        config,
        dict(manifest),
        {
            "evaluations": evaluations,
            "subnetworks": subnetworks,
            "finetuning": _joined(cells, store, "finetune", "finetuning", FINETUNING),
        },
        {
            "discrimination": _joined(cells, store, "evaluate", "discrimination", DISCRIMINATION),
            "grid": _joined(further, store, "evaluate", "table", EVALUATION),
            "grid_subnetworks": subnetwork_table(further, store),
            "disjoint": _joined(further, store, "disjoint", "table", DISJOINT),
            "removal": _joined(further, store, "removal probe", "table", REMOVAL),
            "removal_discrimination": _joined(
                further, store, "removal probe", "discrimination", REMOVAL_DISCRIMINATION
            ),
            "attention": _joined(further, store, "attention", "table", ATTENTION),
            "dependency": _joined(further, store, "dependency", "table", DEPENDENCY),
        },
    )


def _joined(
    cells: Sequence[Cell], store: Store, kinds: str, name: str, columns: dict[str, str]
) -> pd.DataFrame:
    """Join the tables of one name in cells of some kinds, and say what each is about."""
    parts = []
    for cell in cells:
        if cell.kind in kinds.split():
            with store.reading(cell) as path:
                table = read_table(path / f"{name}.parquet").assign(**cell.system)
                parts.append(conform(table, columns))
    return pd.concat(parts, ignore_index=True) if parts else empty(columns)


def evaluation_table(cells: Sequence[Cell], store: Store) -> pd.DataFrame:
    """Join the tables of all evaluation cells, one row per system and case."""
    return _joined(cells, store, "evaluate", "table", EVALUATION)


def subnetwork_table(cells: Sequence[Cell], store: Store) -> pd.DataFrame:
    """List every unit of every subnetwork: kept or not, and its soft value."""
    parts = []
    for cell in cells:
        subnetwork = load_subnetwork(store, cell) if cell.kind == "evaluate" else None
        if subnetwork is not None:
            parts.append(unit_rows(subnetwork).assign(**cell.system))
    rows = pd.concat(parts) if parts else pd.DataFrame(columns=list(SUBNETWORKS))
    return conform(rows, SUBNETWORKS)


def unit_rows(subnetwork: Subnetwork) -> pd.DataFrame:
    """List the units of one subnetwork with the columns unit, layer, head, kept and soft."""
    units = subnetwork.space.units
    return pd.DataFrame(
        {
            "unit": [str(unit) for unit in units],
            "layer": [unit.layer for unit in units],
            "head": [-1 if unit.head is None else unit.head for unit in units],
            "kept": subnetwork.mask,
            "soft": float("nan") if subnetwork.soft is None else subnetwork.soft,
        }
    )


def write_results(results: Results, folder: Path) -> dict[str, str]:
    """Write tables, analyses and report into a run folder.

    Returns:
        The SHA-256 of each table's file, by the table's name.
    """
    digests = {}
    own = {name: getattr(results, name) for name in _TABLES}
    for name, table in (own | dict(results.measured)).items():
        path = folder / "tables" / f"{name}.parquet"
        write_table(path, table)
        digests[name] = file_digest(path)
    _write_conclusions(results, folder)
    return digests


def conclude_anew(folder: Path) -> Results:
    """Draw a run's conclusions anew from its tables alone, and write analyses and report.

    Returns:
        What came out.

    Raises:
        InputError: If a table is damaged, or lacks what today's analyses need.
    """
    results = read_results(folder, _RUN_ANEW)
    _write_conclusions(results, folder)
    return results


def _write_conclusions(results: Results, folder: Path) -> None:
    write_json(folder / "analysis.json", results.analysis)
    write_report(results, folder / "report")


def read_found(folder: Path) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Read the subnetworks that a run's results are about, and evaluations, from its tables."""
    digests = read_manifest(folder).get("tables", {})
    return (
        _stored(folder, "subnetworks", digests, SUBNETWORKS, _RUN_ANEW),
        _stored(folder, "evaluations", digests, EVALUATION, _RUN_ANEW),
    )


def found_tables(cells: Sequence[Cell], store: Store) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Join the tables of a run's subnetworks and of its evaluations from its own cells."""
    return subnetwork_table(cells, store), evaluation_table(cells, store)


def read_results(folder: Path, remedy: str = "") -> Results:
    """Read a finished run's results without running anything.

    Args:
        folder: The run folder.
        remedy: What to do about a table that is of no use; it is made anew from the finished
            cells if not given.

    Raises:
        InputError: If the folder holds no finished run.
    """
    if not os.path.isfile(folder / "study.json"):
        raise InputError(f"{folder} is no run folder (it has no study.json); start one: hcore run")
    if not os.path.isfile(folder / "manifest.json"):
        raise InputError(f"the run in {folder} is not finished yet; finish it with `hcore run`")
    manifest = read_manifest(folder)
    # Its own configuration: study.json may be ahead of it where a changed study is not finished.
    config = check_study(manifest["config"])
    digests = manifest.get("tables", {})  # runs of earlier versions have none
    remedy = remedy or (
        f"make it anew from the finished cells with `hcore analyze {folder} --tables-only`"
    )
    tables, measured = (
        {name: _stored(folder, name, digests, columns, remedy) for name, columns in some.items()}
        for some in (_TABLES, MEASURED)
    )
    return _results(config, manifest, tables, measured)


def _stored(
    folder: Path, name: str, digests: Mapping[str, str], columns: dict[str, str], remedy: str
) -> pd.DataFrame:
    """Read one of a run folder's tables, and make sure that it is what was written."""
    path = folder / "tables" / f"{name}.parquet"
    try:
        table = conform(read_table(path), columns)
        if name in digests and digests[name] != file_digest(path):
            raise InputError("it has been changed since it was made")
        return table
    except InputError as error:
        raise InputError(
            f"the table {name} of {folder} is of no use ({error}); {remedy}"
        ) from error


def standing_results(folder: Path, stamp: str) -> Results | None:
    """Read a run folder's results if they are whole and those of a stamp; ``None`` if not."""
    try:
        results = read_results(folder)
    except InputError:
        return None
    files = [folder / "analysis.json", folder / "report" / "report.html"]
    stands = results.manifest.get("stamp") == stamp and all(path.is_file() for path in files)
    return results if stands else None


def _results(
    config: StudyConfig,
    manifest: dict[str, Any],
    tables: Mapping[str, pd.DataFrame],
    measured: Mapping[str, pd.DataFrame],
) -> Results:
    analysis = analyze(
        tables["evaluations"],
        tables["subnetworks"],
        measured,
        margin_points=config.analysis.margin_points,
        seed=config.analysis.seed,
    )
    return Results(
        name=config.name,
        manifest=manifest,
        config=config.model_dump(mode="json"),
        analysis=analysis,
        command=str(manifest.get("command", "")),
        measured=measured,
        **tables,
    )
