"""Faithful subnetworks that share as little as they can: how far overlap falls at what fidelity."""

from __future__ import annotations

import math
import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import combinations
from typing import Any

import numpy as np
import pandas as pd
from jaxtyping import Bool

from ..analysis.nulls import at_least, expected_jaccard, intersection_distribution
from ..errors import InputError, expect, expect_number, expect_whole
from ..models.classifier import Classifier, check_classifier
from ..models.steady import steady
from ..progress import Progress, partial_progress
from ..search.checks import search_data_of
from ..search.data import SearchData
from ..search.find import find_subnetworks_together
from ..search.stages import Stages
from ..subnetwork import Subnetwork
from ..tasks.task import Examples, Task
from ..units import Unit
from .divergence import Divergences

#: What sharing all units costs, in nats, from nothing to more than any divergence is worth.
WEIGHTS = (0.0, 0.1, 0.3, 1.0)


@dataclass(frozen=True, eq=False)
class Repelled:
    """Subnetworks found together under a growing penalty on the units that they share.

    Args:
        table: One row per weight of the penalty: ``repel``, the weight in nats; ``divergence``
            and ``worst``, the mean and highest KL divergence of the subnetworks from the full
            model on the mask-learning examples, in nats; ``jaccard`` of the units kept, and
            ``heads_jaccard``, means over pairs; ``expected``, the Jaccard index of the units of
            random subnetworks of this size; ``least``, below which no mean over so many
            subnetworks of this size can be; ``shared``, the units that all keep;
            ``expected_shared`` and ``p_shared``, how many random ones would share, and the
            probability of as many.
        subnetworks: The subnetworks by weight, one for each seed.
        divergences: Their divergences by weight, in nats.
    """

    table: pd.DataFrame
    subnetworks: Mapping[float, Sequence[Subnetwork]]
    divergences: Mapping[float, Sequence[float]]

    def __repr__(self) -> str:
        first, last = self.table.iloc[0], self.table.iloc[-1]
        return (
            f"Repelled({len(next(iter(self.subnetworks.values())))} subnetworks at "
            f"{len(self.table)} weights, Jaccard {first['jaccard']:.2f} to {last['jaccard']:.2f})"
        )

    def survivors(self, bound: float) -> frozenset[Unit]:
        """Return the units that all subnetworks keep at the highest weight that stays faithful.

        Args:
            bound: The highest divergence of a faithful subnetwork, in nats.

        Returns:
            The units, of those that may be dropped.

        Raises:
            InputError: If the bound is no number from 0, or not even the subnetworks that do not
                repel each other are faithful.
        """
        expect_number("bound", bound)
        faithful = self.table[self.table["worst"] <= bound]
        if faithful.empty:
            raise InputError(
                f"at no weight are all subnetworks within {bound:g} nats; the lowest of the "
                f"highest divergences is {self.table['worst'].min():.3g}"
            )
        several = self.subnetworks[float(faithful["repel"].iloc[-1])]
        prunable = several[0].space.prunable(several[0].provenance.get("units", "all"))
        return several[0].space.from_mask(np.all([one.mask for one in several], axis=0) & prunable)


@steady()
def repelling_subnetworks(
    model: Classifier,
    task: Task | Examples | SearchData,
    sparsity: float,
    *,
    n: int = 5,
    weights: Sequence[float] = WEIGHTS,
    seed: int = 0,
    units: str = "all",
    examples: int = 1000,
    unfinished: str | os.PathLike[str] | None = None,
    progress: Progress | None = None,
    **options: Any,
) -> Repelled:
    """Find subnetworks that match the model and overlap as little as they can.

    They are searched for in one pass, in which each pays for the units that the others keep too.

    Args:
        model: The full model.
        task: The source of the mask-learning examples, or data that ``prepare`` made.
        sparsity: The share of units to drop.
        n: How many subnetworks, at least two.
        weights: What a subnetwork pays if all others keep all of its units, in nats; each is a
            search of its own.
        seed: The first of the seeds, which follow one another.
        units: The units that may be dropped: ``all``, or ``heads`` alone.
        examples: Examples on which divergences are computed, at most.
        unfinished: A folder in which what each stage finds is kept, for the caller to remove once
            the result is safe: the same call goes on after the finished stages.
        progress: Called with (steps done, steps in all).
        options: Settings of the learned search.

    Returns:
        The subnetworks, and how overlap and fidelity fall as the weight grows.

    Raises:
        InputError: If an argument does not fit.
    """
    check_classifier(model)
    expect_whole("n", n, 2)
    expect_whole("seed", seed)
    expect_whole("examples", examples, 1)
    expect("weights", weights, Iterable)
    for weight in (given := list(weights)):
        expect_number("a weight", weight)
    if not given:
        raise InputError("weights are finite numbers from 0, at least one")
    rising = sorted({float(weight) for weight in given})
    if taken := sorted({"aim", "improve", "repel", "seeds"} & set(options)):
        raise InputError(f"{taken[0]} is set by the searches that repel each other; leave it out")
    data = search_data_of(model, task, None)
    free = model.space.prunable(units) & ~model.space.mask(options.get("exclude", ()))
    judge = Divergences(model, data.sample(examples, seed=0))
    found: dict[float, list[Subnetwork]] = {}
    at: dict[float, list[float]] = {}
    rows = []
    call = {"sparsity": sparsity, "n": n, "seed": seed, "units": units, "options": options}
    stages = Stages(unfinished, model, data.values, data=[data.digest, data.ablation], **call)

    def search(i: int) -> list[Subnetwork]:
        several = find_subnetworks_together(
            model,
            data,
            [sparsity],
            seeds=range(seed, seed + n),
            units=units,
            repel=rising[i],
            progress=None if progress is None else partial_progress(progress, i, 1, len(rising)),
            **options,
        )
        return [subnetwork for (subnetwork,) in several.values()]

    for i, weight in enumerate(rising):
        found[weight] = stages.find(f"repel-{weight!r}", partial(search, i))
        at[weight] = judge.of(np.array([one.mask for one in found[weight]])).tolist()
        rows.append({"repel": weight} | _compared(found[weight], free, at[weight]))
    return Repelled(pd.DataFrame(rows), found, at)


def _compared(
    subnetworks: Sequence[Subnetwork], free: Bool[np.ndarray, " unit"], at: Sequence[float]
) -> dict[str, float]:
    """Say how faithful subnetworks are, and how much they overlap in the units chosen from."""
    masks = np.array([one.mask for one in subnetworks])
    counts = (masks & free).sum(1)
    pairs = list(combinations(subnetworks, 2))
    n_free, n_shared = int(free.sum()), int((masks.all(0) & free).sum())
    chance = at_least(intersection_distribution(n_free, counts.tolist()), n_shared)
    return {
        "divergence": float(np.mean(at)),
        "worst": float(max(at)),
        "jaccard": float(np.mean([_jaccard(a, b, free) for a, b in pairs])),
        "heads_jaccard": float(np.mean([a.heads_jaccard(b) for a, b in pairs])),
        "expected": expected_jaccard([n_free], counts[:, None]),
        "least": least_jaccard(n_free, int(counts[0]), len(subnetworks)),
        "shared": n_shared,
        "expected_shared": chance.expected,
        "p_shared": chance.p_value,
    }


def _jaccard(one: Subnetwork, other: Subnetwork, free: Bool[np.ndarray, " unit"]) -> float:
    a, b = one.mask & free, other.mask & free
    # Two empty sets are equal.
    return float((a & b).sum() / (a | b).sum()) if (a | b).any() else 1.0


def least_jaccard(n_units: int, n_kept: int, n: int) -> float:
    """Compute what the mean Jaccard index of pairs of subnetworks of one size is never below.

    It is reached where every unit is kept by as many subnetworks as every other one, as nearly as
    whole units allow, and all pairs share equally many, which is not always possible.

    Args:
        n_units: Units to choose from.
        n_kept: Units that each keeps.
        n: How many subnetworks there are.
    """
    each, more = divmod(n * n_kept, n_units)
    pairs = more * math.comb(each + 1, 2) + (n_units - more) * math.comb(each, 2)
    shared = pairs / math.comb(n, 2)
    return shared / (2 * n_kept - shared) if n_kept else 1.0
