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
        of_all = sum(map(_effort, missing))
        total = bars.add_task("all", total=of_all)
        efforts_done: list[float] = []
        began = time.monotonic()

        @contextmanager
        def watched(cell: Cell) -> Iterator[progress.Progress]:
            title = f"[{n_finished + len(efforts_done) + 1}/{n_all}] {cell.label}"
            start, before = time.monotonic(), sum(efforts_done)
            if not self.console.is_terminal:  # there is no bar to show what is being done
                self.console.print(f"{title} ...", markup=False)
            own = bars.add_task(cell.label, total=1)
            said = began

            def report(done: int, of: int) -> None:
                nonlocal said
                share = done / max(of, 1)
                bars.update(own, completed=share)
                bars.update(total, completed=before + share * _effort(cell))
                now = time.monotonic()
                if self.console.is_terminal or not 0 < share < 1:
                    return
                if now - max(said, start) >= progress.SECONDS_BETWEEN_LINES:
                    said = now
                    left = progress.share_and_left(share, now - start)
                    self.console.print(f"{title}  {left}{all_left(share)}", markup=False)

            def all_left(share: float) -> str:
                done = (before + share * _effort(cell)) / of_all
                return f" (of all: {progress.share_and_left(done, time.monotonic() - began)})"

            try:
                yield report
                report(1, 1)
            finally:
                bars.remove_task(own)
            efforts_done.append(_effort(cell))
            line = f"{title}  {time.monotonic() - start:.1f} s"
            if len(efforts_done) < len(missing) and not self.console.is_terminal:
                share = sum(efforts_done) / of_all
                line += f"; of all {progress.share_and_left(share, time.monotonic() - began)}"
            self.console.print(line, markup=False)

        with bars:
            yield watched


@contextmanager
def watching(console: Console) -> Iterator[Callable[[str], progress.Progress]]:
    """Show work that is no study's: bars in a terminal, or plain lines with the time left.

    Args:
        console: Where to.

    Yields:
        A function from the name of some work to what the work calls with (done, in all).
    """
    if not console.is_terminal:
        yield lambda name: progress.as_lines(
            name, lambda line: console.print(line, markup=False, soft_wrap=True)
        )
        return
    with Progress(console=console) as bars:

        def bar(name: str) -> progress.Progress:
            task = bars.add_task(name)
            return lambda done, of: bars.update(task, completed=done, total=of)

        yield bar


def _effort(cell: Cell) -> float:
    return max(cell.effort, 1.0)  # where it is unknown, all cells count alike
