"""Are subnetworks as faithful to the model out of domain as in-domain? (Friedman et al. 2023)"""

from __future__ import annotations

import numpy as np
import pandas as pd

from ..columns import Column, Table
from .accuracies import distinct_subnetworks
from .design import Design
from .evidence import Evidence
from .intervals import Estimate, estimate_text
from .paired import over_both
from .power import ErrorSource, outlook, too_few_planned
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
        rows = rows.assign(variance=rows["kl_se"].fillna(0.0) ** 2)
        by_role = rows.groupby(["seed", "role"])[["kl", "variance"]]
        kl, variance = by_role.mean()["kl"].unstack(), by_role.mean()["variance"] / by_role.size()
        # What does not diverge at all has no ratio.
        kl = kl[(kl > 0).all(axis=1)]
        if {"id", "ood"} <= set(kl) and len(kl):
            subject = dict(zip(BY_SPARSITY, key, strict=True))
            answers.append(_answer(subject, kl, variance.unstack().loc[kl.index]))
    return answers


def _answer(subject: dict, kl: pd.DataFrame, variance: pd.DataFrame) -> Answer:
    # How alike searches diverge example by example is not kept: at most, they share all of it.
    in_domain, ood = (over_both(kl[x], variance[x].mean(), (0.0, np.inf)) for x in ("id", "ood"))
    # Divergences spread by factors: their logarithms have errors that Student's t describes.
    each, examples = np.log(kl["ood"] / kl["id"]), float((variance / kl**2).sum(axis=1).mean())
    logs = over_both(each, examples)
    ratio = Estimate(*np.exp([logs.value, logs.low, logs.high]).tolist())
    verdict = decide(
        QUESTION.claim,
        f"mean KL is {in_domain.value:.3f} nats in-domain and {ood.value:.3f} out of domain; over "
        f"{len(kl)} subnetworks the ratio is {estimate_text(ratio, '{:.2f}'.format)}",
        supported=ratio.low > 1,
        contradicted=ratio.high < 1,
        open_because=f"there are fewer than {_ENOUGH} subnetworks" if len(kl) < _ENOUGH else "",
        measure="KL divergence out of domain over that in-domain",
        effect=ratio,
        power=outlook(
            "twice the in-domain divergence",
            np.log(2),
            ErrorSource(
                "different subnetworks", each.var(ddof=1) / len(kl), len(kl), least=_ENOUGH
            ),
            ErrorSource("examples of each case", examples, 100, counted=False),
        ),
    )
    row = {"n": len(kl), "in_domain": in_domain, "ood": ood, "ratio": ratio}
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
                )
            ),
            Column(
                "ratio",
                "out of domain over in-domain, geometric mean over subnetworks",
                title="ratio",
                interval=True,
                low=0,
            ),
            title="Divergence from the full model",
        ),
    ),
    limits=("Where errors over examples were not kept, the interval is over searches alone.",),
    plan=_plan,
)
