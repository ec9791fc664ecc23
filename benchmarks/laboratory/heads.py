"""Heads that searches keep, within layers, with a core or without one."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy.special import ndtri

from heuristic_core.tables import SUBNETWORKS

from .world import World


@dataclass(frozen=True)
class Model:
    """The heads of a model.

    Args:
        layers: The layer of each head.
        kept: How many a subnetwork keeps of each layer.
        core: Which are the core's: of each layer its first heads.
    """

    layers: np.ndarray
    kept: np.ndarray
    core: np.ndarray

    @classmethod
    def of(cls, world: World) -> Model:
        """Return the world's model; a subnetwork keeps at least the core."""
        sizes, core = (np.array(x, int) for x in (world.layer_heads, world.core))
        layers = np.repeat(np.arange(len(sizes)), sizes)
        within = np.concatenate([np.arange(n) for n in sizes])
        kept = np.maximum(np.round(world.kept).astype(int), core)
        return cls(layers, kept, within < core[layers])

    @property
    def units(self) -> list[str]:
        """The heads' names."""
        within = [int((self.layers[:i] == layer).sum()) for i, layer in enumerate(self.layers)]
        return [f"L{layer}H{head}" for layer, head in zip(self.layers, within, strict=True)]

    def searched(
        self,
        rng: np.random.Generator,
        shape: tuple[int, ...],
        *,
        alike: float = 0.0,
        core_kept: float | None = None,
        common: np.ndarray | None = None,
    ) -> np.ndarray:
        """Draw the heads that searches keep, (study, ..., search, head).

        Args:
            rng: Where the draws come from.
            shape: Studies, and whatever else; searches come last.
            alike: Correlation of two searches' choices within layers.
            core_kept: With what probability each core head is kept; without it the core's heads
                are as any others.
            common: What searches prefer in common, (study, ..., head); drawn if not given.
        """
        n = len(self.layers)
        if common is None:
            common = rng.standard_normal((*shape[:-1], n))
        own = rng.standard_normal((*shape, n))
        score = alike**0.5 * common[..., None, :] + (1 - alike) ** 0.5 * own
        if core_kept is not None:
            # Searches agree on the core as much as on other heads.
            stays = score < ndtri(core_kept)
            score = np.where(self.core, np.where(stays, 50.0, -50.0) + score, score)
        kept = np.zeros(score.shape, bool)
        for layer, k in enumerate(self.kept):
            here = np.flatnonzero(self.layers == layer)
            rank = (-score[..., here]).argsort(-1).argsort(-1)
            kept[..., here] = rank < k
        return kept

    def table(
        self, kept: np.ndarray, sparsity: float, steps: tuple[int, ...] = (4000,)
    ) -> pd.DataFrame:
        """Return rows of ``tables.SUBNETWORKS``; every MLP is kept.

        Args:
            kept: Heads kept, (study, checkpoint, search, head).
            sparsity: The sparsity asked for.
            steps: The checkpoints.
        """
        n_layers = len(self.kept)
        with_mlps = np.concatenate([kept, np.ones((*kept.shape[:-1], n_layers), bool)], -1)
        study, step, seed, unit = np.indices(with_mlps.shape).reshape(4, -1)
        names = np.array([*self.units, *(f"L{layer}MLP" for layer in range(n_layers))])
        layers = np.concatenate([self.layers, np.arange(n_layers)])
        heads = np.array([int(name.split("H")[1]) if "H" in name else -1 for name in names])
        rows = pd.DataFrame(
            {"finetune_seed": study, "checkpoint": np.array(steps)[step], "kind": "subnetwork"}
            | {"method": "learned", "sparsity": sparsity, "seed": seed, "unit": names[unit]}
            | {"layer": layers[unit], "head": heads[unit], "kept": with_mlps.ravel()}
            | {"soft": np.nan}
        )
        return SUBNETWORKS.conform(rows)
