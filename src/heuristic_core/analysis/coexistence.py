"""Does a subnetwork that generalises do without the heads of an equally faithful one that does not?

Where it does, both kinds *coexist*. Where no subnetwork without these heads matches the model, what
generalises is *nested* in what all faithful subnetworks share.
"""

from __future__ import annotations

import numpy as np
import pandas as pd

from ..columns import Column, Table
from .evidence import Evidence
from .generalisation_range import (
    APART,
    ASKED,
    BADLY,
    ENOUGH_PAIRS,
    WELL,
    aimed_systems,
    error_of,
    paired_difference,
)
from .intervals import Estimate, change_text, student
from .paired import over_both
from .power import by_interval, outlook
from .question import Answer, Question, Verdict, decide
from .systems import BY_SPARSITY, by_system

#: Fewer searches without the other's heads do not show that none matches the model.
ENOUGH_SEARCHES = 3
#: The divergence over the bound whose power is reported.
PLANNED_TIMES = 2


def coexistence(evidence: Evidence) -> list[Answer]:
    """Judge the subnetworks that may not use the heads of one that generalises badly.

    Returns:
        One answer per fine-tuning, checkpoint, method and sparsity at which there were searches
        with an aim.
    """
    answers = []
    for key, rows in by_system(evidence["targeted"], BY_SPARSITY):
        systems = aimed_systems(rows)
        errors = {aim: error_of(evidence, key, aim, BADLY) for aim in (WELL, APART)}
        apart = systems[systems["aim"] == APART]
        ratio = np.log2(apart["divergence"] / apart["bound"])
        answers.append(
            Answer(
                subject=dict(zip(BY_SPARSITY, key, strict=True)),
                verdict=_verdict(systems, ratio, errors),
                rows={
                    "coexistence": [
                        {
                            "n": len(apart),
                            "n_faithful": int(apart["faithful"].sum()),
                            "log_ratio": student(ratio.to_numpy()),
                            "auc_difference": _difference(systems, APART, errors[APART]),
                        }
                    ]
                    if len(apart)
                    else []
                },
            )
        )
    return answers


def _difference(systems: pd.DataFrame, aim: str, error: float) -> Estimate:
    """Estimate how far an aim's held-out AUROC is above that of those that generalise badly."""
    pairs = paired_difference(systems, aim, BADLY)
    return over_both(pairs, error**2, (-1.0, 1.0)) if len(pairs) else Estimate(np.nan)


def _verdict(systems: pd.DataFrame, ratio: pd.Series, errors: dict[str, float]) -> Verdict:
    claim = QUESTION.claim
    apart = systems[systems["aim"] == APART]
    if apart.empty:
        takes = "too few units are left without those heads; it takes a higher sparsity"
        return decide(claim, "", open_because=takes)
    two_kinds = _difference(systems, WELL, errors[WELL])
    above, beyond = _difference(systems, APART, errors[APART]), student(ratio.to_numpy())
    n_faithful = int(apart["faithful"].sum())
    said = (
        f"without the heads of one that generalises badly, {n_faithful} of {len(apart)} "
        f"subnetworks are within the bound; log2 of divergence over bound is "
        f"{change_text(beyond, 1)}"
    )
    if n_faithful >= ENOUGH_PAIRS:
        said += f"; their held-out AUROC is {change_text(above, 3)} above the other's"
    coexist = n_faithful >= ENOUGH_PAIRS and above.low > 0 and above.value >= ASKED
    nested = len(apart) >= ENOUGH_SEARCHES and n_faithful == 0 and beyond.low > 0
    kind = "; both kinds coexist" if coexist else "; one is nested in the other" if nested else ""
    known = two_kinds.low > 0 and two_kinds.value >= ASKED
    return decide(
        claim,
        said + (kind if known else ""),
        supported=coexist,
        contradicted=nested,
        open_because="" if known else "no two kinds are known that differ in generalisation",
        measure="log2 of divergence over the bound",
        effect=beyond,
        power=outlook(
            f"a divergence of {PLANNED_TIMES} bounds",
            np.log2(PLANNED_TIMES),
            by_interval("search seeds", beyond, len(apart), least=ENOUGH_SEARCHES),
        )
        if known
        else "",
    )


QUESTION = Question(
    key="coexistence",
    asks="Does a subnetwork that generalises do without the heads of one that does not?",
    claim="a faithful subnetwork that generalises does without the heads of one that does not",
    page="faithful_sets",
    subject=BY_SPARSITY,
    needs=("targeted", "targeted_contrasts"),
    answer=coexistence,
    tables=(
        Table(
            "coexistence",
            "The subnetworks that were searched for to generalise well without any head of one "
            "that generalises badly.",
            Column("n", "subnetworks, one per seed", "int", "n", low=1),
            Column("n_faithful", "those within the bound on the divergence", "int", "faithful"),
            Column(
                "log_ratio",
                "log2 of their divergence over the bound, mean; interval over seeds",
                title="log2 KL / bound",
                form="signed",
                interval=True,
                brief=True,
            ),
            Column(
                "auc_difference",
                "held-out AUROC minus that of the one that generalises badly, where both are "
                "faithful; interval over seeds and examples",
                title="AUROC, difference",
                digits=3,
                form="signed",
                interval=True,
                brief=True,
                optional=True,
                low=-1,
                high=1,
            ),
            title="Subnetworks without the heads of one that generalises badly",
        ),
    ),
    limits=(
        "MLPs may be shared.",
        "A search that finds no such subnetwork does not prove that there is none.",
    ),
)
