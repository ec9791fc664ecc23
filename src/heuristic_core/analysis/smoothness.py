"""Does accuracy out of domain fall smoothly with sparsity? (paper, section 4, finding 2)"""

from __future__ import annotations

import numpy as np
import pandas as pd

from ..columns import Column, Table
from ..writing import p_text
from .accuracies import KINDS, full_model, judged_by, means_by_kind, subnetworks_of
from .design import Design
from .evidence import Evidence
from .falling_curves import CLEAR, steepest, straight_found
from .intervals import EQUAL, Estimate, estimate_text, student
from .power import POWER, least_number, too_few_planned
from .question import Answer, Figure, Question, Verdict, decide
from .systems import BY_METHOD, by_system

#: Fewer sparsities make no curve, and fewer seeds no useful interval.
_ENOUGH_SPARSITIES, _ENOUGH_SEEDS = 5, 3
#: A smaller fall has no shape.
_FALL_POINTS = 10.0
#: A fall is sharp if this share of the range of sparsities holds half of it, and else smooth.
_WINDOW, _HALF = 1 / 8, 0.5


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
        # Seeds that change nothing are no replicates of a search.
        curves = curves[curves.notna().sum(axis=1) >= _ENOUGH_SPARSITIES].drop_duplicates()
        if len(curves):
            known = curves.dropna(axis=1, how="all")
            row, power = _shape(known)
            shape = {"data": judged, **row}
            accuracies = _accuracies(full_model(grid, *key[:2]), means, judged)
            rows = {"smoothness": [shape], "accuracy-by-sparsity": accuracies}
            subject = dict(zip(BY_METHOD, key, strict=True))
            answers.append(Answer(subject=subject, verdict=_verdict(shape, power), rows=rows))
    return answers


def _shape(curves: pd.DataFrame) -> tuple[dict, str]:
    """Describe the fall of accuracies by seed and sparsity, and what would decide on its shape."""
    levels = curves.columns.to_numpy(dtype=np.float64)
    span = float(levels[-1] - levels[0])
    each = [(levels[curve.notna()], curve.dropna().to_numpy()) for _, curve in curves.iterrows()]
    # A narrower window than a step of the grid cannot hold a whole step.
    width = max(_WINDOW * span, float(np.diff(levels).max()))
    window = steepest(levels, curves.to_numpy(dtype=np.float64), width, _HALF)
    slopes = np.array([-100 * span * np.polyfit(x, y, 1)[0] for x, y in each])
    fall = student(slopes)
    power = ""
    if np.isfinite(window.variance):
        # What a fall would have to be, as the claim does not say how far accuracy falls.
        least, n = max(fall.value, _FALL_POINTS) / 100, len(curves)
        rest = (width, _HALF)
        power = least_number(
            f"a straight fall by {100 * least:.0f} points",
            "search seeds with different curves",
            n,
            lambda n: straight_found(levels, least, window.variance, *rest, n) >= POWER,
        )
    row = {
        "n_seeds": len(curves),
        "fall_points": fall,
        "largest_share": None if np.isnan(window.share) else window.share,
        "steepest_from": window.start,
        "steepest_to": window.end,
        "p_sharp": window.p_sharp,
        "p_smooth": window.p_smooth,
    }
    return row, power


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


def _verdict(shape: dict, power: str) -> Verdict:
    claim = f"{shape['data']} {QUESTION.claim}"
    fall, share = shape["fall_points"], shape["largest_share"]
    reason = f"accuracy falls by {estimate_text(fall, '{:.1f}'.format)} points"
    open_because = ""
    if shape["n_seeds"] < _ENOUGH_SEEDS or np.isnan(shape["p_sharp"]):
        open_because = (
            f"this takes {_ENOUGH_SEEDS} seeds whose curves differ at the same sparsities"
        )
    elif fall.low <= 0 or fall.value < _FALL_POINTS - EQUAL or share is None:
        open_because = f"a clear fall of at least {_FALL_POINTS:g} points is needed"
    if share is None or open_because:
        few = shape["n_seeds"] < _ENOUGH_SEEDS
        needed = power if few else ""  # without a fall, no number of seeds gives it a shape
        return decide(
            claim,
            reason,
            open_because=open_because,
            measure=_MEASURE,
            power=f"at least {_ENOUGH_SEEDS} search seeds with different curves" if few else needed,
        )
    ends = (f"{shape[end]:.0%}" for end in ("steepest_from", "steepest_to"))
    p_sharp, p_smooth = shape["p_sharp"], shape["p_smooth"]
    reason += f", {share:.0%} of it between sparsity {' and '.join(ends)}, where it is steepest; "
    reason += f"{p_text(p_sharp)} for at least half in so narrow a part, "
    reason += f"{p_text(p_smooth)} for at most half"
    return decide(
        claim,
        reason,
        supported=shape["p_sharp"] < CLEAR,
        contradicted=shape["p_smooth"] < CLEAR,
        measure=_MEASURE,
        effect=Estimate(share),
        p=min(p_sharp, p_smooth),
        power=power,
    )


_MEASURE = "largest share of the fall within an eighth of the range of sparsities"


def _plan(design: Design) -> str:
    if not design.grid_searches:
        return ""
    return too_few_planned(
        design.grid_different, _ENOUGH_SEEDS, "grid searches with different results"
    ) or too_few_planned(design.grid_sparsities, _ENOUGH_SPARSITIES, "sparsities of the grid")


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
                "adversarial, else shift",
                "str",
                "accuracy",
                choices=("balanced", "adversarial", "shift"),
            ),
            Column("n_seeds", "search seeds whose curves differ, one curve each", "int", "seeds"),
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
                "the largest share of the fall within an eighth of the range of sparsities, or one "
                "step of the grid where that is wider, in the falling curve nearest to the mean "
                "over seeds; noise raises it",
                title="in the steepest eighth",
                digits=0,
                form="percent",
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
                "the sparsity where that part ends",
                title="to",
                digits=0,
                form="percent",
            ),
            Column(
                "p_sharp",
                "p-value of the hypothesis that some part so narrow holds at least half of the "
                "fall; missing: the noise is not known",
                title="p of at least half",
                form="probability",
                optional=True,
            ),
            Column(
                "p_smooth",
                "p-value of the hypothesis that none holds more than half; missing likewise",
                title="p of at most half",
                form="probability",
                optional=True,
            ),
            title="The fall of accuracy with sparsity",
        ),
        Table(
            "accuracy-by-sparsity",
            "The grid's mean accuracy on one kind of case at one sparsity.",
            Column(
                "cases",
                "in-domain, adversarial, friendly or shift; balanced OOD is the mean of the two, "
                "which label bias cannot raise",
                "str",
                "cases",
                choices=("in-domain", "adversarial", "friendly", "shift", "balanced OOD"),
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
    limits=(
        "A transition narrower than the step between sparsities cannot be seen.",
        "What is smooth over an eighth of the range may be sharp in a narrower part.",
    ),
    plan=_plan,
)
