"""What a search is asked for, checked before it begins."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from numbers import Integral
from typing import Any

import numpy as np
from jaxtyping import Bool

from ..errors import InputError, expect, one_line
from ..models.classifier import Classifier
from ..subnetwork import Subnetwork
from ..tasks.task import Examples, Task
from ..units import n_kept
from .aim import Aim
from .data import SearchData, prepare


def search_data_of(model: Classifier, task: object, ablation: str | None) -> SearchData:
    """Prepare the search data, or check those that were prepared.

    Raises:
        InputError: If they are of another ablation or another model, or there are no examples.
    """
    if not isinstance(task, SearchData):
        if not isinstance(task, Task | Examples):
            raise InputError(
                "masks are learned on a task, examples or search data, not on a "
                f"{type(task).__name__}"
            )
        return prepare(model, task, ablation=ablation or "mean")
    if ablation not in (None, task.ablation):
        raise InputError(f"the search data were prepared with {task.ablation} ablation")
    task.values.check_fits(model.anatomy)
    if task.reference.shape[1] != len(model.labels):
        raise InputError(
            f"the search data hold predictions of {task.reference.shape[1]} classes, but the "
            f"model has {len(model.labels)}; prepare them with this model"
        )
    model.check_weights(
        "the search data are of other weights", task.values.source, "prepare them with this model"
    )
    return task


def check_values(data: SearchData, subnetworks: Iterable[Subnetwork]) -> None:
    """Check that what replaces the units that subnetworks drop is what search data hold.

    Raises:
        InputError: If it is not; their divergences would be those of other systems.
    """
    given = data.values.arrays()
    for one in subnetworks:
        same = one.ablation == data.ablation and all(
            np.allclose(value, given[name], rtol=1e-5, atol=1e-6)
            for name, value in one.values.items()
        )
        if not same:
            raise InputError(
                f"the search data hold other values for dropped units ({data.ablation} ablation) "
                f"than a subnetwork ({one.ablation} ablation); give the data that it was found on"
            )


def check_led(
    method: str,
    aim: Aim | None,
    improve: Subnetwork | None,
    model: Classifier,
    candidates: Bool[np.ndarray, " unit"],
    counts: Sequence[int],
) -> None:
    """Check that a search can have an aim, or improve a subnetwork.

    Raises:
        InputError: If its method can do neither, or the subnetwork is of another model or size.
    """
    expect("the aim", aim, Aim, type(None), hint="make it with aim_at")
    expect("the subnetwork to improve", improve, Subnetwork, type(None))
    if method != "learned":
        raise InputError(
            f"the search method {method!r} takes no aim and improves no subnetwork; use 'learned'"
        )
    if improve is None:
        return
    if improve.space != model.space:
        raise InputError(f"the subnetwork to improve has {improve.space}, the model {model.space}")
    n = int((improve.mask & candidates).sum())
    if set(counts) != {n}:
        raise InputError(
            f"the subnetwork to improve keeps {n} of the units to choose from, the search is for "
            f"{', '.join(map(str, counts))}; ask for the sparsity of the subnetwork"
        )


def check_seeds(seeds: Any) -> list[int]:
    """Check that seeds are different whole numbers, at least one.

    Raises:
        InputError: If they are not.
    """
    if isinstance(seeds, str) or not isinstance(seeds, Iterable):
        raise InputError(f"seeds are a list such as [1, 2], not {one_line(repr(seeds))}")
    given = list(seeds)
    for seed in given:
        if isinstance(seed, bool) or not isinstance(seed, Integral) or not 0 <= int(seed) < 2**63:
            raise InputError(f"seed {one_line(repr(seed))} is no whole number from 0 to 2**63 - 1")
    if not given or len(set(given)) < len(given):
        raise InputError("name at least one seed, and each once")
    return [int(seed) for seed in given]


def targets_of(
    sparsities: Sequence[float],
    prunable: Bool[np.ndarray, " unit"],
    excluded: Bool[np.ndarray, " unit"],
) -> list[tuple[float, int]]:
    """Return the target of gates and the number of units to keep for each sparsity.

    Without excluded units the target is the sparsity itself. Otherwise it is the share of the
    remaining units that the number leaves out.

    Raises:
        InputError: If too few units are not excluded, or an excluded unit is not prunable.
    """
    if (excluded & ~prunable).any():
        raise InputError("a unit to exclude is not among those that may be pruned; see `units`")
    n = int(prunable.sum())
    n_left = n - int(excluded.sum())
    if not n_left:
        raise InputError("every unit that may be pruned is excluded; exclude fewer")
    counts = [n_kept(n, sparsity) for sparsity in sparsities]
    for sparsity, count in zip(sparsities, counts, strict=True):
        if count > n_left:
            raise InputError(
                f"sparsity {sparsity:g} keeps {count} of {n} units, but only {n_left}"
                " are not excluded; exclude fewer, or ask for a higher sparsity"
            )
    if n_left == n:
        return list(zip(sparsities, counts, strict=True))
    return [(1 - count / n_left, count) for count in counts]
