"""How fast a machine multiplies matrices, which forecasts of cells start from."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import lru_cache
from typing import NamedTuple

import torch
from torch import Tensor

from ..errors import unknown
from ..models.products import fast_product
from ..precision import Precision

#: The part of a kind's efficiency that is left in a narrow precision, measured in bfloat16: what is
#: not a matrix product gains nothing from it.
NARROW_PART = 0.83
#: Bytes that a process takes before it loads a model: Python, torch, the study's texts.
PROCESS_BYTES = 1.5e9
#: The most threads or local workers that can be asked for; torch breaks off at larger numbers.
MOST = 1024


class Gpu(NamedTuple):
    """What the maker's data sheet says of a GPU.

    Args:
        float32: Peak speed without tensor cores, 10^12 floating-point operations a second.
        narrow: Peak speed of tensor cores in 16 bits, without sparsity.
        gigabytes: Memory.
    """

    float32: float
    narrow: float
    gigabytes: int


#: By name; the paper's studies were made on A5000 cards.
GPUS = {
    "V100": Gpu(15.7, 125.0, 32),
    "RTX-3090": Gpu(35.6, 71.0, 24),
    "A5000": Gpu(27.8, 111.1, 24),
    "A40": Gpu(37.4, 149.7, 48),
    "A100": Gpu(19.5, 312.0, 80),
    "RTX-4090": Gpu(82.6, 165.2, 24),
    "H100": Gpu(66.9, 989.4, 80),
    "H200": Gpu(66.9, 989.4, 141),
}


@dataclass(frozen=True)
class Machine:
    """What cells are computed on, for forecasts.

    Args:
        device: The device here.
        workers: How many cells are computed at once.
        threads: Threads of each worker on a CPU; those that torch is set to if not given.
        gpu: One of ``GPUS``, one for each worker, in place of the device here.

    Raises:
        InputError: If the GPU is unknown.
    """

    device: str = "cpu"
    workers: int = 1
    threads: int | None = None
    gpu: str | None = None

    def __post_init__(self) -> None:
        if self.gpu is not None and self.gpu not in GPUS:
            raise unknown("GPU", self.gpu, GPUS)

    @property
    def name(self) -> str:
        """What it is called in a sentence."""
        where = self.gpu or self.device
        if self.workers == 1:
            return where
        return f"{self.workers} {self.gpu}s" if self.gpu else f"{where} with {self.workers} workers"

    def speed(self, precision: Precision = "float32") -> float:
        """Return the multiply-adds a second of the fastest matrix products of a worker."""
        if self.gpu:
            peak = GPUS[self.gpu]
            exact = precision == "float32"
            return 5e11 * (peak.float32 if exact else NARROW_PART * peak.narrow)
        part = 1.0 if precision == "float32" else NARROW_PART
        threads = self.threads or torch.get_num_threads()
        return part * _speed(self.device, getattr(torch, precision), threads)

    def gain_over(self, device: str, threads: int | None) -> float | None:
        """Compare its speed with that of the machine here with other threads.

        Args:
            device: Where something was computed.
            threads: With how many threads; ``None`` if that is not known.

        Returns:
            The ratio; ``None`` if it was another device.
        """
        if self.gpu or device.partition(":")[0] != self.device.partition(":")[0]:
            return None
        if self.device != "cpu" or threads is None:
            return 1.0
        return self.speed() / _speed("cpu", torch.float32, threads)


@lru_cache(maxsize=32)
def _speed(device: str, dtype: torch.dtype, threads: int) -> float:
    # What torch multiplies float32 matrices with reaches half the processor's speed on some.
    fast = device == "cpu" and dtype is torch.float32
    with _threads(threads):
        return matrix_speed(device, dtype, fast_product if fast else _multiply)


def _multiply(x: Tensor, weight: Tensor) -> Tensor:
    return x @ weight.T


def threads_of(workers: int) -> int:
    """Share out the cores that this process may use among workers."""
    affinity = getattr(os, "sched_getaffinity", None)
    cores = len(affinity(0)) if affinity else os.cpu_count() or 1
    return max(1, cores // workers)


@contextmanager
def _threads(n: int) -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(n)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def matrix_speed(
    device: str,
    dtype: torch.dtype,
    multiply: Callable[[Tensor, Tensor], Tensor],
    size: int = 768,
    least_seconds: float = 0.2,
) -> float:
    """Time matrix products, and return the multiply-adds per second of the fastest one.

    Other programs slow most of the products while they run, but not for as long as a study takes.
    """
    matrix = torch.ones(size, size, device=device, dtype=dtype)

    def product() -> float:
        start = time.perf_counter()
        float(multiply(matrix, matrix)[0, 0])  # reading a value waits for the device
        return time.perf_counter() - start

    product()
    start, fastest = time.perf_counter(), product()
    while time.perf_counter() - start < least_seconds:
        fastest = min(fastest, product())
    return size**3 / fastest
