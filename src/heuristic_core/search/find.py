"""Finding subnetworks: one call for every method, one method a file."""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from numbers import Integral
from typing import Any

import numpy as np
import torch
from jaxtyping import Bool
from pydantic import BaseModel, ValidationError

from ..errors import InputError, expect, one_line, unknown
from ..models.classifier import Classifier, Progress, check_classifier
from ..subnetwork import Subnetwork
from ..tasks.task import Examples, Task
from ..units import Unit, check_sparsity, n_kept
from .cut import cut
from .data import SearchData, prepare
from .fisher import FisherOptions, fisher
from .gradient import GradientOptions, gradient
from .greedy import GreedyOptions, greedy, passes
from .integrated import IntegratedOptions, integrated
from .learned import LearnedOptions, examples_seen, learned
from .magnitude import MagnitudeOptions, magnitude
from .paper import PaperOptions, paper
from .paper import examples_seen as paper_examples
from .random_units import RandomOptions, random_units
from .ranking import Ranking
from .subset import SubsetOptions, subset
from .two_sided import TwoSidedOptions, two_sided


@dataclass(frozen=True)
class Method:
    """One way of finding subnetworks.

    Args:
        search: From (model, data, sparsities, seed, prunable, options, progress) to one
            :class:`Ranking` per sparsity.
        options: The settings it takes.
        n_examples: From (options, sparsities) to the number of examples run forward and backward,
            at most; one that is run forward alone counts for half.
        summary: What it does, in one line.
    """

    search: Callable[..., list[Ranking]]
    options: type[BaseModel]
    n_examples: Callable[..., int]
    summary: str


METHODS: dict[str, Method] = {
    "learned": Method(
        learned,
        LearnedOptions,
        examples_seen,
        "hard-concrete gates trained to agree with the full model",
    ),
    "paper": Method(
        paper,
        PaperOptions,
        paper_examples,
        "the published procedure, its quirks included: over a million examples a sparsity",
    ),
    "subset": Method(
        subset,
        SubsetOptions,
        lambda options, sparsities: len(sparsities) * options.steps * options.batch_size,
        "importances trained through samples of exactly k units (Li et al. 2021)",
    ),
    "two_sided": Method(
        two_sided,
        TwoSidedOptions,
        lambda options, sparsities: 3 * options.steps * options.batch_size,
        "gates fitted pushed open and pushed shut, with causal roles (Nam et al. 2025)",
    ),
    "fisher": Method(
        fisher,
        FisherOptions,
        lambda options, sparsities: options.examples,
        "least Fisher information dropped, then swaps within layers (Kwon et al. 2022)",
    ),
    "gradient": Method(
        gradient,
        GradientOptions,
        lambda options, sparsities: options.examples,
        "least mean absolute gradient of the loss dropped (Michel et al. 2019)",
    ),
    "integrated": Method(
        integrated,
        IntegratedOptions,
        lambda options, sparsities: options.steps * options.examples,
        "least integrated gradient over the gates dropped (Sundararajan et al. 2017)",
    ),
    "greedy": Method(
        greedy,
        GreedyOptions,
        lambda options, sparsities: passes(options, sparsities) // 2,
        "the unit missed least dropped again and again, for small models",
    ),
    "magnitude": Method(
        magnitude,
        MagnitudeOptions,
        lambda options, sparsities: options.examples // 2,
        "outputs nearest to their ablation values dropped",
    ),
    "random": Method(
        random_units,
        RandomOptions,
        lambda options, sparsities: 0,
        "units in a random order, evenly over layers if asked",
    ),
}


def method_options(method: str, options: Mapping[str, Any]) -> BaseModel:
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
        first = error.errors()[0]
        name = ".".join(str(part) for part in first["loc"])
        raise InputError(f"search option {name}: {first['msg']}") from error


def search_effort(method: str, options: Mapping[str, Any], sparsities: Sequence[float]) -> int:
    """Give the number of examples that a search runs forward and backward.

    Raises:
        InputError: If the method or a setting is unknown.
    """
    settings = method_options(method, options)
    return METHODS[method].n_examples(settings, sorted(sparsities))


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
    provenance: Mapping[str, Any] | None = None,
    progress: Progress | None = None,
    **options: Any,
) -> list[Subnetwork]:
    """Find one subnetwork at each of several sparsities, in one run of the search.

    Args:
        model: The full model.
        task: Where the mask-learning examples come from; :class:`SearchData` made by
            :func:`prepare` saves computing the model's predictions and means again.
        sparsities: Shares of the prunable units to drop, each in [0, 1).
        seed: The search's only source of randomness.
        method: One of ``METHODS``.
        units: Prune ``all`` units, or ``heads`` alone.
        ablation: ``mean`` (the default) or ``zero``; with :class:`SearchData` it is given there.
        exclude: Prunable units that no subnetwork may keep; they count among the dropped.
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
    check_classifier(model)
    expect("exclude", exclude, Collection)
    expect("provenance", provenance, Mapping, type(None))
    expect("progress", progress, Callable, type(None))
    settings = method_options(method, options)
    if isinstance(sparsities, str) or not isinstance(sparsities, Iterable):
        raise InputError(f"sparsities are a list such as [0.5], not {one_line(repr(sparsities))}")
    wanted = [check_sparsity(s) for s in sparsities]
    if isinstance(seed, bool) or not isinstance(seed, Integral) or not 0 <= seed < 2**63:
        raise InputError(f"seed {one_line(repr(seed))} is no whole number from 0 to 2**63 - 1")
    prunable = model.space.prunable(units)
    rising = sorted(set(wanted))
    if not rising:
        raise InputError("name at least one sparsity")
    if isinstance(task, SearchData):
        if ablation not in (None, task.ablation):
            raise InputError(f"the search data were prepared with {task.ablation} ablation")
        data = task
        data.values.check_fits(model.space, model.d_heads, model.d_model)
        if data.reference.shape[1] != len(model.labels):
            raise InputError(
                f"the search data hold predictions of {data.reference.shape[1]} classes, but the "
                f"model has {len(model.labels)}; prepare them with this model"
            )
    elif not isinstance(task, Task | Examples):
        raise InputError(
            f"masks are learned on a task, examples or search data, not on a {type(task).__name__}"
        )
    else:
        with _gradients():
            data = prepare(model, task, ablation=ablation or "mean")
    excluded = model.space.mask(exclude)
    # Each sparsity among the units that are left, where it keeps as many as it asks for.
    among = _among_the_rest(rising, prunable, excluded)
    if excluded.any() and getattr(settings, "cached_reference", True) is False:
        # Computed anew it would be that of a model that lacks the excluded units.
        settings = settings.model_copy(update={"cached_reference": True})
    candidates = prunable & ~excluded
    steps = sorted(set(among.values()))
    with _gradients(), _shut(model, data, excluded):
        rankings = METHODS[method].search(model, data, steps, seed, candidates, settings, progress)
    ranking_at = dict(zip(steps, rankings, strict=True))
    found = {}
    for sparsity in rising:
        ranking = ranking_at[among[sparsity]]
        kept = ranking.kept
        if kept is None:
            kept = cut(ranking.soft, among[sparsity], candidates)
        facts = {
            "model": model.name,
            "family": model.family.name,
            "task": task.name if isinstance(task, Task) else None,
            "method": method,
            "options": settings.model_dump(),
            "seed": seed,
            "target": sparsity,
            "units": units,
            "excluded": [str(unit) for unit in model.space if excluded[model.space.index(unit)]],
            "sparsities_of_run": rising,
            **ranking.facts,
        }
        found[sparsity] = Subnetwork(
            space=model.space,
            kept=model.space.from_mask(kept & ~excluded),
            ablation=data.ablation,
            values={} if data.ablation == "zero" else data.values.arrays(),
            soft=np.where(excluded, 0.0, ranking.soft),
            provenance=facts | dict(provenance or {}),
        )
    return [found[s] for s in wanted]


def _among_the_rest(
    sparsities: Sequence[float],
    prunable: Bool[np.ndarray, " unit"],
    excluded: Bool[np.ndarray, " unit"],
) -> dict[float, float]:
    """Give for each sparsity the one that keeps the same number of the units not excluded.

    Raises:
        InputError: If there are not so many, or an excluded unit is not prunable.
    """
    if (excluded & ~prunable).any():
        raise InputError("a unit to exclude is not among those that may be pruned; see `units`")
    if not excluded.any():
        return {sparsity: sparsity for sparsity in sparsities}
    n, n_left = int(prunable.sum()), int((prunable & ~excluded).sum())
    if not n_left:
        raise InputError("every unit that may be pruned is excluded; exclude fewer")
    for sparsity in sparsities:
        if n_kept(n, sparsity) > n_left:
            raise InputError(
                f"sparsity {sparsity:g} keeps {n_kept(n, sparsity)} of {n} units, but only {n_left}"
                " are not excluded; exclude fewer, or ask for a higher sparsity"
            )
    # A quarter of a unit more than none where none is kept: a sparsity is less than 1.
    return {s: 1 - max(n_kept(n, s), 0.25) / n_left for s in sparsities}


@contextmanager
def _gradients() -> Iterator[None]:
    """Let gates be trained, whatever the caller has turned off around the call."""
    with torch.inference_mode(False), torch.enable_grad():
        yield


@contextmanager
def _shut(
    model: Classifier, data: SearchData, excluded: Bool[np.ndarray, " unit"]
) -> Iterator[None]:
    """Run a model without some units; what else gates it finds them at their ablation values."""
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
    """Find one subnetwork; see :func:`find_subnetworks` for the arguments."""
    return find_subnetworks(model, task, [sparsity], seed=seed, method=method, **options)[0]
