"""What a kind of cell is: its version, its speed, its work and the tables that it fills."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from ...progress import Progress
from ...storage import read_table
from ...tables import TABLES
from ..bench import Workbench
from ..store import Cell, Store


@dataclass(frozen=True)
class TableSource:
    """A table of the run, and the file in a cell that holds its rows.

    Args:
        table: The table's name, one of ``tables.TABLES``.
        file: The file's name without its suffix.
        of_analyses: Whether the cells of analyses fill the table; otherwise the study's own do.
    """

    table: str
    file: str = "table"
    of_analyses: bool = False

    def read(self, store: Store, cell: Cell) -> pd.DataFrame:
        """Read a finished cell's rows, with the columns that name what the cell is about.

        Raises:
            InputError: If the file is damaged.
        """
        with store.reading(cell, f"{self.file}.parquet") as folder:
            rows = read_table(folder / f"{self.file}.parquet").assign(**cell.system)
            return TABLES[self.table].conform(rows)


@dataclass(frozen=True, kw_only=True)
class Kind:
    """One kind of cell.

    Args:
        name: Its name.
        version: Raised when it computes something else from the same spec.
        efficiency: Share of the speed of the fastest matrix products that it reaches, measured with
            MiniLM. The multiply-adds of a full model are counted, and subnetworks run fewer.
        work: Fills a cell's folder, given the workbench, the cell, the folder and what to report
            progress to; returns facts to record, such as how many inputs were cut.
        tables: The tables of a run that its cells fill.
        copies: How many times the model's weights it holds in memory.
        in_precision: Whether most of its work is done in the precision that its spec says.
    """

    name: str
    version: int
    efficiency: float
    work: Callable[[Workbench, Cell, Path, Progress], dict[str, Any]]
    tables: tuple[TableSource, ...] = ()
    copies: float = 2.0
    in_precision: bool = True

    def cell(
        self,
        label: str,
        *,
        spec: Mapping[str, Any],
        inputs: tuple[Cell, ...],
        system: Mapping[str, Any],
        effort: float,
        disk: float,
    ) -> Cell:
        """Make a cell of this kind; see ``Cell`` for the arguments."""
        return Cell(
            kind=self.name,
            label=label,
            spec={**spec, "version": self.version},
            inputs=inputs,
            system=system,
            effort=effort,
            disk=disk,
        )

    def input_of(self, cell: Cell) -> Cell | None:
        """Return a cell's first input of this kind; ``None`` if it has none."""
        return next((source for source in cell.inputs if source.kind == self.name), None)

    def needed_by(self, cell: Cell) -> Cell:
        """Return the input of this kind that a cell is known to have."""
        needed = self.input_of(cell)
        assert needed is not None, f"{cell.label} has no input of the kind {self.name}"
        return needed
