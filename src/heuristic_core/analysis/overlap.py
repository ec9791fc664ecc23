"""Do subnetworks keep the same heads, or different ones? (paper, section 5, finding 3)"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
from jaxtyping import Bool, Float

from .agreement import Agreement, Sides, all_levels, by_draws, half_sides, sides
from .intervals import CONTRADICTED, SUPPORTED, UNDECIDED, Estimate, Verdict, correlation
from .kept import Kept
from .nulls import Chance, expected_jaccard, relabelled
from .pairs import jaccard, pair_mean
from .systems import METHOD, MethodKey, OfMethod, by_system


@dataclass(frozen=True)
class LeastPair:
    """The two subnetworks of one sparsity that share the fewest of their heads.

    Args:
        seeds: Their search seeds.
        heads: How many heads each keeps.
        shared_heads: How many both keep.
        jaccard: Shared heads over the heads that either keeps.
        expected: The mean of the least such number over pairs, under the null in layers.
    """

    seeds: tuple[int, int]
    heads: tuple[int, int]
    shared_heads: int
    jaccard: float
    expected: float


@dataclass(frozen=True)
class LevelOverlap:
    """The subnetworks of one sparsity.

    Args:
        sparsity: The sparsity.
        n: Subnetworks, each of its own search.
        frequencies: For each head, how many keep it.
        heads_jaccard: Mean Jaccard index of the heads of two subnetworks.
        units_jaccard: The same of all units; MLPs, which are hardly ever dropped, raise it.
        anywhere: What chance would give for ``heads_jaccard`` if each subnetwork kept its number
            of heads anywhere.
        in_layers: The same if each kept its number of heads in every layer.
        least: The most nearly disjoint pair among them.
    """

    sparsity: float
    n: int
    frequencies: dict[str, int]
    heads_jaccard: Estimate
    units_jaccard: Estimate
    anywhere: Chance
    in_layers: Chance
    least: LeastPair


@dataclass(frozen=True)
class NeighbourOverlap:
    """How often heads are kept at one sparsity, against another.

    Args:
        denser: The lower sparsity.
        sparser: The higher.
        spearman: Spearman's correlation of the heads' frequencies, its interval as if heads were
            a sample; ``None`` where all heads are kept equally often. One search may have given
            subnetworks of both sparsities.
        in_layers: Its null: each search's heads are renamed within layers, alike at both
            sparsities, so what one search has in common with itself is part of chance.
        halves: The correlation between the frequencies in the first, third, ... search at the
            denser level and in the others at the sparser: no search is on both sides. ``None``
            with fewer than two searches a side.
        halves_in_layers: Its null.
    """

    denser: float
    sparser: float
    spearman: Estimate | None
    in_layers: Chance | None
    halves: Estimate | None
    halves_in_layers: Chance | None


@dataclass(frozen=True)
class Overlap(OfMethod):
    """How alike the subnetworks of one model and method are.

    Args:
        n_searches: Independent searches.
        levels: One entry per sparsity with two subnetworks or more.
        neighbours: One entry per pair of neighbouring sparsities among them.
        p_above: Probability of overlapping at least as much at all sparsities together, under the
            null in layers; ``None`` where that leaves nothing to chance.
        p_below: Probability of overlapping at most as much.
        verdict: On the claim that subnetworks overlap more than chance.
    """

    n_searches: int
    levels: tuple[LevelOverlap, ...]
    neighbours: tuple[NeighbourOverlap, ...]
    p_above: float | None
    p_below: float | None
    verdict: Verdict


def overlap(subnetworks: pd.DataFrame, seed: int = 0, n_draws: int = 2000) -> list[Overlap]:
    """Compare the heads of all subnetworks of each model and method.

    Args:
        subnetworks: Rows as in ``tables.SUBNETWORKS``.
        seed: Where the draws of the null models come from.
        n_draws: Draws of each null model.

    Returns:
        One result per fine-tuning, checkpoint and method.
    """
    return [_one(key, Kept.of(rows), seed, n_draws) for key, rows in by_system(subnetworks, METHOD)]


def _one(key: MethodKey, kept: Kept, seed: int, n_draws: int) -> Overlap:
    per_level = kept.table.groupby(level="sparsity").size()
    levels = [float(level) for level in per_level.index[per_level >= 2]]
    searches = list(kept.table.index.get_level_values("seed").unique())
    compared, neighbours, together = [], [], None
    if levels:
        masks, found = _by_search(kept, searches, levels)
        layers, anywhere = (
            Agreement.join(
                [
                    Agreement.of(draw, found)
                    for draw in relabelled(masks, pools, n_draws, np.random.default_rng(seed))
                ]
            )
            for pools in (kept.layers, np.zeros_like(kept.layers))
        )
        compared = [
            _level(kept.at(level), level, layers, anywhere, i) for i, level in enumerate(levels)
        ]
        neighbours = [
            _neighbours(masks, found, layers, levels, low) for low in range(len(levels) - 1)
        ]
        observed = np.array([level.heads_jaccard.value for level in compared])
        together = all_levels(observed, layers.mean)
    p_above, p_below = together or (None, None)
    return Overlap(
        *key,
        len(searches),
        tuple(compared),
        tuple(neighbours),
        p_above,
        p_below,
        _verdict(compared, p_above, p_below),
    )


def _by_search(
    kept: Kept, searches: list[int], levels: list[float]
) -> tuple[Bool[np.ndarray, "run level head"], Bool[np.ndarray, "run level"]]:
    """Give the heads kept by search and level, and which of these there are."""
    masks = np.zeros((len(searches), len(levels), len(kept.heads)), dtype=bool)
    found = np.zeros((len(searches), len(levels)), dtype=bool)
    for (search, level), heads in zip(kept.table.index, kept.masks, strict=True):
        if level in levels:
            where = searches.index(search), levels.index(level)
            masks[where], found[where] = heads, True
    return masks, found


def _level(
    kept: Kept, sparsity: float, layers: Agreement, anywhere: Agreement, i: int
) -> LevelOverlap:
    heads = pair_mean(jaccard(kept.masks))
    sizes = kept.masks.sum(1, keepdims=True)
    return LevelOverlap(
        sparsity,
        len(kept.masks),
        {unit: int(n) for unit, n in zip(kept.heads, kept.masks.sum(0), strict=True)},
        heads,
        pair_mean(jaccard(kept.table.to_numpy())),
        # Means are known exactly; only the p-values of means over pairs need draws.
        Chance(
            expected_jaccard((len(kept.heads),), sizes),
            by_draws(heads.value, anywhere.mean[:, i]).p_value,
        ),
        Chance(
            expected_jaccard(kept.pools, kept.counts(kept.masks)),
            by_draws(heads.value, layers.mean[:, i]).p_value,
        ),
        _least(kept, float(layers.least[:, i].mean())),
    )


def _neighbours(
    masks: Bool[np.ndarray, "run level head"],
    found: Bool[np.ndarray, "run level"],
    layers: Agreement,
    levels: list[float],
    low: int,
) -> NeighbourOverlap:
    def judged(
        pair: Sides | None, draws: Float[np.ndarray, " draw"]
    ) -> tuple[Estimate | None, Chance | None]:
        estimate = correlation(pair[0][0], pair[1][0], rank=True) if pair else None
        return estimate, by_draws(estimate.value, draws) if estimate else None

    return NeighbourOverlap(
        levels[low],
        levels[low + 1],
        *judged(sides(masks[None], found, low), layers.whole[:, low]),
        *judged(half_sides(masks[None], found, low), layers.halves[:, low]),
    )


def _least(kept: Kept, expected: float) -> LeastPair:
    alike = jaccard(kept.masks)
    pairs = np.triu_indices(len(alike), k=1)
    least = int(alike[pairs].argmin())
    i, j = int(pairs[0][least]), int(pairs[1][least])
    seeds = kept.table.index.get_level_values("seed")
    return LeastPair(
        (int(seeds[i]), int(seeds[j])),
        (int(kept.masks[i].sum()), int(kept.masks[j].sum())),
        int((kept.masks[i] & kept.masks[j]).sum()),
        float(alike[i, j]),
        expected,
    )


def _verdict(levels: list[LevelOverlap], p_above: float | None, p_below: float | None) -> Verdict:
    claim = "subnetworks keep the same heads more than chance would make them"
    if not levels:
        return Verdict(claim, UNDECIDED, "this takes two searches at one sparsity")
    if p_above is None or p_below is None:
        return Verdict(claim, UNDECIDED, "all heads of a layer are kept or none: chance has no say")
    reason = "; ".join(
        f"at {level.sparsity:.0%} sparsity two of {level.n} subnetworks have a Jaccard index of "
        f"{level.heads_jaccard.value:.2f} in the mean, by chance within layers "
        f"{level.in_layers.expected:.2f}"
        for level in levels
    )
    reason += f" (at all sparsities together p = {p_above:.2g} for as much, {p_below:.2g} for less)"
    # Both sides are tested, so each takes half of 5 %.
    if p_above < 0.025:
        return Verdict(claim, SUPPORTED, reason)
    if p_below < 0.025:
        return Verdict(claim, CONTRADICTED, reason)
    return Verdict(claim, UNDECIDED, reason)
