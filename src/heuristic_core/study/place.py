"""Where a study's model is, and what identifies it, from whatever folder a run is opened."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..errors import InputError, one_line
from ..models.sources import PACKAGED, identity, shape
from ..storage import read_json, write_json

_FILE = "origin.json"


@dataclass(frozen=True)
class Place:
    """A model's place and content.

    Args:
        identity: What identifies its content, as ``sources.identity`` returns it.
        shape: Its size, as ``sources.shape`` returns it.
        location: What is loaded; ``None`` where the model is not there any more.
        missing: Why it is not there.
    """

    identity: Mapping[str, Any]
    shape: Mapping[str, int] | None
    location: str | None
    missing: str = ""

    @classmethod
    def of(cls, source: str) -> Place:
        """Find a model from the working folder.

        Raises:
            InputError: As for ``sources.resolve``.
        """
        return cls(identity(source), shape(source), source)

    def to_load(self) -> str:
        """Return what is loaded.

        Raises:
            InputError: If the model is not there.
        """
        if self.location is None:
            raise InputError(self.missing)
        return self.location


def starting_from(name: str, folder: Path | None) -> str:
    """Return what a path in a study file names.

    Args:
        name: A folder or file; or what is no path, such as a packaged name or a hub id.
        folder: The folder of the study file, which relative paths start from; the working folder
            if not given.

    Raises:
        InputError: If it is not there, but in the working folder.
    """
    path = Path(name)
    if folder is None or not name.strip() or name in PACKAGED or name.startswith("~"):
        return name
    if path.is_absolute() or not os.path.isdir(folder) or os.path.samefile(folder, Path()):
        return name
    if os.path.exists(folder / path) or name.startswith("."):
        return str(folder / path)
    if os.path.exists(path):
        other = one_line(os.path.relpath(path, folder), 120)
        raise InputError(
            f"{one_line(name, 120)} is in the working folder, but paths in a study file start from "
            f"the file's own folder, {folder}; write {other}"
        )
    return name


def write_origin(folder: Path, start: Path) -> None:
    """Record in a run folder which folder the study's relative paths start from."""
    write_json(folder / _FILE, {"folder": str(start.absolute())})


def read_origin(folder: Path) -> Path | None:
    """Read the folder that a run's relative paths start from; ``None`` if it is not recorded."""
    with suppress(InputError):
        record = read_json(folder / _FILE)
        if isinstance(record, dict) and isinstance(record.get("folder"), str):
            return Path(record["folder"])
    return None


def origins(folder: Path) -> Iterator[Path]:
    """Yield the folders that a run's relative paths may start from, the working folder aside.

    Runs of earlier versions do not record theirs; and a folder may have been moved with all that
    is in it. So the folders above the run folder follow.
    """
    recorded = read_origin(folder)
    if recorded is not None:
        yield recorded
    yield from folder.absolute().parents


def places_of(
    sources: Iterable[str], folder: Path, manifest: Mapping[str, Any]
) -> dict[str, Place]:
    """Find the models that a finished run was made with.

    Args:
        sources: The models' names in the study.
        folder: The run folder.
        manifest: The run's manifest, which records what identifies the models.

    Returns:
        By name the places, with no location where no model of that content is found; none for
        models of which the manifest says nothing.
    """
    known = [manifest.get("model"), *(manifest.get("checkpoints") or ())]
    records = {
        str(record.get("source")): record
        for record in known
        if isinstance(record, Mapping) and ("sha256" in record or "hub" in record)
    }
    wanted = [source for source in sources if source in records]
    return {source: _place_of(source, folder, records[source]) for source in wanted}


def _place_of(source: str, folder: Path, known: Mapping[str, Any]) -> Place:
    content = {key: known[key] for key in ("sha256", "hub") if key in known}
    for location in (source, *(str(origin / source) for origin in origins(folder))):
        with suppress(InputError):
            if identity(location) == content:
                return Place(content, shape(location), location)
    size = {key: n for key, n in known.items() if isinstance(n, int)}
    return Place(
        content,
        size or None,
        None,
        f"the model {one_line(source, 120)!r} with which the run in {folder} was made is not found "
        "or has changed; put it back, or make the run again with `hcore run` (`hcore show` and "
        f"`hcore analyze {folder} --tables-only` need no model)",
    )
