"""What random choices of heads would share: the null models behind overlap and core.

There are two. *Anywhere*: each set keeps its own number of heads, drawn from all heads of the
model. *In layers*: each set keeps its own number of heads in every layer, so that a preference for
certain layers, which searches may have in common, is part of chance. The first is the second with a
single layer that holds all heads. All functions therefore take *pools*: groups of heads that are
drawn from separately.
"""

from __future__ import annotations

import functools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float, Int
from scipy import stats

#: Draws made at a time, which bounds memory.
_CHUNK = 200


@dataclass(frozen=True)
class Chance:
    """What a null model says of an observed number.

    Args:
        expected: Its mean under the null.
        p_value: The probability of a number at least as large under the null.
    """

    expected: float
    p_value: float


@functools.lru_cache(maxsize=4096)
def _step(n: int, size: int) -> Float[np.ndarray, "n_plus_1 n_plus_1"]:
    """Compute in row j how many of j heads a random set of this size hits."""
    shared = np.arange(n + 1)
    return stats.hypergeom.pmf(shared[None, :], n, shared[:, None], size)


def intersection_distribution(
    n_heads: int, sizes: Sequence[int]
) -> Float[np.ndarray, " n_heads_plus_1"]:
    """Compute the distribution of the number of heads that several random sets share.

    Each set is drawn independently and uniformly among those of its size. The size of the running
    intersection is a Markov chain with hypergeometric steps, so the result is exact.

    Args:
        n_heads: Heads to draw from.
        sizes: Size of each set; at least one.

    Returns:
        Probabilities of 0, 1, ..., ``n_heads`` shared heads.
    """
    distribution = np.zeros(n_heads + 1)
    distribution[sizes[0]] = 1.0
    for size in sizes[1:]:
        distribution = distribution @ _step(n_heads, int(size))
    return distribution


def pooled_intersection(
    pools: Sequence[int], counts: Int[np.ndarray, "set pool"]
) -> Float[np.ndarray, " n_heads_plus_1"]:
    """Compute this distribution if each set keeps its own number of heads of every pool.

    Pools are drawn from independently, so the number shared is a sum of independent chains.

    Args:
        pools: Number of heads of each pool.
        counts: How many of each pool each set keeps.

    Returns:
        Probabilities of 0, 1, ... shared heads.
    """
    parts = (intersection_distribution(n, counts[:, i].tolist()) for i, n in enumerate(pools))
    return functools.reduce(np.convolve, parts)


def labelled_sum(
    values: Int[np.ndarray, " head"],
    pools: Int[np.ndarray, " head"],
    labelled: Bool[np.ndarray, " head"],
) -> Float[np.ndarray, " n_sums"]:
    """Compute the distribution of a sum over labelled heads if labels were permuted within pools.

    What the values have in common, whatever the reason, stays as it is. The result is exact.

    Args:
        values: A count for each head, not negative.
        pools: The pool of each head.
        labelled: Which heads are labelled.

    Returns:
        Probabilities of the sums 0, 1, ...
    """
    parts = []
    for pool in np.unique(pools):
        own, n = values[pools == pool], int(labelled[pools == pool].sum())
        # Row k: in how many ways k of the heads so far make each sum.
        ways = np.zeros((n + 1, int(own.sum()) + 1))
        ways[0, 0] = 1
        for value in own.tolist():
            ways[1:, value:] += ways[:-1, : ways.shape[1] - value].copy()
        parts.append(ways[n] / ways[n].sum())
    return functools.reduce(np.convolve, parts)


def at_least(distribution: Float[np.ndarray, " n_plus_1"], observed: int) -> Chance:
    """Compare a count with its exact distribution."""
    return Chance(
        float(distribution @ np.arange(len(distribution))),
        float(min(1.0, distribution[observed:].sum())),
    )


def expected_jaccard(pools: Sequence[int], counts: Int[np.ndarray, "set pool"]) -> float:
    """Compute the exact expected Jaccard index of two sets, averaged over pairs of sets.

    Args:
        pools: Number of heads of each pool.
        counts: How many of each pool each set keeps; at least two sets.
    """
    one, other = np.triu_indices(len(counts), k=1)
    means = []
    for i, j in zip(one, other, strict=True):
        distribution = pooled_intersection(pools, counts[[i, j]])
        shared = np.arange(len(distribution))
        union = counts[[i, j]].sum() - shared
        # Two empty sets are equal; otherwise an empty union has no probability.
        index = np.divide(shared, union, out=np.ones(len(shared)), where=union > 0)
        means.append(float(distribution @ index))
    return float(np.mean(means))


def relabelled(
    kept: Bool[np.ndarray, "run level head"],
    pools: Int[np.ndarray, " head"],
    n_draws: int,
    generator: np.random.Generator,
) -> Iterator[Bool[np.ndarray, "draw run level head"]]:
    """Permute the heads of every run within their pools, many times.

    All subnetworks of one run are permuted alike. This keeps what they have in common because they
    come from one search, and removes what different runs have in common beyond numbers per pool.

    Args:
        kept: The heads that each run's subnetworks keep.
        pools: The pool of each head, in ascending order.
        n_draws: How many times.
        generator: Where the draws come from.

    Yields:
        The permuted subnetworks, some draws at a time.
    """
    runs, _, heads = kept.shape
    for start in range(0, n_draws, _CHUNK):
        size = min(_CHUNK, n_draws - start)
        # Sorting by pool, then by chance, moves no head out of its pool.
        order = np.argsort(pools + generator.random((size, runs, heads)), axis=-1)
        yield np.take_along_axis(kept[None], order[:, :, None], axis=-1)
