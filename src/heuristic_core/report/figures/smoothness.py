"""Accuracy by sparsity at the checkpoints of the grid."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from ..results import Results
from ..table import place
from ..tables.size import grid_means
from ..wording import count, known, listing, number
from .canvas import (
    ADVERSARIAL,
    FRIENDLY,
    INK,
    NEUTRAL,
    Drawing,
    identify,
    percent_axis,
    to_svg,
)

#: Panels that are drawn at most: the last checkpoints.
MOST_PANELS = 8
_ACROSS = 4
_LINES = {
    "in_domain": ("in-domain", INK, "o", 2.0),
    "adversarial": ("adversarial", ADVERSARIAL, "^", 1.1),
    "friendly": ("friendly", FRIENDLY, "s", 1.1),
    "balanced": ("balanced OOD", NEUTRAL, "D", 2.0),
}
Found = Mapping[str, Any]


def sparsity_panels(results: Results) -> list[Drawing]:
    """Draw for each fine-tuning and method accuracy over sparsities, a panel per checkpoint."""
    together: dict[tuple, list[Found]] = {}
    for found in results.analysis.get("smoothness", ()):
        together.setdefault((found["finetune_seed"], found["method"]), []).append(found)
    means = grid_means(results) if together else pd.DataFrame()
    return [_panels(results, some[-MOST_PANELS:], len(some), means) for some in together.values()]


def _panels(results: Results, some: Sequence[Found], n: int, means: pd.DataFrame) -> Drawing:
    down = -(-len(some) // _ACROSS)
    across = -(-len(some) // down)
    figure = Figure(figsize=(2.35 * across + 0.8, 2.35 * down + 0.5))
    axes = figure.subplots(
        down,
        across,
        sharex=True,
        sharey=True,
        squeeze=False,
        gridspec_kw={"hspace": 0.38, "wspace": 0.1},
    )
    for axis in axes.flat[len(some) :]:
        axis.set_visible(False)
    parts: dict[str, None] = {}
    for axis, found in zip(axes.flat, some, strict=False):
        parts |= dict.fromkeys(_panel(axis, found, means))
    for axis in axes[:, 0]:
        axis.set_ylabel("accuracy")
    for axis in axes.flat[max(0, len(some) - across) : len(some)]:
        axis.set_xlabel("sparsity")
        axis.tick_params(labelbottom=True)
    _legend(figure, axes[0, 0], list(parts))
    where = place(results, {key: some[0][key] for key in ("finetune_seed", "method")})
    title = "Accuracy by sparsity" + (f" ({where})" if where else "")
    identity = identify("sparsity", {key: some[0][key] for key in ("finetune_seed", "method")})
    left_out = f" The last {len(some)} of {n} checkpoints are drawn." if n > len(some) else ""
    return Drawing(
        identity,
        title,
        "Means over search seeds, faint for single seeds; at 0 the full model. Balanced OOD is the "
        "mean of adversarial and friendly accuracy, which a lean to one label cannot raise. The "
        "band marks the two sparsities between which the judged accuracy falls most; above it, "
        f"which shape fits better and by how much in BIC (6 is clear).{left_out}",
        to_svg(figure, identity, title, _description(some)),
    )


def _panel(axis: Axes, found: Found, means: pd.DataFrame) -> list[str]:
    percent_axis(axis, "y")
    mine = means[
        (means["finetune_seed"] == found["finetune_seed"])
        & (means["checkpoint"] == found["checkpoint"])
    ]
    full = mine[mine["kind"] == "full"]
    subnetworks = mine[(mine["kind"] == "subnetwork") & (mine["method"] == found["method"])]
    axis.axvspan(*(100 * s for s in found["steepest"]), color=NEUTRAL, alpha=0.2, linewidth=0)
    drawn = []
    for part, (_, colour, marker, width) in _LINES.items():
        curve = subnetworks.groupby("sparsity")[part].mean().dropna()
        if curve.empty:
            continue
        drawn.append(part)
        if part in ("in_domain", found["data"]):
            for _, one in subnetworks.groupby("seed"):
                axis.plot(
                    100 * one["sparsity"], 100 * one[part], color=colour, linewidth=0.8, alpha=0.3
                )
        if len(full) and known(start := float(full[part].iloc[0])):
            curve = pd.concat([pd.Series({0.0: start}), curve])
        axis.plot(
            100 * curve.index,
            100 * curve,
            color=colour,
            linewidth=width,
            marker=marker,
            markersize=4.5,
            clip_on=False,
        )
    axis.set_xticks([0, 25, 50, 75], ["0 %", "25 %", "50 %", "75 %"])
    axis.tick_params(length=0)
    axis.set_title(
        f"step {found['checkpoint']}", fontsize=10, fontweight="bold", loc="left", pad=16
    )
    axis.text(0, 1.03, _shape(found), transform=axis.transAxes, fontsize=8.2)
    return drawn


def _shape(found: Found) -> str:
    if not known(found["evidence"]):
        return ""
    better = "gentle fall" if found["evidence"] > 0 else "change point"
    return f"{better} better by {number(abs(found['evidence']), 0)}"


def _legend(figure: Figure, axis: Axes, parts: Sequence[str]) -> None:
    handles = []
    for part in parts:
        label, colour, marker, width = _LINES[part]
        handles += axis.plot([], [], marker + "-", color=colour, linewidth=width, label=label)
    figure.legend(
        handles=handles,
        loc="lower center",
        bbox_to_anchor=(0.5, 1.0),
        ncols=len(handles),
        frameon=False,
    )


def _description(some: Sequence[Found]) -> str:
    words = [
        f"at step {found['checkpoint']} {found['data']} accuracy falls by "
        f"{number(found['fall_points']['value'], 0)} points ({_shape(found)})"
        for found in some
    ]
    return f"Lines over sparsity at {count(len(some), 'checkpoint')}: {listing(words)}."
