"""Do different fine-tunings, or different tasks, have the same core? (paper, finding 8)"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from ..errors import InputError
from ..units import Unit
from .core import Core, whole_cores
from .intervals import CONTRADICTED, SUPPORTED, UNDECIDED, Estimate, Verdict, holm, wilson
from .nulls import Chance, at_least, pooled_intersection

#: Cores are the same in the main if the larger part of the smaller one is in both.
LARGER_PART = 0.5


@dataclass(frozen=True)
class CoreOverlap:
    """Two cores beside each other.

    Args:
        method: The search method of both.
        finetune_seeds: Seeds of both fine-tunings.
        checkpoints: Their steps.
        cores: The two cores.
        shared: The heads in both.
        jaccard: Shared heads over heads in either; ``None`` if both are empty.
        share: Shared heads as a share of the smaller core; ``None`` if that is empty.
        anywhere: What chance would give for the number shared if both were random heads.
        in_layers: The same if both kept their number of heads in every layer.
        p_value: The larger of both nulls' p-values, Holm-corrected over all pairs compared.
        verdict: On the claim that the cores are the same in the main.
    """

    method: str
    finetune_seeds: tuple[int, int]
    checkpoints: tuple[int, int]
    cores: tuple[tuple[str, ...], tuple[str, ...]]
    shared: tuple[str, ...]
    jaccard: float | None
    share: Estimate | None
    anywhere: Chance
    in_layers: Chance
    p_value: float
    verdict: Verdict


def core_overlap(cores: Sequence[Core], others: Sequence[Core] | None = None) -> list[CoreOverlap]:
    """Compare cores pair by pair.

    Args:
        cores: One run's cores; of each fine-tuning and method, the core over all sparsities at
            the last checkpoint counts.
        others: Those of another run, of another task or another start; without them, the
            fine-tunings of the one run are compared with each other.

    Returns:
        One result per pair of models and method.

    Raises:
        InputError: If two models have different heads.
    """
    left = _last(cores)
    if others is None:
        pairs = [
            (one, other)
            for one, other in itertools.combinations(left, 2)
            if one.method == other.method
        ]
    else:
        pairs = [
            (one, other)
            for one, other in itertools.product(left, _last(others))
            if one.method == other.method
        ]
    if not pairs:
        return []
    found = [_one(one, other) for one, other in pairs]
    corrected = holm(np.array([result.p_value for result in found]))
    return [
        replace(result, p_value=float(p), verdict=_verdict(pair, result, float(p)))
        for pair, result, p in zip(pairs, found, corrected, strict=True)
    ]


def _last(cores: Sequence[Core]) -> list[Core]:
    ordered = sorted(whole_cores(cores), key=lambda core: core.checkpoint)
    return sorted(
        {(core.finetune_seed, core.method): core for core in ordered}.values(),
        key=lambda core: (core.finetune_seed, core.method),
    )


def _one(one: Core, other: Core) -> CoreOverlap:
    if set(one.frequencies) != set(other.frequencies):
        raise InputError(
            f"these cores are of models with different heads ({one.n_heads} and {other.n_heads} "
            "of them); only cores of one architecture can be compared"
        )
    layers = [Unit.parse(unit).layer for unit in one.frequencies]
    pools = np.bincount(layers)
    counts = np.array(
        [
            np.bincount([Unit.parse(unit).layer for unit in core.core], minlength=len(pools))
            for core in (one, other)
        ],
        dtype=np.int64,
    )
    shared = tuple(unit for unit in one.core if unit in other.core)
    n, smaller = len(shared), min(len(one.core), len(other.core))
    either = len(one.core) + len(other.core) - n
    anywhere = at_least(pooled_intersection((len(layers),), counts.sum(1, keepdims=True)), n)
    in_layers = at_least(pooled_intersection(pools.tolist(), counts), n)
    return CoreOverlap(
        one.method,
        (one.finetune_seed, other.finetune_seed),
        (one.checkpoint, other.checkpoint),
        (one.core, other.core),
        shared,
        n / either if either else None,
        wilson(n, smaller) if smaller else None,
        anywhere,
        in_layers,
        max(anywhere.p_value, in_layers.p_value),
        Verdict("", UNDECIDED, ""),
    )


def _verdict(pair: tuple[Core, Core], result: CoreOverlap, p: float) -> Verdict:
    claim = "the two models' cores are the same heads in the main"
    share = result.share
    if share is None or any(core.verdict.decision != SUPPORTED for core in pair):
        return Verdict(claim, UNDECIDED, "one of the models has no core beyond chance")
    reason = (
        f"{len(result.shared)} heads are in both cores, of {len(pair[0].core)} and "
        f"{len(pair[1].core)}: {share.value:.0%} of the smaller [{share.low:.0%}, "
        f"{share.high:.0%}]; chance within layers would give {result.in_layers.expected:.2g} "
        f"(p = {p:.2g}, corrected, under either null)"
    )
    if p < 0.05 and share.value >= LARGER_PART:
        return Verdict(claim, SUPPORTED, reason)
    if p >= 0.05 and share.high < LARGER_PART:
        return Verdict(claim, CONTRADICTED, reason)
    return Verdict(claim, UNDECIDED, reason)
