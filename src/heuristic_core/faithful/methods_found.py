"""The subnetworks of search methods, sorted by run and size, and random ones beside them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Bool

from ..errors import InputError, expect, one_line
from ..models.ablation import AblationValues
from ..models.classifier import Classifier
from ..subnetwork import Subnetwork


@dataclass(frozen=True, eq=False)
class Method:
    """The subnetworks of one method.

    Args:
        name: Its name.
        kept: How many units each size keeps, rising.
        masks: Which units are kept, for each run and size; a single run where all are alike.
    """

    name: str
    kept: tuple[int, ...]
    masks: Bool[np.ndarray, "run size unit"]


def methods_of(
    model: Classifier, found: Mapping[str, Iterable[Subnetwork]], other_model: bool
) -> tuple[list[Method], AblationValues, Bool[np.ndarray, " unit"]]:
    """Check subnetworks, and sort them by method, run and size.

    Args:
        model: The full model.
        found: Subnetworks by the name of their method.
        other_model: Accept those that were found in other weights.

    Returns:
        The methods, what replaces dropped units, and which units may be dropped.

    Raises:
        InputError: If there are none, or they cannot be compared.
    """
    methods: list[Method] = []
    first, values, free = None, None, np.zeros(0, dtype=bool)
    for name, some in found.items():
        expect("the name of a method", name, str)
        expect(f"what the method {one_line(name, 60)} found", some, Iterable)
        by_run: dict[Any, dict[int, Subnetwork]] = {}
        for sub in some:
            expect("a subnetwork", sub, Subnetwork)
            if first is None or values is None:
                first, free = sub, _droppable(sub)
                values = model.values_of(sub, other_model=other_model)
            _check_alike(model, first, sub, other_model)
            n = int((sub.mask & free).sum())
            run = by_run.setdefault(sub.provenance.get("seed"), {})
            if not 0 < n < int(free.sum()):
                continue  # the ends of a curve are known
            if n in run and not np.array_equal(run[n].mask, sub.mask):
                raise InputError(
                    f"a run of {one_line(name, 60)} has two subnetworks of {n} units; those of "
                    "several runs need the seeds of their searches in their provenance"
                )
            run[n] = sub
        kept = [tuple(sorted(run)) for run in by_run.values()]
        if not kept or not kept[0]:
            raise InputError(
                f"the method {one_line(name, 60)} has no subnetwork between none and all units; "
                "give some"
            )
        if len(set(kept)) > 1:
            raise InputError(
                f"runs of {one_line(name, 60)} have subnetworks of other sizes; search all of "
                "them at the same sparsities"
            )
        masks = np.stack([np.stack([run[n].mask for n in kept[0]]) for run in by_run.values()])
        # Seeds of a method of which nothing is random are one run.
        if (masks == masks[0]).all():
            masks = masks[:1]
        methods.append(Method(name, kept[0], masks))
    if values is None:
        raise InputError("there is no subnetwork to measure; give some by the name of a method")
    return methods, values, free


def _droppable(sub: Subnetwork) -> Bool[np.ndarray, " unit"]:
    """Return which units a subnetwork's search could drop: all, unless it records heads alone."""
    of_heads = sub.provenance.get("units") == "heads" and len(sub.mlps) == sub.space.n_layers
    return sub.space.prunable("heads" if of_heads else "all")


def _check_alike(
    model: Classifier, first: Subnetwork, other: Subnetwork, other_model: bool
) -> None:
    """Check that two subnetworks can be run together.

    Raises:
        InputError: If they are of other models, or differ in what replaces dropped units or in
            which units may be dropped.
    """
    model.values_of(other, other_model=other_model)  # refuses those of other models
    same = first.values.keys() == other.values.keys() and all(
        np.array_equal(value, other.values[name]) for name, value in first.values.items()
    )
    if first.ablation != other.ablation or not same:
        raise InputError(
            "the subnetworks differ in what replaces dropped units; search all of them on the "
            "same prepared data"
        )
    if (_droppable(first) != _droppable(other)).any():
        raise InputError(
            "some subnetworks may drop all units, others heads alone; measure them apart"
        )


def random_orders(
    free: Bool[np.ndarray, " unit"], kept: Iterable[int], n: int, seed: int
) -> Bool[np.ndarray, "order size unit"]:
    """Draw random orders of the free units, and keep the first ones of each.

    Args:
        free: The units that may be dropped; the others are kept.
        kept: Numbers of free units to keep.
        n: Number of orders.
        seed: Seed of the draw.
    """
    rng = np.random.default_rng(seed)
    places = np.flatnonzero(free)
    rank = np.full((n, len(free)), -1)
    rank[:, places] = rng.permuted(np.tile(np.arange(len(places)), (n, 1)), axis=1)
    masks: Bool[np.ndarray, "order size unit"] = rank[:, None] < np.array(list(kept))[:, None]
    return masks
