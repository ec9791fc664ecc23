"""Forecasting how long the missing cells of a study will take, and the disk they need."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from heapq import heappop, heappush
from typing import Any

from ..precision import Precision
from .kinds import kind_of
from .machines import PROCESS_BYTES, Machine
from .planner import precision_of
from .store import Cell, Damaged, Store

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
        memory: Expected bytes that its process takes.
    """

    cell: Cell
    finished: bool
    seconds: float | None
    megabytes: float
    memory: float = 0.0


def forecast(
    cells: Sequence[Cell],
    store: Store | None,
    machine: Machine,
    others: Sequence[Cell] = (),
    weights: int = 0,
) -> list[Forecast]:
    """Forecast every cell of a plan.

    The speed is that of finished cells of the same kind on the same device; without any, that of
    matrix products, of which each kind reaches a share.

    Args:
        cells: The cells.
        store: The run folder, if it exists.
        machine: What they will be computed on.
        others: Further cells, from which speeds are measured too.
        weights: Bytes of the model's weights; 0 if not known.

    Returns:
        One forecast per cell, in order.
    """
    records: dict[str, Mapping[str, Any]] = {}
    for cell in (*cells, *others):
        with suppress(Damaged):  # it is computed again
            if store is not None and store.has(cell):
                records[cell.name] = store.record(cell)
    rates: dict[str, float] = {}
    for name in {cell.kind for cell in cells}:
        # Today's forecast of their efforts, which may differ from that when they were computed.
        done = [c for c in {*cells, *others} if c.kind == name and c.name in records]
        took = [_seconds_on(machine, records[cell.name]) for cell in done]
        effort = sum(cell.effort for cell, known in zip(done, took, strict=True) if known)
        if effort:
            rates[name] = effort / sum(filter(None, took))
    forecasts = []
    for cell in cells:
        seconds = None
        if cell.name in records:
            seconds = records[cell.name]["seconds"]
        elif cell.effort:
            rate = rates.get(cell.kind) or _rate(machine, cell)
            seconds = cell.effort / rate + OVERHEAD
        memory = memory_of(cell, weights)
        forecasts.append(Forecast(cell, cell.name in records, seconds, cell.disk / 1e6, memory))
    return forecasts


def _rate(machine: Machine, cell: Cell) -> float:
    """Return the multiply-adds a second that a kind of cell reaches where none is finished."""
    return machine.speed(_precision(cell)) * kind_of(cell).efficiency


def _seconds_on(machine: Machine, record: Mapping[str, Any]) -> float | None:
    """Forecast what a finished cell would take on a machine; ``None`` if that cannot be told."""
    gain = machine.gain_over(record["device"], record.get("threads"))
    return record["seconds"] / gain if gain else None


def memory_of(cell: Cell, weights: float) -> float:
    """Forecast the bytes that a process takes for a cell.

    Args:
        cell: The cell.
        weights: Bytes of the model's weights.
    """
    return PROCESS_BYTES + kind_of(cell).copies * weights


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
