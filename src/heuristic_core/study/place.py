"""Where a study's model is, and what identifies it, from whatever folder a run is opened."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..errors import InputError, one_line
from ..models.sources import identity, shape
from ..storage import read_json, write_json

_FILE = "origin.json"


@dataclass(frozen=True)
class Place:
    """A model's place and content.

    Args:
        identity: What identifies its content, as :func:`.sources.identity` returns it.
        shape: Its size, as :func:`.sources.shape` returns it.
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
            InputError: As for :func:`.sources.resolve`.
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


def write_origin(folder: Path, origin: Path | None = None) -> None:
    """Record in a run folder from where it was run, which relative paths start from.

    Args:
        folder: The run folder.
        origin: The folder to record; the working folder if not given.
    """
    write_json(folder / _FILE, {"folder": os.getcwd() if origin is None else str(origin)})


def origins(folder: Path) -> Iterator[Path]:
    """Yield the folders that a run's relative paths may start from, the working folder aside.

    Runs of earlier versions do not record theirs; and a folder may have been moved with all that
    is in it. So the folders above the run folder follow.
    """
    with suppress(InputError):
        record = read_json(folder / _FILE)
        if isinstance(record, dict) and isinstance(record.get("folder"), str):
            yield Path(record["folder"])
    yield from folder.absolute().parents


def place_of(source: str, folder: Path, manifest: Mapping[str, Any]) -> Place | None:
    """Find the model that a finished run was made with.

    Args:
        source: The model's name in the study.
        folder: The run folder.
        manifest: The run's manifest, which records what identifies the model.

    Returns:
        Its place, with no location where no model of that content is found; ``None`` where the
        manifest says nothing of it.
    """
    known = manifest.get("model")
    known = dict(known) if isinstance(known, Mapping) else {}
    content = {key: known[key] for key in ("sha256", "hub") if key in known}
    if known.get("source") != source or not content:
        return None
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
