"""When does a model learn its task, and when does it generalise? (paper, section 6)"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy import stats

from .intervals import CONTRADICTED, SUPPORTED, UNDECIDED, Verdict, wilson
from .separation import auc_interval, auc_z

_CASE = ["suite", "case"]


@dataclass(frozen=True)
class Point:
    """The full model's accuracy on a case at a checkpoint, with its 95 % Wilson interval."""

    checkpoint: int
    accuracy: float
    low: float
    high: float


@dataclass(frozen=True)
class AucPoint:
    """The full model's area under the curve of a case at a checkpoint, with its 95 % interval."""

    checkpoint: int
    auc: float
    low: float
    high: float


@dataclass(frozen=True)
class Curve:
    """One case over fine-tuning.

    Args:
        suite: The suite.
        role: In-domain or out-of-domain.
        case: The case.
        case_kind: id, adversarial or friendly.
        points: Accuracy at each checkpoint.
        auc_points: For an adversarial case, the area under the curve between it and its friendly
            counterparts at each checkpoint where it was measured.
        rises_at: The first trained checkpoint from which on that area stays above 0.5, interval
            and all, and above its lowest one, beyond sampling noise; ``None`` if there is none.
    """

    suite: str
    role: str
    case: str
    case_kind: str
    points: tuple[Point, ...]
    auc_points: tuple[AucPoint, ...]
    rises_at: int | None


@dataclass(frozen=True)
class Curves:
    """All cases over one fine-tuning.

    Args:
        finetune_seed: Its seed.
        id_learned_at: First checkpoint with ID accuracy, as a mean over ID cases, at 90 % or more
            of its final value.
        curves: One per case.
        verdict: On the claim that the model learns a heuristic first and generalises later.
    """

    finetune_seed: int
    id_learned_at: int | None
    curves: tuple[Curve, ...]
    verdict: Verdict


def curves(evaluations: pd.DataFrame, discrimination: pd.DataFrame) -> list[Curves]:
    """Follow the full model over fine-tuning.

    Args:
        evaluations: Rows as in ``tables.EVALUATION``.
        discrimination: Rows as in ``tables.DISCRIMINATION``; without any, nothing is decided.

    Returns:
        One result per fine-tuning seed.
    """
    full, areas = (table[table["kind"] == "full"] for table in (evaluations, discrimination))
    return [
        _one(int(seed), group, areas[areas["finetune_seed"] == seed])
        for seed, group in full.groupby("finetune_seed")
    ]


def _one(seed: int, group: pd.DataFrame, areas: pd.DataFrame) -> Curves:
    trained = areas[areas["checkpoint"] > 0]
    # Of each case, every trained checkpoint but one can seem higher than that one.
    n_cases = len(trained[_CASE].drop_duplicates())
    n_tests = n_cases * (trained["checkpoint"].nunique() - 1)
    found = []
    for (suite, case), some in group.groupby(_CASE, sort=False):
        points = []
        for row in some.sort_values("checkpoint").itertuples(index=False):
            estimate = wilson(row.correct, row.n)
            points.append(Point(int(row.checkpoint), estimate.value, estimate.low, estimate.high))
        first = some.iloc[0]
        of_case = areas[(areas["suite"] == suite) & (areas["case"] == case)]
        of_case = of_case.sort_values("checkpoint")
        found.append(
            Curve(
                str(suite),
                str(first["role"]),
                str(case),
                str(first["case_kind"]),
                tuple(points),
                tuple(
                    AucPoint(int(row.checkpoint), area.value, area.low, area.high)
                    for row in of_case.itertuples(index=False)
                    for area in [auc_interval(row.auc, row.n, row.n_friendly, row.auc_se)]
                ),
                _rise(of_case[of_case["checkpoint"] > 0], n_tests),
            )
        )
    in_domain = group[group["role"] == "id"]
    accuracy = in_domain["correct"] / in_domain["n"]
    means = accuracy.groupby(in_domain["checkpoint"]).mean()
    means = means[means.index > 0]
    learned = None
    if len(means):
        learned = int(means.index[means >= 0.9 * means.iloc[-1]][0])
    return Curves(seed, learned, tuple(found), _verdict(found, learned, len(means)))


def _rise(areas: pd.DataFrame, n_tests: int) -> int | None:
    """Find the first checkpoint from which on the area is above 0.5 and above its lowest one."""
    if len(areas) < 2:
        return None
    area = areas["auc"].to_numpy()
    n, n_friendly = (int(areas[column].iloc[0]) for column in ("n", "n_friendly"))
    error = areas["auc_se"].to_numpy(dtype=float)
    lowest = int(area.argmin())
    together = error**2 + error[lowest] ** 2
    p_value = stats.norm.sf(auc_z(area, np.full_like(area, area[lowest]), n, n_friendly, together))
    above: int | None = None
    for i in range(len(area) - 1, lowest, -1):
        if (
            p_value[i] >= 0.05 / n_tests
            or auc_interval(area[i], n, n_friendly, error[i]).low <= 0.5
        ):
            break
        above = int(areas["checkpoint"].iloc[i])
    return above


def _verdict(found: list[Curve], learned: int | None, n_trained: int) -> Verdict:
    claim = "the model fits its task first and generalises to adversarial cases later"
    adversarial = [curve for curve in found if curve.case_kind == "adversarial"]
    if n_trained < 3 or not adversarial or learned is None:
        return Verdict(claim, UNDECIDED, "this takes three trained checkpoints and a case")
    measured = [curve for curve in adversarial if curve.auc_points]
    if not measured:
        return Verdict(
            claim,
            UNDECIDED,
            "no adversarial case has friendly counterparts, and without them a rise of its "
            "accuracy alone cannot be told from a lean to its label",
        )
    rising = [curve for curve in measured if curve.rises_at is not None]
    if not rising:
        return Verdict(
            claim,
            UNDECIDED,
            f"in none of {len(measured)} adversarial cases does the area under the curve rise",
        )
    later = [curve for curve in rising if (curve.rises_at or 0) > learned]
    # At the same checkpoint, which came first cannot be seen.
    earlier = [curve for curve in rising if (curve.rises_at or 0) < learned]
    reason = (
        f"in-domain accuracy reaches 90 % of its final value at step {learned}; the area under the "
        f"curve rises in {len(rising)} of {len(measured)} adversarial cases, in {len(later)} later "
        f"and in {len(earlier)} earlier than that"
    )
    if len(later) == len(rising):
        return Verdict(claim, SUPPORTED, reason)
    if len(earlier) == len(rising):
        return Verdict(claim, CONTRADICTED, reason)
    return Verdict(claim, UNDECIDED, reason)
