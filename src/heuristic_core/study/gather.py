"""From finished cells to the tables of a run."""

from __future__ import annotations

from collections.abc import Collection, Sequence

import pandas as pd

from ..tables import TABLES
from .kinds import KINDS, kind_of
from .store import Cell, Store

#: The tables of a study's own cells that decide which cells its analyses need.
SEARCHED = ("subnetworks", "evaluations")


def gather(
    cells: Sequence[Cell],
    further: Sequence[Cell],
    store: Store,
    names: Collection[str] | None = None,
) -> dict[str, pd.DataFrame]:
    """Join the tables that finished cells hold.

    Args:
        cells: A study's own cells.
        further: The cells of analyses that run the model.
        store: Where they are.
        names: The tables to gather; all by default.

    Returns:
        The tables by name; those without rows too.

    Raises:
        InputError: If a cell is damaged.
    """
    sources = {
        source.table: source
        for kind in KINDS
        for source in kind.tables
        if names is None or source.table in names
    }
    rows: dict[str, list[pd.DataFrame]] = {name: [] for name in sources}
    for some, of_analyses in ((cells, False), (further, True)):
        for cell in some:
            for source in kind_of(cell).tables:
                if source.table in rows and source.of_analyses == of_analyses:
                    rows[source.table].append(source.read(store, cell))
    return {
        name: pd.concat(rows[name], ignore_index=True) if rows[name] else TABLES[name].empty()
        for name in sources
    }
