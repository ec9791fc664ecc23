"""Computing cells as tasks on a Ray cluster, which places, retries and moves them."""

from __future__ import annotations

import logging
import socket
from collections.abc import Callable, Sequence
from itertools import count
from typing import Any

from ...errors import InputError, one_line, remark
from ...models.device import pick_device
from ..bench import Workbench
from ..forecast import memory_of
from ..store import Cell
from .executor import Executor, Outcome
from .remote import perform_remotely, setup_of

#: How often Ray starts a cell again whose worker or node is lost.
RETRIES = 3
#: Seconds that a cluster has to take a connection; Ray itself would try for many minutes.
_PATIENCE = 5.0


class OnRay(Executor):
    """Computes cells as tasks on a Ray cluster.

    Ray decides which node computes a cell; it is told how many processors, GPUs and how much
    memory each needs. The run folder must be on a file system that all nodes share.

    Args:
        address: ``auto`` for the cluster that runs on this machine, ``local`` for one of this
            machine alone that ends with the program, or ``HOST:PORT``.
        threads: Threads, and so processors, of each cell.

    Raises:
        InputError: If Ray is not installed, or there is no such cluster.
    """

    queues = True

    def __init__(self, address: str = "auto", threads: int | None = None) -> None:
        self.address, self.threads = address, threads or 1
        self._ray = _connected(address)
        self._task = self._ray.remote(_perform)
        self._numbers = count(1)
        self._key = ""
        self._setup: list[Any] = []
        self._running: dict[Any, Cell] = {}
        self._weights = 0
        self._device = "cpu"
        nodes = [node["Resources"] for node in self._ray.nodes() if node["Alive"]]
        self._memory = max((node.get("memory", 0) for node in nodes), default=0)
        most = max((int(node.get("CPU", 0)) for node in nodes), default=0)
        if most < self.threads:
            remark(
                f"no node of the Ray cluster has {self.threads} processors yet, the largest has "
                f"{most}; cells wait for one: give fewer --threads if none will come"
            )

    def device(self, asked: str) -> str:
        """Return ``cuda`` where the cluster has GPUs, whatever this machine has."""
        if asked in ("auto", "cuda"):
            if self._ray.cluster_resources().get("GPU"):
                return "cuda"
            if asked == "cuda":
                raise InputError("the Ray cluster has no GPU; say cpu as device")
            return "cpu"
        return pick_device(asked)

    def start(self, bench: Workbench, show: Callable[[str, float], None]) -> None:
        """Put what cells share where all nodes can get it."""
        if not self._ray.is_initialized():
            self._ray = _connected(self.address)
        self._key = f"{self._ray.get_runtime_context().get_job_id()}-{next(self._numbers)}"
        # In a list, so that a task gets it only if its process lacks it.
        self._setup = [self._ray.put(setup_of(bench, self.threads))]
        config = bench.config
        self._weights = (config.place(config.last_source).shape or {}).get("bytes", 0)
        self._device = bench.device

    def submit(self, ready: Sequence[Cell]) -> Cell | None:
        """Hand the first cell to Ray, which keeps a queue of its own."""
        cell = ready[0]
        needs: dict[str, Any] = {"num_cpus": self.threads, "memory": self._memory_of(cell)}
        if self._device.startswith("cuda"):
            needs["num_gpus"] = 1
        task = self._task.options(max_retries=RETRIES, **needs)
        self._running[task.remote(self._key, self._setup, cell)] = cell
        return cell

    def _memory_of(self, cell: Cell) -> int:
        """Forecast how many bytes a cell takes; at most what the largest node has."""
        needed = int(memory_of(cell, self._weights))
        return min(needed, int(self._memory)) if self._memory else needed

    def wait(self, seconds: float) -> Outcome | None:
        """Wait for the next cell; see ``Executor.wait``."""
        done, _ = self._ray.wait(list(self._running), num_returns=1, timeout=seconds)
        if not done:
            return None
        cell = self._running.pop(done[0])
        try:
            outcome: Outcome = self._ray.get(done[0])
        except self._ray.exceptions.RayError as error:
            reason = one_line(str(error), 300)
            return Outcome(name=cell.name, error=f"Ray could not compute it: {reason}")
        return outcome

    def close(self) -> None:
        """Cancel what runs and leave the cluster."""
        for task in self._running:
            self._ray.cancel(task, force=True)
        self._running, self._setup = {}, []
        self._ray.shutdown()


def _connected(address: str) -> Any:
    """Connect to a cluster, and return Ray's module."""
    try:
        import ray
        import ray.exceptions
        from ray._private.services import canonicalize_bootstrap_address
    except ImportError as error:
        raise InputError(
            "--ray needs Ray, which is not installed; pip install 'heuristic-core[cluster]'"
        ) from error
    try:
        # No public function says which cluster Ray would take for `auto`.
        _check_listens(canonicalize_bootstrap_address(address))
        ray.init(
            address=address,
            ignore_reinit_error=True,
            include_dashboard=False if address == "local" else None,
            log_to_driver=False,
            logging_level=logging.ERROR,
        )
    except (ConnectionError, ValueError, RuntimeError, OSError) as error:
        reason = one_line(str(getattr(error, "strerror", None) or error), 150)
        raise InputError(
            f"cannot reach a Ray cluster at {one_line(address, 100)} ({reason}); check the "
            "address, start one with `ray start --head`, or say --ray local"
        ) from error
    return ray


def _check_listens(address: str | None) -> None:
    """Raise an error unless something takes connections at ``HOST:PORT``; ``None`` is fine."""
    if address is not None:
        host, _, port = address.removeprefix("ray://").rpartition(":")
        socket.create_connection((host.strip("[]"), int(port)), timeout=_PATIENCE).close()


def _perform(key: str, setup: list[Any], cell: Cell) -> Outcome:
    import ray

    return perform_remotely(key, lambda: ray.get(setup[0]), cell)
