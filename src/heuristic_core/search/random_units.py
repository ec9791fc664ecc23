"""The random baseline: units in a random order, over the whole model or evenly over its layers."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from jaxtyping import Bool, Float
from pydantic import BaseModel, ConfigDict, Field

from ..models.classifier import Classifier, Progress
from ..units import UnitSpace, n_kept
from .data import SearchData
from .ranking import Ranking, from_scores


class RandomOptions(BaseModel):
    """Settings of the random baseline."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    layer_matched: bool = Field(
        False, description="Keep the same share of heads in every layer, and of MLPs, if possible."
    )


def random_units(
    model: Classifier,
    data: SearchData,
    sparsities: Sequence[float],
    seed: int,
    prunable: Bool[np.ndarray, " unit"],
    options: RandomOptions,
    progress: Progress | None = None,
) -> list[Ranking]:
    """Put the units in a random order, the same for all sparsities.

    Args:
        model: The full model; only its units are looked at.
        data: Not looked at.
        sparsities: Shares of the prunable units to drop, rising.
        seed: Where the order comes from.
        prunable: Which units may be dropped.
        options: Settings.
        progress: Called once, with (1, 1).

    Returns:
        One ranking per sparsity. Matched by layer, a ranking also says which units are kept.
    """
    # A permutation, so that no two units are equal and the exact cut never breaks ties by order.
    scores = np.random.default_rng(seed).permutation(len(prunable)).astype(np.float64)
    if options.layer_matched:
        chosen = [keep_evenly(model.space, scores, prunable, s) for s in sparsities]
        rankings = [from_scores(scores, prunable, kept=kept) for kept in chosen]
    else:
        rankings = [from_scores(scores, prunable) for _ in sparsities]
    if progress is not None:
        progress(1, 1)
    return rankings


def keep_evenly(
    space: UnitSpace,
    scores: Float[np.ndarray, " unit"],
    prunable: Bool[np.ndarray, " unit"],
    sparsity: float,
) -> Bool[np.ndarray, " unit"]:
    """Keep the same share of each layer's heads and of the MLPs, as nearly as whole units allow.

    The number kept is first divided between heads and MLPs and then, among heads, between layers.

    Args:
        space: The units.
        scores: Distinct values; in each group the highest are kept, and of groups with equal
            claims to one more unit those with the highest value.
        prunable: Which units may be dropped.
        sparsity: Share of the prunable units to drop, in [0, 1).

    Returns:
        Which units are kept; of the prunable ones exactly the number asked for.

    Source:
        Hamilton's method of apportionment (largest remainders).
    """
    layer_of = np.array([unit.layer for unit in space])
    kinds = [np.flatnonzero(prunable & space.is_head), np.flatnonzero(prunable & ~space.is_head)]
    total = n_kept(int(prunable.sum()), sparsity)
    kept = ~prunable
    for kind, n_kind in zip(kinds, _divide(total, kinds, scores), strict=True):
        layers = [kind[layer_of[kind] == layer] for layer in range(space.n_layers)]
        for layer, n_layer in zip(layers, _divide(n_kind, layers, scores), strict=True):
            kept[layer[np.argsort(-scores[layer])][:n_layer]] = True
    return kept


def _divide(
    total: int, groups: Sequence[np.ndarray], scores: Float[np.ndarray, " unit"]
) -> list[int]:
    """Divide a number of units to keep between groups by the groups' sizes."""
    size = sum(len(group) for group in groups)
    if not size:
        return [0] * len(groups)
    whole = [total * len(group) // size for group in groups]
    remainder = [total * len(group) % size for group in groups]
    luck = [scores[group].max() if len(group) else -math.inf for group in groups]
    claims = sorted(range(len(groups)), key=lambda i: (-remainder[i], -luck[i]))
    for i in claims[: total - sum(whole)]:
        whole[i] += 1
    return whole
