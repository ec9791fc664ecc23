"""The search methods by name, and their settings."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from pydantic import ValidationError

from ..errors import InputError, unknown
from ..validation import wrong
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
from .problem import Problem
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
