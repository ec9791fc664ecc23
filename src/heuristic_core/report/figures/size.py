"""The effective size over fine-tuning, the full model's accuracy below it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from ..results import Results
from ..table import place
from ..tables.size import DATA
from ..wording import count, known, listing, name, number, percent
from .canvas import (
    ADVERSARIAL,
    INK,
    MIXED,
    NEUTRAL,
    Drawing,
    identify,
    percent_axis,
    step_axis,
    to_svg,
)

_COLOURS = {"id": INK, "adversarial": ADVERSARIAL, "balanced": NEUTRAL, "mixed": MIXED}
_MARKERS = {"id": "o", "adversarial": "^", "balanced": "D", "mixed": "P"}
Size = Mapping[str, Any]


def size_panels(results: Results) -> list[Drawing]:
    """Draw for each fine-tuning and method the effective size on every kind of data."""
    together: dict[tuple, list[Size]] = {}
    for found in results.analysis.get("size", ()):
        together.setdefault((found["finetune_seed"], found["method"]), []).append(found)
    return [_panels(results, sizes) for sizes in together.values()]


def _panels(results: Results, sizes: Sequence[Size]) -> Drawing:
    figure = Figure(figsize=(2.35 * len(sizes) + 0.8, 4.3))
    axes = figure.subplots(
        2,
        len(sizes),
        sharex="col",
        sharey="row",
        squeeze=False,
        gridspec_kw={"height_ratios": (1.5, 1), "hspace": 0.14, "wspace": 0.1},
    )
    for column, found in enumerate(sizes):
        _size(axes[0, column], found)
        _accuracy(axes[1, column], found)
        axes[0, column].set_title(
            DATA.get(found["data"], name(found["data"])), fontsize=10, fontweight="bold", loc="left"
        )
        axes[1, column].set_xlabel("fine-tuning step")
    axes[0, 0].set_ylabel("effective size")
    axes[1, 0].set_ylabel("full model’s\naccuracy")
    figure.align_ylabels(axes[:, 0])
    _legend(figure, axes[0, 0], sizes[0]["margin_points"])
    where = place(
        results, {"finetune_seed": sizes[0]["finetune_seed"], "method": sizes[0]["method"]}
    )
    title = "Effective size over fine-tuning" + (f" ({where})" if where else "")
    identity = identify("size", {key: sizes[0][key] for key in ("finetune_seed", "method")})
    return Drawing(
        identity,
        title,
        "Above: per cent of all units in the sparsest subnetwork that is good enough, mean over "
        "search seeds; bars are 95 % intervals over seeds and examples. Faint lines: the same "
        "at other margins. Hollow: the margin means nothing there, as hardly any accuracy would "
        "fail it. Below: the full model’s accuracy on the same data. Mixed: all ID and adversarial "
        "cases.",
        to_svg(figure, identity, title, _description(sizes)),
    )


def _size(axis: Axes, found: Size) -> None:
    percent_axis(axis, "y")
    colour, marker = _style(found)
    steps = [at["checkpoint"] for at in found["sizes"]]
    main = f"{found['margin_points']:g}"
    for margin in found["sizes"][0]["by_margin"]:
        if margin != main:
            sizes = [at["by_margin"][margin] for at in found["sizes"]]
            axis.plot(steps, sizes, color=colour, linewidth=0.9, alpha=0.35, zorder=2)
    means = [at["size"]["value"] for at in found["sizes"]]
    axis.plot(steps, means, color=colour, linewidth=2.2, zorder=3)
    for i, (step, at) in enumerate(zip(steps, found["sizes"], strict=True)):
        size = at["size"]
        if known(size["low"]) and known(size["high"]):
            axis.plot([step] * 2, [size["low"], size["high"]], color=colour, linewidth=1.3)
        (mark,) = axis.plot(
            [step],
            [size["value"]],
            marker,
            color=colour,
            markersize=6.5,
            markerfacecolor="none" if at["note"] else colour,
            markeredgewidth=1.5,
            clip_on=False,
            zorder=4,
        )
        mark.set_gid(f"{found['data']}-{i + 1}")
    step_axis(axis, steps, 0.2)


def _accuracy(axis: Axes, found: Size) -> None:
    percent_axis(axis, "y")
    colour, marker = _style(found)
    steps = [at["checkpoint"] for at in found["sizes"]]
    accuracies = [100 * at["accuracy"] for at in found["sizes"]]
    axis.plot(steps, accuracies, color=colour, linewidth=1.4, marker=marker, markersize=4.5)
    step_axis(axis, steps, 0.2)


def _style(found: Size) -> tuple[str, str]:
    return _COLOURS.get(found["data"], INK), _MARKERS.get(found["data"], "o")


def _legend(figure: Figure, axis: Axes, margin: float) -> None:
    handles = [
        axis.plot([], [], "o-", color=INK, linewidth=2.2, label=f"margin of {margin:g} points")[0],
        axis.plot([], [], color=INK, linewidth=0.9, alpha=0.35, label="other margins, 1 to 5")[0],
        axis.plot(
            [], [], "o", color=INK, markerfacecolor="none", label="margin means nothing here"
        )[0],
    ]
    figure.legend(
        handles=handles, loc="lower center", bbox_to_anchor=(0.5, 0.96), ncols=3, frameon=False
    )


def _description(sizes: Sequence[Size]) -> str:
    words = []
    for found in sizes:
        first, last = found["sizes"][0], found["sizes"][-1]
        words.append(
            f"on {DATA.get(found['data'], name(found['data']))} data from "
            f"{number(first['size']['value'], 0)} % of the units (accuracy "
            f"{percent(first['accuracy'])}) to {number(last['size']['value'], 0)} % "
            f"({percent(last['accuracy'])})"
        )
    n = count(len(sizes[0]["sizes"]), "checkpoint")
    return f"Effective size over {n}: {listing(words)}."
