"""Which units subnetworks keep, as arrays; several questions start from these."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import pandas as pd
from jaxtyping import Bool, Int

from .evidence import Evidence
from .systems import BY_SPARSITY


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
        return self._where(self.table.index.get_level_values("sparsity") == sparsity)

    @cached_property
    def new(self) -> Bool[np.ndarray, " subnetwork"]:
        """Whether no lower seed gave the very same subnetwork, in the table's order."""
        return ~self.table.reset_index("sparsity").duplicated().to_numpy()

    def distinct(self) -> Kept:
        """Return the subnetworks that differ: of those alike, that of the lowest seed."""
        return self._where(self.new)

    def independent(self) -> Kept:
        """Return all subnetworks of the searches that gave any which no lower seed gave."""
        seeds = self.table.index.get_level_values("seed")
        return self._where(seeds.isin(seeds[self.new]))

    def _where(self, chosen: Bool[np.ndarray, " subnetwork"]) -> Kept:
        return Kept(self.table[chosen], self.heads, self.mlps, self.layers)


def repeated(evidence: Evidence) -> pd.MultiIndex:
    """Name the subnetworks that are the same as one of a lower seed.

    Returns:
        Their ``systems.BY_SPARSITY`` and seeds.
    """
    table = evidence["subnetworks"].pivot(
        index=[*BY_SPARSITY, "seed"], columns="unit", values="kept"
    )
    same = table.reset_index([*BY_SPARSITY]).duplicated().to_numpy(dtype=bool)
    return table.index[same]


def too_few(n_searches: int, n_different: int, needed: int) -> str:
    """Say that searches gave too few different subnetworks to decide anything.

    Args:
        n_searches: The searches.
        n_different: How many different subnetworks they gave.
        needed: How many it takes.
    """
    if n_different == 1 < n_searches:
        return f"all {n_searches} searches gave one subnetwork, which counts once"
    return (
        f"this takes {needed} different subnetworks, and there "
        f"{'is' if n_different == 1 else 'are'} {n_different}"
    )
