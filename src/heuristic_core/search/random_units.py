"""The random baseline: units in a random order, over the whole model or evenly over its layers."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from jaxtyping import Bool, Float
from pydantic import Field

from ..units import UnitSpace
from .options import MethodOptions
from .problem import Problem
from .ranking import Ranking, from_scores


class RandomOptions(MethodOptions):
    """Settings of the random baseline."""

    layer_matched: bool = Field(
        False, description="Keep the same share of heads in every layer, and of MLPs, if possible."
    )

    def n_examples(self, sparsities: Sequence[float]) -> int:
        """Return 0: no example is run."""
        return 0


def random_units(problem: Problem, options: RandomOptions) -> list[Ranking]:
    """Put the units in a random order, the same for all numbers of units to keep.

    Returns:
        One ranking for each number of units. Matched by layer, a ranking also says which units
        are kept.
    """
    # A permutation, so that no two units are equal and the exact cut never breaks ties by order.
    prunable = problem.prunable
    scores = np.random.default_rng(problem.seed).permutation(len(prunable)).astype(np.float64)
    if options.layer_matched:
        space = problem.model.space
        masks = [keep_evenly(space, scores, prunable, n_kept) for n_kept in problem.keep]
        rankings = [from_scores(scores, prunable, kept=kept) for kept in masks]
    else:
        rankings = [from_scores(scores, prunable)] * len(problem.keep)
    problem.progress(1, 1)
    return rankings


def keep_evenly(
    space: UnitSpace,
    scores: Float[np.ndarray, " unit"],
    prunable: Bool[np.ndarray, " unit"],
    n_kept: int,
) -> Bool[np.ndarray, " unit"]:
    """Keep the same share of each layer's heads and of the MLPs, as nearly as whole units allow.

    The number is first divided between heads and MLPs and then, among heads, between layers.

    Args:
        space: The units.
        scores: Distinct values; in each group the highest are kept, and of groups with equal
            claims to one more unit those with the highest value.
        prunable: Which units may be dropped.
        n_kept: How many prunable units to keep.

    Returns:
        Which units are kept, all that are not prunable among them.

    Source:
        Hamilton's method of apportionment (largest remainders).
    """
    layer_of = np.array([unit.layer for unit in space])
    kinds = [np.flatnonzero(prunable & space.is_head), np.flatnonzero(prunable & ~space.is_head)]
    kept = ~prunable
    for kind, n_kind in zip(kinds, _divide(n_kept, kinds, scores), strict=True):
        layers = [kind[layer_of[kind] == layer] for layer in range(space.n_layers)]
        for layer, n_layer in zip(layers, _divide(n_kind, layers, scores), strict=True):
            kept[layer[np.argsort(-scores[layer])][:n_layer]] = True
    return kept


def _divide(
    total: int, groups: Sequence[np.ndarray], scores: Float[np.ndarray, " unit"]
) -> list[int]:
    """Divide a number of units to keep between groups in proportion to their sizes."""
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
