"""Do subnetworks that agree in-domain differ out of domain? (paper, section 4, finding 1)"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy import stats

from .accuracies import full_model, part_means, subnetworks_of
from .discrimination import Discrimination, discrimination
from .intervals import CONTRADICTED, SUPPORTED, UNDECIDED, Estimate, Verdict, holm, p_text, student
from .systems import SPARSITY, OfSparsity, SparsityKey, by_system

#: A case counts as spread out if its accuracies span at least so many points.
WIDE_POINTS = 20.0
#: Fewer subnetworks, or fewer examples in every case, cannot show that there is no spread.
ENOUGH_SUBNETWORKS, ENOUGH_EXAMPLES = 3, 50


@dataclass(frozen=True)
class CaseSpread:
    """One out-of-domain case over the subnetworks of one sparsity.

    Args:
        suite: The suite.
        case: The case.
        case_kind: Adversarial or friendly.
        n: Examples.
        full: The full model's accuracy.
        low: The lowest accuracy of a subnetwork.
        mean: The mean accuracy over subnetworks.
        high: The highest.
        span_points: Highest minus lowest, in points.
        p_value: Probability of differences this large if all subnetworks were equally accurate
            and only the sample of examples differed; chi-squared over subnetworks,
            Holm-corrected over cases. The subnetworks answer the same examples, which makes the
            test cautious.
    """

    suite: str
    case: str
    case_kind: str
    n: int
    full: float
    low: float
    mean: float
    high: float
    span_points: float
    p_value: float


@dataclass(frozen=True)
class SubnetworkAccuracy:
    """One subnetwork's accuracies, as means over cases."""

    seed: int
    in_domain: float
    difference_points: float
    adversarial: float | None
    friendly: float | None
    kl: float


@dataclass(frozen=True)
class Spread(OfSparsity):
    """All subnetworks of one model, method and sparsity beside the full model.

    Args:
        margin_points: Subnetworks within so many points of the full model's ID accuracy match it.
        n_matching: How many do.
        measure: What the verdict rests on: ``AUC`` where it was measured, else ``accuracy``.
        full: The full model's accuracies.
        subnetworks: The subnetworks, by seed.
        adversarial: Mean over subnetworks of the adversarial cases' mean accuracy.
        friendly: The same over friendly cases.
        cases: One entry per out-of-domain case, widest first.
        verdict: On the claim that matching subnetworks generalise differently; from accuracies,
            which a lean to one label moves too, only that they answer differently.
    """

    margin_points: float
    n_matching: int
    measure: str
    full: SubnetworkAccuracy
    subnetworks: tuple[SubnetworkAccuracy, ...]
    adversarial: Estimate | None
    friendly: Estimate | None
    cases: tuple[CaseSpread, ...]
    verdict: Verdict


def spread(
    evaluations: pd.DataFrame, margin_points: float, apart: pd.DataFrame | None = None
) -> list[Spread]:
    """Compare all subnetworks of each model and sparsity.

    Args:
        evaluations: Rows as in ``tables.EVALUATION``.
        margin_points: Points of ID accuracy within which a subnetwork matches the model.
        apart: Rows as in ``tables.DISCRIMINATION``, where they were measured.

    Returns:
        One result per fine-tuning, checkpoint, method and sparsity.
    """
    areas = {} if apart is None else {told.key: told for told in discrimination(apart)}
    results = []
    for key, group in by_system(subnetworks_of(evaluations), SPARSITY):
        full = full_model(evaluations, key[0], key[1])
        if len(full):
            results.append(_one_spread(key, group, full, margin_points, areas.get(key)))
    return results


def _one_spread(
    key: SparsityKey,
    group: pd.DataFrame,
    full: pd.DataFrame,
    margin: float,
    areas: Discrimination | None,
) -> Spread:
    of_full = _accuracies(full)[0]
    found = tuple(
        SubnetworkAccuracy(
            s.seed,
            s.in_domain,
            100 * (s.in_domain - of_full.in_domain),
            s.adversarial,
            s.friendly,
            s.kl,
        )
        for s in _accuracies(group)
    )
    matching = sum(abs(s.difference_points) <= margin + 1e-9 for s in found)
    cases = _cases(group[group["role"] == "ood"], full)
    return Spread(
        *key,
        margin,
        matching,
        "accuracy" if areas is None else "AUC",
        of_full,
        found,
        _mean_of([s.adversarial for s in found]),
        _mean_of([s.friendly for s in found]),
        cases,
        _verdict(found, matching, cases, margin, areas),
    )


def _cases(group: pd.DataFrame, full: pd.DataFrame) -> tuple[CaseSpread, ...]:
    rows, p_values = [], []
    of_full = full.set_index(["suite", "case"])
    for (suite, case), some in group.groupby(["suite", "case"], sort=False):
        accuracy = some["correct"] / some["n"]
        reference = of_full.loc[(suite, case)]
        p_values.append(_homogeneity(some["correct"].to_numpy(), some["n"].to_numpy()))
        rows.append(
            (
                str(suite),
                str(case),
                str(some["case_kind"].iloc[0]),
                int(some["n"].iloc[0]),
                float(reference["correct"] / reference["n"]),
                float(accuracy.min()),
                float(accuracy.mean()),
                float(accuracy.max()),
                float(100 * (accuracy.max() - accuracy.min())),
            )
        )
    corrected = holm(np.array(p_values))
    cases = [CaseSpread(*row, float(p)) for row, p in zip(rows, corrected, strict=True)]
    return tuple(sorted(cases, key=lambda c: (-c.span_points, c.suite, c.case)))


def _homogeneity(correct: np.ndarray, n: np.ndarray) -> float:
    """Test whether proportions are equal; 1 where all or none are correct."""
    table = np.stack([correct, n - correct])
    if len(correct) < 2 or (table.sum(1) == 0).any():
        return 1.0
    return float(stats.chi2_contingency(table, correction=False).pvalue)


def _verdict(
    found: tuple[SubnetworkAccuracy, ...],
    matching: int,
    cases: tuple[CaseSpread, ...],
    margin: float,
    areas: Discrimination | None,
) -> Verdict:
    claim = "subnetworks that match the model in-domain " + (
        "generalise differently"
        if areas is not None
        else "answer adversarial and friendly cases differently from each other"
    )
    if len(found) < 2 or not cases:
        return Verdict(claim, UNDECIDED, "there are not two subnetworks and a case to compare")
    agree = f"{matching} of {len(found)} subnetworks are within {margin:g} points in-domain"
    if matching < len(found):
        return Verdict(claim, UNDECIDED, f"only {agree}")
    top = cases[0]
    widest = (
        f"{top.case} spans {top.span_points:.0f} points ({top.low:.0%} to {top.high:.0%}, "
        f"corrected {p_text(top.p_value)})"
    )
    if areas is not None:
        area = areas.cases[0]
        reason = (
            f"{agree}; the area under the curve of {area.case} goes from {area.low:.2f} to "
            f"{area.high:.2f} (corrected {p_text(area.p_value)}); in accuracy, {widest}"
        )
        return Verdict(claim, areas.verdict.decision, reason)
    wide = [c for c in cases if c.span_points >= WIDE_POINTS and c.p_value < 0.05]
    if wide:
        reason = f"{agree}; {len(wide)} of {len(cases)} cases span {WIDE_POINTS:g} points or more "
        return Verdict(claim, SUPPORTED, f"{reason}beyond sampling noise; {widest}")
    # The absence of a spread shows only where one would have shown.
    enough = len(found) >= ENOUGH_SUBNETWORKS and min(c.n for c in cases) >= ENOUGH_EXAMPLES
    if top.span_points < WIDE_POINTS / 2 and enough:
        return Verdict(claim, CONTRADICTED, f"{agree}, and even the widest case, {widest}")
    return Verdict(claim, UNDECIDED, f"{agree}; the widest case, {widest}, is no clear spread")


def _accuracies(group: pd.DataFrame) -> list[SubnetworkAccuracy]:
    means = part_means(group)
    kl = group[group["role"] == "id"].groupby("seed")["kl"].mean()

    def part(seed: int, name: str) -> float | None:
        return float(means.loc[seed, name]) if name in means else None

    return [
        SubnetworkAccuracy(
            int(seed),
            float(means.loc[seed, "in_domain"]),
            0.0,
            part(seed, "adversarial"),
            part(seed, "friendly"),
            float(kl[seed]),
        )
        for seed in means.index
    ]


def _mean_of(values: list[float | None]) -> Estimate | None:
    known = np.array([value for value in values if value is not None])
    return student(known, (0.0, 1.0)) if len(known) else None
