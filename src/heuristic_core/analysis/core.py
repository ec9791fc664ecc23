"""Which heads do all subnetworks share? (paper, section 5, finding 3)"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from jaxtyping import Float
from scipy import stats

from .intervals import SUPPORTED, UNDECIDED, Verdict

_GROUP = ["finetune_seed", "checkpoint", "method"]


@dataclass(frozen=True)
class Core:
    """The heads that all of some subnetworks keep.

    Args:
        finetune_seed: Seed of the fine-tuning.
        checkpoint: Its step.
        method: The search method.
        sparsity: The sparsity; ``None`` for all sparsities together.
        n_subnetworks: How many subnetworks.
        n_heads: Heads of the model.
        heads_kept: Heads kept, one number per independent set: a subnetwork at one sparsity, or
            over all sparsities what all subnetworks of one search seed share.
        core: The shared heads.
        expected: Heads that would be shared if each set kept its number of heads at random.
        p_value: Probability of sharing at least as many, under the same null.
        frequencies: For each head, how many subnetworks keep it.
        mlp_frequencies: For each MLP layer, how many subnetworks keep it. MLPs are hardly ever
            dropped, so they would be shared trivially; they are no part of the core or its null.
        verdict: On the claim that there is a shared core.
    """

    finetune_seed: int
    checkpoint: int
    method: str
    sparsity: float | None
    n_subnetworks: int
    n_heads: int
    heads_kept: tuple[int, ...]
    core: tuple[str, ...]
    expected: float
    p_value: float
    frequencies: dict[str, int]
    mlp_frequencies: dict[str, int]
    verdict: Verdict


def intersection_distribution(
    n_heads: int, sizes: Sequence[int]
) -> Float[np.ndarray, " n_heads_plus_1"]:
    """Give the distribution of the number of heads in all of several random sets.

    Each set is drawn uniformly among those of its size, independently. The size of the running
    intersection is then a Markov chain with hypergeometric steps, so the result is exact.

    Args:
        n_heads: Heads to draw from.
        sizes: Size of each set; at least one.

    Returns:
        Probabilities of 0, 1, ..., ``n_heads`` shared heads.
    """
    distribution = np.zeros(n_heads + 1)
    distribution[sizes[0]] = 1.0
    shared = np.arange(n_heads + 1)
    for size in sizes[1:]:
        # Row j: how many of the j heads shared so far the next set hits.
        step = stats.hypergeom.pmf(shared[None, :], n_heads, shared[:, None], size)
        distribution = distribution @ step
    return distribution


def null_probability(n_heads: int, sizes: Sequence[int], at_least: int) -> float:
    """Give the probability that random sets of these sizes share at least so many heads."""
    return float(min(1.0, intersection_distribution(n_heads, sizes)[at_least:].sum()))


def expected_shared(n_heads: int, sizes: Sequence[int]) -> float:
    """Give the mean number of heads that random sets of these sizes share."""
    return float(n_heads * np.prod([size / n_heads for size in sizes]))


def core(subnetworks: pd.DataFrame) -> list[Core]:
    """Find the core of every checkpoint, per sparsity and over all sparsities.

    Args:
        subnetworks: Rows as in ``tables.SUBNETWORKS``.

    Returns:
        For each fine-tuning, checkpoint and method one result per sparsity, then one over all if
        there are several.
    """
    results = []
    for key, group in subnetworks.groupby(_GROUP):
        levels = sorted(group["sparsity"].unique())
        results += [_one(key, group[group["sparsity"] == level], level) for level in levels]
        if len(levels) > 1:
            results.append(_one(key, group, None))
    return results


def _one(key: tuple, group: pd.DataFrame, sparsity: float | None) -> Core:
    kept = group.pivot_table(
        index=["seed", "sparsity"], columns="unit", values="kept", aggfunc="first", sort=False
    ).astype(bool)
    units = list(dict.fromkeys(group["unit"]))
    is_head = {u: h >= 0 for u, h in zip(group["unit"], group["head"], strict=True)}
    heads = [unit for unit in units if is_head[unit]]
    mlps = [unit for unit in units if not is_head[unit]]
    counts = kept.sum()
    shared = tuple(unit for unit in heads if counts[unit] == len(kept))
    # Subnetworks of one seed may come from one run, so they are not independent draws: over all
    # sparsities each seed counts once, with the heads that all its subnetworks share.
    sets = kept[heads].groupby(level="seed").all()
    sizes = tuple(int(n) for n in sets.sum(axis=1))
    p_value = null_probability(len(heads), sizes, len(shared))
    expected = expected_shared(len(heads), sizes)
    return Core(
        int(key[0]),
        int(key[1]),
        str(key[2]),
        None if sparsity is None else float(sparsity),
        len(kept),
        len(heads),
        sizes,
        shared,
        expected,
        p_value,
        {unit: int(counts[unit]) for unit in heads},
        {unit: int(counts[unit]) for unit in mlps},
        _verdict(len(shared), sizes, expected, p_value, len(heads)),
    )


def _verdict(n: int, sizes: Sequence[int], expected: float, p: float, n_heads: int) -> Verdict:
    claim = "the subnetworks share a core of heads"
    reason = (
        f"{n} of {n_heads} heads are in all; {len(sizes)} random sets of the same sizes would "
        f"share {expected:.2g} (p = {p:.2g})"
    )
    if len(sizes) < 2:
        return Verdict(claim, UNDECIDED, "a core needs at least two independent searches")
    if n and p < 0.05:
        return Verdict(claim, SUPPORTED, reason)
    return Verdict(claim, UNDECIDED, reason)
