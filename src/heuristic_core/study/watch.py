"""Showing progress on the error stream: bars with time left, or plain lines where nobody looks."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

from rich.console import Console
from rich.progress import (
    BarColumn,
    Progress,
    TaskID,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)

from .store import Cell, Store


class Watch:
    """Tells which cell is being computed and how long the rest will take.

    Args:
        console: Where to; the error stream, so that results can be piped.
    """

    def __init__(self, console: Console) -> None:
        self.console = console
        self._bars: Progress | None = None
        self._total: TaskID | None = None
        self._done_effort = 0.0
        self._count = (0, 0)

    @contextmanager
    def running(
        self, cells: Sequence[Cell], missing: Sequence[Cell], store: Store
    ) -> Iterator[None]:
        """Show a whole run."""
        finished = len(cells) - len(missing)
        self._count = (finished, len(cells))
        if finished and missing:
            self.console.print(f"{finished} of {len(cells)} cells are finished already")
        if not missing:
            if cells:
                self.console.print(f"all {len(cells)} cells are finished: nothing to compute")
            yield
            return
        bars = Progress(
            TextColumn("{task.description}", markup=False),
            BarColumn(bar_width=24),
            TextColumn("{task.percentage:>3.0f}%"),
            TimeElapsedColumn(),
            TextColumn("left"),
            TimeRemainingColumn(),
            console=self.console,
            # One estimate over the whole run: cells differ too much for a moving window.
            speed_estimate_period=3600,
            disable=not self.console.is_terminal,
        )
        with bars:
            self._bars = bars
            self._total = bars.add_task("all", total=sum(max(c.effort, 1.0) for c in missing))
            try:
                yield
            finally:
                self._bars = None

    @contextmanager
    def cell(self, cell: Cell) -> Iterator[Callable[[int, int], None]]:
        """Show one cell; yields what the cell calls with (steps done, steps in all)."""
        bars, total = self._bars, self._total
        assert bars is not None
        assert total is not None
        inner = bars.add_task(cell.label, total=1)
        start = time.perf_counter()
        n, of = self._count[0] + 1, self._count[1]
        if not self.console.is_terminal:  # there are no bars to tell what is being done
            self.console.print(f"[{n}/{of}] {cell.label} ...", markup=False)
        effort = max(cell.effort, 1.0)

        def progress(done: int, of: int) -> None:
            share = done / max(of, 1)
            bars.update(inner, completed=share)
            bars.update(total, completed=self._done_effort + share * effort)

        try:
            yield progress
        finally:
            bars.remove_task(inner)
        self._done_effort += effort
        bars.update(total, completed=self._done_effort)
        self._count = (n, of)
        seconds = time.perf_counter() - start
        self.console.print(f"[{n}/{of}] {cell.label}  {seconds:.1f} s", markup=False)
