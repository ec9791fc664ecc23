"""Progress on the error stream: bars with the time left, or plain lines where it is no terminal."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Mapping
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

from .. import progress
from .process import Process


class Watch:
    """Shows which cells are being computed and how long the rest will take.

    Args:
        console: Where to; the error stream, so that results can be piped.
    """

    def __init__(self, console: Console) -> None:
        self.console = console

    @contextmanager
    def running(self, weights: Mapping[str, float], n_finished: int) -> Iterator[Shown]:
        """Show a whole run.

        Args:
            weights: How long each cell that is computed is expected to take beside others, by name.
            n_finished: How many further cells are finished.
        """
        n_all = n_finished + len(weights)
        if n_all and not weights:
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
            disable=not (weights and self.console.is_terminal),
        )
        with bars:
            yield Shown(bars, dict(weights), n_finished)


class Shown:
    """Shows the cells of a run, several of which may run at once.

    Args:
        bars: Where to.
        weights: How long each cell is expected to take beside others, by name.
        n_finished: How many further cells were finished before.
    """

    def __init__(self, bars: Progress, weights: dict[str, float], n_finished: int) -> None:
        self._bars, self._weights, self._n_begun = bars, weights, n_finished
        self._n_all = n_finished + len(weights)
        self._start = time.monotonic()
        self._said = self._start
        self._begun: dict[str, float] = {}
        self._titles: dict[str, str] = {}
        self._own: dict[str, TaskID] = {}
        self._shares: dict[str, float] = {}
        self._total = bars.add_task("all", total=sum(weights.values()))

    def start(self, name: str, label: str) -> bool:
        """Show that a cell has begun; false if that was shown before."""
        if name in self._titles:
            return False
        self._n_begun += 1
        if name not in self._weights:  # it was finished, and is computed again
            self._weights[name] = 1.0
            self._n_all += 1
        self._titles[name] = title = f"[{self._n_begun}/{self._n_all}] {label}"
        if not self._bars.console.is_terminal:  # there is no bar to show what is being done
            self._bars.console.print(f"{title} ...", markup=False)
        self._own[name] = self._bars.add_task(label, total=1)
        self._begun[name] = time.monotonic()
        return True

    def report(self, name: str, share: float) -> None:
        """Show which share of a running cell is done; without a terminal now and then in a line."""
        if name not in self._own:
            return
        self._shares[name] = share
        self._bars.update(self._own[name], completed=share)
        self._update()
        now, begun = time.monotonic(), self._begun[name]
        if self._bars.console.is_terminal or not 0 < share < 1:
            return
        if now - max(self._said, begun) >= progress.SECONDS_BETWEEN_LINES:
            self._said = now
            left = progress.share_and_left(share, now - begun)
            self._print(f"{self._titles[name]}  {left} (of all: {self._of_all()})")

    def finish(self, name: str, seconds: float, where: Process | None, error: str = "") -> None:
        """Show that a cell has ended, and where if it was on another machine."""
        self._shares[name] = 1.0
        if name in self._own:
            self._bars.remove_task(self._own.pop(name))
        self._update()
        ended = f"failed: {error}" if error else f"{seconds:.1f} s"
        if where is not None and where.host != Process.this().host:
            ended += f" on {where.host}"
        if not self._bars.console.is_terminal and (of_all := self._of_all()):
            ended += f"; of all {of_all}"
        self._print(f"{self._titles.get(name, name)}  {ended}")

    def _print(self, line: str) -> None:
        self._bars.console.print(line, markup=False, soft_wrap=True)

    def again(self, name: str) -> None:
        """Show that a running cell has to begin again."""
        self._titles.pop(name, None)
        self._shares.pop(name, None)
        self._n_begun -= 1
        if name in self._own:
            self._bars.remove_task(self._own.pop(name))

    def drop(self, names: Iterable[str]) -> None:
        """Show that cells are not computed after all."""
        for name in names:
            self._weights.pop(name, None)
        self._bars.update(self._total, total=sum(self._weights.values()))

    def _done(self) -> float:
        return sum(share * self._weights.get(name, 0.0) for name, share in self._shares.items())

    def _update(self) -> None:
        self._bars.update(self._total, completed=self._done())

    def _of_all(self) -> str:
        """Say how much of all is done and how long the rest takes; nothing at the end."""
        share = self._done() / max(sum(self._weights.values()), 1e-9)
        if not 0 < share < 1 - 1e-9:
            return ""
        if share < progress.LEAST_SHARE:
            return f"{100 * share:.0f}% done"
        return progress.share_and_left(share, time.monotonic() - self._start)


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
