"""Does accuracy out of domain fall smoothly with sparsity? (paper, section 4, finding 2)"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
from jaxtyping import Float
from scipy import optimize

from .accuracies import judged_by, part_means, subnetworks_of
from .intervals import CONTRADICTED, SUPPORTED, UNDECIDED, Estimate, Verdict, student
from .systems import METHOD, MethodKey, OfMethod, by_system

#: Fewer sparsities make no curve, and fewer seeds no interval of use.
ENOUGH_SPARSITIES, ENOUGH_SEEDS = 5, 3
#: A smaller fall has no shape.
FALL_POINTS = 10.0
#: A gentle fall takes at least this share of the sparsities' range for its middle 80 %.
GENTLE = 1 / 3
#: A difference of BIC from which on one shape is clearly better (Kass and Raftery 1995: strong).
CLEAR = 6.0
#: A fall of which one step holds more than this is not smooth, one that holds less is not sharp.
HALF = 0.5

Points = Float[np.ndarray, " point"]


@dataclass(frozen=True)
class Smoothness(OfMethod):
    """How accuracy out of domain falls over the sparsities of one model.

    Args:
        data: What falls: balanced accuracy where there are friendly cases, else adversarial.
        n_seeds: Curves, one per search seed.
        sparsities: The sparsities.
        mean: Mean accuracy over seeds at each.
        fall_points: Fall of a line fitted to a seed's curve, over the range of sparsities, in
            points; over seeds.
        largest_share: The largest fall from one sparsity to the next as a share of the whole
            fall, in the falling curve that is nearest to a seed's; over the seeds whose curve
            falls at all. 1 is a single step; noise raises it.
        steepest: Between which sparsities the falling curve nearest to the mean falls most.
        evidence: BIC of two levels with one change point less that of the best gentle fall;
            positive speaks for the gentle fall.
        verdict: On the claim that accuracy out of domain falls smoothly with sparsity.
    """

    data: str
    n_seeds: int
    sparsities: tuple[float, ...]
    mean: tuple[float, ...]
    fall_points: Estimate
    largest_share: Estimate | None
    steepest: tuple[float, float]
    evidence: float
    verdict: Verdict


def smoothness(evaluations: pd.DataFrame) -> list[Smoothness]:
    """Ask of each model's curve over sparsities whether it falls smoothly or in one step.

    Args:
        evaluations: Rows as in ``tables.EVALUATION``.

    Returns:
        One result per fine-tuning, checkpoint and method with at least five sparsities.
    """
    results = []
    for key, group in by_system(subnetworks_of(evaluations), METHOD):
        means = part_means(group, ["seed", "sparsity"])
        data = judged_by(means)
        if data is None:
            continue
        curves = means[data].unstack("sparsity").sort_index(axis=1)
        curves = curves[curves.notna().sum(axis=1) >= ENOUGH_SPARSITIES]
        if len(curves):
            results.append(_one(key, data, curves.dropna(axis=1, how="all")))
    return results


def change_point_rss(x: Points, y: Points) -> float:
    """Give the squared error of two levels with a change point between them, at its best.

    Args:
        x: Sparsity of each point.
        y: Its accuracy.
    """
    levels = np.unique(x)
    return min(
        float(sum(np.square(part - part.mean()).sum() for part in (y[x <= cut], y[x > cut])))
        for cut in levels[:-1]
    )


def gentle_rss(x: Points, y: Points) -> float:
    """Give the squared error of a logistic fall that takes its time, at its best.

    The middle 80 % of the fall take at least a third of the range of x; a straight line is as
    good as the widest.

    Args:
        x: Sparsity of each point.
        y: Its accuracy.
    """
    low, high = x.min(), x.max()
    centres = np.linspace(low, high, 41)
    # From 10 % to 90 % a logistic curve takes 2 ln 9 times its scale.
    scales = (high - low) * np.geomspace(GENTLE, 10, 20) / (2 * np.log(9))
    centre, scale = (grid.ravel()[:, None] for grid in np.meshgrid(centres, scales))
    shape = 1 / (1 + np.exp((x - centre) / scale))
    shape -= shape.mean(1, keepdims=True)
    deviation = y - y.mean()
    # Least squares for both levels; a rise is no fall, so its best is a constant.
    explained = np.square(np.maximum(shape @ deviation, 0)) / np.square(shape).sum(1)
    return float(max(np.square(deviation).sum() - explained.max(), 0.0))


def _one(key: MethodKey, data: str, curves: pd.DataFrame) -> Smoothness:
    levels = curves.columns.to_numpy(dtype=np.float64)
    mean = curves.mean().to_numpy()
    each = [(levels[curve.notna()], curve.dropna().to_numpy()) for _, curve in curves.iterrows()]
    span = 100 * (levels[-1] - levels[0])
    fall = student(np.array([-span * np.polyfit(x, y, 1)[0] for x, y in each]))
    known = [_steps(y) for _, y in each]
    shares = np.array([steps.max() / steps.sum() for steps in known if steps.sum() > 0])
    share = student(shares, (0.0, 1.0)) if len(shares) else None
    x, y = (np.concatenate(side) for side in zip(*each, strict=True))
    # Errors below the accuracies' own resolution say nothing of the shape.
    floor = len(y) * 1e-8
    ratio = (change_point_rss(x, y) + floor) / (gentle_rss(x, y) + floor)
    # Two levels and a change point, against two levels, a centre and a width.
    evidence = float(len(y) * np.log(ratio) - np.log(len(y)))
    steepest = int(_steps(mean).argmax())
    return Smoothness(
        *key,
        data,
        len(curves),
        tuple(map(float, levels)),
        tuple(map(float, mean)),
        fall,
        share,
        (float(levels[steepest]), float(levels[steepest + 1])),
        evidence,
        _verdict(data, len(curves), fall, share, evidence),
    )


def _steps(curve: Points) -> Points:
    """Give the falls between neighbours in the falling curve that is nearest to a curve.

    What goes down and up again is averaged out first, so that it does not count as a fall.
    """
    return -np.diff(optimize.isotonic_regression(curve, increasing=False).x)


def _verdict(
    data: str, n_seeds: int, fall: Estimate, share: Estimate | None, evidence: float
) -> Verdict:
    claim = f"{data} accuracy falls smoothly with sparsity"
    falls = f"it falls by {fall.value:.1f} points [{fall.low:.1f}, {fall.high:.1f}]"
    if n_seeds < ENOUGH_SEEDS:
        return Verdict(claim, UNDECIDED, f"there are fewer than {ENOUGH_SEEDS} seeds")
    if fall.low <= 0 or fall.value < FALL_POINTS or share is None:
        return Verdict(claim, UNDECIDED, f"{falls}, no clear fall of {FALL_POINTS:g}")
    better = "a gentle fall" if evidence > 0 else "one change point"
    reason = (
        f"{falls}, {share.value:.0%} [{share.low:.0%}, {share.high:.0%}] of it between two "
        f"neighbouring sparsities; {better} fits better (by {abs(evidence):.0f} in BIC)"
    )
    if evidence >= CLEAR and share.value < HALF:
        return Verdict(claim, SUPPORTED, reason)
    if evidence <= -CLEAR and share.value > HALF:
        return Verdict(claim, CONTRADICTED, reason)
    return Verdict(claim, UNDECIDED, reason)
