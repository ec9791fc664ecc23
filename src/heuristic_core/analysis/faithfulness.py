"""Are subnetworks as faithful to the model out of domain as in-domain? (Friedman et al. 2023)"""

from __future__ import annotations

import numpy as np
import pandas as pd

from ..columns import Column, Table
from .accuracies import distinct_subnetworks
from .design import Design
from .evidence import Evidence
from .intervals import change_text, student
from .power import by_interval, outlook, too_few_planned
from .question import Answer, Question, decide
from .systems import BY_SPARSITY, by_system

#: Fewer subnetworks decide nothing.
_ENOUGH = 3


def faithfulness(evidence: Evidence) -> list[Answer]:
    """Compare the KL divergence of subnetworks from their model in-domain and out of domain.

    Returns:
        One answer per fine-tuning, checkpoint, method and sparsity with both kinds of cases.
    """
    answers = []
    for key, rows in by_system(distinct_subnetworks(evidence, "evaluations"), BY_SPARSITY):
        kl = rows.pivot_table(index="seed", columns="role", values="kl", aggfunc="mean")
        if {"id", "ood"} <= set(kl):
            answers.append(_answer(dict(zip(BY_SPARSITY, key, strict=True)), kl.dropna()))
    return answers


def _answer(subject: dict, kl: pd.DataFrame) -> Answer:
    in_domain, ood, difference = (
        student(values.to_numpy(), (low, np.inf))
        for values, low in ((kl["id"], 0), (kl["ood"], 0), (kl["ood"] - kl["id"], -np.inf))
    )
    verdict = decide(
        QUESTION.claim,
        f"mean KL is {in_domain.value:.3f} nats in-domain and {ood.value:.3f} out of domain, a "
        f"difference of {change_text(difference, 3)} over {len(kl)} subnetworks",
        supported=difference.low > 0,
        contradicted=difference.high < 0,
        open_because=f"there are fewer than {_ENOUGH} subnetworks" if len(kl) < _ENOUGH else "",
        measure="KL divergence out of domain minus in-domain, nats",
        effect=difference,
        power=outlook(
            "twice the in-domain divergence",
            in_domain.value,
            by_interval("different subnetworks", difference, len(kl)),
        ),
    )
    row = {"n": len(kl), "in_domain": in_domain, "ood": ood, "difference": difference}
    return Answer(subject=subject, verdict=verdict, rows={"faithfulness": [row]})


def _plan(design: Design) -> str:
    return too_few_planned(design.different, _ENOUGH, "searches with different results")


QUESTION = Question(
    key="faithfulness",
    asks="Are subnetworks less faithful to the model out of domain than in-domain?",
    claim="subnetworks diverge more from the full model out of domain than in-domain",
    page="faithfulness",
    subject=BY_SPARSITY,
    needs=("evaluations", "subnetworks"),
    answer=faithfulness,
    tables=(
        Table(
            "faithfulness",
            "How far the subnetworks of one sparsity diverge from the full model.",
            Column("n", "subnetworks", "int", "n"),
            *(
                Column(name, f"{what}, nats; mean over subnetworks", title=title, interval=True)
                for name, what, title in (
                    ("in_domain", "KL(full model || subnetwork) in-domain", "ID"),
                    ("ood", "the same out of domain", "OOD"),
                    ("difference", "out of domain minus in-domain", "difference"),
                )
            ),
            title="Divergence from the full model",
        ),
    ),
    limits=("The interval is over searches: all subnetworks answer the same examples.",),
    plan=_plan,
)
