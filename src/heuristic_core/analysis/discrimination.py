"""Do subnetworks tell adversarial from friendly cases, or do they lean to one label?"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy import stats

from .accuracies import full_model, part_means, subnetworks_of
from .intervals import (
    CONTRADICTED,
    SUPPORTED,
    UNDECIDED,
    Estimate,
    Verdict,
    correlation,
    holm,
    p_text,
    student,
)
from .separation import auc_interval, cautious_variance
from .systems import SPARSITY, OfSparsity, SparsityKey, by_system

#: Subnetworks differ in discrimination if areas under the curve of a case span at least this.
WIDE_AREA = 0.1
#: Fewer subnetworks, or fewer examples on a side, cannot show that there is no difference.
ENOUGH_SUBNETWORKS, ENOUGH_EXAMPLES = 3, 50
_CASE = ["suite", "case"]


@dataclass(frozen=True)
class CaseDiscrimination:
    """One adversarial case against its friendly counterparts, over subnetworks.

    Args:
        suite: The suite.
        case: The adversarial case.
        group: What it shares with its friendly counterparts.
        n: Its examples.
        n_friendly: Those of the friendly counterparts.
        full: The full model's area under the curve; ``None`` where it was not measured.
        full_d_prime: Its d'.
        full_bias: Its bias.
        low: The lowest area of a subnetwork.
        mean: The mean over subnetworks.
        high: The highest area.
        span: Highest less lowest.
        d_prime: Mean d' over subnetworks.
        bias: Mean bias over subnetworks.
        bias_sd: Standard deviation of the bias over subnetworks; 0 for a single one.
        p_value: Probability of areas this different if all subnetworks' were the same and only
            the sample of examples differed; chi-squared over subnetworks, Holm-corrected over
            cases. The subnetworks answer the same examples, which makes the test cautious.
    """

    suite: str
    case: str
    group: str
    n: int
    n_friendly: int
    full: Estimate | None
    full_d_prime: float | None
    full_bias: float | None
    low: float
    mean: Estimate
    high: float
    span: float
    d_prime: float
    bias: float
    bias_sd: float
    p_value: float


@dataclass(frozen=True)
class Discrimination(OfSparsity):
    """What the subnetworks of one model and sparsity tell apart.

    Args:
        n_subnetworks: Subnetworks.
        full: The full model's mean area under the curve over cases; ``None`` if not measured.
        auc: The subnetworks' mean of the same.
        cases: One entry per adversarial case, widest first.
        accuracy_with_auc: Correlation over subnetworks of mean adversarial accuracy with the mean
            area; ``None`` for fewer than four subnetworks or without accuracies.
        accuracy_with_bias: The same with the mean bias.
        verdict: On the claim that subnetworks differ in how well they tell adversarial from
            friendly cases, and not just in bias.
    """

    n_subnetworks: int
    full: float | None
    auc: Estimate
    cases: tuple[CaseDiscrimination, ...]
    accuracy_with_auc: Estimate | None
    accuracy_with_bias: Estimate | None
    verdict: Verdict


def discrimination(
    table: pd.DataFrame, evaluations: pd.DataFrame | None = None
) -> list[Discrimination]:
    """Compare how well the subnetworks of each model and sparsity tell cases apart.

    Args:
        table: Rows as in ``tables.DISCRIMINATION``.
        evaluations: Rows as in ``tables.EVALUATION``, for what adversarial accuracy goes with.

    Returns:
        One result per fine-tuning, checkpoint, method and sparsity.
    """
    accuracies = {}
    if evaluations is not None:
        accuracies = {
            key: part_means(group)
            for key, group in by_system(subnetworks_of(evaluations), SPARSITY)
        }
    return [
        _one(key, group, full_model(table, key[0], key[1]), accuracies.get(key))
        for key, group in by_system(subnetworks_of(table), SPARSITY)
    ]


def _one(
    key: SparsityKey, group: pd.DataFrame, full: pd.DataFrame, accuracy: pd.DataFrame | None
) -> Discrimination:
    means = group.groupby("seed")[["auc", "bias"]].mean()
    cases = _cases(group, full.set_index(_CASE))
    goes_with: dict[str, Estimate | None] = {"auc": None, "bias": None}
    if accuracy is not None and "adversarial" in accuracy:
        both = means.join(accuracy["adversarial"], how="inner").dropna()
        for name in goes_with:
            goes_with[name] = correlation(both["adversarial"].to_numpy(), both[name].to_numpy())
    return Discrimination(
        *key,
        len(means),
        float(full["auc"].mean()) if len(full) else None,
        student(means["auc"].to_numpy(), (0.0, 1.0)),
        cases,
        goes_with["auc"],
        goes_with["bias"],
        _verdict(len(means), cases, goes_with["auc"], goes_with["bias"]),
    )


def _cases(group: pd.DataFrame, full: pd.DataFrame) -> tuple[CaseDiscrimination, ...]:
    parts = list(group.groupby(_CASE, sort=False))
    corrected = holm(np.array([_same_area(some) for _, some in parts]))
    found = []
    for ((suite, case), some), p_value in zip(parts, corrected, strict=True):
        first = some.iloc[0]
        areas = some["auc"].to_numpy()
        of_full = full.loc[(suite, case)] if (suite, case) in full.index else None
        found.append(
            CaseDiscrimination(
                str(suite),
                str(case),
                str(first["group"]),
                int(first["n"]),
                int(first["n_friendly"]),
                None
                if of_full is None
                else auc_interval(*of_full[["auc", "n", "n_friendly", "auc_se"]]),
                None if of_full is None else float(of_full["d_prime"]),
                None if of_full is None else float(of_full["bias"]),
                float(areas.min()),
                student(areas, (0.0, 1.0)),
                float(areas.max()),
                float(np.ptp(areas)),
                float(some["d_prime"].mean()),
                float(some["bias"].mean()),
                float(some["bias"].std()) if len(some) > 1 else 0.0,
                float(p_value),
            )
        )
    return tuple(sorted(found, key=lambda c: (-c.span, c.suite, c.case)))


def _same_area(some: pd.DataFrame) -> float:
    """Test whether areas are equal; 1 where all are perfect."""
    areas = some["auc"].to_numpy()
    mean = float(areas.mean())
    sizes = int(some["n"].iloc[0]), int(some["n_friendly"].iloc[0])
    variance = cautious_variance(mean, *sizes, some["auc_se"].to_numpy(dtype=float))
    if len(areas) < 2 or variance <= 0:
        return 1.0
    return float(stats.chi2.sf(np.square(areas - mean).sum() / variance, len(areas) - 1))


def _verdict(
    n: int,
    cases: tuple[CaseDiscrimination, ...],
    with_auc: Estimate | None,
    with_bias: Estimate | None,
) -> Verdict:
    claim = (
        "subnetworks differ in how well they tell adversarial from friendly cases, not just in bias"
    )
    if n < 2:
        return Verdict(claim, UNDECIDED, "there are not two subnetworks to compare")
    top = cases[0]
    reason = (
        f"the area under the curve of {top.case} goes from {top.low:.2f} to {top.high:.2f} over "
        f"{n} subnetworks (corrected {p_text(top.p_value)})"
    )
    pairs = {"the mean area": with_auc, "bias": with_bias}
    reason += "".join(
        f"; adversarial accuracy correlates with {name} at {r.value:+.2f} "
        f"[{r.low:+.2f}, {r.high:+.2f}]"
        for name, r in pairs.items()
        if r is not None
    )
    wide = [case for case in cases if case.span >= WIDE_AREA and case.p_value < 0.05]
    if wide:
        return Verdict(
            claim,
            SUPPORTED,
            f"in {len(wide)} of {len(cases)} cases areas span {WIDE_AREA:g} or more beyond "
            f"sampling noise; {reason}",
        )
    enough = n >= ENOUGH_SUBNETWORKS and min(min(c.n, c.n_friendly) for c in cases)
    if top.span < WIDE_AREA / 2 and enough >= ENOUGH_EXAMPLES:
        return Verdict(claim, CONTRADICTED, f"even in the widest case, {reason}")
    return Verdict(claim, UNDECIDED, f"no clear difference; {reason}")
