"""When does a model learn its task, and when does it generalise? (paper, section 6)"""

from __future__ import annotations

from dataclasses import dataclass

import pandas as pd

from .intervals import CONTRADICTED, SUPPORTED, UNDECIDED, Verdict, wilson


@dataclass(frozen=True)
class Point:
    """The full model's accuracy on a case at a checkpoint, with its 95 % Wilson interval."""

    checkpoint: int
    accuracy: float
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
        rises_at: The first checkpoint from which on all accuracies lie above the lowest one among
            trained checkpoints, intervals apart; ``None`` if there is none.
    """

    suite: str
    role: str
    case: str
    case_kind: str
    points: tuple[Point, ...]
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


def curves(evaluations: pd.DataFrame) -> list[Curves]:
    """Follow the full model over fine-tuning.

    Args:
        evaluations: Rows as in ``tables.EVALUATION``.

    Returns:
        One result per fine-tuning seed.
    """
    full = evaluations[evaluations["kind"] == "full"]
    return [_one(int(seed), group) for seed, group in full.groupby("finetune_seed")]


def _one(seed: int, group: pd.DataFrame) -> Curves:
    found = []
    for (suite, case), some in group.groupby(["suite", "case"], sort=False):
        points = []
        for row in some.sort_values("checkpoint").itertuples(index=False):
            estimate = wilson(row.correct, row.n)
            points.append(Point(int(row.checkpoint), estimate.value, estimate.low, estimate.high))
        first = some.iloc[0]
        found.append(
            Curve(
                str(suite),
                str(first["role"]),
                str(case),
                str(first["case_kind"]),
                tuple(points),
                _rise(points),
            )
        )
    in_domain = group[group["role"] == "id"]
    accuracy = in_domain["correct"] / in_domain["n"]
    means = accuracy.groupby(in_domain["checkpoint"]).mean()
    trained = means[means.index > 0]
    learned = None
    if len(trained):
        learned = int(trained.index[trained >= 0.9 * trained.iloc[-1]][0])
    return Curves(seed, learned, tuple(found), _verdict(found, learned, len(trained)))


def _rise(points: list[Point]) -> int | None:
    """Find the first checkpoint from which accuracy stays above its lowest, intervals apart."""
    trained = [point for point in points if point.checkpoint > 0]
    if not trained:
        return None
    lowest = min(trained, key=lambda point: point.accuracy)
    above: int | None = None
    for point in reversed(trained[trained.index(lowest) :]):
        if point.low <= lowest.high:
            break
        above = point.checkpoint
    return above


def _verdict(found: list[Curve], learned: int | None, n_trained: int) -> Verdict:
    claim = "the model fits its task first and generalises to adversarial cases later"
    adversarial = [curve for curve in found if curve.case_kind == "adversarial"]
    if n_trained < 3 or not adversarial or learned is None:
        return Verdict(claim, UNDECIDED, "this takes three trained checkpoints and a case")
    rising = [curve for curve in adversarial if curve.rises_at is not None]
    if not rising:
        return Verdict(
            claim, UNDECIDED, f"none of {len(adversarial)} adversarial cases rises at all"
        )
    later = [curve for curve in rising if (curve.rises_at or 0) > learned]
    # At the same checkpoint, which came first cannot be seen.
    earlier = [curve for curve in rising if (curve.rises_at or 0) < learned]
    reason = (
        f"in-domain accuracy reaches 90 % of its final value at step {learned}; of the "
        f"{len(rising)} of {len(adversarial)} adversarial cases that rise, {len(later)} rise later "
        f"and {len(earlier)} earlier"
    )
    if len(later) == len(rising):
        return Verdict(claim, SUPPORTED, reason)
    if len(earlier) == len(rising):
        return Verdict(claim, CONTRADICTED, reason)
    return Verdict(claim, UNDECIDED, reason)
