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
        if not manifest or check_study(manifest["config"]) != config:
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


def not_finished(folder: object, missing: Cell) -> InputError:
    """Build the error for a run that lacks a cell."""
    return InputError(
        f"the run in {folder} is not finished ({missing.label} is missing); finish it first with "
        "`hcore run`"
    )
