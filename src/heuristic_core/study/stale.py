"""Cells of a finished run that another version of the code made; its tables are still valid."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from ..errors import InputError
from ..storage import plain, read_json
from .config import StudyConfig, check_study
from .manifest import read_manifest
from .store import Cell, Store

#: What the entries of a spec are about, where that is no setting of the study.
_WORDS = {"model": "model"} | dict.fromkeys(
    ("train", "search", "suites", "kinds", "groups", "maps"), "data set"
)


@dataclass(frozen=True)
class Stale:
    """Planned cells that are missing, but that another version of the code did finish.

    Args:
        cells: The cells, inputs first.
        kinds: The kinds that the versions differ in; the other cells rest on some of them.
    """

    cells: tuple[Cell, ...]
    kinds: tuple[str, ...]


def find_stale(cells: Iterable[Cell], store: Store, config: StudyConfig) -> Stale:
    """Find the missing cells that another version of the code computed for the run's results.

    Args:
        cells: Planned cells, inputs first.
        store: The run folder.
        config: The run's study; results of other settings do not count.
    """
    missing = [cell for cell in cells if not store.has(cell)]
    records = _results_records(config, store) if missing else {}
    stale: dict[str, Cell] = {}
    kinds: dict[str, None] = {}
    for cell in missing:
        if cell.label not in records:
            continue
        now, then = plain(cell.spec), records[cell.label]["spec"]
        # Other data or settings differ in what both specs hold.
        shared = (now.keys() & then.keys()) - {"version"}
        if any(now[key] != then[key] for key in shared):
            continue
        if now != then:
            kinds[cell.kind] = None
        elif not any(source.label in stale for source in cell.inputs):
            continue
        stale[cell.label] = cell
    return Stale(tuple(stale.values()), tuple(kinds))


def _results_records(config: StudyConfig, store: Store) -> dict[str, Mapping[str, Any]]:
    """Read the records of the cells that a run's results rest on.

    Returns:
        The records that exist, by label; none where there are no results, or where they are of
        other settings.
    """
    path = store.folder / "manifest.json"
    try:
        manifest = read_manifest(store.folder) if os.path.isfile(path) else {}
        if not manifest or not check_study(manifest["config"]).same_as(config):
            return {}
    except InputError:
        return {}  # whoever needs the manifest reports that
    # A manifest's names are not used as paths: they are looked up among the cells' folders.
    folders = {path.name: path for path in store.cells.glob("*")}
    records = {}
    for cell in manifest["cells"]:
        try:
            record = read_json(folders[cell["name"]] / "record.json")
        except (KeyError, InputError):
            continue
        if isinstance(record, Mapping) and isinstance(record.get("spec"), Mapping):
            records[str(record.get("label"))] = record
    return records


def other_version(folder: object, stale: Stale, instead: str = "") -> InputError:
    """Build the error for a run that needs cells which another version of the code made.

    Args:
        folder: The run folder.
        stale: Those cells.
        instead: An alternative to computing them again.
    """
    return InputError(
        f"the run in {folder} is of another version of the code ({', '.join(stale.kinds)}); "
        f"compute it again with `hcore run` first{instead}"
    )


def changed_inputs(cells: Iterable[Cell], store: Store, config: StudyConfig) -> str:
    """Name what is another now than when a finished run computed the cells that it lacks.

    Args:
        cells: Planned cells.
        store: The run folder.
        config: The run's study.

    Returns:
        Such as ``model`` or ``data``; empty where the cells were never computed.
    """
    missing = [cell for cell in cells if not store.has(cell)]
    records = _results_records(config, store) if missing else {}
    for cell in missing:
        then = records.get(cell.label, {}).get("spec", {})
        now = plain(cell.spec)
        for key in now.keys() & then.keys() - {"version"}:
            if now[key] != then[key]:
                return _WORDS.get(key, "settings")
    return ""


def not_finished(missing: Cell, store: Store, config: StudyConfig) -> InputError:
    """Build the error for a run that lacks a cell, or was finished with something else."""
    folder = store.folder
    if changed := changed_inputs([missing, *missing.inputs], store, config):
        return InputError(
            f"the run in {folder} was made with another {changed} than is there now (for "
            f"{missing.label}); put it back, make the run again with `hcore run`, or conclude from "
            f"its tables with `hcore analyze {folder} --tables-only`"
        )
    return InputError(
        f"the run in {folder} is not finished ({missing.label} is missing); finish it first with "
        "`hcore run`"
    )
