"""Joining runs of one study that were made apart."""

from __future__ import annotations

import errno
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
from .run_folder import check_free, differences, read_study
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
        aside: Cells of the joined run that were set aside: they were damaged, or rest on another
            copy of a cell than it holds now.
        other: Cells that differ from the copy in a run named earlier, and what rests on a copy
            that the joined run does not hold; they were not taken.
        unused: Cells that the joined study does not use, as it searches their seeds in other
            passes.
        unchecked: Cells without digests, of a version that recorded none.
    """

    config: StudyConfig
    copied: dict[Path, int]
    damaged: list[str] = field(default_factory=list)
    aside: list[str] = field(default_factory=list)
    other: list[str] = field(default_factory=list)
    unused: list[str] = field(default_factory=list)
    unchecked: list[str] = field(default_factory=list)


@dataclass(eq=False)
class _Part:
    """What a run folder holds.

    Args:
        folder: The run folder.
        records: The records of its finished cells that are whole, by name.
        files: The digests of the files of its finished cells as they were computed, by name; also
            of damaged ones whose records still say them.
        damaged: Why its other finished cells cannot be used, by name.
    """

    folder: Path
    records: dict[str, Mapping[str, Any]] = field(default_factory=dict)
    files: dict[str, Any] = field(default_factory=dict)
    damaged: dict[str, str] = field(default_factory=dict)

    def fits(self, name: str, joined: Mapping[str, Any], *, lacking: bool) -> bool:
        """Return whether what a cell rests on is the same here as in the joined run.

        Args:
            name: The cell.
            joined: The digests of the joined run's cells.
            lacking: Whether it may rest on what the joined run lacks.
        """
        inputs = self.records[name].get("inputs", [])
        return all(joined[s] == self.files.get(s) if s in joined else lacking for s in inputs)


def merge_runs(folders: Sequence[Path], out: Path) -> Merged:
    """Copy the finished cells of several runs into one; the runs stay as they are.

    Args:
        folders: Run folders of one study; they may differ in the seeds of fine-tunings and
            searches, which are put together in the order given.
        out: The joined run folder: a new one, or one of the same study.

    Returns:
        What was copied.

    Raises:
        InputError: If they are not of one study or cannot be read, or the joined run folder holds
            something else, or is or lies in one of them.
    """
    known = [path for path in (out,) if os.path.lexists(out / "study.json")]
    if not known:
        check_free(out)
    _check_apart(folders, out)
    config = _joined([*known, *folders])
    parts = [_read(folder) for folder in folders]
    had = [seeds for path in (*known, *folders) for seeds in read_study(path).search.passes]
    merged = Merged(config, dict.fromkeys(folders, 0))
    store = Store(out)
    with store.locked():
        if not known:  # before the study, by which the folder is known if this is stopped
            write_origin(out, next(origins(folders[0])))
        write_json(out / "study.json", config.model_dump(mode="json"))
        runs = [_read(out), *parts]
        _take(runs, store, merged)
    merged.unused += _unused(runs, [seeds for seeds in had if seeds not in config.search.passes])
    for part in parts:
        merged.damaged += [
            f"{part.folder / 'cells' / name} ({why})" for name, why in part.damaged.items()
        ]
        merged.unchecked += [name for name, record in part.records.items() if "files" not in record]
    return merged


def _check_apart(folders: Sequence[Path], out: Path) -> None:
    """Make sure that the joined run lies in none of the runs, by whatever path."""
    places = [Path(os.path.realpath(path)) for path in (out, out / "cells")]
    above = {place for path in places for place in (path, *path.parents) if place.exists()}
    for folder in folders:
        for theirs in filter(os.path.exists, (folder, folder / "cells")):
            if any(os.path.samefile(place, theirs) for place in above):
                raise InputError(
                    f"{out} is one of the runs that are joined, or lies in {folder}; choose "
                    "another --out"
                )


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
                # Their order says which seeds are searched in one pass.
                first[table][name] = list(dict.fromkeys([*first[table][name], *raw[table][name]]))
    return check_study(first)


def _take(runs: Sequence[_Part], store: Store, merged: Merged) -> None:
    """Copy what the other runs have and the joined one, the first, has not; inputs first."""
    mine = runs[0]
    for name in mine.damaged:
        _set_aside(name, store, merged)
    joined: dict[str, Any] = {}
    for name in _inputs_first(runs):
        whole = [run for run in runs if name in run.records]
        fitting = [run for run in whole if run.fits(name, joined, lacking=run is mine)]
        if fitting:
            # What the run named first had, even if its own copy is damaged now.
            wanted = next(run.files[name] for run in runs if name in run.files)
            source = next((run for run in fitting if run.files[name] == wanted), fitting[0])
            joined[name] = source.files[name]
        # Of a cell that goes and is not replaced no files are right for what rests on it.
        kept = mine in whole and mine.files[name] == joined.setdefault(name, ())
        if mine in whole and not kept:
            _set_aside(name, store, merged)
        if fitting and not kept:
            store.copy(source.folder / "cells" / name)
            merged.copied[source.folder] += 1
        none_fits = not fitting and mine not in whole
        if none_fits or any(run.files[name] != joined[name] for run in fitting):
            merged.other.append(name)


def _set_aside(name: str, store: Store, merged: Merged) -> None:
    if store.set_aside(name) is not None:
        merged.aside.append(name)


def _inputs_first(runs: Sequence[_Part]) -> list[str]:
    """List the whole cells of all runs."""
    # A cell has more inputs than any of them.
    n_inputs = {
        name: len(record.get("inputs", [])) for run in runs for name, record in run.records.items()
    }
    return sorted(n_inputs, key=lambda name: (n_inputs[name], name))


def _unused(runs: Sequence[_Part], gone: Sequence[Sequence[int]]) -> list[str]:
    """List the cells of searches in passes that are gone, and of what needs them."""
    records = {name: record for run in runs for name, record in run.records.items()}
    unused: dict[str, None] = {}
    for name in _inputs_first(runs):
        inputs = records[name].get("inputs", [])
        if _pass_of(records[name]) in gone or not unused.keys().isdisjoint(inputs):
            unused[name] = None
    return list(unused)


def _pass_of(record: Mapping[str, Any]) -> Any:
    """Return the seeds that one of the study's own searches found subnetworks of."""
    spec = record.get("spec")
    if not isinstance(spec, Mapping) or not str(record["label"]).startswith("search-"):
        return None
    return spec["seeds"] if "seeds" in spec else [spec.get("seed")]


def _read(folder: Path) -> _Part:
    """Read what a run folder holds."""
    part = _Part(folder)
    cells = folder / "cells"
    try:
        names = sorted(name for name in os.listdir(cells) if not name.startswith("."))
    except OSError as error:
        raise InputError(
            f"cannot read {cells}: {error.strerror or error}; give a whole run folder that you may "
            "read"
        ) from error
    for name in names:
        if not _is_finished(cells / name):
            continue
        try:
            record = read_record(cells / name)
            if name != f"{record.get('label')}-{str(record.get('key'))[:10]}":
                raise InputError("its record is of another cell")
            if not all(isinstance(source, str) for source in record.get("inputs", [])):
                raise InputError("its record does not say what it rests on")
            part.files[name] = _files(cells / name, record)
            verify(cells / name, record)
        except (InputError, TypeError, OSError) as error:
            part.damaged[name] = str(error)
            continue
        part.records[name] = record
    return part


def _is_finished(folder: Path) -> bool:
    """Return whether a cell's folder has a record, be it one that cannot be read."""
    try:
        os.lstat(folder / RECORD)
    except OSError as error:
        return error.errno not in (errno.ENOENT, errno.ENOTDIR)
    return True


def _files(folder: Path, record: Mapping[str, Any]) -> Any:
    """Return the digests of a cell's files; those of an earlier version are computed."""
    return record.get("files") or {
        name: sha256 for name, sha256 in digests(folder).items() if name != RECORD
    }
