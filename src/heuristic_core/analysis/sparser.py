"""Do sparser subnetworks generalise worse? (paper, section 4, finding 2)"""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import pandas as pd

from ..columns import Column, Table
from ..tables import SUPPORTED
from .accuracies import distinct_subnetworks, subnetwork_means
from .covariances import auroc_variances, measure_covariances, shared_difference
from .design import Design
from .evidence import Evidence
from .intervals import change_text
from .paired import over_both
from .power import ErrorSource, outlook, too_few_planned
from .question import Answer, Question, Row, decide
from .size_rule import variances
from .systems import BY_SPARSITY, by_system

#: The change, in points, whose power is reported.
PLANNED_POINTS = 5.0
#: Fewer pairs of subnetworks decide nothing.
ENOUGH_PAIRS = 3

#: What may change with sparsity; the first that was measured decides.
_MEASURES = {
    "auc": "AUROC x 100",
    "balanced": "balanced accuracy",
    "adversarial": "adversarial accuracy",
    "friendly": "friendly accuracy",
    "shift": "accuracy on shifted cases",
    "in_domain": "in-domain accuracy",
}


def sparser(evidence: Evidence) -> list[Answer]:
    """Compare neighbouring sparsities, each search seed with itself.

    Returns:
        One answer per fine-tuning, checkpoint, method and pair of neighbouring sparsities.
    """
    levels, errors = evidence.once(_levels), evidence.once(measure_covariances)
    answers = []
    for low, high in itertools.pairwise(sorted(levels)):
        if low[:-1] != high[:-1]:
            continue
        denser, sparse = levels[low], levels[high]
        points = 100 * (sparse.means - denser.means)
        ood = next((kind for kind in ("adversarial", "shift") if kind in points), None)
        if ood is None or points[ood].isna().all():
            continue
        points = points[points[ood].notna()]
        rows: list[Row] = []
        sources: tuple[ErrorSource, ...] = ()
        for name, measure in _MEASURES.items():
            if name not in points or points[name].isna().all():
                continue
            change, covariance = points[name].dropna(), errors.get(low[:-1], {}).get(name)
            named = ([(level[-1], seed) for seed in change.index] for level in (high, low))
            shared = shared_difference(covariance, *named)
            row = {"measure": measure, "n": len(change), "paired": shared is not None}
            if shared is None:  # at most, all searches answer alike
                shared = denser.variances[name] + sparse.variances[name]
            rows.append(row | {"change": over_both(change, 1e4 * shared)})
            # The first measure is the one that decides.
            sources = sources or (
                ErrorSource("pairs of subnetworks", change.var(ddof=1) / len(change), len(change)),
                ErrorSource("examples", 1e4 * max(0.0, shared), 1000, counted=False),
            )
        subject = {**dict(zip(BY_SPARSITY, high, strict=True)), "other_sparsity": low[-1]}
        said = f"a change of {PLANNED_POINTS:g} points"
        power = outlook(said, PLANNED_POINTS, *sources) if len(points) > 1 else ""
        answers.append(_answer(subject, rows, power))
    return answers


@dataclass(frozen=True, eq=False)
class _Level:
    """The subnetworks of one sparsity.

    Args:
        means: Means of every measure over cases, by search seed.
        rows: Rows as in ``tables.EVALUATIONS``.
        aurocs: Rows as in ``tables.DISCRIMINATION``, if there are any.
    """

    means: pd.DataFrame
    rows: pd.DataFrame
    aurocs: pd.DataFrame | None

    @cached_property
    def variances(self) -> dict[str, float]:
        """Variances of a single subnetwork's means over examples."""
        by_seed = {k.replace("-", "_"): x for k, x in variances(self.rows, "seed").items()}
        if self.aurocs is not None:
            by_seed["auc"] = auroc_variances(self.aurocs)
        return {name: float(some.mean()) for name, some in by_seed.items()}


def _levels(evidence: Evidence) -> dict[Any, _Level]:
    aurocs = dict(by_system(distinct_subnetworks(evidence, "discrimination"), BY_SPARSITY))
    levels = {}
    for key, rows in by_system(distinct_subnetworks(evidence, "evaluations"), BY_SPARSITY):
        means, measured = evidence.once(subnetwork_means)[key], aurocs.get(key)
        if measured is not None:
            means = means.join(measured.groupby("seed")["auc"].mean())
        levels[key] = _Level(means, rows, measured)
    return levels


def _answer(subject: Row, rows: list[Row], power: str) -> Answer:
    """Draw conclusions from the changes of each measure, in points."""
    # Every subnetwork has in-domain cases, so the last row is theirs.
    in_domain = rows[-1]["change"]
    judged, n, change, paired = (rows[0][name] for name in ("measure", "n", "change", "paired"))
    how = "the same examples" if paired else "examples taken as different at either sparsity"
    verdict = decide(
        f"subnetworks at {subject['sparsity']:.0%} sparsity generalise worse than at "
        f"{subject['other_sparsity']:.0%}",
        f"{judged} changes by {change_text(change, 1)} points over {n} pairs, on {how}",
        supported=change.high < 0,
        contradicted=change.low > 0,
        open_because=f"this takes {ENOUGH_PAIRS} pairs" if n < ENOUGH_PAIRS else "",
        measure=judged if judged == _MEASURES["auc"] else f"{judged}, points",
        effect=change,
        power=power if n >= ENOUGH_PAIRS else f"at least {ENOUGH_PAIRS} pairs of subnetworks",
    )
    caveat = ""
    if verdict.decision == SUPPORTED and in_domain.high < 0:
        caveat = (
            f"In-domain accuracy changes by {change_text(in_domain, 1)} points too: not only "
            "generalisation is lost."
        )
    return Answer(subject=subject, verdict=verdict, rows={"sparser": rows}, caveat=caveat)


def _plan(design: Design) -> str:
    if design.sparsities < 2:
        return ""
    return too_few_planned(design.different, ENOUGH_PAIRS, "searches with different results")


QUESTION = Question(
    key="sparser",
    asks="Do sparser subnetworks generalise worse?",
    claim="sparser subnetworks generalise worse than denser ones",
    source="section 4, finding 2",
    page="sparsity",
    subject=(*BY_SPARSITY, "other_sparsity"),
    needs=("evaluations", "discrimination", "subnetworks", "predictions"),
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
                "hundredths of AUROC, with its interval over pairs and examples",
                title="change",
                digits=1,
                form="signed",
                interval=True,
            ),
            Column(
                "paired",
                "whether the interval knows that both subnetworks answer the same examples: "
                "single predictions were kept",
                "bool",
            ),
            title="Change from one sparsity to the next",
        ),
    ),
    limits=(
        "It compares neighbouring sparsities only, in one model; each pair of subnetworks comes "
        "from one search seed.",
    ),
    plan=_plan,
)
