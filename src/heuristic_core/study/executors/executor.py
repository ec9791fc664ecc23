"""What an executor is, and how any of them computes one cell."""

from __future__ import annotations

import errno
import time
import traceback
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from ...errors import InputError, causes, one_line
from ...models.classifier import Classifier
from ...models.device import pick_device
from ...progress import Progress
from ...search.stages import spent
from ...storage import write_json
from ...training.finetune import seconds_so_far
from ..bench import Workbench
from ..journal import noted
from ..kinds import kind_of
from ..process import Process
from ..store import Cell, Damaged


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """How the computation of a cell ended.

    Args:
        name: The cell's name.
        seconds: What it took.
        where: The process that computed it.
        error: Why it failed, in a line; empty if it is finished.
        traceback: Where it failed.
        damaged: The name of the cell that is damaged, if it failed for that.
        full: Whether it failed because a disk is full.
        again: Whether the worker was lost, and the cell is started again.
        remarks: What is to be said of it.
    """

    name: str
    seconds: float = 0.0
    where: Process | None = None
    error: str = ""
    traceback: str = ""
    damaged: str = ""
    full: bool = False
    again: bool = False
    remarks: tuple[str, ...] = ()


class Executor(ABC):
    """Computes cells; one driver hands them out in an order in which inputs come first."""

    #: Whether a cell that is submitted waits until there is a place for it.
    queues = False

    def device(self, asked: str) -> str:
        """Return the device that cells are computed on.

        Args:
            asked: The device, or ``auto``.

        Raises:
            InputError: If it is not there.
        """
        return pick_device(asked)

    @abstractmethod
    def start(self, bench: Workbench, show: Callable[[str, float], None]) -> None:
        """Make ready for the cells of a workbench; those of an earlier one are finished.

        Args:
            bench: What cells share.
            show: May be told of progress: a cell's name and the share of it that is done.
        """

    @abstractmethod
    def submit(self, ready: Sequence[Cell]) -> Cell | None:
        """Start one of some cells whose inputs are finished.

        Args:
            ready: The cells, in the order of the plan; at least one.

        Returns:
            The cell that was chosen; ``None`` if there is no place for one now.
        """

    @abstractmethod
    def wait(self, seconds: float) -> Outcome | None:
        """Wait until a cell is finished.

        Args:
            seconds: How long at most, if it can be interrupted.

        Returns:
            How it ended; ``None`` if none did in this time.
        """

    @abstractmethod
    def close(self) -> None:
        """End at once; what is being computed is lost. It can be started again."""


def perform(bench: Workbench, cell: Cell, show: Progress | None = None) -> Outcome:
    """Compute a cell, unless it is there already.

    Args:
        bench: What cells share.
        cell: The cell; its inputs are finished.
        show: Called with (steps done, steps in all).

    Returns:
        How it ended, errors included.
    """
    start, me = time.perf_counter(), Process.this()
    try:
        if not bench.store.has(cell):
            _compute(bench, cell, show)
    except Exception as error:
        what = str(error) if isinstance(error, InputError) else f"{type(error).__name__}: {error}"
        return Outcome(
            name=cell.name,
            seconds=time.perf_counter() - start,
            where=me,
            error=one_line(what, 600),
            traceback=traceback.format_exc(),
            damaged=error.name if isinstance(error, Damaged) else "",
            full=disk_is_full(error),
        )
    return Outcome(name=cell.name, seconds=time.perf_counter() - start, where=me)


def _compute(bench: Workbench, cell: Cell, show: Progress | None) -> None:
    store, n_before = bench.store, Classifier.n_examples_run
    seconds, n_examples = spent(store.stages(cell))
    seconds += seconds_so_far(store.unfinished(cell))
    n_before -= n_examples
    with (
        noted(store.folder, cell.name, show) as progress,
        store.writing(cell, bench.machine, seconds) as folder,
    ):
        facts: dict[str, Any] = kind_of(cell).work(bench, cell, folder, progress)
        n_examples = Classifier.n_examples_run - n_before
        write_json(folder / "facts.json", {"examples": n_examples} | facts)


def disk_is_full(error: BaseException) -> bool:
    """Return whether an error comes from a disk without space, whichever library met it."""
    return any(
        getattr(cause, "errno", None) in (errno.ENOSPC, errno.EDQUOT)
        # Libraries in Rust and C++ only say it in words.
        or "No space left on device" in str(cause)
        or "StorageFull" in str(cause)
        for cause in causes(error)
    )
