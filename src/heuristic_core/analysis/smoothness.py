"""Does accuracy out of domain fall smoothly with sparsity? (paper, section 4, finding 2)"""

from __future__ import annotations

import numpy as np
import pandas as pd
from jaxtyping import Float
from scipy import optimize

from ..columns import Column, Table
from .accuracies import KINDS, full_model, judged_by, means_by_kind, subnetworks_of
from .evidence import Evidence
from .intervals import EQUAL, Estimate, estimate_text, student
from .question import Answer, Figure, Question, Verdict, decide
from .systems import BY_METHOD, by_system

#: Fewer sparsities make no curve, and fewer seeds no useful interval.
_ENOUGH_SPARSITIES, _ENOUGH_SEEDS = 5, 3
#: A smaller fall has no shape.
_FALL_POINTS = 10.0
#: The middle 80 % of a gentle fall takes at least this share of the range of sparsities.
_GENTLE = 1 / 3
#: A difference of BIC from which on one shape is clearly better (Kass and Raftery 1995: strong).
_CLEAR = 6.0
#: A fall is not smooth if one step holds more than this share of it, and not sharp if none does.
_HALF = 0.5

Points = Float[np.ndarray, " point"]


def smoothness(evidence: Evidence) -> list[Answer]:
    """Ask of each model whether its accuracy falls smoothly over sparsities or in one step.

    Returns:
        One answer per fine-tuning, checkpoint and method of the grid with OOD cases and at least
        five sparsities.
    """
    answers = []
    grid = evidence["grid"]
    for key, some in by_system(subnetworks_of(grid), BY_METHOD):
        means = means_by_kind(some, ["seed", "sparsity"])
        judged = judged_by(means)
        if judged is None:
            continue
        curves = means[judged].unstack("sparsity").sort_index(axis=1)
        curves = curves[curves.notna().sum(axis=1) >= _ENOUGH_SPARSITIES]
        if len(curves):
            shape = {"data": judged, **_shape(curves.dropna(axis=1, how="all"))}
            accuracies = _accuracies(full_model(grid, *key[:2]), means, judged)
            rows = {"smoothness": [shape], "accuracy-by-sparsity": accuracies}
            subject = dict(zip(BY_METHOD, key, strict=True))
            answers.append(Answer(subject=subject, verdict=_verdict(shape), rows=rows))
    return answers


def change_point_rss(x: Points, y: Points) -> float:
    """Compute the least squared error of two levels with a change point between them.

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
    """Compute the least squared error of a gentle logistic fall.

    The middle 80 % of the fall take at least a third of the range of x. The widest fall is nearly
    a straight line.

    Args:
        x: Sparsity of each point.
        y: Its accuracy.
    """
    low, high = x.min(), x.max()
    centres = np.linspace(low, high, 41)
    # A logistic curve goes from 10 % to 90 % within 2 ln 9 times its scale.
    scales = (high - low) * np.geomspace(_GENTLE, 10, 20) / (2 * np.log(9))
    centre, scale = (grid.ravel()[:, None] for grid in np.meshgrid(centres, scales))
    shape = 1 / (1 + np.exp((x - centre) / scale))
    shape -= shape.mean(1, keepdims=True)
    deviation = y - y.mean()
    # Least squares for both levels. Where the curve rises, the best fall is a constant.
    explained = np.square(np.maximum(shape @ deviation, 0)) / np.square(shape).sum(1)
    return float(max(np.square(deviation).sum() - explained.max(), 0.0))


def _shape(curves: pd.DataFrame) -> dict:
    """Describe the fall of accuracies by seed (rows) and sparsity (columns)."""
    levels = curves.columns.to_numpy(dtype=np.float64)
    each = [(levels[curve.notna()], curve.dropna().to_numpy()) for _, curve in curves.iterrows()]
    span = 100 * (levels[-1] - levels[0])
    falls = [_steps(y) for _, y in each]
    shares = np.array([steps.max() / steps.sum() for steps in falls if steps.sum() > 0])
    x, y = (np.concatenate(part) for part in zip(*each, strict=True))
    # Errors below the accuracies' own resolution say nothing of the shape.
    floor = len(y) * 1e-8
    ratio = (change_point_rss(x, y) + floor) / (gentle_rss(x, y) + floor)
    steepest = int(_steps(curves.mean().to_numpy()).argmax())
    return {
        "n_seeds": len(curves),
        "fall_points": student(np.array([-span * np.polyfit(x, y, 1)[0] for x, y in each])),
        "largest_share": student(shares, (0.0, 1.0)) if len(shares) else None,
        "steepest_from": float(levels[steepest]),
        "steepest_to": float(levels[steepest + 1]),
        # Two levels and a change point, against two levels, a centre and a width.
        "evidence": float(len(y) * np.log(ratio) - np.log(len(y))),
    }


def _steps(curve: Points) -> Points:
    """Compute the falls between neighbours in the falling curve that is nearest to a curve.

    A dip that is made up for later is averaged out first, so that it does not count as a fall.
    """
    return -np.diff(optimize.isotonic_regression(curve, increasing=False).x)


def _accuracies(full: pd.DataFrame, means: pd.DataFrame, judged: str) -> list[dict]:
    """List mean accuracies over seeds, and of each seed those in-domain and those judged."""
    by_level = means.groupby(level="sparsity")
    parts = [
        means_by_kind(full, "sparsity").reset_index(),
        by_level.mean().assign(n=by_level.size()).reset_index(),
        means[[name for name in ("in_domain", judged) if name in means]].reset_index(),
    ]
    system = ["seed", "sparsity", "n"]
    wide = pd.concat(parts).reindex(columns=[*system, *KINDS]).rename(columns=KINDS)
    long = wide.melt(system, var_name="cases", value_name="accuracy")
    return long.dropna(subset="accuracy").to_dict("records")


def _verdict(shape: dict) -> Verdict:
    fall, share, evidence = (shape[name] for name in ("fall_points", "largest_share", "evidence"))
    reason = f"accuracy falls by {estimate_text(fall, '{:.1f}'.format)} points"
    open_because = ""
    if shape["n_seeds"] < _ENOUGH_SEEDS:
        open_because = f"there are fewer than {_ENOUGH_SEEDS} seeds"
    elif fall.low <= 0 or fall.value < _FALL_POINTS - EQUAL or share is None:
        open_because = f"a clear fall of at least {_FALL_POINTS:g} points is needed"
    else:
        better = "a gentle fall" if evidence > 0 else "one change point"
        reason += f", {share.value:.0%} of it in one step; "
        reason += f"{better} fits better by {abs(evidence):.0f} in BIC"
    return decide(
        f"{shape['data']} {QUESTION.claim}",
        reason,
        supported=evidence >= _CLEAR and share is not None and share.value < _HALF,
        contradicted=evidence <= -_CLEAR and share is not None and share.value > _HALF,
        open_because=open_because,
        measure="BIC of one change point minus BIC of a gentle fall",
        effect=Estimate(evidence, np.nan, np.nan),
    )


QUESTION = Question(
    key="smoothness",
    asks="Does accuracy fall smoothly with sparsity?",
    claim="accuracy falls smoothly with sparsity",
    source="section 4, finding 2",
    page="smoothness",
    subject=BY_METHOD,
    needs=("grid",),
    answer=smoothness,
    tables=(
        Table(
            "smoothness",
            "How accuracy falls over the sparsities of one model.",
            Column(
                "data",
                "which accuracy is judged: balanced where there are friendly cases, else "
                "adversarial",
                "str",
                "accuracy",
                choices=("balanced", "adversarial"),
            ),
            Column("n_seeds", "search seeds, one curve each", "int", "seeds"),
            Column(
                "fall_points",
                "fall of a line fitted to a seed's curve, over the range of sparsities, in "
                "points; mean over seeds",
                title="fall",
                digits=1,
                interval=True,
            ),
            Column(
                "largest_share",
                "the largest fall between two neighbouring sparsities as a share of the whole "
                "fall, in the falling curve nearest to a seed's; 100 % is a single step, and "
                "noise raises it",
                title="largest step",
                digits=0,
                form="percent",
                interval=True,
                optional=True,
            ),
            Column(
                "steepest_from",
                "the sparsity from which the mean curve falls most",
                title="steepest from",
                digits=0,
                form="percent",
            ),
            Column(
                "steepest_to",
                "the next sparsity, where that step ends",
                title="to",
                digits=0,
                form="percent",
            ),
            Column(
                "evidence",
                "BIC of two levels with one change point minus BIC of the best gentle fall; "
                "above 0 the gentle fall fits better, beyond 6 either way clearly",
                title="BIC",
                digits=1,
                form="signed",
            ),
            title="The fall of accuracy with sparsity",
        ),
        Table(
            "accuracy-by-sparsity",
            "The grid's mean accuracy on one kind of case at one sparsity.",
            Column(
                "cases",
                "in-domain, adversarial or friendly; balanced OOD is the mean of the last two, "
                "which label bias cannot raise",
                "str",
                "cases",
                choices=("in-domain", "adversarial", "friendly", "balanced OOD"),
                key=True,
            ),
            Column(
                "seed",
                "search seed; missing: mean over seeds",
                "int",
                "seed",
                optional=True,
                key=True,
            ),
            Column(
                "sparsity",
                "sparsity asked for; 0 for the full model",
                title="sparsity",
                digits=0,
                form="percent",
                key=True,
            ),
            Column(
                "n",
                "subnetworks in a mean over seeds; missing for the full model",
                "int",
                "n",
                optional=True,
            ),
            Column(
                "accuracy",
                "mean accuracy over the cases",
                title="accuracy",
                digits=1,
                form="percent",
            ),
            title="Accuracy at every checkpoint and sparsity searched",
            folded=True,
        ),
    ),
    figures=(
        Figure(
            kind="lines",
            table="accuracy-by-sparsity",
            columns={
                "x": "sparsity",
                "y": "accuracy",
                "series": "cases",
                "detail": "seed",
                "panel": "checkpoint",
            },
            title="Accuracy by sparsity",
            caption=(
                "Means over search seeds, one panel for each checkpoint; faint lines are single "
                "seeds. At 0 stands the full model. Balanced OOD is the mean of adversarial and "
                "friendly accuracy, which label bias cannot raise."
            ),
        ),
    ),
    limits=("A transition narrower than the step between sparsities cannot be seen.",),
)
