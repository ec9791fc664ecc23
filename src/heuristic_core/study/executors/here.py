"""Computing cells in this process, one after the other."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch

from ..bench import Workbench
from ..store import Cell
from .executor import Executor, Outcome, perform


class Here(Executor):
    """Computes cells in this process.

    Args:
        threads: Threads that torch uses; those that it is set to if not given.
    """

    def __init__(self, threads: int | None = None) -> None:
        self.threads = threads
        self._bench: Workbench | None = None
        self._cell: Cell | None = None
        self._show: Callable[[str, float], None] = lambda name, share: None
        self._threads_before: int | None = None

    def start(self, bench: Workbench, show: Callable[[str, float], None]) -> None:
        """Make ready; see ``Executor.start``."""
        self._bench, self._show = bench, show
        if self.threads is not None and self._threads_before is None:
            self._threads_before = torch.get_num_threads()
            torch.set_num_threads(self.threads)

    def submit(self, ready: Sequence[Cell]) -> Cell | None:
        """Choose the first cell; it is computed when it is waited for."""
        if self._cell is not None:
            return None
        self._cell = ready[0]
        return self._cell

    def wait(self, seconds: float) -> Outcome | None:
        """Compute the chosen cell, however long it takes."""
        bench, cell, show = self._bench, self._cell, self._show
        if bench is None or cell is None:
            return None
        self._cell = None
        return perform(bench, cell, lambda done, of: show(cell.name, done / max(of, 1)))

    def close(self) -> None:
        """Let go of what cells share."""
        self._bench = self._cell = None
        if self._threads_before is not None:
            torch.set_num_threads(self._threads_before)
            self._threads_before = None
