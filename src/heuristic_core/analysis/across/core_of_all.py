"""Which heads do the cores of all runs share, and are they more than by chance?"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool

from ...columns import Column, Table
from ...tables import DETERMINISTIC, SUPPORTED
from ...writing import p_text, small
from ..cores import shared_by_chance
from ..intervals import Estimate, holm
from ..kept import Kept
from ..nulls import Chance, at_least
from ..power import least_number
from ..question import Answer, Figure, Question, Row, Verdict, decide
from ..systems import claim_on
from .runs import Placed, Runs, apart, other_levels, shared_searches

#: The shared heads whose power is reported.
PLANNED_SHARED = 3


@dataclass(frozen=True)
class SharedByAll:
    """What several cores have in common, against chance.

    Args:
        heads: The heads of all of them.
        anywhere: What chance would give if each core were its number of heads, from anywhere.
        in_layers: The same if each kept its number of heads in every layer.
        none_shared: The larger of both nulls' probabilities that no head is shared.
    """

    heads: tuple[str, ...]
    anywhere: Chance
    in_layers: Chance
    none_shared: float

    @property
    def p_value(self) -> float:
        """The larger of both nulls' probabilities of sharing at least as many heads."""
        return max(self.anywhere.p_value, self.in_layers.p_value)


def shared_by_all(kept: Kept, masks: Bool[np.ndarray, "core head"]) -> SharedByAll:
    """Compare the heads that all of some cores share with chance, exactly.

    Args:
        kept: Subnetworks of a model with these heads.
        masks: The heads of each core.
    """
    both = np.logical_and.reduce(masks)
    heads = tuple(head for head, shared in zip(kept.heads, both, strict=True) if shared)
    anywhere, in_layers = shared_by_chance(kept, masks)
    return SharedByAll(
        heads,
        at_least(anywhere, len(heads)),
        at_least(in_layers, len(heads)),
        max(float(anywhere[0]), float(in_layers[0])),
    )


def decisions(shared: SharedByAll, p: float) -> tuple[bool, bool]:
    """Decide whether cores share heads beyond chance, and whether they share none, beyond chance.

    Args:
        shared: What they share.
        p: Its p-value, corrected where several are tested.
    """
    return bool(shared.heads) and p < 0.05, not shared.heads and shared.none_shared < 0.025


def core_of_all(runs: Runs) -> list[Answer]:
    """Ask whether the cores of all models, or of all searches in one model, share heads.

    Args:
        runs: The runs.

    Returns:
        One answer per method that searched in several models, and per model that several runs
        searched in.
    """
    groups = [*_of_models(runs), *_of_searches(runs)]
    every = []
    for some, _ in groups:
        kept = some[0].core.kept
        masks = np.array([np.isin(kept.heads, one.core.heads) for one in some])
        every.append((masks, shared_by_all(kept, masks)))
    p_values = holm(np.array([shared.p_value for _, shared in every])).tolist()
    return [
        _answer(some, of_models, masks, shared, p)
        for (some, of_models), (masks, shared), p in zip(groups, every, p_values, strict=True)
    ]


def _of_models(runs: Runs) -> list[tuple[list[Placed], bool]]:
    """Group cores by method, each model once, where several runs have such."""
    groups: dict[str, dict[tuple[str, int], Placed]] = {}
    for one in runs.placed:
        groups.setdefault(one.core.method, {}).setdefault(one.model, one)
    return [(some, True) for g in groups.values() if _several(some := list(g.values()))]


def _of_searches(runs: Runs) -> list[tuple[list[Placed], bool]]:
    """Group cores by model, where several runs searched in it."""
    groups: dict[tuple[str, int], list[Placed]] = {}
    for one in runs.placed:
        groups.setdefault(one.model, []).append(one)
    return [(some, False) for some in groups.values() if _several(some)]


def _several(some: Sequence[Placed]) -> bool:
    return len({one.run.name for one in some}) > 1


def _answer(
    some: Sequence[Placed],
    of_models: bool,
    masks: Bool[np.ndarray, "core head"],
    shared: SharedByAll,
    p: float,
) -> Answer:
    first = some[0].core
    subject = {
        "run": None if of_models else some[0].run.name,
        "finetune_seed": None if of_models else first.finetune_seed,
        "checkpoint": None if of_models else first.checkpoint,
        "method": first.method if of_models else None,
    }
    sizes = masks.sum(axis=1)
    row = {
        "cores": len(some),
        "smallest": int(sizes.min()),
        "largest": int(sizes.max()),
        "shared": len(shared.heads),
        "expected": shared.anywhere.expected,
        "p_anywhere": shared.anywhere.p_value,
        "in_layers": shared.in_layers.expected,
        "p_in_layers": shared.in_layers.p_value,
        "p": p,
        "members": " ".join(shared.heads),
    }
    return Answer(
        subject=subject,
        verdict=_verdict(some, of_models, masks, shared, p),
        rows={"core-of-all": [row], "core-heads-by-run": _by_head(some, masks)},
        caveat=_caveat(some, of_models),
    )


def _by_head(some: Sequence[Placed], masks: Bool[np.ndarray, "core head"]) -> list[Row]:
    return [
        {
            "unit": head,
            "held": int(held.sum()),
            "of": len(some),
            "in_all": bool(held.all()),
            "held_by": "; ".join(one.name for one, has in zip(some, held, strict=True) if has),
        }
        for head, held in zip(some[0].core.kept.heads, masks.T, strict=True)
    ]


def _verdict(
    some: Sequence[Placed],
    of_models: bool,
    masks: Bool[np.ndarray, "core head"],
    shared: SharedByAll,
    p: float,
) -> Verdict:
    k, claim = len(some), _CLAIMS[of_models]
    without = [one.name for one in some if one.core.decision != SUPPORTED]
    if without:
        return decide(claim, "", open_because=f"no core beyond chance in {'; '.join(without)}")
    methods = {one.core.method for one in some}
    supported, contradicted = decisions(shared, p)
    held = 0 if of_models else sum(shared_searches(some[0], one) for one in some[1:])
    return decide(
        claim_on(min(methods, key=lambda name: name not in DETERMINISTIC), claim),
        f"{k} cores of {masks.sum(axis=1).min()} to {masks.sum(axis=1).max()} heads share "
        f"{len(shared.heads)} of {masks.shape[1]} heads; {small(shared.in_layers.expected)} are "
        f"expected by chance within layers "
        f"({p_text(shared.none_shared if contradicted else p)}, the higher of two null models)",
        supported=supported,
        contradicted=contradicted,
        open_because="searches are in several runs, and count as one" if held else "",
        measure="heads in all cores",
        effect=Estimate(float(len(shared.heads))),
        p=p,
        power=least_number(
            f"{PLANNED_SHARED} heads in all cores",
            "cores of these sizes",
            k,
            lambda n: _beyond_chance(some[0].core.kept, np.resize(masks, (n, masks.shape[1]))),
        )
        if masks.sum(axis=1).min() >= PLANNED_SHARED
        else f"it takes cores of {PLANNED_SHARED} or more heads",
    )


def _beyond_chance(kept: Kept, masks: Bool[np.ndarray, "core head"]) -> bool:
    nulls = shared_by_chance(kept, masks)
    return all(at_least(null, PLANNED_SHARED).p_value < 0.05 for null in nulls)


def _caveat(some: Sequence[Placed], of_models: bool) -> str:
    texts = [other_levels(some[0], one) for one in some[1:]]
    if of_models:
        texts += [apart(some[0], one) for one in some[1:]]
    return next(filter(None, reversed(texts)), "")


_CLAIMS = {
    True: "the cores of all models share heads",
    False: "the cores of all searches in one model share heads",
}

QUESTION = Question(
    key="core_of_all",
    asks="Which heads do the cores of all runs share?",
    claim=_CLAIMS[True],
    source="finding 8",
    page="across-runs",
    subject=("run", "finetune_seed", "checkpoint", "method"),
    needs=("subnetworks",),
    answer=core_of_all,
    tables=(
        Table(
            "core-of-all",
            "The heads that the cores of all models share, or those of all searches in one model. "
            "A model that several runs searched in counts once among the models.",
            Column("cores", "cores", "int", "cores", low=2),
            Column("smallest", "heads in the smallest", "int", "smallest"),
            Column("largest", "heads in the largest", "int", "largest"),
            Column("shared", "heads in all of them", "int", "shared"),
            Column(
                "expected",
                "shared heads if each core were random heads",
                title="expected",
                form="expectation",
            ),
            Column(
                "p_anywhere",
                "probability of at least as many under this null model",
                form="probability",
            ),
            Column(
                "in_layers",
                "shared heads if each core were random, with as many heads in each layer",
                title="in layers",
                form="expectation",
            ),
            Column(
                "p_in_layers",
                "probability of at least as many under this null model",
                form="probability",
            ),
            Column(
                "p",
                "the larger of both p-values, Holm-corrected over all such tests",
                title="p",
                form="probability",
            ),
            Column("members", "the shared heads", "str", "heads"),
            title="Heads in the cores of all runs",
        ),
        Table(
            "core-heads-by-run",
            "How many of the cores hold one head.",
            Column("unit", "the head", "str", "unit", key=True),
            Column("held", "cores that hold it", "int", "cores"),
            Column("of", "cores", "int", "of"),
            Column("in_all", "whether all hold it", "bool"),
            Column("held_by", "the runs whose cores hold it", "str", "held by"),
            title="In which cores each head is",
            folded=True,
        ),
    ),
    figures=(
        Figure(
            kind="units",
            table="core-heads-by-run",
            columns={"unit": "unit", "value": "held", "outline": "in_all", "bold": "in_all"},
            title="In how many cores each head is",
            caption="Layers run down, heads across. A number says how many of the cores hold the "
            "head; outlined: those that all hold.",
        ),
    ),
    limits=(
        "Chance is cores of random heads, and of random heads with as many in each layer. Any "
        "other preference that all searches have, such as for heads with large outputs, also makes "
        "cores share heads.",
        "With more runs, fewer heads are in all cores; numbers for different numbers of runs "
        "cannot be compared.",
    ),
)
