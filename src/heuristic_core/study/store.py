"""The run folder: finished cells under names that say what they hold, never half a cell."""

from __future__ import annotations

import errno
import os
import secrets
import shutil
import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from filelock import FileLock, Timeout

from ..errors import InputError, causes, remark
from ..storage import digest, read_tensors, write_json, write_text
from .process import Process
from .record import RECORD, digests, read_record, verify

_PARTIAL = ".partial-"
_UNFINISHED = ".unfinished-"
_STAGES = ".stages-"
_DAMAGED = ".damaged-"
#: Folders of other machines' processes are removed when nothing changed in them for this long.
_DAY = 86400.0
#: What the system answers where there is no such file, or a folder in its place.
_NOT_THERE = (errno.ENOENT, errno.ENOTDIR, errno.EISDIR)
#: What a file system without locks answers.
_NO_LOCKS = (errno.ENOSYS, errno.ENOLCK, errno.EOPNOTSUPP, errno.ENOTSUP)


class Damaged(InputError):
    """A finished cell cannot be used; it can be set aside and computed again.

    Args:
        message: What is wrong.
        name: The name of the cell's folder.
    """

    def __init__(self, message: str, name: str = "") -> None:
        super().__init__(message)
        self.name = name


@dataclass(frozen=True, eq=False, kw_only=True)
class Cell:
    """One unit of work, named by a hash of what determines its content.

    Args:
        kind: The name of its kind, which says what is done; see ``kinds``.
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

    @property
    def model(self) -> tuple[Any, ...]:
        """What says which model it is about, so that a worker that holds it can be preferred."""
        return tuple(self.system.get(name) for name in ("finetune_seed", "checkpoint"))


class Store:
    """A run folder, which several processes may write cells into.

    Args:
        folder: Where it is.
        make: Make it if needed; otherwise nothing is finished in a folder that is not there.

    Raises:
        InputError: If the folder cannot be made or written to.
    """

    def __init__(self, folder: Path, *, make: bool = True) -> None:
        self.folder = folder
        self.cells = folder / "cells"
        #: Whether it could not be locked, so that other programs may compute cells in it too.
        self.shared = False
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
        """Return the folder in which fine-tuning keeps the state that it resumes from."""
        return self._resumed(_UNFINISHED, cell)

    def stages(self, cell: Cell) -> Path:
        """Return the folder in which a long search keeps the stages that it has finished."""
        return self._resumed(_STAGES, cell)

    def _resumed(self, prefix: str, cell: Cell) -> Path:
        # Two programs that cannot keep each other out must not work in one folder.
        own = Process.this().suffix if self.shared else ""
        return self.cells / f"{prefix}{cell.name}{own}"

    def has(self, cell: Cell) -> bool:
        """Return whether a cell is finished."""
        return os.path.isfile(self.path(cell) / RECORD)

    def has_whole(self, cell: Cell) -> bool:
        """Return whether a cell is finished and its inputs are still there."""
        return all(self.has(needed) for needed in (cell, *cell.inputs))

    def record(self, cell: Cell) -> dict[str, Any]:
        """Read a finished cell's record.

        Raises:
            Damaged: If it is damaged.
        """
        with self._reading(cell) as path:
            return read_record(path)

    @contextmanager
    def reading(self, cell: Cell, *parts: str) -> Iterator[Path]:
        """Yield a finished cell's folder, with its files as they were when it was computed.

        Args:
            cell: The cell.
            *parts: The files and folders in it that are read, all by default. They are compared
                with their digests if this process has not done so before.

        Raises:
            Damaged: If they are not, or the block raises an input error in reading them.
            InputError: If the system does not let them be read.
        """
        with self._reading(cell) as path:
            verify(path, read_record(path), parts or ("",))
            yield path

    @contextmanager
    def _reading(self, cell: Cell) -> Iterator[Path]:
        path = self.path(cell)
        try:
            yield path
        except Damaged:
            raise
        except InputError as error:
            if reason := _unreadable(error):
                raise InputError(
                    f"cannot read {path} ({reason}), which may be whole; see to it and run the "
                    "same command again"
                ) from error
            raise Damaged(
                f"{path} is damaged ({error}); the command that computed it, `hcore run` or "
                "`hcore analyze`, sets it aside and computes it again",
                cell.name,
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
        with self.reading(cell, f"{file}.safetensors") as path:
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

        Where another process has finished the cell meanwhile, that one is kept.

        Args:
            cell: The cell.
            facts: What to record beside its spec, such as versions and the device.
            seconds_before: Time of earlier, killed attempts that this one resumes.
        """
        partial = self._partial(cell.name)
        try:
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
                "files": digests(partial),
            }
            write_json(partial / RECORD, record | dict(facts))
            self._publish(partial, cell.name)
            # Only now: until here it is what a killed program resumes from.
            for folder in (self.unfinished(cell), self.stages(cell)):
                shutil.rmtree(folder, ignore_errors=True)
        except OSError as error:
            hint = "free some space and " if error.errno == errno.ENOSPC else ""
            raise InputError(
                f"cannot write the cell {cell.label}: {error.strerror or error}; finished cells "
                f"are kept, {hint}run the same command again"
            ) from error
        finally:
            shutil.rmtree(partial, ignore_errors=True)

    def _partial(self, name: str) -> Path:
        return self.cells / f"{_PARTIAL}{name}~{secrets.token_hex(4)}{Process.this().suffix}"

    def _publish(self, partial: Path, name: str) -> None:
        """Give a whole cell its name, unless it is there already."""
        place = self.cells / name
        while not os.path.isfile(place / RECORD):
            try:
                os.rename(partial, place)  # fails if anything is there
                return
            except OSError as error:
                if error.errno not in (errno.EEXIST, errno.ENOTEMPTY, errno.ENOTDIR):
                    raise
                if not os.path.isfile(place / RECORD):
                    _remove(place)  # what lies there has no record, so it is no cell

    def copy(self, source: Path) -> None:
        """Copy a finished cell of another run folder into this one, unless it is here already.

        Args:
            source: The cell's folder there.
        """
        partial = self._partial(source.name)
        try:
            shutil.copytree(source, partial)
            self._publish(partial, source.name)
        except OSError as error:
            hint = "free some space" if error.errno == errno.ENOSPC else "choose another --out"
            raise InputError(
                f"cannot copy {source}: {error.strerror or error}; {hint} and run the same command "
                "again"
            ) from error
        finally:
            shutil.rmtree(partial, ignore_errors=True)

    def set_aside(self, name: str) -> Path | None:
        """Rename a damaged cell, so that it is computed again.

        Args:
            name: The name of its folder.

        Returns:
            Where it lies now; ``None`` if it is not there any more.
        """
        for number in range(1, 1000):
            place = self.cells / f"{_DAMAGED}{name}-{number}"
            if not os.path.lexists(place):
                try:
                    os.rename(self.cells / name, place)
                    return place
                except FileNotFoundError:
                    return None
                except OSError as error:
                    raise InputError(
                        f"cannot rename the damaged cell {self.cells / name}: "
                        f"{error.strerror or error}; remove it and run the same command again"
                    ) from error
        raise InputError(f"{name} was damaged 999 times; remove what {self.cells} holds of it")

    def sweep(self, cells: Iterable[Cell] = (), *, stages: bool = True) -> None:
        """Remove what killed programs left half done; what a living one works on stays.

        Args:
            cells: Those whose saved state is kept, so that they can be resumed.
            stages: Whether also stages of other cells are removed. Which cells have stages is known
                only once the run's searches are finished.
        """
        given = list(cells)
        prefixes = (_UNFINISHED, _STAGES) if stages else (_UNFINISHED,)
        kept = {self.cells / f"{prefix}{cell.name}" for prefix in prefixes for cell in given}
        for pattern in (f"{prefix}*" for prefix in (_PARTIAL, *prefixes)):
            for leftover in set(self.cells.glob(pattern)) - kept:
                with suppress(OSError):
                    owner = Process.of_suffix(leftover.name)
                    if owner is None or not owner.may_live(leftover, _DAY):
                        _remove(leftover)

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Lock the folder for writing; the operating system releases it if the program is killed.

        On a file system without locks a remark is made. Several programs may then compute the same
        cells, of which the first to be finished are kept.

        Raises:
            InputError: If another program holds it.
        """
        # Without a lock there is none: a file in its place would stay behind a killed program.
        lock = FileLock(self.folder / ".lock", fallback_to_soft=False)
        holder = self.folder / ".lock-holder"
        with ExitStack() as stack:
            try:
                lock.acquire(timeout=0)
                stack.callback(lock.release)
            except Timeout as error:
                text = holder.read_text(errors="replace") if holder.is_file() else ""
                who = Process.of_text(text)
                raise InputError(
                    f"another program ({who or 'unknown'}) is writing to {self.folder}; "
                    "wait for it, or choose another folder with --out"
                ) from error
            except OSError as error:
                if error.errno not in _NO_LOCKS:
                    raise InputError(
                        f"cannot lock {self.folder}: {lock.lock_file} is no plain file that may be "
                        f"written ({error.strerror or error}); remove it, or choose another folder "
                        "with --out"
                    ) from error
                remark(
                    f"the file system of {self.folder} has no locks: make sure yourself that no "
                    "second program writes into it, which would compute the same again"
                )
            self.shared = not lock.is_locked
            write_text(holder, f"{Process.this()}\n")
            stack.callback(holder.unlink, missing_ok=True)
            yield


def _unreadable(error: Exception) -> str:
    """Say why the system does not let files be read; nothing if they are not there or damaged."""
    for cause in causes(error):
        number = cause.errno if isinstance(cause, OSError) else None
        if number is not None and number not in _NOT_THERE:
            return os.strerror(number)
    return ""


def _remove(path: Path) -> None:
    """Remove a file, a link or a folder, if there is one."""
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)
