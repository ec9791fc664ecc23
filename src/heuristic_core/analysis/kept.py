"""Which units subnetworks keep, as arrays; several questions start from these."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import pandas as pd
from jaxtyping import Bool, Int


@dataclass(frozen=True)
class Kept:
    """Some subnetworks of one model and the units they keep.

    Args:
        table: A row per subnetwork, by ``seed`` and ``sparsity``; a column per unit, kept or not.
        heads: The model's heads, layer by layer.
        mlps: Its MLP layers.
        layers: The layer of each head.
    """

    table: pd.DataFrame
    heads: tuple[str, ...]
    mlps: tuple[str, ...]
    layers: Int[np.ndarray, " head"]

    @classmethod
    def of(cls, rows: pd.DataFrame) -> Kept:
        """Read the rows of one model and method, as in ``tables.SUBNETWORKS``."""
        table = rows.pivot(index=["seed", "sparsity"], columns="unit", values="kept")
        units = rows.drop_duplicates("unit").sort_values(["layer", "head"], kind="stable")
        names, is_head = units["unit"], units["head"] >= 0
        layers = units.loc[is_head, "layer"].to_numpy()
        return cls(table, tuple(names[is_head]), tuple(names[~is_head]), layers)

    @cached_property
    def pools(self) -> tuple[int, ...]:
        """Number of heads of each layer that has any."""
        return tuple(int(n) for n in np.unique(self.layers, return_counts=True)[1])

    @cached_property
    def masks(self) -> Bool[np.ndarray, "subnetwork head"]:
        """The heads that each subnetwork keeps, in the table's order."""
        return self.table[list(self.heads)].to_numpy()

    def counts(self, masks: Bool[np.ndarray, "set head"]) -> Int[np.ndarray, "set pool"]:
        """Count the heads of each layer in sets of heads."""
        starts = np.unique(self.layers, return_index=True)[1]
        return np.add.reduceat(masks.astype(np.int64), starts, axis=-1)

    def at(self, sparsity: float) -> Kept:
        """Return the subnetworks of one sparsity."""
        table = self.table[self.table.index.get_level_values("sparsity") == sparsity]
        return Kept(table, self.heads, self.mlps, self.layers)
