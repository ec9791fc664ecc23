"""Finding subnetworks: one call for every method, one method a file."""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from numbers import Integral
from typing import Any

import numpy as np
import torch
from jaxtyping import Bool
from pydantic import ValidationError

from ..errors import InputError, expect, one_line, unknown
from ..models.classifier import Classifier, check_classifier
from ..models.precision import quick_gradients
from ..models.steady import steady
from ..progress import Progress
from ..subnetwork import Subnetwork
from ..tasks.task import Examples, Task
from ..units import Unit, check_sparsity, n_kept
from ..validation import wrong
from .aim import Aim
from .cut import cut
from .data import SearchData, prepare
from .fisher import FisherOptions, fisher
from .gate_training import GateOptions
from .gim import GimOptions, gim
from .gradient import GradientOptions, gradient
from .greedy import GreedyOptions, greedy
from .integrated import IntegratedOptions, integrated
from .learned import LearnedOptions, learned, learned_together
from .magnitude import MagnitudeOptions, magnitude
from .options import MethodOptions
from .paper import PaperOptions, paper, paper_together
from .problem import Problem, no_progress
from .random_units import RandomOptions, random_units
from .ranking import Ranking
from .subset import SubsetOptions, subset
from .two_sided import TwoSidedOptions, two_sided


@dataclass(frozen=True)
class Method:
    """One way of finding subnetworks.

    Args:
        search: From (problem, options) to one ``Ranking`` for each number of units to keep.
        options: The settings it takes.
        summary: What it does, in one line.
        together: From (the same problem once for each seed, options) to the rankings of each seed,
            for methods that search with several seeds in one pass.
        apart: Whether every sparsity is a search of its own, so that studies run each by itself.
    """

    search: Callable[[Problem, Any], list[Ranking]]
    options: type[MethodOptions]
    summary: str
    together: Callable[[Sequence[Problem], Any], list[list[Ranking]]] | None = None
    apart: bool = False


METHODS: dict[str, Method] = {
    "learned": Method(
        learned,
        LearnedOptions,
        "hard-concrete gates trained to agree with the full model",
        learned_together,
    ),
    "paper": Method(
        paper,
        PaperOptions,
        "the published procedure, its quirks included: over a million examples a sparsity",
        paper_together,
        apart=True,
    ),
    "subset": Method(
        subset,
        SubsetOptions,
        "importances trained through samples of exactly k units (Li et al. 2021)",
    ),
    "two_sided": Method(
        two_sided,
        TwoSidedOptions,
        "gates fitted pushed open and pushed shut, with causal roles (Nam et al. 2025)",
    ),
    "fisher": Method(
        fisher,
        FisherOptions,
        "least Fisher information dropped, then swaps within layers (Kwon et al. 2022)",
    ),
    "gradient": Method(
        gradient,
        GradientOptions,
        "least mean absolute gradient of the loss dropped (Michel et al. 2019)",
    ),
    "gim": Method(
        gim,
        GimOptions,
        "as gradient, with gradients shared between what is multiplied (Edin et al. 2025)",
    ),
    "integrated": Method(
        integrated,
        IntegratedOptions,
        "least integrated gradient over the gates dropped (Sundararajan et al. 2017)",
    ),
    "greedy": Method(
        greedy, GreedyOptions, "the unit missed least dropped again and again, for small models"
    ),
    "magnitude": Method(
        magnitude, MagnitudeOptions, "outputs nearest to their ablation values dropped"
    ),
    "random": Method(
        random_units, RandomOptions, "units in a random order, evenly over layers if asked"
    ),
}


def method_options(method: str, options: Mapping[str, Any]) -> MethodOptions:
    """Check a method's settings and fill in the defaults.

    Raises:
        InputError: If the method or a setting is unknown, or a value does not fit.
    """
    if not isinstance(method, str) or method not in METHODS:
        raise unknown("search method", method, METHODS)
    kind = METHODS[method].options
    for name, value in options.items():
        if name not in kind.model_fields:
            raise unknown(f"option of the search method {method!r}", name, kind.model_fields)
        if isinstance(value, float) and not math.isfinite(value):
            raise InputError(f"search option {name} is {value}, but must be a finite number")
    try:
        return kind.model_validate(dict(options), strict=True)  # true is not the number 1
    except ValidationError as error:
        place, message = wrong(error)
        raise InputError(f"search option {'.'.join(map(str, place))}: {message}") from error


def search_effort(method: str, options: Mapping[str, Any], sparsities: Sequence[float]) -> int:
    """Return the number of examples that a search runs forward and backward.

    Raises:
        InputError: If the method or a setting is unknown.
    """
    return method_options(method, options).n_examples(sorted(sparsities))


def check_together(method: str, options: Mapping[str, Any]) -> None:
    """Check that a method can search with several seeds in one pass.

    Raises:
        InputError: If it cannot, or not with these settings.
    """
    if METHODS[method].together is None:
        able = " and ".join(name for name, one in METHODS.items() if one.together)
        raise InputError(
            f"the search method {method!r} takes one seed at a time; {able} search several together"
        )
    settings = method_options(method, options)
    if isinstance(settings, GateOptions) and settings.dropout:
        raise InputError(
            "with dropout, seeds are searched one at a time: torch draws it from one generator; "
            "set the search option dropout to false to search several together"
        )


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
    all_seeds = _check_seeds(seeds)
    if len(all_seeds) > 1:
        check_together(method, options)
    prunable = model.space.prunable(units)
    rising = sorted(set(wanted))
    if not rising:
        raise InputError("name at least one sparsity")
    data = search_data_of(model, task, ablation)
    excluded = model.space.mask(exclude)
    aims = _aims(rising, prunable, excluded)
    count_at = dict(aims)  # several sparsities can have the same aim
    if excluded.any() and isinstance(settings, GateOptions):
        # Computed during training, the reference would be that of a model without the units.
        settings = settings.model_copy(update={"cached_reference": True})
    candidates = prunable & ~excluded
    if aim is not None or improve is not None:
        _check_led(method, aim, improve, model, candidates, list(count_at.values()))
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


def _check_led(
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


def _check_seeds(seeds: Any) -> list[int]:
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


def _aims(
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
