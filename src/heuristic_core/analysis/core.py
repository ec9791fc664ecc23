"""Which heads do all subnetworks share? (paper, section 5, finding 3)"""

from __future__ import annotations

import numpy as np

from ..columns import Column, Table
from ..tables import CONTRADICTED, SUPPORTED
from ..writing import p_text, small
from .cores import ENOUGH, Core, cores, shared_by_chance, whole_cores
from .design import Design
from .evidence import Evidence
from .intervals import Estimate, wilson
from .kept import too_few
from .nulls import at_least
from .power import least_number, too_few_planned
from .question import Answer, Figure, Question, Verdict, decide
from .systems import BY_SPARSITY, claim_on

#: The core, in heads, whose power is reported.
PLANNED_CORE = 3


def core(evidence: Evidence) -> list[Answer]:
    """Ask for each model and method whether its subnetworks share more heads than chance gives.

    Returns:
        One answer per sparsity, then one over all sparsities if there are several.
    """
    every = evidence.once(cores)
    whole = {(core.model, core.method): core for core in whole_cores(every)}
    return [
        Answer(
            subject={name: getattr(core, name) for name in BY_SPARSITY},
            verdict=_verdict(core),
            rows={
                "core": [_summary(core)],
                "frequencies": _frequencies(core, whole[core.model, core.method]),
            },
        )
        for core in every
    ]


def _summary(core: Core) -> dict:
    return {
        "subnetworks": len(core.kept.table),
        "size": len(core.heads),
        "heads": len(core.kept.heads),
        "expected": core.anywhere.expected,
        "p": core.anywhere.p_value,
        "expected_in_layers": core.in_layers.expected,
        "p_in_layers": core.in_layers.p_value,
        "members": " ".join(core.heads),
    }


def _frequencies(core: Core, whole: Core) -> list[dict]:
    counts, n, n_sets = core.kept.table.sum(), len(core.kept.table), len(core.sets)
    shares = {times: wilson(times, n_sets) for times in set(core.times.values())}
    rows: list[dict] = []
    for unit in (*core.kept.heads, *core.kept.mlps):
        kept = int(counts[unit])
        row = {"unit": unit, "kept": kept, "of": n, "in_all": kept == n}
        row["in_core"] = unit in whole.heads
        if unit in core.times:
            times = core.times[unit]
            # Every draw of a resample must hit one of the sets that keep the head.
            row |= {"share": shares[times], "stability": (times / n_sets) ** n_sets}
        rows.append(row)
    return rows


def _verdict(core: Core) -> Verdict:
    n, n_sets = len(core.heads), len(core.sets)
    power = least_number(
        f"a core of {PLANNED_CORE} heads",
        "searches with different results",
        n_sets,
        lambda sets: sets >= ENOUGH and _beyond_chance(core, sets),
    )
    if n_sets < ENOUGH:
        return decide(QUESTION.claim, too_few(core.n_searches, n_sets, ENOUGH), power=power)
    p = core.none_shared if core.decision == CONTRADICTED else core.p_value
    reason = (
        f"{n_sets} independent sets share {n} of {len(core.kept.heads)} heads; "
        f"{small(core.in_layers.expected)} are expected by chance within layers ({p_text(p)}, the "
        "higher of two null models)"
    )
    return decide(
        claim_on(core.method, QUESTION.claim),
        reason,
        supported=core.decision == SUPPORTED,
        contradicted=core.decision == CONTRADICTED,
        measure="shared heads",
        effect=Estimate(float(n), np.nan, np.nan),
        p=core.p_value,
        power=power,
    )


def _beyond_chance(core: Core, n_sets: int) -> bool:
    """Check that so many sets, each like one of the core's, share few heads by chance."""
    sets = np.resize(core.sets, (n_sets, core.sets.shape[1]))
    nulls = shared_by_chance(core.kept, sets)
    return all(at_least(null, PLANNED_CORE).p_value < 0.05 for null in nulls)


def _plan(design: Design) -> str:
    return too_few_planned(design.different, ENOUGH, "searches with different results")


QUESTION = Question(
    key="core",
    asks="Do all subnetworks share a core of heads?",
    claim="all subnetworks share a core of heads",
    source="section 5, finding 3",
    page="core",
    subject=BY_SPARSITY,
    needs=("subnetworks",),
    answer=core,
    tables=(
        Table(
            "core",
            "The heads that all subnetworks of one sparsity, or of all sparsities, share. "
            "Over all sparsities, the heads that the subnetworks of one search seed share count "
            "as one set, since these subnetworks may come from one run. The same subnetwork of "
            "several seeds counts once.",
            Column("subnetworks", "different subnetworks", "int", "n", brief=True),
            Column("size", "heads that all of them keep", "int", "shared", brief=True),
            Column("heads", "heads of the model", "int", "of", brief=True),
            Column(
                "expected",
                "shared heads if each set kept its number of heads at random",
                title="expected",
                form="expectation",
                brief=True,
            ),
            Column(
                "p",
                "probability of at least as many under this null model",
                title="p",
                form="probability",
                brief=True,
            ),
            Column(
                "expected_in_layers",
                "shared heads if each set kept its number of heads in every layer",
                title="in layers",
                form="expectation",
                brief=True,
            ),
            Column(
                "p_in_layers",
                "probability of at least as many under this null model",
                title="p in layers",
                form="probability",
                brief=True,
            ),
            Column("members", "the shared heads", "str", "heads"),
            title="Heads that all subnetworks share",
        ),
        Table(
            "frequencies",
            "How many subnetworks keep one head or MLP.",
            Column("unit", "the head or MLP", "str", "unit", key=True),
            Column("kept", "different subnetworks that keep it", "int", "kept"),
            Column("of", "different subnetworks", "int", "of"),
            Column("in_all", "whether all of these keep it", "bool"),
            Column(
                "in_core",
                "whether it is a head that the subnetworks of all sparsities keep",
                "bool",
                "in the core",
            ),
            Column(
                "share",
                "share of independent sets that keep the head",
                interval=True,
                optional=True,
                low=0,
                high=1,
            ),
            Column(
                "stability",
                "share of bootstrap resamples of the independent sets in which all keep it",
                optional=True,
                low=0,
                high=1,
            ),
            title="How many subnetworks keep each head and MLP",
            folded=True,
        ),
    ),
    figures=(
        Figure(
            kind="units",
            table="frequencies",
            columns={"unit": "unit", "value": "kept", "outline": "in_core", "bold": "in_all"},
            title="How many subnetworks keep each head",
            caption="Layers run down, heads across, MLPs stand apart. A number says how many "
            "subnetworks keep the unit, in bold if all do. Outlined: the heads that the "
            "subnetworks of all sparsities keep.",
        ),
    ),
    limits=(
        "That all subnetworks keep a head does not show what it computes, nor that the model needs "
        "it; only its removal does.",
        "The null models are random sets with as many heads, and with as many in each layer. Any "
        "other preference that searches have in common, such as for heads with large outputs, "
        "also makes a core.",
        "MLPs are counted separately; they are not part of the core or of its null models.",
    ),
    plan=_plan,
)
