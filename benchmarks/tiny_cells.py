"""Cells that do nothing but read their input and write a line, to time what surrounds a cell.

Other processes know this kind of cell because they import this module with the study.
"""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

from heuristic_core.progress import Progress
from heuristic_core.storage import write_json
from heuristic_core.study import kinds
from heuristic_core.study.bench import Workbench
from heuristic_core.study.kinds.kind import Kind
from heuristic_core.study.process import Process
from heuristic_core.study.store import Cell, Store


class Nothing(SimpleNamespace):
    """A study of tiny cells, whose model has no weights."""

    last_source = ""

    def place(self, source: str) -> SimpleNamespace:
        """Return the place of no model."""
        return SimpleNamespace(shape=None)


def _work(bench: Workbench, cell: Cell, folder: Path, progress: Progress) -> dict[str, Any]:
    for source in cell.inputs:
        with bench.store.reading(source, "table.json") as place:
            (place / "table.json").read_text()
    write_json(folder / "table.json", {"cell": cell.label, "values": list(range(100))})
    return {"pid": Process.this().pid, "megabytes": resident()}


TINY = Kind(name="tiny", version=1, efficiency=1.0, work=_work, copies=0.0)
kinds.KINDS = (*kinds.KINDS, TINY)


def tiny_bench(folder: Path) -> Workbench:
    """Make the workbench of a study of tiny cells in a new run folder."""
    config: Any = Nothing()
    task: Any = None
    return Workbench(config, task, Store(folder), "cpu", ())


def tiny_cells(n: int) -> list[Cell]:
    """Plan cells that all read the first one, as all of a study read its fine-tuning."""
    first = TINY.cell("first", spec={}, inputs=(), system={}, effort=1.0, disk=0.0)
    rest = [
        TINY.cell(f"tiny-{i}", spec={"i": i}, inputs=(first,), system={}, effort=1.0, disk=0.0)
        for i in range(n - 1)
    ]
    return [first, *rest]


def resident() -> float:
    """Return the memory of this process in megabytes; NaN where the system does not say."""
    status = Path("/proc/self/status")
    lines = status.read_text().splitlines() if status.is_file() else []
    sizes = [line.split()[1] for line in lines if line.startswith("VmRSS:")]
    return int(sizes[0]) / 1024 if sizes else float("nan")
