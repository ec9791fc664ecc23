"""Do sparser subnetworks generalise worse? (paper, section 4, finding 2)"""

from __future__ import annotations

import itertools

import pandas as pd

from ..columns import Column, Table
from ..tables import SUPPORTED
from .accuracies import subnetwork_means, subnetworks_of
from .evidence import Evidence
from .intervals import change_text, student
from .question import Answer, Question, Row, decide
from .systems import BY_SPARSITY, by_system

#: Fewer pairs of subnetworks decide nothing.
ENOUGH_PAIRS = 3

#: What may change with sparsity; the first that was measured decides.
_MEASURES = {
    "auc": "AUROC x 100",
    "balanced": "balanced accuracy",
    "adversarial": "adversarial accuracy",
    "friendly": "friendly accuracy",
    "in_domain": "in-domain accuracy",
}


def sparser(evidence: Evidence) -> list[Answer]:
    """Compare neighbouring sparsities, each search seed with itself.

    Returns:
        One answer per fine-tuning, checkpoint, method and pair of neighbouring sparsities.
    """
    aurocs = {
        key: rows.groupby("seed")["auc"].mean()
        for key, rows in by_system(subnetworks_of(evidence["discrimination"]), BY_SPARSITY)
    }
    means = {
        key: rows.join(aurocs[key]) if key in aurocs else rows
        for key, rows in evidence.once(subnetwork_means).items()
    }
    answers = []
    for low, high in itertools.pairwise(sorted(means)):
        change = 100 * (means[high] - means[low])
        if low[:-1] == high[:-1] and "adversarial" in change:
            change = change.dropna(subset="adversarial")
            subject = {**dict(zip(BY_SPARSITY, high, strict=True)), "other_sparsity": low[-1]}
            answers += [_answer(subject, change)] if len(change) else []
    return answers


def _answer(subject: Row, points: pd.DataFrame) -> Answer:
    """Draw conclusions from the changes of each pair, in points."""
    rows: list[Row] = [
        {"measure": measure, "n": len(some), "change": student(some.to_numpy(dtype=float))}
        for name, measure in _MEASURES.items()
        if name in points and len(some := points[name].dropna())
    ]
    # Every subnetwork has in-domain cases, so the last row is theirs.
    in_domain = rows[-1]["change"]
    judged, n, change = (rows[0][name] for name in ("measure", "n", "change"))
    verdict = decide(
        f"subnetworks at {subject['sparsity']:.0%} sparsity generalise worse than at "
        f"{subject['other_sparsity']:.0%}",
        f"{judged} changes by {change_text(change, 1)} points over {n} pairs",
        supported=change.high < 0,
        contradicted=change.low > 0,
        open_because=f"this takes {ENOUGH_PAIRS} pairs" if n < ENOUGH_PAIRS else "",
        measure=judged if judged == _MEASURES["auc"] else f"{judged}, points",
        effect=change,
    )
    caveat = ""
    if verdict.decision == SUPPORTED and in_domain.high < 0:
        caveat = (
            f"In-domain accuracy changes by {change_text(in_domain, 1)} points too: not only "
            "generalisation is lost."
        )
    return Answer(subject=subject, verdict=verdict, rows={"sparser": rows}, caveat=caveat)


QUESTION = Question(
    key="sparser",
    asks="Do sparser subnetworks generalise worse?",
    claim="sparser subnetworks generalise worse than denser ones",
    source="section 4, finding 2",
    page="sparsity",
    subject=(*BY_SPARSITY, "other_sparsity"),
    needs=("evaluations", "discrimination", "subnetworks"),
    answer=sparser,
    tables=(
        Table(
            "sparser",
            "How one measure changes from the lower sparsity to the higher.",
            Column("measure", "what changes", "str", "measure", key=True),
            Column("n", "pairs of subnetworks, each of one search seed", "int", "pairs"),
            Column(
                "change",
                "mean change from the lower to the higher sparsity, in points of accuracy or "
                "hundredths of AUROC, with Student's interval over pairs",
                title="change",
                digits=1,
                form="signed",
                interval=True,
            ),
            title="Change from one sparsity to the next",
        ),
    ),
    limits=(
        "It compares neighbouring sparsities only, in one model; each pair of subnetworks comes "
        "from one search seed.",
    ),
)
