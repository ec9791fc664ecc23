"""Forecasting how long the missing cells of a study will take, and the disk they need."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from heapq import heappop, heappush

import torch

from ..models.precision import Precision
from .kinds import kind_of
from .planner import precision_of
from .store import Cell, Store

#: The part of a kind's efficiency that is left in a narrow precision, measured in bfloat16: what is
#: not a matrix product gains nothing from it.
NARROW_PART = 0.83
#: Seconds for each cell to load a model and open files.
OVERHEAD = 0.5


@dataclass(frozen=True)
class Forecast:
    """What a cell is expected to take.

    Args:
        cell: The cell.
        finished: Whether it is in the store.
        seconds: Expected time, or the measured one if finished; ``None`` where nothing is known.
        megabytes: Expected size on disk.
    """

    cell: Cell
    finished: bool
    seconds: float | None
    megabytes: float


def forecast(
    cells: Sequence[Cell], store: Store | None, device: str, others: Sequence[Cell] = ()
) -> list[Forecast]:
    """Forecast every cell of a plan.

    The speed is that of finished cells of the same kind; without any, a matrix product is timed.

    Args:
        cells: The cells.
        store: The run folder, if it exists.
        device: Where models will run.
        others: Further cells, from which speeds are measured too.

    Returns:
        One forecast per cell, in order.
    """
    records = {
        cell.name: store.record(cell)
        for cell in (*cells, *others)
        if store is not None and store.has(cell)
    }
    rates: dict[str, float] = {}
    for kind in {cell.kind for cell in cells}:
        # Today's forecast of their efforts, which may differ from that when they were computed.
        done = [c for c in {*cells, *others} if c.kind == kind and c.name in records]
        seconds = sum(records[cell.name]["seconds"] for cell in done)
        effort = sum(cell.effort for cell in done)
        if seconds and effort:
            rates[kind] = effort / seconds
    to_do = [cell for cell in cells if cell.name not in records]
    speeds = {name: _speed(device, name) for name in {_precision(cell) for cell in to_do}}
    forecasts = []
    for cell in cells:
        if cell.name in records:
            seconds = records[cell.name]["seconds"]
        elif not cell.effort:
            seconds = None
        else:
            rate = rates.get(cell.kind, speeds[_precision(cell)] * kind_of(cell).efficiency)
            seconds = cell.effort / rate + OVERHEAD
        forecasts.append(Forecast(cell, cell.name in records, seconds, cell.disk / 1e6))
    return forecasts


def makespan(forecasts: Sequence[Forecast], workers: int) -> float | None:
    """Forecast how long several workers take for the cells that are not finished.

    Args:
        forecasts: Those of a plan, inputs first.
        workers: How many cells are computed at once.

    Returns:
        Seconds; ``None`` where a cell's time is not known.
    """
    to_do = {f.cell.name: f for f in forecasts if not f.finished}
    ends: dict[str, float] = {}
    running: list[tuple[float, str]] = []
    now = 0.0
    while to_do or running:
        for name, f in list(to_do.items()):
            waits = any(source.name in to_do for source in f.cell.inputs)
            waits |= any(ends.get(source.name, 0.0) > now for source in f.cell.inputs)
            if not waits and len(running) < workers:
                if f.seconds is None:
                    return None
                ends[name] = now + f.seconds
                heappush(running, (ends[name], name))
                del to_do[name]
        now, _ = heappop(running)
    return now


def _precision(cell: Cell) -> Precision:
    return precision_of(cell.spec) if kind_of(cell).in_precision else "float32"


def _speed(device: str, precision: Precision) -> float:
    part = 1.0 if precision == "float32" else NARROW_PART
    return part * matrix_speed(device, getattr(torch, precision))


def matrix_speed(
    device: str, dtype: torch.dtype, size: int = 768, least_seconds: float = 0.2
) -> float:
    """Time matrix products, and return the multiply-adds per second of the fastest one.

    Other programs slow most of the products while they run, but not for as long as a study takes.
    """
    matrix = torch.ones(size, size, device=device, dtype=dtype)

    def product() -> float:
        start = time.perf_counter()
        float((matrix @ matrix)[0, 0])  # reading a value waits for the device
        return time.perf_counter() - start

    product()
    start, fastest = time.perf_counter(), product()
    while time.perf_counter() - start < least_seconds:
        fastest = min(fastest, product())
    return size**3 / fastest
