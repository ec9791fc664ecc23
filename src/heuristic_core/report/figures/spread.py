"""Subnetworks beside the full model: in-domain they agree, on some cases they differ."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from ..results import Results
from ..table import MODEL, place
from ..wording import count, known, level, listing, name, number, percent
from .canvas import (
    ADVERSARIAL,
    FRIENDLY,
    INK,
    NEUTRAL,
    Drawing,
    identify,
    percent_axis,
    short,
    to_svg,
)

#: How many of the widest cases of each kind are drawn.
MOST_CASES = {"adversarial": 12, "friendly": 4}
_HIGHEST, _LOWEST = ("^", ADVERSARIAL), ("v", FRIENDLY)
#: From a row's name to (subnetworks' accuracies by seed, the full model's).
Strip = tuple[str, Mapping[int, float], float]


def strips(results: Results, spread: Mapping[str, Any]) -> Drawing:
    """Draw each subnetwork and the full model as a mark per case, means above.

    Args:
        results: The run's results.
        spread: One entry of the analysis ``spread``.
    """
    groups = [
        (title, some)
        for title, some in [
            ("means over cases", _means(spread)),
            ("adversarial cases, widest first", _cases(results, spread, "adversarial")),
            ("friendly cases, widest first", _cases(results, spread, "friendly")),
        ]
        if some
    ]
    marked = _marked(spread["subnetworks"])
    heights = [len(some) + 0.9 for _, some in groups]
    figure = Figure(figsize=(8.8, 0.29 * sum(heights) + 0.55))
    axes = figure.subplots(
        len(groups),
        1,
        sharex=True,
        squeeze=False,
        gridspec_kw={
            "height_ratios": heights,
            "hspace": 0,
            "left": 0.22,
            "right": 0.99,
            "bottom": 0.0,
            "top": 1.0,
        },
    )[:, 0]
    for axis, (title, some) in zip(axes, groups, strict=True):
        _panel(axis, title, some, marked)
    axes[-1].tick_params(labelbottom=True)
    _legend(figure, axes[0], spread, marked)
    sparsity = level(spread["sparsity"])
    where = place(results, spread)
    identity = identify("spread", spread)
    title = f"Subnetworks at {sparsity} sparsity" + (f" ({where})" if where else "")
    return Drawing(
        identity,
        title,
        _caption(spread, marked),
        to_svg(figure, identity, title, _description(spread)),
    )


def _means(spread: Mapping[str, Any]) -> list[Strip]:
    found: list[Strip] = []
    for key, title in (
        ("in_domain", "in-domain"),
        ("adversarial", "adversarial"),
        ("friendly", "friendly"),
    ):
        if known(spread["full"][key]):
            values = {s["seed"]: s[key] for s in spread["subnetworks"] if known(s[key])}
            found.append((title, values, spread["full"][key]))
    return found


def _cases(results: Results, spread: Mapping[str, Any], kind: str) -> list[Strip]:
    wanted = [case for case in spread["cases"] if case["case_kind"] == kind][: MOST_CASES[kind]]
    rows = results.evaluations
    chosen = rows["kind"] == "subnetwork"
    for key in (*MODEL, "sparsity"):
        chosen &= rows[key] == spread[key]
    mine = rows[chosen]
    return [(name(case["case"]), _accuracies(mine, case), case["full"]) for case in wanted]


def _accuracies(rows: pd.DataFrame, case: Mapping[str, Any]) -> dict[int, float]:
    some = rows[(rows["suite"] == case["suite"]) & (rows["case"] == case["case"])]
    shares = some["correct"] / some["n"]
    return {int(s): float(v) for s, v in zip(some["seed"], shares, strict=True)}


def _marked(subnetworks: Sequence[Mapping[str, Any]]) -> dict[int, tuple[str, str]]:
    """Pick out the subnetworks best and worst on adversarial cases, to be followed down."""
    ranked = sorted(
        (s for s in subnetworks if known(s["adversarial"])),
        key=lambda s: (s["adversarial"], s["seed"]),
    )
    if len(ranked) < 3 or ranked[0]["adversarial"] == ranked[-1]["adversarial"]:
        return {}
    return {ranked[-1]["seed"]: _HIGHEST, ranked[0]["seed"]: _LOWEST}


def _panel(
    axis: Axes, title: str, some: Sequence[Strip], marked: Mapping[int, tuple[str, str]]
) -> None:
    percent_axis(axis)
    axis.spines["left"].set_visible(False)
    axis.spines["bottom"].set_visible(False)
    axis.set_ylim(len(some) - 0.35, -1.3)
    axis.set_yticks(range(len(some)), [short(text) for text, _, _ in some])
    axis.text(-2.5, -0.84, title, fontweight="bold", va="center")
    axis.tick_params(labelbottom=False)
    for y, (_, values, full) in enumerate(some):
        if values:
            ends = [100 * min(values.values()), 100 * max(values.values())]
            axis.plot(ends, [y, y], color=NEUTRAL, linewidth=6, alpha=0.25, solid_capstyle="round")
        for seed, (x, lift) in _swarm(values).items():
            shape, colour = marked.get(seed, ("o", NEUTRAL))
            front = seed in marked
            axis.plot(
                [x],
                [y - lift],
                shape,
                color=colour,
                markersize=6.2 if front else 4.8,
                alpha=1 if front else 0.8,
                markeredgewidth=0,
                zorder=4 if front else 3,
            )
        axis.plot(
            [100 * full],
            [y],
            "D",
            markersize=7.5,
            markerfacecolor="none",
            markeredgecolor=INK,
            markeredgewidth=1.6,
            zorder=5,
        )


def _swarm(values: Mapping[int, float]) -> dict[int, tuple[float, float]]:
    """Give each mark a place: its accuracy, and a small lift where marks would cover each other."""
    places: dict[int, tuple[float, float]] = {}
    for seed, value in sorted(values.items(), key=lambda item: (item[1], item[0])):
        x = 100 * value
        taken = {lift for other, lift in places.values() if abs(other - x) < 0.9}
        lifts = [0.0, 0.2, -0.2, 0.38, -0.38]
        places[seed] = (x, next((lift for lift in lifts if lift not in taken), 0.0))
    return places


def _legend(
    figure: Figure, axis: Axes, spread: Mapping[str, Any], marked: Mapping[int, tuple[str, str]]
) -> None:
    entries = [("D", INK, "full model", "none"), ("o", NEUTRAL, "subnetwork", NEUTRAL)]
    for seed, (shape, colour) in marked.items():
        end = "highest" if shape == "^" else "lowest"
        entries.append((shape, colour, f"seed {seed}: {end} adversarial mean", colour))
    handles = [
        axis.plot([], [], shape, color=colour, markerfacecolor=fill, markersize=6.5, label=text)[0]
        for shape, colour, text, fill in entries
    ]
    figure.legend(
        handles=handles,
        loc="lower center",
        bbox_to_anchor=(0.55, 1.0),
        ncols=len(entries),
        frameon=False,
        handletextpad=0.3,
        columnspacing=1.6,
        bbox_transform=figure.transFigure,
    )


def _caption(spread: Mapping[str, Any], marked: Mapping[int, tuple[str, str]]) -> str:
    drawn = {
        kind: min(limit, sum(case["case_kind"] == kind for case in spread["cases"]))
        for kind, limit in MOST_CASES.items()
    }
    shown = [f"the {n} widest {kind} cases" for kind, n in drawn.items() if n > 1]
    shown += [f"the one {kind} case" for kind, n in drawn.items() if n == 1]
    text = (
        f"Accuracy of {count(len(spread['subnetworks']), 'subnetwork')} and of the full model: "
        f"{listing(['means over cases', *shown])}. The band spans the lowest to the highest "
        "subnetwork; marks that would cover each other are moved up or down a little."
    )
    if marked:
        text += (
            " The subnetworks highest and lowest in adversarial mean are marked throughout, so "
            "that it shows whether the same ones lead everywhere."
        )
    return text


def _description(spread: Mapping[str, Any]) -> str:
    systems = spread["subnetworks"]
    parts = []
    for _, values, full in _means(spread)[:1]:
        parts.append(
            f"In-domain, {count(len(systems), 'subnetwork')} reach {percent(min(values.values()))} "
            f"to {percent(max(values.values()))}, the full model {percent(full)}."
        )
    if spread["cases"]:
        top = spread["cases"][0]
        parts.append(
            f"The widest case, {name(top['case'])}, spans {number(top['span_points'], 0)} points."
        )
    return " ".join(parts)
