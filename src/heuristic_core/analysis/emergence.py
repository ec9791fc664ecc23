"""When do the core's heads come to be shared? (paper, section 6, finding 5)"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from jaxtyping import Bool

from .core import Core, core
from .curves import Curves
from .intervals import CONTRADICTED, SUPPORTED, UNDECIDED, Estimate, Verdict, student
from .kept import Kept
from .nulls import Chance, at_least, hits_distribution, pooled_intersection

#: A head that so many of a checkpoint's subnetworks keep is in most; a core of which so much is
#: kept is there.
MOST = 0.8


@dataclass(frozen=True)
class CheckpointCore:
    """The subnetworks of one checkpoint beside the final core.

    Args:
        checkpoint: The checkpoint.
        n_subnetworks: How many.
        core: The heads that all of them keep.
        shared: How many of these are in the final core.
        anywhere: What chance would give for ``shared`` if both cores were random heads.
        in_layers: The same if both kept their numbers of heads in every layer.
        share: The share of the final core that a subnetwork keeps, mean over subnetworks.
        share_by_chance: What chance would give for it if every subnetwork kept its number of
            heads in every layer; exact, of searches that are independent.
        p_if_alike: The probability of as high a share however much one checkpoint's searches agree
            among themselves: twice the mean of each one's own (Vovk and Wang 2020).
    """

    checkpoint: int
    n_subnetworks: int
    core: tuple[str, ...]
    shared: int
    anywhere: Chance
    in_layers: Chance
    share: Estimate
    share_by_chance: Chance
    p_if_alike: float


@dataclass(frozen=True)
class MemberEmergence:
    """One head of the final core over fine-tuning.

    Args:
        unit: The head.
        kept: How many subnetworks of each checkpoint keep it.
        in_all_from: The first checkpoint from which on all subnetworks do; ``None``: not even the
            last one's.
        in_most_from: The same for four of five.
    """

    unit: str
    kept: tuple[int, ...]
    in_all_from: int | None
    in_most_from: int | None


@dataclass(frozen=True)
class Emergence:
    """One model's core over its fine-tuning, at one sparsity.

    Args:
        finetune_seed: Seed of the fine-tuning.
        method: The search method.
        sparsity: The sparsity.
        final_checkpoint: The checkpoint whose core is followed.
        from_grid: Whether that core comes from the grid's own last checkpoint, which then shares
            all of it by definition.
        core: That core.
        checkpoints: The grid's checkpoints up to that one, in order.
        members: The core's heads.
        rises_at: The checkpoint at which the model comes to generalise; ``None`` if unknown.
        verdict: On the claim that the core is there before that.
    """

    finetune_seed: int
    method: str
    sparsity: float
    final_checkpoint: int
    from_grid: bool
    core: tuple[str, ...]
    checkpoints: tuple[CheckpointCore, ...]
    members: tuple[MemberEmergence, ...]
    rises_at: int | None
    verdict: Verdict


def rises(curves: Sequence[Curves]) -> dict[int, int | None]:
    """Give for each fine-tuning seed the checkpoint of the first rise of an area under the curve.

    Args:
        curves: The full models over fine-tuning.

    Returns:
        The checkpoint by seed; ``None`` where no adversarial case's area rises.
    """
    first: dict[int, int | None] = {}
    for entry in curves:
        steps = [
            curve.rises_at
            for curve in entry.curves
            if curve.case_kind == "adversarial" and curve.rises_at is not None
        ]
        first[entry.finetune_seed] = min(steps, default=None)
    return first


def emergence(
    subnetworks: pd.DataFrame, grid_subnetworks: pd.DataFrame, rise: Mapping[int, int | None]
) -> list[Emergence]:
    """Follow the final core through the subnetworks of earlier checkpoints.

    Args:
        subnetworks: Rows as in ``tables.SUBNETWORKS``: the main searches, of which the last
            checkpoint gives the core, where they have a sparsity in common with the grid.
        grid_subnetworks: The same of searches at many checkpoints.
        rise: From the seed of a fine-tuning to the checkpoint at which the model comes to
            generalise, as :func:`rises` gives it.

    Returns:
        One result per fine-tuning, method and sparsity that both have; where they have none in
        common, one per sparsity of the grid.
    """
    results = []
    for (seed, method), grid in grid_subnetworks.groupby(["finetune_seed", "method"]):
        main = subnetworks[
            (subnetworks["finetune_seed"] == seed) & (subnetworks["method"] == method)
        ]
        main = main[
            (main["checkpoint"] == main["checkpoint"].max())
            & main["sparsity"].isin(grid["sparsity"])
        ]
        from_grid = main.empty
        source = grid[grid["checkpoint"] == grid["checkpoint"].max()] if from_grid else main
        for final in core(source):
            if final.sparsity is not None:
                rows = grid[
                    (grid["sparsity"] == final.sparsity) & (grid["checkpoint"] <= final.checkpoint)
                ]
                results.append(_one(final, rows, from_grid, rise.get(int(seed))))
    return results


def _one(final: Core, grid: pd.DataFrame, from_grid: bool, rise: int | None) -> Emergence:
    found = {int(checkpoint): Kept.of(rows) for checkpoint, rows in grid.groupby("checkpoint")}
    points: list[CheckpointCore] = []
    members: list[MemberEmergence] = []
    if final.core:
        points = [_point(checkpoint, kept, final) for checkpoint, kept in found.items()]
        members = [_member(unit, found) for unit in final.core]
    return Emergence(
        final.finetune_seed,
        final.method,
        float(final.sparsity or 0.0),
        final.checkpoint,
        from_grid,
        final.core,
        tuple(points),
        tuple(members),
        rise,
        _verdict(final, points, rise),
    )


def _point(checkpoint: int, kept: Kept, final: Core) -> CheckpointCore:
    target = np.isin(kept.heads, final.core)
    shared_by_all = np.logical_and.reduce(kept.masks)
    n_shared = int((shared_by_all & target).sum())
    both = np.stack([shared_by_all, target])
    counts, size = kept.counts(kept.masks), len(final.core)
    hits = kept.masks[:, target].sum(1)
    targets = kept.counts(target[None])[0].tolist()
    by_chance = at_least(hits_distribution(kept.pools, targets, counts), int(hits.sum()))
    alone = [
        at_least(hits_distribution(kept.pools, targets, counts[i : i + 1]), int(n)).p_value
        for i, n in enumerate(hits)
    ]
    return CheckpointCore(
        checkpoint,
        len(kept.masks),
        tuple(unit for unit, bit in zip(kept.heads, shared_by_all, strict=True) if bit),
        n_shared,
        at_least(pooled_intersection((len(kept.heads),), both.sum(1, keepdims=True)), n_shared),
        at_least(pooled_intersection(kept.pools, kept.counts(both)), n_shared),
        student(hits / size, (0.0, 1.0)),
        Chance(by_chance.expected / (size * len(kept.masks)), by_chance.p_value),
        min(1.0, 2 * float(np.mean(alone))),
    )


def _member(unit: str, found: Mapping[int, Kept]) -> MemberEmergence:
    times = np.array([int(kept.table[unit].sum()) for kept in found.values()], dtype=int)
    of = np.array([len(kept.table) for kept in found.values()], dtype=int)
    steps = list(found)
    return MemberEmergence(
        unit,
        tuple(int(n) for n in times),
        _from_when(steps, times == of),
        _from_when(steps, times >= MOST * of),
    )


def _from_when(steps: Sequence[int], holds: Bool[np.ndarray, " step"]) -> int | None:
    """Give the first step from which on something holds."""
    since = len(steps) - int(np.logical_and.accumulate(holds[::-1]).sum())
    return steps[since] if since < len(steps) else None


def _verdict(final: Core, points: Sequence[CheckpointCore], rise: int | None) -> Verdict:
    claim = "the core is there before the model generalises"
    if final.verdict.decision != SUPPORTED:
        return Verdict(claim, UNDECIDED, "no core at the last checkpoint to be looked for before")
    if rise is None:
        return Verdict(claim, UNDECIDED, "no area under the curve is seen to rise over training")
    # Before fine-tuning the classifier is random, so there is nothing to find subnetworks of.
    before = [point for point in points if 0 < point.checkpoint < rise]
    if not before or before[-1].n_subnetworks < 2:
        return Verdict(
            claim,
            UNDECIDED,
            f"this takes two subnetworks of a trained checkpoint before step {rise}",
        )
    last = before[-1]
    share, chance = last.share, last.share_by_chance
    reason = (
        f"at step {last.checkpoint}, the last one before the area under the curve of a case "
        f"rises (step {rise}), subnetworks keep {share.value:.0%} of the {len(final.core)} heads "
        f"of the final core [{share.low:.0%}, {share.high:.0%}], and {chance.expected:.0%} by "
        f"chance within layers (p = {chance.p_value:.2g}, {last.p_if_alike:.2g} however much the "
        f"searches agree); {last.shared} are in all {last.n_subnetworks}"
    )
    if last.p_if_alike < 0.05 and share.value >= MOST and share.low > chance.expected:
        return Verdict(claim, SUPPORTED, reason)
    if chance.p_value >= 0.05 and share.high < MOST:
        return Verdict(claim, CONTRADICTED, reason)
    return Verdict(claim, UNDECIDED, reason)
