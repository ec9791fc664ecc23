"""Random sets of units, and the rank of one set among them."""

from __future__ import annotations

import zlib

import numpy as np
from jaxtyping import Bool, Float, Int

from ..card_tables import Drawn
from ..units import UnitSpace

#: Digits after the point in which numbers must differ to be more than rounding.
_DIGITS = 9


def pools(
    space: UnitSpace, free: Bool[np.ndarray, " unit"], drawn: Drawn
) -> Int[np.ndarray, " unit"]:
    """Number the pools of units that change places with each other in random sets.

    Args:
        space: The units.
        free: Which units are drawn; each of the others is a pool of its own, and stays as it is.
        drawn: Whether free units are one pool, or each layer's heads are one, and all MLPs.
    """
    alone = space.n_layers + 1 + np.arange(len(space))
    layer = [unit.layer if unit.is_head else space.n_layers for unit in space]
    return np.where(free, 0 if drawn == "anywhere" else np.array(layer), alone)


def redrawn(
    chosen: Bool[np.ndarray, " unit"],
    pools: Int[np.ndarray, " unit"],
    n_draws: int,
    rng: np.random.Generator,
) -> Bool[np.ndarray, "draw unit"]:
    """Draw sets at random that have as many units of each pool as a given set.

    Args:
        chosen: The given set.
        pools: The pool of each unit.
        n_draws: Number of sets, drawn independently of each other.
        rng: Where they come from.
    """
    by_pool = np.argsort(pools, kind="stable")
    # Sorting by pool, then by chance, moves no unit out of its pool.
    order = np.argsort(pools + rng.random((n_draws, len(pools))), axis=1)
    sets = np.empty((n_draws, len(pools)), dtype=bool)
    sets[:, by_pool] = chosen[order]
    return sets


def own_seed(seed: int, chosen: Bool[np.ndarray, " unit"]) -> list[int]:
    """Return a set's own seed, so that cards of several sets with one seed draw apart.

    Args:
        seed: The seed of a card.
        chosen: The set.
    """
    return [seed, zlib.crc32(np.packbits(chosen).tobytes())]


def rank_p(value: float, drawn: Float[np.ndarray, " draw"], rng: np.random.Generator) -> float:
    """Compute the p-value of a low number by its rank among those of random sets.

    Ties are broken at random, so that p is uniform on 1/(n + 1), 2/(n + 1), ..., 1 if the number is
    that of one more random set, however many sets are alike.

    Args:
        value: The number.
        drawn: The numbers of n random sets.
        rng: What breaks ties.
    """
    own, others = np.round(value, _DIGITS), np.round(drawn, _DIGITS)
    ties = rng.integers(int((others == own).sum()), endpoint=True)
    return float(1 + (others < own).sum() + ties) / (1 + len(others))
