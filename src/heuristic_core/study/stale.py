"""What other versions of the code made of a finished run: its tables are still of use."""

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

Record = Mapping[str, Any]


@dataclass(frozen=True)
class Stale:
    """Planned cells that are missing, but that another version of the code did finish.

    Args:
        cells: The cells, inputs first.
        kinds: The kinds that the versions differ in; the other cells rest on some of them.
    """

    cells: tuple[Cell, ...]
    kinds: tuple[str, ...]


def results_records(config: StudyConfig, store: Store) -> dict[str, Record]:
    """Read the records of the cells that a run's results rest on.

    Args:
        config: The run's study.
        store: Its folder.

    Returns:
        The records of those that are there, by label; none where there are no results, or where
        they are of other settings.
    """
    path = store.folder / "manifest.json"
    try:
        manifest = read_manifest(store.folder) if os.path.isfile(path) else {}
        if not manifest or check_study(manifest["config"]) != config:
            return {}
    except InputError:
        return {}  # it is told by whoever needs it
    # A manifest's names are no paths: they are looked up among what is there.
    there = {path.name: path for path in store.cells.glob("*")}
    found = {}
    for cell in manifest["cells"]:
        try:
            record = read_json(there[cell["name"]] / "record.json")
        except (KeyError, InputError):
            continue
        if isinstance(record, Mapping) and isinstance(record.get("spec"), Mapping):
            found[str(record.get("label"))] = record
    return found


def find_stale(cells: Iterable[Cell], store: Store, records: Mapping[str, Record]) -> Stale:
    """Find the missing cells whose place another version's cells take in the results.

    Args:
        cells: Planned cells, inputs first.
        store: The run folder.
        records: As :func:`results_records` gives them.
    """
    stale: dict[str, Cell] = {}
    kinds: dict[str, None] = {}
    for cell in cells:
        record = records.get(cell.label)
        if record is None or store.has(cell):
            continue
        now, then = plain(cell.spec), record["spec"]
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


def other_version(folder: object, stale: Stale, instead: str = "") -> InputError:
    """Build the error for a run that needs cells which another version of the code made.

    Args:
        folder: The run folder.
        stale: Those cells.
        instead: What else can be done than to make them anew.
    """
    return InputError(
        f"the run in {folder} is of another version of the code ({', '.join(stale.kinds)}); make "
        f"it anew with `hcore run` first{instead}"
    )
