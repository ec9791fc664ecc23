"""Joining runs of one study that were made apart."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ..errors import InputError
from ..storage import write_json
from .config import StudyConfig, check_study
from .place import origins, write_origin
from .record import RECORD, digests, read_record, verify
from .run_folder import differences, read_study
from .store import Store

#: Settings in which parts of one study may differ: lists that are put together.
_PARTS = ("finetune.seeds", "search.seeds")


@dataclass
class Merged:
    """What came of joining runs.

    Args:
        config: The joined study.
        copied: How many cells were copied from each run.
        damaged: Cells that are damaged in a run, and were not taken from there.
        other: Cells that differ from the copy in a run named earlier, and what rests on them; the
            earlier copy was kept.
        unchecked: Cells without digests, of a version that recorded none.
    """

    config: StudyConfig
    copied: dict[Path, int] = field(default_factory=dict)
    damaged: list[str] = field(default_factory=list)
    other: list[str] = field(default_factory=list)
    unchecked: list[str] = field(default_factory=list)


def merge_runs(folders: Sequence[Path], out: Path) -> Merged:
    """Copy the finished cells of several runs into one; the runs stay as they are.

    Args:
        folders: Run folders of one study; they may differ in the seeds of fine-tunings and
            searches, which are put together.
        out: The joined run folder: a new one, or one of the same study.

    Returns:
        What was copied.

    Raises:
        InputError: If they are not of one study.
    """
    known = [path for path in (out,) if os.path.lexists(out / "study.json")]
    if not known and out.is_dir() and any(out.iterdir()):
        raise InputError(f"{out} is not empty and no run folder; choose another --out")
    if any(folder.absolute() == out.absolute() for folder in folders):
        raise InputError(f"{out} is one of the runs that are joined; choose another --out")
    config = _joined([*known, *folders])
    merged = Merged(config)
    store = Store(out)
    with store.locked():
        write_json(out / "study.json", config.model_dump(mode="json"))
        if not known:
            write_origin(out, next(origins(folders[0])))
        for folder in folders:
            _take(folder, store, merged)
    return merged


def _joined(folders: Sequence[Path]) -> StudyConfig:
    """Return the study of which all runs are parts."""
    first, *rest = (read_study(folder).model_dump(mode="json") for folder in folders)
    for folder, raw in zip(folders[1:], rest, strict=True):
        if raw["name"] != first["name"]:
            raise InputError(
                f"{folders[0]} is of the study {first['name']!r}, {folder} of {raw['name']!r}; "
                "only runs of one study can be joined"
            )
        changed = [key for key in differences(first, raw, "") if key not in _PARTS]
        if changed:
            raise InputError(
                f"{folders[0]} and {folder} are runs of one study with other settings "
                f"({', '.join(changed[:5])}); only runs that differ in their seeds can be joined"
            )
        for key in _PARTS:
            table, name = key.split(".")
            if first[table] is not None:
                first[table][name] = sorted({*first[table][name], *raw[table][name]})
    return check_study(first)


def _take(folder: Path, store: Store, merged: Merged) -> None:
    """Copy what a run has and the joined one has not."""
    merged.copied[folder] = 0
    left_out: set[str] = set()
    for name, record in _records(folder, merged):
        mine = store.cells / name
        if not left_out.isdisjoint(record.get("inputs", [])):
            # It rests on another copy of a cell than the joined run has.
            if not os.path.isfile(mine / RECORD):
                merged.other.append(name)
            left_out.add(name)
            continue
        if not os.path.isfile(mine / RECORD):
            store.copy(folder / "cells" / name)
            merged.copied[folder] += 1
        elif _files(mine, read_record(mine)) != _files(folder / "cells" / name, record):
            merged.other.append(name)
            left_out.add(name)


def _records(folder: Path, merged: Merged) -> list[tuple[str, dict[str, Any]]]:
    """Read a run's finished cells that are whole, inputs first."""
    found = {}
    for path in sorted((folder / "cells").glob(f"*/{RECORD}")):
        name = path.parent.name
        if name.startswith("."):
            continue
        try:
            record = read_record(path.parent)
            if name != f"{record.get('label')}-{str(record.get('key'))[:10]}":
                raise InputError("its record is of another cell")
            if not all(isinstance(source, str) for source in record.get("inputs", [])):
                raise InputError("its record does not say what it rests on")
            verify(path.parent, record)
        except (InputError, TypeError) as error:
            merged.damaged.append(f"{path.parent} ({error})")
            continue
        if "files" not in record:
            merged.unchecked.append(name)
        found[name] = record
    # A cell's inputs include theirs, so that it has more of them than any.
    return sorted(found.items(), key=lambda item: len(item[1].get("inputs", [])))


def _files(folder: Path, record: Mapping[str, Any]) -> Any:
    """Return the digests of a cell's files; those of an earlier version are computed."""
    return record.get("files") or {
        name: sha256 for name, sha256 in digests(folder).items() if name != RECORD
    }
