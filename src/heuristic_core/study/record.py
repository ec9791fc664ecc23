"""The record in a finished cell's folder, and whether its files are still what it says."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from ..errors import InputError
from ..storage import file_digest, read_json

#: The record's file; a folder without it is no cell.
RECORD = "record.json"
#: Files whose content was compared with its digest by this process: path, time of change, size.
_verified: set[tuple[str, int, int]] = set()


def digests(folder: Path) -> dict[str, str]:
    """Compute the SHA-256 of every file in a folder, by its path within."""
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    return {path.relative_to(folder).as_posix(): file_digest(path) for path in files}


def verify(folder: Path, record: Mapping[str, Any], parts: Iterable[str] = ("",)) -> None:
    """Compare files of a cell with the digests in its record, unless this process has before.

    Args:
        folder: The cell's folder.
        record: Its record; that of an earlier version has no digests, and nothing is compared.
        parts: Files and folders in it; everything by default.

    Raises:
        InputError: If a file is missing or has changed.
    """
    files = record.get("files", {})
    if not isinstance(files, Mapping):
        raise InputError("record.json does not say what files there are")
    for part in parts:
        for name, sha256 in files.items():
            if part and name != part and not name.startswith(f"{part}/"):
                continue
            path = folder / name
            try:
                state = path.stat()
                known = (str(path), state.st_mtime_ns, state.st_size)
                if known not in _verified:
                    if file_digest(path) != sha256:
                        raise InputError(f"{name} has changed since it was computed")
                    _verified.add(known)
            except OSError as error:
                raise InputError(f"{name} cannot be read: {error.strerror or error}") from error


def read_record(folder: Path) -> dict[str, Any]:
    """Read the record in a finished cell's folder.

    Raises:
        InputError: If it is damaged.
    """
    record = read_json(folder / RECORD)
    if not isinstance(record, dict) or not (
        isinstance(record.get("seconds"), int | float) and isinstance(record.get("device"), str)
    ):
        raise InputError("record.json does not say how it was computed")
    return record
