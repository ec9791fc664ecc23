"""Where cells keep the subnetworks they found."""

from __future__ import annotations

from ..subnetwork import Subnetwork
from .store import Cell, Store


def subnetwork_name(sparsity: float) -> str:
    """Name the folder of a subnetwork within its search's cell."""
    return f"sparsity-{sparsity:g}"


def load_subnetwork(store: Store, cell: Cell) -> Subnetwork | None:
    """Read the subnetwork that an evaluation is about; ``None`` for the full model."""
    found = cell.input("search")
    if found is None:
        return None
    with store.reading(found) as path:
        return Subnetwork.load(path / subnetwork_name(cell.system["sparsity"]))
