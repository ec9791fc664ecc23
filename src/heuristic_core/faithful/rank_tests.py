"""Tests of a set of units by its rank among random sets of its size."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Bool, Float

from ..card_tables import CORE, DRAWN, NECESSITY, SUFFICIENCY, Drawn
from ..subnetwork import Subnetwork
from ..units import UnitSpace
from .divergence import Masks
from .random_sets import own_seed, pools, rank_p, redrawn

Mask = Bool[np.ndarray, " unit"]


@dataclass(frozen=True)
class Compared:
    """A set of units that random sets are compared with.

    Args:
        test: The test's name.
        chosen: The set.
        free: The units that it and random sets are drawn from.
        rest: Which of the other units are kept.
        removed: Whether the set is what is dropped of the free units, and a good one is missed;
            otherwise it is what is kept.
    """

    test: str
    chosen: Mask
    free: Mask
    rest: Mask
    removed: bool = False

    def kept(self, chosen: Bool[np.ndarray, "*choice unit"]) -> Bool[np.ndarray, "*choice unit"]:
        """Return which units are kept for some sets of free units."""
        return (self.free & ~chosen if self.removed else chosen) | (self.rest & ~self.free)

    @property
    def own(self) -> Mask:
        """Which units are kept for the set itself."""
        return self.kept(self.chosen)

    @property
    def none(self) -> Mask:
        """Which units are kept where no free unit is."""
        return self.rest & ~self.free

    def redrawn(self, space: UnitSpace, drawn: Drawn, n_draws: int, seed: list[int]) -> Masks:
        """Return which units are kept for random sets of its size.

        Args:
            space: The units.
            drawn: Where sets are drawn.
            n_draws: Number of sets.
            seed: Seed of the draw.
        """
        rng = np.random.default_rng(seed)
        return self.kept(redrawn(self.chosen, pools(space, self.free, drawn), n_draws, rng))


def drawn_from(subnetwork: Subnetwork) -> Mask:
    """Return the units that random sets are drawn from: those that its search chose from.

    These are all units unless it records that only heads could be dropped, or that units were
    excluded, and it is as its record says.
    """
    space, record = subnetwork.space, subnetwork.provenance
    free = space.prunable("heads" if record.get("units") == "heads" else "all")
    excluded = space.mask(record.get("excluded", ()))
    as_recorded = subnetwork.mask[~free].all() and not subnetwork.mask[excluded].any()
    return free & ~excluded if as_recorded else space.prunable()


def comparisons(subnetwork: Subnetwork, core: Mask) -> list[Compared]:
    """Return the sets of units that a subnetwork's random sets are compared with.

    Args:
        subnetwork: The subnetwork.
        core: Units to keep alone; none if no bit is set. If no MLP is among them, the subnetwork's
            MLPs stay, in random sets as well.
    """
    free, kept = drawn_from(subnetwork), subnetwork.mask
    compared = [
        Compared(SUFFICIENCY, kept & free, free, kept),
        Compared(NECESSITY, kept & free, free, np.ones_like(kept), removed=True),
    ]
    if core.any():
        is_head = subnetwork.space.is_head
        own = free if core[~is_head].any() else free & is_head
        # Core units that were never chosen from could not be drawn.
        compared.append(Compared(CORE, core & own, own, kept))
    return compared


def rank_rows(
    compared: Sequence[Compared],
    space: UnitSpace,
    kl: Callable[[Masks], Float[np.ndarray, " choice"]],
    n_draws: int,
    seed: int,
) -> list[dict[str, Any]]:
    """Test sets of units by their divergence, each beside both kinds of random sets.

    Args:
        compared: The sets.
        space: The units.
        kl: Computes the mean KL divergence from the full model of some choices of units kept.
        n_draws: Random sets of each kind.
        seed: Seed of the draws.

    Returns:
        Rows as in ``card_tables.CARD`` without what depends on all rows.
    """
    tests = [(one, drawn) for one in compared for drawn in DRAWN]
    seeds = [[*own_seed(seed, one.own), i] for i, (one, _) in enumerate(tests)]
    masks = [
        np.vstack([one.own, one.none, one.redrawn(space, drawn, n_draws, own)])
        for (one, drawn), own in zip(tests, seeds, strict=True)
    ]
    values = kl(np.concatenate(masks)).reshape(len(tests), n_draws + 2)
    return [
        row_of(one.test, drawn, own, others, of_set, high=one.removed) | {"none": none}
        for (one, drawn), of_set, (own, none, *others) in zip(tests, seeds, values, strict=True)
    ]


def row_of(
    test: str,
    drawn: Drawn,
    value: float,
    others: Sequence[float] | Float[np.ndarray, " draw"],
    seed: list[int],
    *,
    high: bool,
) -> dict[str, Any]:
    """Compare a number with those of random sets.

    Args:
        test: The test's name.
        drawn: Which random sets these are.
        value: The number.
        others: Theirs.
        seed: Seed of what breaks ties.
        high: Whether a high number is a good one.
    """
    numbers = np.asarray(others, dtype=np.float64)
    sign = -1 if high else 1
    low, median, top = np.quantile(numbers, [0.025, 0.5, 0.975])
    rng = np.random.default_rng([*seed, 1])
    quantiles: Mapping[str, float] = {"random": median, "random_low": low, "random_high": top}
    return {
        "test": test,
        "drawn": drawn,
        "value": float(value),
        **quantiles,
        "n": len(numbers),
        "p": rank_p(sign * float(value), sign * numbers, rng),
    }
