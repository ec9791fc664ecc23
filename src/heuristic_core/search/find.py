"""Finding subnetworks: one call for every method, one method a file."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from pydantic import BaseModel, ValidationError

from ..errors import InputError, unknown
from ..models.classifier import Classifier, Progress
from ..subnetwork import Subnetwork
from ..tasks.task import Examples, Task
from ..units import check_sparsity
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
    if method not in METHODS:
        raise unknown("search method", method, METHODS)
    kind = METHODS[method].options
    for name in options:
        if name not in kind.model_fields:
            raise unknown(f"option of the search method {method!r}", name, kind.model_fields)
    try:
        return kind(**options)
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
        provenance: Further facts to record with each subnetwork.
        progress: Called with (steps done, steps in all).
        options: The method's settings.

    Returns:
        The subnetworks, in the order of ``sparsities``, each keeping exactly the number of units
        its sparsity asks for.

    Raises:
        InputError: If a sparsity is outside [0, 1), or a name or setting is unknown.
    """
    settings = method_options(method, options)
    wanted = [check_sparsity(s) for s in sparsities]
    if not 0 <= seed < 2**63:
        raise InputError(f"seed {seed} is outside the range from 0 to 2**63 - 1")
    prunable = model.space.prunable(units)
    rising = sorted(set(wanted))
    if not rising:
        raise InputError("name at least one sparsity")
    if isinstance(task, SearchData):
        if ablation not in (None, task.ablation):
            raise InputError(f"the search data were prepared with {task.ablation} ablation")
        data = task
    else:
        data = prepare(model, task, ablation=ablation or "mean")
    rankings = METHODS[method].search(model, data, rising, seed, prunable, settings, progress)
    found = {}
    for sparsity, ranking in zip(rising, rankings, strict=True):
        kept = ranking.kept
        if kept is None:
            kept = cut(ranking.soft, sparsity, prunable)
        facts = {
            "model": model.name,
            "task": task.name if isinstance(task, Task) else None,
            "method": method,
            "options": settings.model_dump(),
            "seed": seed,
            "target": sparsity,
            "units": units,
            "sparsities_of_run": rising,
            **ranking.facts,
        }
        found[sparsity] = Subnetwork(
            space=model.space,
            kept=model.space.from_mask(kept),
            ablation=data.ablation,
            values={} if data.ablation == "zero" else data.values.arrays(),
            soft=ranking.soft,
            provenance=facts | dict(provenance or {}),
        )
    return [found[s] for s in wanted]


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
