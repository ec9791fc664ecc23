"""Which heads do all subnetworks share? (paper, section 5, finding 3)"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import comb

import numpy as np
import pandas as pd
from jaxtyping import Int

from .intervals import CONTRADICTED, SUPPORTED, UNDECIDED, Estimate, Verdict, wilson
from .kept import Kept
from .nulls import Chance, at_least, intersection_distribution, pooled_intersection
from .systems import METHOD, MethodKey, OfMethod, by_system


@dataclass(frozen=True)
class Core(OfMethod):
    """The heads that all of some subnetworks keep.

    Args:
        sparsity: The sparsity; ``None`` for all sparsities together.
        n_subnetworks: How many subnetworks.
        n_heads: Heads of the model.
        heads_kept: Heads kept, one number per independent set: a subnetwork at one sparsity, or
            over all sparsities what all subnetworks of one search seed share.
        core: The shared heads.
        expected: Heads that would be shared if each set kept its number of heads at random.
        p_value: Probability of sharing at least as many, under the same null.
        layer_expected: Heads that would be shared if each set kept its number of heads in every
            layer, at random within the layer.
        layer_p_value: Probability of sharing at least as many, under that null.
        frequencies: For each head, how many subnetworks keep it.
        mlp_frequencies: For each MLP layer, how many subnetworks keep it. MLPs are hardly ever
            dropped, so they would be shared trivially; they are no part of the core or its null.
        shares: For each head, the share of independent sets that keep it, with its interval.
        stability: For each head, the share of bootstrap resamples of the independent sets in
            which all keep it.
        core_sizes: Mean size of the core of 1, 2, ... of the independent sets, over all choices.
        chance_sizes: The same under the null in layers.
        verdict: On the claim that there is a shared core.
    """

    sparsity: float | None
    n_subnetworks: int
    n_heads: int
    heads_kept: tuple[int, ...]
    core: tuple[str, ...]
    expected: float
    p_value: float
    layer_expected: float
    layer_p_value: float
    frequencies: dict[str, int]
    mlp_frequencies: dict[str, int]
    shares: dict[str, Estimate]
    stability: dict[str, float]
    core_sizes: tuple[float, ...]
    chance_sizes: tuple[float, ...]
    verdict: Verdict


def core(subnetworks: pd.DataFrame) -> list[Core]:
    """Find the core of every checkpoint, per sparsity and over all sparsities.

    Args:
        subnetworks: Rows as in ``tables.SUBNETWORKS``.

    Returns:
        For each fine-tuning, checkpoint and method one result per sparsity, then one over all if
        there are several.
    """
    results = []
    for key, group in by_system(subnetworks, METHOD):
        kept = Kept.of(group)
        levels = sorted(group["sparsity"].unique())
        results += [_one(key, kept.at(level), float(level)) for level in levels]
        if len(levels) > 1:
            results.append(_one(key, kept, None))
    return results


def whole_cores(cores: Sequence[Core]) -> list[Core]:
    """Give each model's and method's core over all its sparsities, or at its only one."""
    return list({(c.finetune_seed, c.checkpoint, c.method): c for c in cores}.values())


def _one(key: MethodKey, kept: Kept, sparsity: float | None) -> Core:
    counts = kept.table.sum()
    # Subnetworks of one seed may come from one run, so they are not independent draws: over all
    # sparsities each seed counts once, with the heads that all its subnetworks share.
    sets = kept.table[list(kept.heads)].groupby(level="seed").all().to_numpy()
    n_sets, n_heads = sets.shape
    shared = tuple(unit for unit, all_keep in zip(kept.heads, sets.all(0), strict=True) if all_keep)
    sizes = tuple(int(n) for n in sets.sum(axis=1))
    in_layers = kept.counts(sets)
    times = dict(zip(kept.heads, (int(n) for n in sets.sum(axis=0)), strict=True))
    share_of = {n: wilson(n, n_sets) for n in set(times.values())}
    anywhere = intersection_distribution(n_heads, sizes)
    layered = pooled_intersection(kept.pools, in_layers)
    chances = at_least(anywhere, len(shared)), at_least(layered, len(shared))
    none_shared = max(float(anywhere[0]), float(layered[0]))
    return Core(
        *key,
        sparsity,
        len(kept.table),
        n_heads,
        sizes,
        shared,
        chances[0].expected,
        chances[0].p_value,
        chances[1].expected,
        chances[1].p_value,
        {unit: int(counts[unit]) for unit in kept.heads},
        {unit: int(counts[unit]) for unit in kept.mlps},
        {unit: share_of[n] for unit, n in times.items()},
        # Every draw of a resample must hit one of the sets that keep the head.
        {unit: (n / n_sets) ** n_sets for unit, n in times.items()},
        tuple(
            sum(comb(n, m) for n in times.values()) / comb(n_sets, m) for m in range(1, n_sets + 1)
        ),
        _chance_sizes(kept.pools, in_layers),
        _verdict(len(shared), n_sets, n_heads, chances, none_shared),
    )


def _chance_sizes(pools: tuple[int, ...], counts: Int[np.ndarray, "set pool"]) -> tuple[float, ...]:
    """Give the mean core size of m random sets over all choices of m, for each m."""
    n = len(counts)
    sizes = np.zeros(n)
    for pool, kept in zip(pools, counts.T, strict=True):
        # The coefficients of prod(x + share) sum the products over all choices of m shares.
        sizes += pool * np.poly(-kept / pool)[1:]
    return tuple(float(sizes[m - 1]) / comb(n, m) for m in range(1, n + 1))


def _verdict(
    n: int, n_sets: int, n_heads: int, chances: tuple[Chance, Chance], none_shared: float
) -> Verdict:
    claim = "the subnetworks share a core of heads"
    anywhere, in_layers = chances
    reason = (
        f"{n} of {n_heads} heads are in all; {n_sets} random sets of the same sizes would "
        f"share {anywhere.expected:.2g} (p = {anywhere.p_value:.2g}), and "
        f"{in_layers.expected:.2g} if they also kept as many in each layer "
        f"(p = {in_layers.p_value:.2g})"
    )
    if n_sets < 2:
        return Verdict(claim, UNDECIDED, "a core needs at least two independent searches")
    # A liking for the same layers is no core: particular heads must be shared beyond it.
    if n and max(anywhere.p_value, in_layers.p_value) < 0.05:
        return Verdict(claim, SUPPORTED, reason)
    if not n and none_shared < 0.025:
        return Verdict(claim, CONTRADICTED, f"{reason}; that none is has p = {none_shared:.2g}")
    return Verdict(claim, UNDECIDED, reason)
