"""The full model over fine-tuning: means as lines, every case as a row of a heat map."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from matplotlib import colormaps
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from ..results import Results
from ..table import place
from ..tables.accuracies import mean_curves, part_of
from ..wording import count, known, listing, name, percent
from .canvas import ADVERSARIAL, COLOURS, MARKERS, Drawing, percent_axis, short, spaced, to_svg

Curves = Mapping[str, Any]
PARTS = ("id", "adversarial", "friendly")
_TITLES = {"id": "in-domain", "adversarial": "adversarial", "friendly": "friendly"}
#: Rising cases that are drawn one by one; more would hide each other.
MOST_RISING = 4


def line_panel(results: Results, curves: Curves) -> Drawing | None:
    """Draw the means over fine-tuning and the adversarial cases that rise most.

    Args:
        results: The run's results.
        curves: One fine-tuning's entry of the analysis ``curves``.

    Returns:
        The figure; ``None`` if there is only one checkpoint.
    """
    rows = mean_curves(curves)
    if len(rows) < 2:
        return None
    steps = [row["checkpoint"] for row in rows]
    figure = Figure(figsize=(8.6, 3.9))
    axis = figure.add_axes((0.07, 0.13, 0.62, 0.84))
    percent_axis(axis, "y")
    labels: list[tuple[float, str, str, bool]] = []
    rising = most_rising(curves)
    for curve in rising:
        x = [point["checkpoint"] for point in curve["points"]]
        y = [100 * point["accuracy"] for point in curve["points"]]
        axis.plot(
            x, y, color=ADVERSARIAL, linewidth=1, linestyle=(0, (3, 2)), alpha=0.85, clip_on=False
        )
        labels.append((y[-1], short(name(curve["case"]), 30), ADVERSARIAL, False))
    for part in PARTS:
        points = [(row["checkpoint"], 100 * row[part]) for row in rows if known(row[part])]
        if points:
            x, y = (list(values) for values in zip(*points, strict=True))
            axis.plot(
                x,
                y,
                color=COLOURS[part],
                linewidth=2.2,
                marker=MARKERS[part],
                markersize=5.5,
                clip_on=False,
            )
            final = f"{_TITLES[part]}, mean  {y[-1]:.0f} %"
            labels.append((y[-1], final, COLOURS[part], True))
    _label_ends(axis, labels, steps[-1])
    axis.set_xlim(steps[0], steps[-1])
    axis.set_xticks(spaced(steps, 0.07 * (steps[-1] - steps[0])))
    axis.set_xlabel("fine-tuning step")
    identity = f"curves-f{curves['finetune_seed']}"
    where = _where(results, curves)
    caption = "Accuracy of the full model at each checkpoint: means over cases" + (
        f", and dashed {_most(curves)}adversarial {'cases' if len(rising) > 1 else 'case'} "
        "whose area under the curve against friendly cases rises beyond sampling noise."
        if rising
        else "; in no adversarial case does the area under the curve rise beyond sampling noise."
        if any(part_of(curve) == "adversarial" for curve in curves["curves"])
        else "."
    )
    last = rows[-1]
    ends = [f"{_TITLES[p]} {percent(last[p])}" for p in PARTS if known(last[p])]
    return Drawing(
        identity,
        f"Accuracy over fine-tuning{where}",
        caption,
        to_svg(
            figure,
            identity,
            f"Accuracy over fine-tuning{where}",
            f"Lines over {count(len(steps), 'checkpoint')} from step {steps[0]} to {steps[-1]}. "
            f"At the last: {listing(ends)}.",
        ),
    )


def most_rising(curves: Curves) -> list[Mapping[str, Any]]:
    """Give the adversarial cases that rise most, at most ``MOST_RISING``, highest gain first."""

    def gain(curve: Mapping[str, Any]) -> float:
        trained = [p["accuracy"] for p in curve["points"] if p["checkpoint"] > 0]
        return trained[-1] - min(trained)

    return sorted(_rising(curves), key=lambda curve: (-gain(curve), curve["case"]))[:MOST_RISING]


def heat_map(results: Results, curves: Curves) -> Drawing:
    """Draw every case's accuracy at every checkpoint, grouped by kind, best at the end first.

    Args:
        results: The run's results.
        curves: One fine-tuning's entry of the analysis ``curves``.
    """
    steps = sorted({point["checkpoint"] for c in curves["curves"] for point in c["points"]})
    groups = [
        (part, sorted(some, key=lambda c: (-c["points"][-1]["accuracy"], c["case"])))
        for part in PARTS
        if (some := [curve for curve in curves["curves"] if part_of(curve) == part])
    ]
    n_rows = sum(len(some) for _, some in groups) + 1.25 * len(groups)
    # Wide enough cells for "100", but no wider than a page for many checkpoints.
    cell = min(0.62, 6.4 / len(steps))
    figure = Figure(figsize=(cell * len(steps) + 2.5, 0.225 * n_rows + 0.55))
    axis = figure.add_axes((0.0, 0.0, 1.0, 1.0))
    axis.set(xlim=(-0.02 - 2.5 / cell, len(steps)), ylim=(n_rows + 1.6, -0.1))
    axis.axis("off")
    values = len(steps) <= 16
    top = 0.0
    for part, some in groups:
        axis.text(
            0,
            top + 0.78,
            _heading(part, len(some)),
            fontweight="bold",
            color=COLOURS[part],
            fontsize=9.5,
        )
        top += 1.25
        for curve in some:
            axis.text(-0.12, top + 0.5, short(name(curve["case"])), ha="right", va="center")
            for point in curve["points"]:
                _cell(axis, steps.index(point["checkpoint"]), top, point["accuracy"], values)
            top += 1
    for x in spaced(range(len(steps)), 0.11 * len(str(steps[-1])) / cell):
        axis.text(x + 0.5, top + 0.62, str(steps[x]), ha="center", va="center")
    axis.text(-0.12, top + 0.62, "fine-tuning step", ha="right", va="center")
    identity = f"cases-f{curves['finetune_seed']}"
    where = _where(results, curves)
    finals = [c["points"][-1]["accuracy"] for part, some in groups if part != "id" for c in some]
    return Drawing(
        identity,
        f"Every case at every checkpoint{where}",
        "Accuracy in per cent; light is high. Within each group, the case with the highest final "
        "accuracy comes first. Adversarial cases are those on which a shallow heuristic gives the "
        "wrong answer, friendly cases those on which it gives the right one.",
        to_svg(
            figure,
            identity,
            f"Every case at every checkpoint{where}",
            f"Heat map of {count(len(curves['curves']), 'case')} by "
            f"{count(len(steps), 'checkpoint')}."
            + (
                f" Final out-of-domain accuracies run from {percent(min(finals))} to "
                f"{percent(max(finals))}."
                if finals
                else ""
            ),
        ),
    )


def _cell(axis: Axes, x: int, y: float, accuracy: float, with_value: bool) -> None:
    colour = colormaps["cividis"](accuracy)
    axis.add_patch(Rectangle((x + 0.02, y + 0.04), 0.96, 0.92, facecolor=colour, linewidth=0))
    if with_value:
        ink = "#ffffff" if accuracy < 0.5 else "#101010"
        axis.text(
            x + 0.5,
            y + 0.53,
            f"{100 * accuracy:.0f}",
            color=ink,
            ha="center",
            va="center",
            fontsize=8.5,
        )


def _heading(part: str, n: int) -> str:
    return f"{_TITLES[part]} ({count(n, 'case')})"


def _rising(curves: Curves) -> list[Mapping[str, Any]]:
    return [
        curve
        for curve in curves["curves"]
        if part_of(curve) == "adversarial" and curve["rises_at"] is not None
    ]


def _most(curves: Curves) -> str:
    n = len(_rising(curves))
    return f"the {MOST_RISING} of {n} " if n > MOST_RISING else "the "


def _where(results: Results, curves: Curves) -> str:
    where = place(results, {"finetune_seed": curves["finetune_seed"]})
    return f" ({where})" if where else ""


def _label_ends(axis: Axes, labels: list[tuple[float, str, str, bool]], last: int) -> None:
    """Write each line's name beside its end, moved apart where ends are close."""
    gap = 6.2
    ordered = sorted(labels, key=lambda label: label[0])
    places = np.array([label[0] for label in ordered], dtype=float)
    for _ in range(200):
        close = np.flatnonzero(np.diff(places) < gap - 1e-6)
        if not len(close):
            break
        for i in close:
            push = (gap - (places[i + 1] - places[i])) / 2
            places[i] -= push
            places[i + 1] += push
        places += max(0.0, -places[0]) - max(0.0, places[-1] - 100)
    transform = axis.get_yaxis_transform()
    for y, (end, text, colour, bold) in zip(places, ordered, strict=True):
        axis.plot(
            [1.005, 1.035],
            [end, y],
            color=colour,
            linewidth=0.8,
            transform=transform,
            clip_on=False,
            alpha=0.8,
        )
        axis.text(
            1.045,
            y,
            text,
            color=colour,
            va="center",
            transform=transform,
            fontweight="bold" if bold else "normal",
            fontsize=9.5 if bold else 8.8,
        )
