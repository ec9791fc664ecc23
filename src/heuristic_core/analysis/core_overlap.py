"""Do different fine-tunings have the same core? (paper, finding 8)"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import combinations

import numpy as np

from ..columns import Column, Table
from ..tables import DETERMINISTIC, SUPPORTED
from ..writing import p_text, small
from .cores import ENOUGH, Core, cores, shared_by_chance, whole_cores
from .design import Design
from .evidence import Evidence
from .intervals import Estimate, holm, wilson
from .nulls import at_least
from .power import for_most, too_few_planned
from .question import Answer, Question, Row, Verdict, decide
from .systems import claim_on

#: Two cores are mostly the same if more than this share of the smaller one is in both.
MOST = 0.5
_SUBJECT = ("finetune_seed", "checkpoint", "method", "other_finetune_seed", "other_checkpoint")


def core_overlap(evidence: Evidence) -> list[Answer]:
    """Ask for each pair of fine-tunings whether their cores are mostly the same heads.

    Returns:
        One answer per pair of fine-tunings and method.
    """
    return compare_cores(evidence.once(cores))


def compare_cores(some: Sequence[Core]) -> list[Answer]:
    """Compare the cores of a run's fine-tunings pair by pair.

    Args:
        some: The run's cores, of models with the same heads.

    Returns:
        One answer per pair of fine-tunings and method.
    """
    pairs = [(a, b) for a, b in combinations(last_cores(some), 2) if a.method == b.method]
    return [
        Answer(
            subject=dict(zip(_SUBJECT, (*one.model, one.method, *other.model), strict=True)),
            verdict=verdict,
            rows={"core-overlap": [row]},
        )
        for (one, other), (row, verdict) in zip(pairs, overlaps(pairs, QUESTION.claim), strict=True)
    ]


def last_cores(some: Iterable[Core]) -> list[Core]:
    """Return of each fine-tuning and method the core over all sparsities at the last checkpoint."""
    ordered = sorted(whole_cores(some), key=lambda core: core.checkpoint)
    last = {(core.finetune_seed, core.method): core for core in ordered}
    return [last[key] for key in sorted(last)]


def overlaps(pairs: Sequence[tuple[Core, Core]], claim: str) -> list[tuple[Row, Verdict]]:
    """Ask of each pair of cores whether they are mostly the same heads.

    Args:
        pairs: The pairs, each of models with the same heads.
        claim: The claim on one of them.

    Returns:
        For each pair its values by :data:`OVERLAP_COLUMNS`, and the verdict, whose p-value is
        Holm-corrected over all pairs.
    """
    rows = [overlap_row(one, other) for one, other in pairs]
    p_values = holm(np.array([max(row["p_anywhere"], row["p_in_layers"]) for row in rows]))
    return [
        (row | {"p": p}, _verdict(pair, row, p, claim))
        for pair, row, p in zip(pairs, rows, p_values.tolist(), strict=True)
    ]


def overlap_row(one: Core, other: Core) -> Row:
    """Compute what two cores have in common, by :data:`OVERLAP_COLUMNS`, without a corrected p."""
    kept = one.kept
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


def _verdict(pair: tuple[Core, Core], row: Row, p: float, claim: str) -> Verdict:
    share: Estimate | None = row["share"]
    methods = sorted({core.method for core in pair}, key=lambda name: name not in DETERMINISTIC)
    if share is None or any(core.decision != SUPPORTED for core in pair):
        return decide(claim, "one of the two has no core beyond chance")
    smaller = min(row["size"], row["other_size"])
    return decide(
        claim_on(methods[0], claim),
        f"{row['shared']} heads are in both cores, {share.value:.0%} of the smaller "
        f"[{share.low:.0%}, {share.high:.0%}]; {small(row['in_layers'])} are expected by chance "
        f"within layers (corrected {p_text(p)}, under both null models)",
        supported=p < 0.05 and share.low > MOST,
        contradicted=p >= 0.05 and share.high < MOST,
        measure="shared heads, share of the smaller core",
        effect=share,
        p=p,
        power=for_most("heads in the smaller core (lower sparsities give more)", smaller),
    )


def _plan(design: Design) -> str:
    if design.fine_tunings < 2:
        return ""
    return too_few_planned(
        design.different, ENOUGH, "searches with different results of each model"
    )


#: What two cores have in common.
OVERLAP_COLUMNS = (
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
            *OVERLAP_COLUMNS,
            title="The cores of different fine-tunings",
        ),
    ),
    limits=(
        "The fine-tunings start from the same pretrained model, without which their heads could "
        "not be compared.",
    ),
    plan=_plan,
)
