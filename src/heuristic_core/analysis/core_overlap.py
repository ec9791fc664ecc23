"""Do different fine-tunings, or different tasks, have the same core? (paper, finding 8)"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations, product

import numpy as np

from ..columns import Column, Table
from ..errors import InputError
from ..tables import SUPPORTED
from ..writing import p_text, small
from .cores import ENOUGH, Core, cores, shared_by_chance, whole_cores
from .design import Design
from .evidence import Evidence
from .intervals import Estimate, holm, wilson
from .nulls import at_least
from .power import least_number, too_few_planned
from .question import Answer, Question, Verdict, decide
from .systems import claim_on

#: Two cores are mostly the same if more than this share of the smaller one is in both.
MOST = 0.5
#: The share whose power is reported.
PLANNED_SHARE = 0.8
_SUBJECT = ("finetune_seed", "checkpoint", "method", "other_finetune_seed", "other_checkpoint")


def core_overlap(evidence: Evidence) -> list[Answer]:
    """Ask for each pair of fine-tunings whether their cores are mostly the same heads.

    Returns:
        One answer per pair of fine-tunings and method.
    """
    return compare_cores(evidence.once(cores))


def compare_cores(some: Sequence[Core], others: Sequence[Core] | None = None) -> list[Answer]:
    """Compare cores pair by pair.

    Args:
        some: One run's cores; of each fine-tuning and method, the core over all sparsities at
            the last checkpoint counts.
        others: Those of another run, of another task or another start; without them, the
            fine-tunings of the one run are compared with each other.

    Returns:
        One answer per pair of models and method.

    Raises:
        InputError: If two models have different heads.
    """
    last = _last(some)
    pairs = combinations(last, 2) if others is None else product(last, _last(others))
    compared = [
        (one, other, _row(one, other)) for one, other in pairs if one.method == other.method
    ]
    p_values = [max(row["p_anywhere"], row["p_in_layers"]) for *_, row in compared]
    return [
        Answer(
            subject=dict(zip(_SUBJECT, (*one.model, one.method, *other.model), strict=True)),
            verdict=_verdict(one, other, row, p),
            rows={"core-overlap": [row | {"p": p}]},
        )
        for (one, other, row), p in zip(compared, holm(np.array(p_values)).tolist(), strict=True)
    ]


def _last(some: Sequence[Core]) -> list[Core]:
    ordered = sorted(whole_cores(some), key=lambda core: core.checkpoint)
    last = {(core.finetune_seed, core.method): core for core in ordered}
    return [last[key] for key in sorted(last)]


def _row(one: Core, other: Core) -> dict:
    kept = one.kept
    if set(kept.heads) != set(other.kept.heads):
        raise InputError(
            f"these cores are of models with different heads ({len(kept.heads)} and "
            f"{len(other.kept.heads)} of them); only cores of one architecture can be compared"
        )
    masks = np.array([np.isin(kept.heads, core.heads) for core in (one, other)])
    shared = [head for head in one.heads if head in other.heads]
    n, smaller = len(shared), min(len(one.heads), len(other.heads))
    either = len(one.heads) + len(other.heads) - n
    anywhere, in_layers = (at_least(null, n) for null in shared_by_chance(kept, masks))
    return {
        "size": len(one.heads),
        "other_size": len(other.heads),
        "shared": n,
        "heads_jaccard": n / either if either else None,
        "share": wilson(n, smaller) if smaller else None,
        "anywhere": anywhere.expected,
        "p_anywhere": anywhere.p_value,
        "in_layers": in_layers.expected,
        "p_in_layers": in_layers.p_value,
        "members": " ".join(shared),
    }


def _verdict(one: Core, other: Core, row: dict, p: float) -> Verdict:
    share: Estimate | None = row["share"]
    if share is None or any(core.decision != SUPPORTED for core in (one, other)):
        return decide(QUESTION.claim, "one of the models has no core beyond chance")
    return decide(
        claim_on(one.method, QUESTION.claim),
        f"{row['shared']} heads are in both cores, {share.value:.0%} of the smaller "
        f"[{share.low:.0%}, {share.high:.0%}]; {small(row['in_layers'])} are expected by chance "
        f"within layers (corrected {p_text(p)}, under both null models)",
        supported=p < 0.05 and share.low > MOST,
        contradicted=p >= 0.05 and share.high < MOST,
        measure="shared heads, share of the smaller core",
        effect=share,
        p=p,
        power=least_number(
            f"a share of {PLANNED_SHARE:.0%}",
            "heads in the smaller core (lower sparsities give more)",
            min(len(one.heads), len(other.heads)),
            lambda n: wilson(round(PLANNED_SHARE * n), n).low > MOST,
        ),
    )


def _plan(design: Design) -> str:
    if design.fine_tunings < 2:
        return ""
    return too_few_planned(
        design.different, ENOUGH, "searches with different results of each model"
    )


QUESTION = Question(
    key="core_overlap",
    asks="Do different fine-tunings have the same core?",
    claim="the cores of the two models are mostly the same heads",
    source="finding 8",
    page="core",
    subject=_SUBJECT,
    needs=("subnetworks",),
    answer=core_overlap,
    tables=(
        Table(
            "core-overlap",
            "What the cores of two fine-tunings have in common.",
            Column("size", "heads in the core", "int", "core"),
            Column("other_size", "heads in the other core", "int", "other core"),
            Column("shared", "heads in both", "int", "shared"),
            Column(
                "heads_jaccard",
                "shared heads over heads in either",
                formerly="jaccard",
                title="Jaccard of heads",
                optional=True,
                low=0,
                high=1,
            ),
            Column(
                "share",
                "shared heads over the smaller core",
                title="share",
                digits=0,
                form="percent",
                interval=True,
                optional=True,
            ),
            Column("anywhere", "shared heads if both cores were random heads", low=0),
            Column(
                "p_anywhere",
                "probability of at least as many under this null model",
                form="probability",
            ),
            Column(
                "in_layers",
                "shared heads if both cores were random, with as many heads in each layer",
                title="by chance",
                form="expectation",
            ),
            Column(
                "p_in_layers",
                "probability of at least as many under this null model",
                form="probability",
            ),
            Column(
                "p",
                "the larger of both p-values, Holm-corrected over all pairs compared",
                title="p",
                form="probability",
            ),
            Column("members", "the shared heads", "str", "heads"),
            title="The cores of different fine-tunings",
        ),
    ),
    limits=(
        "The fine-tunings start from the same pretrained model, without which their heads could "
        "not be compared.",
    ),
    plan=_plan,
)
