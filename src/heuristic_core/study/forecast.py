"""Forecasting how long the missing cells of a study will take, and the disk they need."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass

import torch

from .store import Cell, Store

#: Share of a plain matrix product's speed that whole models reach, as measured with MiniLM.
EFFICIENCY = {
    "finetune": 0.33,
    "prepare": 0.4,
    "search": 0.38,
    "evaluate": 0.45,
    "disjoint": 0.55,
    "removal": 0.5,
    "probe": 0.5,
    "attention": 0.6,
    "dependency": 0.65,
}
#: The part of that share that is left where a cell computes in bfloat16: what is not a matrix
#: product gains nothing from it.
BF16_PART = 0.83
#: Loading a model and opening files, per cell, in seconds.
OVERHEAD = 0.5


@dataclass(frozen=True)
class Forecast:
    """What a cell is expected to take.

    Args:
        cell: The cell.
        finished: Whether it is in the store already.
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

    Finished cells of the same kind give the speed; without any, a matrix product is timed.

    Args:
        cells: The cells.
        store: The run folder, if it exists.
        device: Where models will run.
        others: Further cells; those that are finished give speeds too.

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
        # By their forecast efforts of today, which may not be those of when they were computed.
        done = [c for c in {*cells, *others} if c.kind == kind and c.name in records]
        seconds = sum(records[cell.name]["seconds"] for cell in done)
        effort = sum(cell.effort for cell in done)
        if seconds and effort:
            rates[kind] = effort / seconds
    to_do = [cell for cell in cells if cell.name not in records]
    speeds = {bf16: _speed(device, bf16) for bf16 in {_is_bf16(cell) for cell in to_do}}
    result = []
    for cell in cells:
        if cell.name in records:
            seconds = records[cell.name]["seconds"]
        elif not cell.effort:
            seconds = None
        else:
            rate = rates.get(cell.kind, speeds[_is_bf16(cell)] * EFFICIENCY[cell.kind])
            seconds = cell.effort / rate + OVERHEAD
        result.append(Forecast(cell, cell.name in records, seconds, cell.disk / 1e6))
    return result


def _is_bf16(cell: Cell) -> bool:
    # Disjoint searches are only evaluated in it, which is little of what they take.
    return cell.kind != "disjoint" and bool(cell.spec.get("bf16"))


def _speed(device: str, bf16: bool) -> float:
    if bf16:
        return BF16_PART * matrix_speed(device, torch.bfloat16)
    return matrix_speed(device, torch.float32)


def matrix_speed(
    device: str, dtype: torch.dtype, size: int = 768, least_seconds: float = 0.2
) -> float:
    """Time matrix products and give multiply-adds a second, of the fastest one.

    Others that use the machine right now slow most of them, but will not for as long as a study.
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
