"""Computing cells in local processes, each with its own threads and, where there are, its GPU."""

from __future__ import annotations

import multiprocessing
import os
import signal
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor
from concurrent.futures import wait as wait_for
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch

from ...errors import expect_whole
from ..bench import Workbench
from ..machines import threads_of
from ..store import Cell
from .executor import Executor, Outcome
from .remote import perform_remotely, setup_of

#: How often a cell is started whose worker is killed.
ATTEMPTS = 3


@dataclass(eq=False)
class _Worker:
    """A place for a process, which is started when it gets its first cell.

    Args:
        gpu: The value of CUDA_VISIBLE_DEVICES; ``None`` to leave it.
    """

    gpu: str | None
    pool: ProcessPoolExecutor | None = None
    setup: str = ""
    cell: Cell | None = None
    future: Future[Outcome] | None = None
    attempts: int = 0
    holds: tuple[object, ...] | None = None


class Workers(Executor):
    """Computes cells in local processes.

    Each is a pool of one process, so that a cell can go to the one that holds its model. A process
    that is killed is started again with its cell, and all end when this one does.

    Args:
        n: How many there are.
        threads: Threads that each uses; by default the processor's cores are shared out.

    Raises:
        InputError: If a number is not at least 1.
    """

    def __init__(self, n: int, threads: int | None = None) -> None:
        expect_whole("the number of workers", n, 1)
        self.n = n
        self.threads = threads or threads_of(n)
        self._workers: list[_Worker] = []
        self._setup: tuple[str, dict[str, Any]] = ("", {})

    def start(self, bench: Workbench, show: Callable[[str, float], None]) -> None:
        """Make ready; processes that run already get the new workbench with their next cell."""
        if not self._workers:
            gpus = _gpus() if bench.device == "cuda" else []
            self._workers = [_Worker(gpus[i % len(gpus)] if gpus else None) for i in range(self.n)]
        number = int(self._setup[0] or 0) + 1
        self._setup = (str(number), setup_of(bench, self.threads))

    def submit(self, ready: Sequence[Cell]) -> Cell | None:
        """Start a cell in a free process, at best one whose model the process holds."""
        free = [worker for worker in self._workers if worker.cell is None]
        if not free:
            return None
        worker, cell = next(
            ((w, c) for w in free if w.holds is not None for c in ready if c.model == w.holds),
            # Processes that hold nothing before those that would have to load another model.
            (min(free, key=lambda w: w.holds is not None), ready[0]),
        )
        worker.attempts = 0
        self._begin(worker, cell)
        return cell

    def _begin(self, worker: _Worker, cell: Cell) -> None:
        worker.cell, worker.holds = cell, cell.model
        worker.attempts += 1
        if worker.pool is None:
            worker.setup = ""
            worker.pool = ProcessPoolExecutor(
                max_workers=1,
                mp_context=multiprocessing.get_context("spawn"),
                initializer=_begin_process,
                initargs=(worker.gpu,),
            )
        key, setup = self._setup
        sent = None if worker.setup == key else setup
        worker.setup = key
        try:
            with _unreached_by_interrupts():
                worker.future = worker.pool.submit(_perform, key, sent, cell)
        except BrokenProcessPool as error:  # it was killed while it had nothing to do
            worker.future = Future()
            worker.future.set_exception(error)

    def wait(self, seconds: float) -> Outcome | None:
        """Wait for the next cell; see ``Executor.wait``."""
        futures = {w.future: w for w in self._workers if w.future is not None}
        done, _ = wait_for(futures, timeout=seconds, return_when=FIRST_COMPLETED)
        worker = next((w for future, w in futures.items() if future in done), None)
        if worker is None or worker.future is None or worker.cell is None:
            return None
        cell, future = worker.cell, worker.future
        try:
            outcome = future.result()
        except BrokenProcessPool:
            return self._replaced(worker, cell)
        worker.cell = worker.future = None
        return outcome

    def _replaced(self, worker: _Worker, cell: Cell) -> Outcome:
        """Start a killed process again with its cell, unless that was done often enough."""
        if worker.pool is not None:
            worker.pool.shutdown(wait=False)
        worker.pool = worker.future = None
        if worker.attempts < ATTEMPTS:
            self._begin(worker, cell)
            return Outcome(name=cell.name, again=True, error="its worker was killed")
        worker.cell = worker.holds = None
        return Outcome(
            name=cell.name,
            error=f"its worker was killed {ATTEMPTS} times; is there too little memory for "
            f"{self.n} worker{'s' * (self.n > 1)}?",
        )

    def close(self) -> None:
        """End all processes at once."""
        for worker in self._workers:
            if worker.pool is not None:
                # Before Python 3.14 there is no public way to end a process that is at work.
                for process in list((worker.pool._processes or {}).values()):
                    process.kill()
                worker.pool.shutdown(wait=True, cancel_futures=True)
        self._workers = []


def _gpus() -> list[str]:
    named = os.environ.get("CUDA_VISIBLE_DEVICES")
    if named:
        return named.split(",")
    return [str(i) for i in range(torch.cuda.device_count())]


@contextmanager
def _unreached_by_interrupts() -> Iterator[None]:
    """Start processes that Ctrl-C does not reach, which goes to all of a terminal's.

    They inherit that it is blocked; here it arrives when the block ends, and the driver ends them.
    """
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _begin_process(gpu: str | None) -> None:
    if gpu is not None:
        os.environ["CUDA_VISIBLE_DEVICES"] = gpu  # torch has not looked yet
    threading.Thread(target=_end_with_parent, daemon=True).start()


def _end_with_parent() -> None:
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)


def _perform(key: str, setup: dict[str, Any] | None, cell: Cell) -> Outcome:
    return perform_remotely(key, lambda: setup or {}, cell)
