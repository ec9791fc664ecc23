"""The run folder: finished cells under names that say what they hold, never half a cell."""

from __future__ import annotations

import errno
import os
import shutil
import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from filelock import FileLock, Timeout

from ..errors import InputError
from ..storage import digest, read_json, read_tensors, write_json, write_text

_PARTIAL = ".partial-"
_UNFINISHED = ".unfinished-"


@dataclass(frozen=True, eq=False, kw_only=True)
class Cell:
    """One unit of work, named by a hash of what determines its content.

    Args:
        kind: The name of its kind, which says what is done; see :mod:`.kinds`.
        label: A readable name, unique within a study.
        spec: Everything that determines the content, as plain JSON values.
        inputs: The cells whose content it uses.
        system: The columns that name what it is about in tables.
        effort: Forecast cost in multiply-add operations.
        disk: Forecast size in bytes.
    """

    kind: str
    label: str
    spec: Mapping[str, Any]
    inputs: tuple[Cell, ...] = ()
    system: Mapping[str, Any] = field(default_factory=dict)
    effort: float = 0.0
    disk: float = 0.0

    @cached_property
    def key(self) -> str:
        """The hash, over kind, spec and the inputs' hashes."""
        return digest(
            {"kind": self.kind, "spec": self.spec, "inputs": [cell.key for cell in self.inputs]}
        )

    @property
    def name(self) -> str:
        """Name of the cell's folder."""
        return f"{self.label}-{self.key[:10]}"


class Store:
    """A run folder.

    Args:
        folder: Where it is.
        make: Make it if needed; otherwise nothing is finished in a folder that is not there.

    Raises:
        InputError: If the folder cannot be made or written to.
    """

    def __init__(self, folder: Path, *, make: bool = True) -> None:
        self.folder = folder
        self.cells = folder / "cells"
        if not make:
            return
        try:
            self.cells.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise InputError(
                f"cannot make the run folder {folder}: {error.strerror or error}; "
                "choose another with --out"
            ) from error
        if not os.access(self.cells, os.W_OK):
            raise InputError(f"cannot write to the run folder {folder}; choose another with --out")

    def path(self, cell: Cell) -> Path:
        """Return the folder of a finished cell."""
        return self.cells / cell.name

    def unfinished(self, cell: Cell) -> Path:
        """Return the folder in which a long computation keeps the state that it resumes from."""
        return self.cells / f"{_UNFINISHED}{cell.name}"

    def has(self, cell: Cell) -> bool:
        """Return whether a cell is finished."""
        return os.path.isfile(self.path(cell) / "record.json")

    def has_whole(self, cell: Cell) -> bool:
        """Return whether a cell is finished and its inputs are still there."""
        return all(self.has(needed) for needed in (cell, *cell.inputs))

    def record(self, cell: Cell) -> dict[str, Any]:
        """Read a finished cell's record.

        Raises:
            InputError: If it is damaged.
        """
        with self.reading(cell) as path:
            record = read_json(path / "record.json")
            if not isinstance(record, dict) or not (
                isinstance(record.get("seconds"), int | float)
                and isinstance(record.get("device"), str)
            ):
                raise InputError("record.json does not say how it was computed")
        return record

    @contextmanager
    def reading(self, cell: Cell) -> Iterator[Path]:
        """Yield a finished cell's folder; an error in reading it then says how to fix that.

        Raises:
            InputError: If the block raises one.
        """
        path = self.path(cell)
        try:
            yield path
        except InputError as error:
            raise InputError(
                f"{path} is damaged ({error}); remove that folder and run the same command again"
            ) from error

    def tensors(
        self, cell: Cell, file: str, shapes: Mapping[str, tuple[int, ...]]
    ) -> dict[str, np.ndarray]:
        """Read arrays from a finished cell.

        Args:
            cell: The cell.
            file: The file's name without its suffix.
            shapes: The shapes that arrays in it must have, by name.

        Raises:
            InputError: If the file is damaged, or lacks such an array.
        """
        with self.reading(cell) as path:
            arrays = read_tensors(path / f"{file}.safetensors")
            for name, shape in shapes.items():
                if name not in arrays or arrays[name].shape != shape:
                    raise InputError(f"{file}.safetensors has no {name} of shape {shape}")
        return arrays

    @contextmanager
    def writing(
        self, cell: Cell, facts: Mapping[str, Any], seconds_before: float = 0.0
    ) -> Iterator[Path]:
        """Yield a folder to fill; it becomes the cell if the block ends well, else it is removed.

        Args:
            cell: The cell.
            facts: What to record beside its spec, such as versions and the device.
            seconds_before: Time of earlier, killed attempts that this one resumes.
        """
        partial = self.cells / f"{_PARTIAL}{cell.name}"
        try:
            _remove(partial)
            partial.mkdir(parents=True)
            start = time.perf_counter()
            yield partial
            record = {
                "kind": cell.kind,
                "label": cell.label,
                "key": cell.key,
                "spec": dict(cell.spec),
                "inputs": [source.name for source in cell.inputs],
                "seconds": round(seconds_before + time.perf_counter() - start, 3),
                "effort": cell.effort,
            }
            write_json(partial / "record.json", record | dict(facts))
            _remove(self.path(cell))  # what lies there has no record, so it is no cell
            os.replace(partial, self.path(cell))
        except OSError as error:
            hint = "free some space and " if error.errno == errno.ENOSPC else ""
            raise InputError(
                f"cannot write the cell {cell.label}: {error.strerror or error}; finished cells "
                f"are kept, {hint}run the same command again"
            ) from error
        finally:
            shutil.rmtree(partial, ignore_errors=True)

    def sweep(self, cells: Iterable[Cell] = ()) -> None:
        """Remove what a killed run left half done; call it only with the lock held.

        Args:
            cells: Those whose saved state is kept, so that they can be resumed.
        """
        kept = {self.unfinished(cell) for cell in cells}
        for pattern in (f"{_PARTIAL}*", f"{_UNFINISHED}*"):
            for leftover in set(self.cells.glob(pattern)) - kept:
                with suppress(OSError):
                    _remove(leftover)

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Lock the folder for writing; the operating system releases it if the program is killed.

        Raises:
            InputError: If another program holds it.
        """
        lock = FileLock(self.folder / ".lock")
        holder = self.folder / ".lock-holder"
        try:
            lock.acquire(timeout=0)
        except Timeout as error:
            pid = holder.read_text(errors="replace").strip() if holder.is_file() else "unknown"
            raise InputError(
                f"another program (process {pid}) is writing to {self.folder}; "
                "wait for it, or choose another folder with --out"
            ) from error
        except OSError as error:
            raise InputError(
                f"cannot lock {self.folder}: {lock.lock_file} is no plain file that may be written "
                f"({error.strerror or error}); remove it, or choose another folder with --out"
            ) from error
        try:
            write_text(holder, f"{os.getpid()}\n")
            yield
        finally:
            with suppress(OSError):
                holder.unlink()
            lock.release()


def _remove(path: Path) -> None:
    """Remove a file, a link or a folder, if there is one."""
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)
