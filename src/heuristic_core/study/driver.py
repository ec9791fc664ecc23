"""One loop over the cells of a run: each is computed when its inputs are finished."""

from __future__ import annotations

from bisect import insort
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import TypeVar

from ..errors import InputError, remark
from .bench import Workbench
from .executors.executor import Executor, Outcome
from .executors.here import Here
from .journal import Journal, forget, log_path, shares, sweep_notes
from .kinds import kind_of
from .store import Cell, Damaged, Store
from .watch import Shown, Watch

#: How often one cell is set aside and computed again before it counts as failed.
_REPAIRS = 2
#: Seconds between two looks at how far running cells are.
_LOOK = 1.0

Made = TypeVar("Made")


class CellsFailed(InputError):
    """Some cells raised errors; everything that does not need them is finished."""


@dataclass(eq=False)
class Driver:
    """Has the cells of one run folder computed.

    Args:
        executor: Computes them.
        watch: Shows progress.
        store: The run folder, locked.
        command: The command to log.
    """

    watch: Watch
    store: Store
    executor: Executor = field(default_factory=Here)
    command: str = ""
    repaired: Counter[str] = field(default_factory=Counter, init=False)

    def __post_init__(self) -> None:
        sweep_notes(self.store.folder)
        self.journal = Journal(self.store.folder, self.command)

    def compute(self, cells: Sequence[Cell], bench: Workbench) -> int:
        """Compute the cells that are not finished.

        Args:
            cells: The cells, inputs first.
            bench: What they share.

        Returns:
            How many were computed.

        Raises:
            CellsFailed: If some failed; the others are finished.
            InputError: If a disk is full; everything stops at once.
        """
        missing = [cell for cell in cells if not self.store.has(cell)]
        self.journal.write(
            "planned",
            cells=[
                {"name": c.name, "label": c.label, "kind": c.kind, "weight": weight(c)}
                for c in cells
            ],
        )
        with self.watch.running(
            {c.name: weight(c) for c in missing}, len(cells) - len(missing)
        ) as shown:
            if not missing:
                return 0
            self.executor.start(bench, shown.report)
            graph = _Graph(self, bench, shown)
            for cell in missing:
                graph.add(cell)
            return graph.run()

    def repair(self, attempt: Callable[[], Made]) -> Made:
        """Do something that reads finished cells until none of them is found damaged.

        Args:
            attempt: Computes the cells that are missing, then reads them.

        Raises:
            Damaged: If a cell is damaged again and again.
        """
        while True:
            try:
                return attempt()
            except Damaged as error:
                if not self.set_aside(error.name, str(error)):
                    raise

    def set_aside(self, name: str, why: str) -> bool:
        """Set a damaged cell aside and say so; false if that was done too often."""
        if not name or self.repaired[name] >= _REPAIRS:
            return False
        self.repaired[name] += 1
        place = self.store.set_aside(name)
        if place is not None:
            self.journal.write("set aside", cell=name, error=why, path=place.name)
            remark(f"the cell {name} is damaged and computed again; it is kept as {place.name}")
        return True


class _Graph:
    """Cells that are not finished, and which of them wait for which.

    Args:
        driver: Whose they are.
        bench: What they share.
        shown: Shows progress.
    """

    def __init__(self, driver: Driver, bench: Workbench, shown: Shown) -> None:
        self.driver, self.bench, self.shown = driver, bench, shown
        self.store, self.journal = driver.store, driver.journal
        self.known: dict[str, Cell] = {}
        self.order: dict[str, int] = {}
        #: The unfinished inputs of every cell that waits.
        self.waits: dict[str, set[str]] = {}
        self.ready: list[Cell] = []
        #: Running cells, and cells set aside, each with how many had been set aside by then.
        self.running: dict[str, int] = {}
        self.aside: dict[str, int] = {}
        self.n_aside = 0
        self.failed: dict[str, Outcome] = {}
        self.left_out: set[str] = set()
        self.n_done = 0

    def add(self, cell: Cell, first: bool = False) -> None:
        """Add a cell, after those of its inputs that are missing."""
        if cell.name in self.waits or cell.name in self.running or self._is_ready(cell.name):
            return
        for source in cell.inputs:
            if not self.store.has(source):
                self.add(source, first)
        self.known[cell.name] = cell
        self.order.setdefault(cell.name, -1 if first else len(self.order))
        self.waits[cell.name] = {c.name for c in cell.inputs if not self.store.has(c)}
        self._free(cell.name)

    def _is_ready(self, name: str) -> bool:
        return any(cell.name == name for cell in self.ready)

    def _free(self, name: str) -> None:
        """Make a cell ready if it waits for nothing."""
        if name in self.waits and not self.waits[name]:
            del self.waits[name]
            insort(self.ready, self.known[name], key=lambda cell: self.order[cell.name])

    def run(self) -> int:
        """Compute all cells, and return how many were."""
        executor = self.driver.executor
        while self.ready or self.running:
            while self.ready and (cell := executor.submit(self.ready)) is not None:
                self.ready.remove(cell)
                self.running[cell.name] = self.n_aside
                if not executor.queues:
                    self._begun(cell.name)
            outcome = executor.wait(_LOOK)
            if outcome is not None:
                self._take(outcome)
            else:
                self._look()
        if self.failed:
            raise self._failure()
        return self.n_done

    def _begun(self, name: str) -> None:
        if self.shown.start(name, self.known[name].label):
            self.journal.write("started", cell=name)

    def _look(self) -> None:
        """See how far the cells are that run in other processes."""
        for name, share in shares(self.store.folder).items():
            if name in self.running:
                self._begun(name)
                self.shown.report(name, share)

    def _take(self, outcome: Outcome) -> None:
        name = outcome.name
        forget(self.store.folder, name)  # a killed process leaves its note
        if outcome.again:
            self.journal.write("worker lost", cell=name, error=outcome.error)
            return
        for text in outcome.remarks:
            remark(text)
        submitted = self.running.pop(name)
        if not outcome.error:
            self._finish(outcome)
        elif outcome.full:
            self._log_failure(outcome)
            raise InputError(
                f"{self.known[name].label} stopped: no space is left on the disk; finished cells "
                f"are kept: free some space and run the same command again ({outcome.error})"
            )
        elif not (outcome.damaged and self._repair(outcome, submitted)):
            self._fail(outcome)

    def _finish(self, outcome: Outcome) -> None:
        name = outcome.name
        self._begun(name)
        where = {} if outcome.where is None else outcome.where._asdict()
        self.journal.write("finished", cell=name, seconds=round(outcome.seconds, 3), **where)
        self.shown.finish(name, outcome.seconds, outcome.where)
        self.n_done += 1
        for other, inputs in list(self.waits.items()):
            inputs.discard(name)
            self._free(other)

    def _repair(self, outcome: Outcome, submitted: int) -> bool:
        """Have a damaged input computed again before the cell that found it; false if impossible.

        What a cell finds that was submitted before its input was set aside says nothing new.
        """
        cell = self.known[outcome.name]
        damaged = next((c for c in _ancestors(cell) if c.name == outcome.damaged), None)
        if damaged is None or not self._fits(damaged):
            return False
        if self.aside.get(damaged.name, 0) <= submitted:
            if not self.driver.set_aside(damaged.name, outcome.error):
                return False
            self.n_aside += 1
            self.aside[damaged.name] = self.n_aside
            self.add(damaged, first=True)
            self._hold_back(damaged.name)
        self.shown.again(cell.name)
        self.add(cell)
        return True

    def _hold_back(self, name: str) -> None:
        """Let all cells wait that need a cell which is computed again."""
        for cell in [c for c in self.ready if name in {source.name for source in c.inputs}]:
            self.ready.remove(cell)
            self.waits[cell.name] = set()
        for other, inputs in self.waits.items():
            if name in {source.name for source in self.known[other].inputs}:
                inputs.add(name)

    def _fits(self, cell: Cell) -> bool:
        """Return whether a cell of another plan can be computed with what the cells here share."""
        suites = cell.spec.get("suites")
        return suites is None or suites == {s.name: s.examples.digest for s in self.bench.suites}

    def _fail(self, outcome: Outcome) -> None:
        self._log_failure(outcome)
        self.failed[outcome.name] = outcome
        self.shown.finish(outcome.name, outcome.seconds, outcome.where, outcome.error)
        lost = {outcome.name}
        for name, inputs in list(self.waits.items()):  # inputs come first
            if inputs & lost:
                lost.add(name)
                del self.waits[name]
        self.left_out |= lost - {outcome.name}
        self.shown.drop(lost - {outcome.name})

    def _log_failure(self, outcome: Outcome) -> None:
        where = {} if outcome.where is None else outcome.where._asdict()
        self.journal.write(
            "failed", cell=outcome.name, error=outcome.error, traceback=outcome.traceback, **where
        )

    def _failure(self) -> CellsFailed:
        first, *others = self.failed.values()
        names = [self.known[other.name].label for other in others]
        more = ", ".join(names[:5]) + (" ..." if len(names) > 5 else "")
        return CellsFailed(
            f"{self.known[first.name].label} failed: {first.error}"
            + (f"; {more} failed too" if more else "")
            + (f"; {len(self.left_out)} cells need what failed" if self.left_out else "")
            + "; everything else is finished and kept, the same command tries again, and more is "
            f"in {log_path(self.store.folder)}"
        )


def weight(cell: Cell) -> float:
    """Return how long a cell is expected to take beside others, in no unit."""
    # Where it is unknown, all cells count alike.
    return max(cell.effort, 1.0) / kind_of(cell).efficiency


def _ancestors(cell: Cell) -> list[Cell]:
    found: dict[str, Cell] = {}
    for source in cell.inputs:
        found |= {c.name: c for c in (*_ancestors(source), source)}
    return list(found.values())
