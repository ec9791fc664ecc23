"""The heads that all of some subnetworks keep, and what chance would give."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import pandas as pd
from jaxtyping import Bool, Float

from ..errors import one_line
from ..tables import CONTRADICTED, SUPPORTED, UNDECIDED, Decision
from ..units import Unit, UnitSpace
from ..writing import p_text
from .evidence import Evidence
from .kept import Kept
from .nulls import Chance, at_least, intersection_distribution, pooled_intersection
from .systems import BY_METHOD, by_system

#: What two sets share is the overlap of one pair, and of two of two kept the interval of the share
#: of searches that keep a head begins at 34 %.
ENOUGH = 3


@dataclass(frozen=True, eq=False, kw_only=True)
class Core:
    """The heads that all subnetworks of one model and method keep, at one sparsity or at all.

    Args:
        finetune_seed: Seed of the model's fine-tuning.
        checkpoint: Its step.
        method: How the subnetworks were found.
        sparsity: Their sparsity; ``None`` for all sparsities together.
        kept: The subnetworks; the same ones of several seeds count once.
        n_searches: How many searches gave these, and those that are the same as an earlier one's.
        sets: Heads kept, a row per independent set: a subnetwork at one sparsity, or over all
            sparsities what all subnetworks of one search seed share.
        heads: The shared heads.
        anywhere: What chance would give if each set kept its number of heads at random.
        in_layers: The same if each also kept its number of heads in every layer.
        none_shared: The larger of both nulls' probabilities that no head is shared.
    """

    finetune_seed: int
    checkpoint: int
    method: str
    sparsity: float | None
    kept: Kept
    n_searches: int
    sets: Bool[np.ndarray, "set head"]
    heads: tuple[str, ...]
    anywhere: Chance
    in_layers: Chance
    none_shared: float

    def __repr__(self) -> str:
        at = "all sparsities" if self.sparsity is None else f"sparsity {self.sparsity:g}"
        heads = one_line(" ".join(self.heads), 120) or "no head"
        return f"Core({heads}; step {self.checkpoint}, {at}, {p_text(self.p_value)})"

    def _repr_html_(self) -> str:
        units = [Unit.parse(head) for head in self.kept.heads]
        n = [sum(u.layer == layer for u in units) for layer in range(1 + units[-1].layer)]
        space = UnitSpace(tuple(n))
        return space.html(space.mask(self.heads), f"{self!r}; filled: in the core (of heads alone)")

    @property
    def model(self) -> tuple[int, int]:
        """Its fine-tuning and checkpoint."""
        return self.finetune_seed, self.checkpoint

    @cached_property
    def times(self) -> dict[str, int]:
        """For each head, how many of the independent sets keep it."""
        return dict(zip(self.kept.heads, map(int, self.sets.sum(axis=0)), strict=True))

    @property
    def p_value(self) -> float:
        """The larger of both nulls' probabilities of sharing at least as many heads."""
        return max(self.anywhere.p_value, self.in_layers.p_value)

    @property
    def decision(self) -> Decision:
        """Whether there is a core beyond chance: supported, contradicted or not decided."""
        if len(self.sets) < ENOUGH:
            return UNDECIDED
        # A preference for the same layers is no core: particular heads must be shared beyond it.
        if self.heads and self.p_value < 0.05:
            return SUPPORTED
        return CONTRADICTED if not self.heads and self.none_shared < 0.025 else UNDECIDED


def cores(evidence: Evidence) -> list[Core]:
    """Find the core of every checkpoint, per sparsity and over all sparsities.

    Returns:
        For each fine-tuning, checkpoint and method one core per sparsity, then one over all if
        there are several.
    """
    return cores_of(evidence["subnetworks"])


def cores_of(subnetworks: pd.DataFrame) -> list[Core]:
    """Find the cores of subnetworks, as :func:`cores` does.

    Args:
        subnetworks: Rows as in ``tables.SUBNETWORKS``.
    """
    results = []
    for key, group in by_system(subnetworks, BY_METHOD):
        kept = Kept.of(group)
        levels = sorted(group["sparsity"].unique())
        results += [_core(key, kept.at(level), float(level)) for level in levels]
        if len(levels) > 1:
            results.append(_core(key, kept, None))
    return results


def whole_cores(some: Iterable[Core]) -> list[Core]:
    """Return each model's and method's core over all its sparsities, or at its only one."""
    return list({(core.model, core.method): core for core in some}.values())


def supported_cores(evidence: Evidence) -> dict[int, tuple[str, ...]]:
    """Return for each fine-tuning the core of its last checkpoint; none if chance explains it."""
    last = {core.finetune_seed: core for core in whole_cores(evidence.once(cores))}
    return {s: core.heads if core.decision == SUPPORTED else () for s, core in last.items()}


def shared_by_chance(
    kept: Kept, sets: Bool[np.ndarray, "set head"]
) -> tuple[Float[np.ndarray, " n_heads_plus_1"], Float[np.ndarray, " n_heads_plus_1"]]:
    """Compute how many heads sets would share under both null models.

    Args:
        kept: Subnetworks of the model that the sets are from.
        sets: Heads of each set.

    Returns:
        Probabilities of 0, 1, ... shared heads if each set had its number of heads anywhere, and
        if it had its number of heads in every layer.
    """
    anywhere = intersection_distribution(sets.shape[1], sets.sum(axis=1).tolist())
    return anywhere, pooled_intersection(kept.pools, kept.counts(sets))


def _core(key: tuple[Any, ...], kept: Kept, sparsity: float | None) -> Core:
    n_searches = kept.table.index.unique("seed").size
    kept = kept.independent()
    # Subnetworks of one seed may come from one run, so they are not independent draws: over all
    # sparsities each seed counts once, with the heads that all its subnetworks share.
    sets = kept.table[list(kept.heads)].groupby(level="seed").all().to_numpy()
    heads = tuple(head for head, shared in zip(kept.heads, sets.all(0), strict=True) if shared)
    anywhere, in_layers = shared_by_chance(kept, sets)
    return Core(
        **dict(zip(BY_METHOD, key, strict=True)),
        sparsity=sparsity,
        kept=kept,
        n_searches=n_searches,
        sets=sets,
        heads=heads,
        anywhere=at_least(anywhere, len(heads)),
        in_layers=at_least(in_layers, len(heads)),
        none_shared=max(float(anywhere[0]), float(in_layers[0])),
    )
