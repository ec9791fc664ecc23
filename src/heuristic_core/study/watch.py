"""Progress on the error stream: bars with the time left, or plain lines where it is no terminal."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager

from rich.console import Console
from rich.progress import (
    BarColumn,
    Progress,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)

from .. import progress
from .store import Cell


class Watch:
    """Shows which cell is being computed and how long the rest will take.

    Args:
        console: Where to; the error stream, so that results can be piped.
    """

    def __init__(self, console: Console) -> None:
        self.console = console

    @contextmanager
    def running(
        self, cells: Sequence[Cell], missing: Sequence[Cell]
    ) -> Iterator[Callable[[Cell], AbstractContextManager[progress.Progress]]]:
        """Show a whole run.

        Args:
            cells: All cells of the run.
            missing: Those of them that are computed, in order.

        Yields:
            A context manager that shows one cell; it yields what the cell's work calls with
            (steps done, steps in all).
        """
        n_finished, n_all = len(cells) - len(missing), len(cells)
        if cells and not missing:
            self.console.print(f"all {n_all} cells are finished: nothing to compute")
        elif n_finished:
            self.console.print(f"{n_finished} of {n_all} cells are finished already")
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
            disable=not (missing and self.console.is_terminal),
        )
        total = bars.add_task("all", total=sum(map(_effort, missing)))
        efforts_done: list[float] = []

        @contextmanager
        def watched(cell: Cell) -> Iterator[progress.Progress]:
            title = f"[{n_finished + len(efforts_done) + 1}/{n_all}] {cell.label}"
            start, before = time.perf_counter(), sum(efforts_done)
            if not self.console.is_terminal:  # there is no bar to show what is being done
                self.console.print(f"{title} ...", markup=False)
            own = bars.add_task(cell.label, total=1)

            def report(done: int, of: int) -> None:
                share = done / max(of, 1)
                bars.update(own, completed=share)
                bars.update(total, completed=before + share * _effort(cell))

            try:
                yield report
                report(1, 1)
            finally:
                bars.remove_task(own)
            efforts_done.append(_effort(cell))
            self.console.print(f"{title}  {time.perf_counter() - start:.1f} s", markup=False)

        with bars:
            yield watched


def _effort(cell: Cell) -> float:
    return max(cell.effort, 1.0)  # where it is unknown, all cells count alike
