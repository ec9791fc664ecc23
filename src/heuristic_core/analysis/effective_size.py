"""How large is the smallest subnetwork that does what the model does? (paper, section 6)"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import partial
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from ..tables import UNDECIDED
from ..writing import signed
from .accuracies import CASE, judged_by, means_by_kind
from .counterparts import compared
from .design import Design
from .effective_size_tables import TABLES
from .evidence import Evidence
from .intervals import EQUAL, change_text
from .paired import drawn_aurocs, drawn_means
from .power import POWER, ErrorSource, found, outlook, too_few_planned
from .question import Answer, Figure, Question, Verdict, decide
from .same_seeds import different_seeds
from .size_rule import (
    drawn_sizes,
    mean_change,
    mean_size,
    paired_sizes,
    sizes_of,
    variance_parts,
    variances,
)
from .systems import by_system

#: The margins, in points, at which the size is also computed.
MARGINS = (1.0, 2.0, 3.0, 4.0, 5.0)
#: Spans of checkpoints over which the change of the size is computed.
SPANS = ("first to last", "where the margin is meaningful", "steepest rise of OOD accuracy")
#: Fewer search seeds decide nothing.
_ENOUGH_SEEDS = 3
#: The model comes to generalise if its OOD accuracy rises by so many points.
_RISE_POINTS = 10.0
#: The fall, in per cent of units, whose power is reported.
PLANNED_FALL = 20.0
_PLANNED = f"a fall of {PLANNED_FALL:g} % of the units"
#: Standard deviation over search seeds of the change over fine-tuning, root mean square over the
#: models and kinds of data of docs/results/minilm-mnli-hans.md; per cent of units.
SEED_SPREAD = 11.0
_SUBJECT = ("finetune_seed", "method", "data")
_AUROC = "balanced AUROC"
_DATA = ("in-domain", "adversarial", "balanced", _AUROC, "mixed", "shift")
#: A constant answer, or a constant score, has half of these.
_CHANCE = {"balanced": 0.5, _AUROC: 0.5}
#: Label bias alone can make a subnetwork good enough, or not, on these data.
_BIASED = ("adversarial", "mixed")


def effective_size(evidence: Evidence) -> list[Answer]:
    """Compute the effective size at every checkpoint of the grid, on each kind of data.

    Returns:
        One answer per fine-tuning, method and kind of data.

    Source:
        Section 6: the highest sparsity whose accuracy is above the full model's minus three
        points, 100 % without one; for each seed, then averaged.
    """
    answers: list[Answer] = []
    grid = evidence["grid"]
    for key, every in by_system(grid[grid["kind"] == "subnetwork"], _SUBJECT[:2]):
        masks = _of_method(evidence["grid_subnetworks"], key)
        rows = different_seeds(every, ["checkpoint", "sparsity"], masks)
        full = grid[(grid["kind"] == "full") & (grid["finetune_seed"] == key[0])]
        full = full[full["checkpoint"].isin(rows["checkpoint"])]
        accuracies, variance = _by_data(full, ["checkpoint"]), variances(full)
        of_subnetworks = _by_data(rows, ["checkpoint", "seed", "sparsity"])
        paired, aurocs = _paired(evidence, key, full)
        if aurocs is not None:
            of_full = aurocs.xs((-1, 0.0), level=("seed", "sparsity"))
            accuracies[_AUROC], of_subnetworks[_AUROC] = of_full, aurocs
        of_model = []
        for data in [name for name in _DATA if name in of_subnetworks and name in accuracies]:
            table = of_subnetworks[data].unstack("sparsity").sort_index(axis=1)
            grids = {int(step): table.loc[step].dropna(how="all") for step in accuracies.index}
            subject = dict(zip(_SUBJECT, (*key, data), strict=True))
            margin = evidence.margin_points / 100
            draw: _Draw
            if data in paired and _complete(paired[data], grids):
                draw = partial(_on_examples, paired[data], margin)
            else:
                draw = partial(_alone, accuracies[data] - margin, variance[data], evidence.seed)
            of_model.append(_answer(evidence, subject, accuracies, draw, grids))
        balanced = [one.verdict for one in of_model if one.subject["data"] == "balanced"]
        answers += [_beside(one, balanced[0]) if balanced else one for one in of_model]
    return answers


def _by_data(rows: pd.DataFrame, by: list[str]) -> pd.DataFrame:
    """Compute mean accuracies by kind of data, one row per system."""
    means = means_by_kind(rows, by).rename(columns={"in_domain": "in-domain"})
    if {"in-domain", "adversarial"} <= set(means):
        some = rows[rows["case_kind"].isin(["id", "adversarial"])]
        means["mixed"] = (some["correct"] / some["n"]).groupby([some[name] for name in by]).mean()
    return means


def _paired(
    evidence: Evidence, key: tuple[Any, ...], full: pd.DataFrame
) -> tuple[dict[str, pd.DataFrame], pd.Series | None]:
    """Draw mean accuracies and AUROCs of a fine-tuning's systems over their examples.

    Returns:
        The draws, by kind of data, and the AUROCs; neither where single predictions were not kept.
    """
    table = evidence["grid_predictions"]
    of_method = (table["method"] == key[1]) | (table["kind"] == "full")
    rows = table[of_method & (table["finetune_seed"] == key[0])]
    kinds = full.drop_duplicates(CASE).set_index(CASE)["case_kind"]
    if rows.empty:
        return {}, None
    seed = [evidence.seed, key[0]]
    drawn = drawn_means(rows, kinds.to_dict(), seed)
    aurocs = drawn_aurocs(compared(rows, kinds.to_dict()), kinds.to_dict(), seed)
    if aurocs is None:
        return drawn, None
    steps = full["checkpoint"].unique()
    known = {(step, seed < 0) for step, seed, _ in aurocs[0].index}
    # Without the full model, or any subnetwork, of a checkpoint there is no size there.
    if not {(step, is_full) for step in steps for is_full in (True, False)} <= known:
        return drawn, None
    return drawn | {_AUROC: aurocs[1]}, aurocs[0]


def _of_method(table: pd.DataFrame, key: tuple[Any, ...]) -> pd.DataFrame:
    """Return the rows of a fine-tuning and search method."""
    return table[(table["finetune_seed"] == key[0]) & (table["method"] == key[1])]


def _complete(drawn: pd.DataFrame, grids: Mapping[int, pd.DataFrame]) -> bool:
    """Check that the answers of all systems of the grid were kept."""
    systems = {
        (step, seed, sparsity)
        for step, grid in grids.items()
        for seed, sparsity in [(-1, 0.0), *grid.stack().dropna().index]
    }
    return systems <= set(drawn.columns)


#: From a checkpoint, and accuracies there by seed and sparsity, to each seed's size in draws.
_Draw = Callable[[int, pd.DataFrame], pd.DataFrame]


def _on_examples(drawn: pd.DataFrame, margin: float, step: int, grid: pd.DataFrame) -> pd.DataFrame:
    """Draw each seed's size at a checkpoint, on the same examples for all systems."""
    return paired_sizes(drawn, grid, step, margin)


def _alone(
    bars: pd.Series, variance: pd.Series, seed: int, step: int, grid: pd.DataFrame
) -> pd.DataFrame:
    """Draw each seed's size at a checkpoint, over the threshold's error alone."""
    return drawn_sizes(grid, bars[step], variance[step], [seed, step])


def _answer(
    evidence: Evidence,
    subject: dict,
    accuracies: pd.DataFrame,
    draw: _Draw,
    grids: Mapping[int, pd.DataFrame],
) -> Answer:
    """Answer for one kind of data.

    Args:
        evidence: What was measured.
        subject: What the answer is about.
        accuracies: The full model's, by checkpoint and kind of data.
        draw: Draws each seed's size.
        grids: For each checkpoint subnetworks' accuracies by seed and sparsity.
    """
    margin, data = evidence.margin_points, subject["data"]
    accuracy, judged = accuracies[data], judged_by(accuracies)
    ood = None if judged is None else accuracies[judged]
    levels = next(iter(grids.values())).columns.to_numpy(dtype=np.float64)
    smallest = 100 * (1 - float(levels.max()))
    margins = list(dict.fromkeys((margin, *MARGINS)))
    bars = {(step, m): float(accuracy[step] - m / 100) for m in margins for step in grids}
    size = {(step, m): sizes_of(grids[step], bar) for (step, m), bar in bars.items()}
    drawn = {step: draw(step, grid) for step, grid in grids.items()}
    rows = [
        {
            "checkpoint": step,
            "margin_points": margin,
            "accuracy": float(accuracy[step]),
            "size": mean_size(size[step, margin], drawn[step], smallest),
            "n_seeds": len(grid),
            "n_failed": int((size[step, margin] == 100).sum()),
            "at_most": bool((size[step, margin] <= smallest + EQUAL).any()),
            "meaningful": bool(accuracy[step] >= 3 * margin / 100)
            and bars[step, margin] > _CHANCE.get(data, 0.0),
        }
        for step, grid in grids.items()
    ]
    # Intervals are computed at the study's own margin only.
    at_margins = [
        {
            "checkpoint": step,
            "margin_points": None if m == margin else m,
            "size": mean_size(by_seed, drawn[step] if m == margin else None, smallest),
            "coarse": float(sizes_of(grids[step], bars[step, m], every=2).mean()),
        }
        for (step, m), by_seed in size.items()
    ]
    spans = _spans(rows, ood)
    change = {
        both: _change(both, grids, draw, {step: bars[step, margin] for step in both})
        for both in set(spans.values())
    }
    changes = [
        {
            "over": span,
            "before": before,
            "after": after,
            "points": mean_change(of_span.by_seed, of_span.drawn),
            "n_seeds": len(of_span.by_seed),
            "ood_points": None if ood is None else 100 * float(ood[after] - ood[before]),
        }
        for span, (before, after) in spans.items()
        if len((of_span := change[before, after]).by_seed)
    ]
    whole = change[spans[SPANS[0]]] if SPANS[0] in spans else None
    return Answer(
        subject=subject,
        verdict=_verdict(data, rows, changes, whole, judged),
        rows={
            "effective-size": rows,
            "effective-size-changes": changes,
            "effective-size-margins": at_margins,
        },
    )


class _Change(NamedTuple):
    """How far effective sizes change from one checkpoint to another.

    Args:
        by_seed: Each search's change, per cent of the units.
        drawn: The same in draws of the examples.
        steps: By how many steps between sparsities sizes rise, mean over searches.
        planned: By how many they would, if they fell by ``PLANNED_FALL``.
    """

    by_seed: pd.Series
    drawn: pd.DataFrame
    steps: float
    planned: float


def _change(
    both: tuple[int, int],
    grids: Mapping[int, pd.DataFrame],
    draw: _Draw,
    bars: Mapping[int, float],
) -> _Change:
    """Compare two checkpoints, each search on the sparsities that were measured at both.

    What was measured at one alone would otherwise pass for a change.
    """
    one, other = (grids[step] for step in both)
    one, other = one.align(other, join="inner", axis=0)
    known = one.notna() & other.notna()
    found = [grid.where(known)[known.any(axis=1)] for grid in (one, other)]
    before, after = (sizes_of(grid, bars[step]) for step, grid in zip(both, found, strict=True))
    drawn = [draw(step, grid) for step, grid in zip(both, found, strict=True)]
    levels = one.columns.to_numpy(dtype=np.float64)
    places = [_places(size, levels) for size in (before, after, before - PLANNED_FALL)]
    steps, planned = (float((place - places[0]).mean()) for place in places[1:])
    return _Change(after - before, drawn[1] - drawn[0], steps, planned)


def _places(sizes: pd.Series, sparsities: np.ndarray) -> pd.Series:
    """Return where sizes stand among all that there can be, from the smallest on."""
    possible = np.sort([*100 * (1 - sparsities), 100.0])
    return sizes.map(lambda size: int(np.abs(possible - size).argmin()))


def _spans(rows: list[dict], ood: pd.Series | None) -> dict[str, tuple[int, int]]:
    """Find the first and the last checkpoint of every span that there is."""
    trained = [row["checkpoint"] for row in rows if row["checkpoint"] > 0]
    meaningful = [row["checkpoint"] for row in rows if row["checkpoint"] > 0 and row["meaningful"]]
    rises = np.diff([] if ood is None else ood[trained])
    steepest = int(rises.argmax()) if len(rises) else 0
    steep = trained[steepest : steepest + 2] if len(rises) and rises[steepest] > 0 else []
    spans = zip(SPANS, (trained, meaningful, steep), strict=True)
    return {span: (steps[0], steps[-1]) for span, steps in spans if len(steps) > 1}


def _sources(by_seed: pd.Series, drawn: pd.DataFrame) -> tuple[ErrorSource, ...]:
    """Return what the error of a change comes from."""
    n = len(by_seed)
    seeds, examples = variance_parts(by_seed, drawn) if n > 1 else (np.nan, 0.0)
    return (
        ErrorSource("search seeds", seeds, n, least=_ENOUGH_SEEDS),
        ErrorSource("examples of each case", examples, len(drawn), counted=False),
    )


def _verdict(
    data: str,
    rows: list[dict],
    changes: list[dict],
    whole: _Change | None,
    judged: str | None,
) -> Verdict:
    """Decide on the change from the first to the last trained checkpoint.

    A change of one step between sparsities cannot be distinguished from none.
    """
    on = "by AUROC" if data == _AUROC else f"on {data} data"
    claim = f"the model's effective size {on} falls as it generalises"
    measure = "change of the effective size, % of units"
    change = next((row for row in changes if row["over"] == SPANS[0]), None)
    points: Any = None if change is None else change["points"]
    if whole is None or change is None or change["ood_points"] is None:
        takes = "this takes two trained checkpoints and OOD cases"
        return decide(claim, "", open_because=takes, measure=measure, effect=points)
    first, last = (row for row in rows if row["checkpoint"] in (change["before"], change["after"]))
    falls = points.high < 0 and -whole.steps > 1 + EQUAL
    open_because = ""
    if change["n_seeds"] < _ENOUGH_SEEDS:
        open_because = f"there are fewer than {_ENOUGH_SEEDS} seeds whose searches differ"
    elif not change["ood_points"] > _RISE_POINTS - EQUAL:
        open_because = f"a rise of at least {_RISE_POINTS:g} points is needed"
    elif not (first["meaningful"] and last["meaningful"]):
        open_because = "the margin is not meaningful at one of these steps"
    elif falls and last["at_most"] and data in _BIASED:
        open_because = "in the end even the sparsest passes, which label bias can cause"
    return decide(
        claim,
        f"from step {change['before']} to {change['after']} the size changes by "
        f"{change_text(points, 1)} % of the units, and "
        f"{judged} accuracy by {signed(change['ood_points'], 1)} points",
        supported=falls,
        contradicted=points.low > 0 and whole.steps > 1 + EQUAL,
        open_because=open_because,
        measure=measure,
        effect=points,
        power=outlook(_PLANNED, PLANNED_FALL, *_sources(whole.by_seed, whole.drawn))
        if -whole.planned > 1 + EQUAL
        else f"more sparsities, as {_PLANNED} crosses no two of these",
    )


def _beside(answer: Answer, balanced: Verdict) -> Answer:
    """Decide on adversarial and mixed data only as on balanced data, where there are any.

    On adversarial data a subnetwork biased to the adversarial label is good enough and one biased
    to the other label is not, however well they separate the cases.
    """
    verdict = answer.verdict
    biased = answer.subject["data"] in _BIASED
    if not biased or verdict.decision in (UNDECIDED, balanced.decision):
        return answer
    reason = f"{verdict.reason}; not so on balanced data, so label bias may be the cause"
    return replace(answer, verdict=replace(verdict, decision=UNDECIDED, reason=reason))


def _plan(design: Design) -> str:
    if not design.grid_searches:
        return ""
    few = too_few_planned(design.grid_steps, 2, "trained checkpoints of the grid")
    seeds = design.grid_different
    few = few or too_few_planned(seeds, _ENOUGH_SEEDS, "grid searches with different results")
    error = ErrorSource("search seeds", SEED_SPREAD**2 / max(seeds, 1), seeds)
    if few or found(PLANNED_FALL, error) >= POWER:
        return few
    return f"even if examples added no error, {outlook(_PLANNED, PLANNED_FALL, error)}"


QUESTION = Question(
    key="effective_size",
    asks="Does the model's effective size fall as it generalises?",
    claim="the model's effective size falls as it generalises",
    source="section 6, finding 4",
    page="effective_size",
    subject=_SUBJECT,
    needs=("grid", "grid_predictions", "grid_subnetworks"),
    answer=effective_size,
    tables=TABLES,
    figures=(
        Figure(
            kind="lines",
            table="effective-size-margins",
            columns={"x": "checkpoint", "y": "size", "panel": "data", "detail": "margin_points"},
            title="Effective size over fine-tuning",
            caption=(
                "Per cent of all units in the sparsest subnetwork that is good enough, mean over "
                "search seeds with its 95 % interval. Faint lines: margins of 1 to 5 points."
            ),
        ),
    ),
    limits=(
        "Effective size rests on a margin and on how well the search finds subnetworks.",
        "On adversarial and mixed data label bias can pass for accuracy; balanced data show it.",
        "On shifted data accuracy is all that is measured.",
    ),
    plan=_plan,
)
