"""Finding subnetworks: one call for every method, one method a file."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import numpy as np
import torch
from jaxtyping import Bool

from ..errors import InputError, expect, one_line
from ..models.classifier import Classifier, check_classifier
from ..models.precision import quick_gradients
from ..models.steady import steady
from ..progress import Progress
from ..subnetwork import Subnetwork
from ..tasks.task import Examples, Task
from ..units import Unit, check_sparsity
from .aim import Aim
from .checks import check_led, check_seeds, search_data_of, targets_of
from .cut import cut
from .data import SearchData
from .gate_training import GateOptions
from .methods import METHODS, check_together, method_options
from .problem import Problem, no_progress
from .ranking import Ranking


def find_subnetworks(
    model: Classifier,
    task: Task | Examples | SearchData,
    sparsities: Sequence[float],
    *,
    seed: int = 0,
    method: str = "learned",
    units: str = "all",
    ablation: str | None = None,
    exclude: Collection[Unit | str] = (),
    aim: Aim | None = None,
    improve: Subnetwork | None = None,
    precision: str = "float32",
    provenance: Mapping[str, Any] | None = None,
    progress: Progress | None = None,
    **options: Any,
) -> list[Subnetwork]:
    """Find one subnetwork at each of several sparsities, in one run of the search.

    Args:
        model: The full model.
        task: The source of the mask-learning examples; ``SearchData`` made by
            ``prepare`` saves computing the model's predictions and means again.
        sparsities: Shares of the prunable units to drop, each in [0, 1).
        seed: The search's only source of randomness.
        method: A search method, as ``hcore models`` lists it.
        units: Prune ``all`` units, or ``heads`` alone.
        ablation: ``mean`` (the default) or ``zero``; with ``SearchData`` it is given there.
        exclude: Prunable units that no subnetwork may keep; they count among the dropped.
        aim: What the subnetworks should do besides agreeing with the model, from ``aim_at``; for
            ``learned`` alone.
        improve: A subnetwork to improve by exchanges, in place of a search from the full model; for
            ``learned`` and one sparsity, that of this subnetwork.
        precision: What the model computes in: ``float32``, or ``bfloat16`` or ``float16`` where
            that is safe. Its weights, the gates and the full model's predictions stay in float32.
        provenance: Further facts to record with each subnetwork.
        progress: Called with (steps done, steps in all).
        options: The method's settings.

    Returns:
        The subnetworks, in the order of ``sparsities``, each keeping exactly the number of units
        its sparsity asks for.

    Raises:
        InputError: If a sparsity is outside [0, 1) or keeps more units than are not excluded, an
            excluded unit is not prunable, or a name or setting is unknown.
    """
    if "seeds" in options:
        raise InputError("give one seed; several are for find_subnetworks_together")
    (found,) = find_subnetworks_together(
        model,
        task,
        sparsities,
        seeds=[seed],
        method=method,
        units=units,
        ablation=ablation,
        exclude=exclude,
        aim=aim,
        improve=improve,
        precision=precision,
        provenance=provenance,
        progress=progress,
        **options,
    ).values()
    return found


@steady()
def find_subnetworks_together(
    model: Classifier,
    task: Task | Examples | SearchData,
    sparsities: Sequence[float],
    *,
    seeds: Sequence[int],
    method: str = "learned",
    units: str = "all",
    ablation: str | None = None,
    exclude: Collection[Unit | str] = (),
    aim: Aim | None = None,
    improve: Subnetwork | None = None,
    precision: str = "float32",
    provenance: Mapping[str, Any] | None = None,
    progress: Progress | None = None,
    **options: Any,
) -> dict[int, list[Subnetwork]]:
    """Find subnetworks with several seeds in one pass: each as it would be alone, up to rounding.

    The seeds share passes through the model, of as many examples as all have together. This is for
    GPUs that the examples of one seed do not fill.

    Args:
        model: As for ``find_subnetworks``, like all arguments that are not explained here.
        task: As there.
        sparsities: As there.
        seeds: The seeds, each once.
        method: One that takes several seeds: ``learned``, or ``paper`` without dropout.
        units: As there.
        ablation: As there.
        exclude: As there.
        aim: As there.
        improve: As there.
        precision: As there.
        provenance: As there.
        progress: As there.
        options: The method's settings. ``rows_per_pass`` bounds how many examples run at once.

    Returns:
        For each seed its subnetworks, in the order of ``sparsities``.

    Raises:
        InputError: If the method takes one seed at a time, or as ``find_subnetworks``.
    """
    check_classifier(model)
    expect("exclude", exclude, Collection)
    expect("provenance", provenance, Mapping, type(None))
    expect("progress", progress, Callable, type(None))
    settings = method_options(method, options)
    if isinstance(sparsities, str) or not isinstance(sparsities, Iterable):
        raise InputError(f"sparsities are a list such as [0.5], not {one_line(repr(sparsities))}")
    wanted = [check_sparsity(s) for s in sparsities]
    all_seeds = check_seeds(seeds)
    if len(all_seeds) > 1:
        check_together(method, options)
    prunable = model.space.prunable(units)
    rising = sorted(set(wanted))
    if not rising:
        raise InputError("name at least one sparsity")
    data = search_data_of(model, task, ablation)
    excluded = model.space.mask(exclude)
    aims = targets_of(rising, prunable, excluded)
    count_at = dict(aims)  # several sparsities can have the same aim
    if excluded.any() and isinstance(settings, GateOptions):
        # Computed during training, the reference would be that of a model without the units.
        settings = settings.model_copy(update={"cached_reference": True})
    candidates = prunable & ~excluded
    if aim is not None or improve is not None:
        check_led(method, aim, improve, model, candidates, list(count_at.values()))
    problem = Problem(
        model=model,
        data=data,
        prunable=candidates,
        keep=tuple(count_at.values()),
        targets=tuple(count_at),
        seed=all_seeds[0],
        progress=progress or no_progress,
        aim=aim,
        start=None if improve is None else improve.mask,
    )
    problems = [replace(problem, seed=seed) for seed in all_seeds]
    with (
        model.computing_in(precision),
        quick_gradients(model.device, model.precision),
        _without(model, data, excluded),
    ):
        together = METHODS[method].together
        if together is None or len(problems) == 1:
            every = [METHODS[method].search(problem, settings)]
        else:
            every = together(problems, settings)
    common = {
        **model.facts(),
        "task": data.task or None,
        "data": {"search": data.digest} if data.digest else {},
        "values": data.values.over,
        "method": method,
        "options": settings.model_dump(),
        "precision": precision,
        "units": units,
        "excluded": [str(unit) for unit in model.space if excluded[model.space.index(unit)]],
        "sparsities_of_run": rising,
        "seeds_of_pass": all_seeds,
    }
    if aim is not None:
        common["aim"] = repr(aim)
    if improve is not None:
        common["improved"] = [str(unit) for unit in model.space if unit in improve]

    def subnetwork(seed: int, ranking: Ranking, sparsity: float, count: int) -> Subnetwork:
        kept = cut(ranking.soft, count, candidates) if ranking.kept is None else ranking.kept
        own = {"seed": seed, "target": sparsity, **ranking.facts, **(provenance or {})}
        return Subnetwork(
            space=model.space,
            kept=model.space.from_mask(kept & ~excluded),
            ablation=data.ablation,
            values={} if data.ablation == "zero" else data.values.arrays(),
            soft=np.where(excluded, 0.0, ranking.soft),
            provenance=common | own,
        )

    found = {}
    for seed, rankings in zip(all_seeds, every, strict=True):
        ranking_at = dict(zip(count_at, rankings, strict=True))
        at = {
            sparsity: subnetwork(seed, ranking_at[target], sparsity, count)
            for sparsity, (target, count) in zip(rising, aims, strict=True)
        }
        found[seed] = [at[sparsity] for sparsity in wanted]
    return found


@contextmanager
def _without(
    model: Classifier, data: SearchData, excluded: Bool[np.ndarray, " unit"]
) -> Iterator[None]:
    """Run a model without some units; gates set inside read their ablation values as outputs."""
    if not excluded.any():
        yield
        return
    with model.gated(data.values) as gates:
        gates.z = torch.tensor(~excluded, dtype=torch.float32, device=model.device)
        yield


def find_subnetwork(
    model: Classifier,
    task: Task | Examples | SearchData,
    sparsity: float,
    *,
    seed: int = 0,
    method: str = "learned",
    **options: Any,
) -> Subnetwork:
    """Find one subnetwork; see ``find_subnetworks`` for the arguments."""
    return find_subnetworks(model, task, [sparsity], seed=seed, method=method, **options)[0]
