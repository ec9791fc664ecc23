"""How faithful subnetworks are that may not use the heads of another one."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pandas as pd
from matplotlib.figure import Figure

from ...analysis.accuracies import full_model, part_means
from ..results import Results
from ..table import MODEL, place
from ..wording import count, known, level, number, percent, share
from .canvas import INK, NEUTRAL, Drawing, identify, to_svg


def complements(results: Results, found: Mapping[str, Any]) -> Drawing | None:
    """Draw in-domain accuracy against the share of another subnetwork's heads that is forbidden.

    Args:
        results: The run's results.
        found: One entry of the analysis ``disjoint``.

    Returns:
        The figure; ``None`` where the full model was not measured on the same sample.
    """
    rows = results.measurements("disjoint")
    keys = [*MODEL, "sparsity"]
    rows = rows[(rows[keys] == [found[key] for key in keys]).all(axis=1) & (rows["role"] == "id")]
    whole = full_model(results.measurements("grid"), found["finetune_seed"], found["checkpoint"])
    if rows.empty or whole.empty:
        return None
    full = 100 * float(part_means(whole)["in_domain"].iloc[0])
    accuracy = part_means(rows, ["seed", "forbidden", "heads"])["in_domain"].reset_index()
    # A control without heads may stand beside a subnetwork of the same seed and share.
    accuracy["control"] = (accuracy["heads"] == 0) & accuracy.duplicated(
        ["seed", "forbidden"], keep=False
    )
    levels = sorted(accuracy["forbidden"].unique())
    figure = Figure(figsize=(5.6, 3.4))
    axis = figure.add_axes((0.12, 0.15, 0.66, 0.82))
    margin = found["margin_points"]
    band = axis.axhspan(full - margin, full + margin, color=NEUTRAL, alpha=0.22, linewidth=0)
    band.set_gid("margin")
    axis.axhline(full, color=INK, linewidth=1, linestyle=(0, (4, 2)))
    _label(axis, full, f"full model {number(full)} %")
    searched, controls = (accuracy[accuracy["control"] == control] for control in (False, True))
    _marks(axis, searched, levels, INK, "o")
    means = searched.groupby("forbidden")["in_domain"].mean()
    axis.plot([levels.index(x) for x in means.index], 100 * means, color=INK, linewidth=2.2)
    low, high = axis.get_ylim()
    if len(controls):
        without = 100 * float(controls["in_domain"].mean())
        words = f"without any heads\n{number(without)} %"
        # A control far off would leave no room for the others.
        if without >= low - 2 * margin:
            _marks(axis, controls, levels, NEUTRAL, "s")
            _label(axis, without, words)
        else:
            _label(axis, low + 0.04 * (high - low), f"below: {words}")
            axis.set_ylim(low, high)
    axis.set_xlim(-0.4, len(levels) - 0.6)
    axis.set_xticks(range(len(levels)), [f"{share(x, 0)} %" for x in levels])
    axis.set_xlabel("heads of the other subnetwork that are forbidden")
    axis.set_ylabel("in-domain accuracy, %")
    axis.grid(True, axis="y", color=INK, alpha=0.13, linewidth=0.6)
    axis.tick_params(length=0)
    where = place(results, found)
    title = f"Without another one’s heads, at {level(found['sparsity'])} sparsity" + (
        f" ({where})" if where else ""
    )
    identity = identify("disjoint", found)
    return Drawing(
        identity,
        title,
        f"Each mark is a subnetwork, the line their mean; the grey band is the margin of "
        f"{margin:g} points around the full model’s accuracy. At 0 % are the subnetworks whose "
        f"heads are forbidden to the right.{_nearest(found)}",
        to_svg(
            figure,
            identity,
            title,
            f"In-domain accuracy of {count(len(accuracy), 'subnetwork')}: the full model "
            f"{percent(full / 100, 1)}; "
            + ", ".join(f"{share(x, 0)} % forbidden {percent(y, 1)}" for x, y in means.items())
            + ".",
        ),
    )


def _marks(axis: Any, some: pd.DataFrame, levels: list[float], colour: str, marker: str) -> None:
    for forbidden, at in some.groupby("forbidden"):
        ordered = at.sort_values("seed")
        # Side by side, as several may be equally good.
        shifts = [0.05 * (i - (len(ordered) - 1) / 2) for i in range(len(ordered))]
        (dots,) = axis.plot(
            [levels.index(forbidden) + shift for shift in shifts],
            100 * ordered["in_domain"],
            marker,
            color=colour,
            markersize=6,
            alpha=0.85,
            markeredgewidth=0,
        )
        dots.set_gid(f"{marker}-forbidden-{levels.index(forbidden)}")


def _label(axis: Any, y: float, text: str) -> None:
    axis.text(1.02, y, text, va="center", transform=axis.get_yaxis_transform(), fontsize=8.8)


def _nearest(found: Mapping[str, Any]) -> str:
    pair = found["nearest"]
    if pair is None or not known(pair["jaccard"]):
        return " No two of them are both within the margin."
    return (
        f" The most nearly disjoint pair within the margin (seed {pair['seed']}) shares "
        f"{count(pair['shared_heads'], 'head')} of {pair['found']['heads']} and "
        f"{pair['other']['heads']}."
    )
