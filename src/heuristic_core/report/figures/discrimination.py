"""What subnetworks tell apart, and how they lean, case by case."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from ..results import Results
from ..table import MODEL, place
from ..wording import count, known, level, name, number
from .canvas import INK, NEUTRAL, Drawing, identify, short, to_svg

#: Cases that are drawn at most, the widest in area.
MOST_CASES = 10
_COLUMNS = {"auc": "area under the curve", "bias": "bias (lean to a label), nats"}


def auc_and_bias(results: Results, found: Mapping[str, Any]) -> Drawing | None:
    """Draw each subnetwork's area under the curve and bias as marks, mean and case by case.

    Args:
        results: The run's results.
        found: One entry of the analysis ``discrimination``.

    Returns:
        The figure; ``None`` where the measurements are not there.
    """
    table = results.measurements("discrimination")
    mine = table[(table["kind"] == "subnetwork") & _same(table, found, (*MODEL, "sparsity"))]
    full = table[(table["kind"] == "full") & _same(table, found, MODEL[:2])]
    if mine.empty:
        return None
    cases = [(case["suite"], case["case"]) for case in found["cases"][:MOST_CASES]]
    labels = ["mean over cases", *(short(name(case)) for _, case in cases)]
    figure = Figure(figsize=(8.8, 0.29 * len(labels) + 0.75))
    axes = figure.subplots(
        1, 2, sharey=True, gridspec_kw={"left": 0.22, "right": 0.99, "wspace": 0.12}
    )
    for axis, column in zip(axes, _COLUMNS, strict=True):
        rows = [(mine.groupby("seed")[column].mean(), full[column])]
        rows += [
            (_of(mine, case).set_index("seed")[column], _of(full, case)[column]) for case in cases
        ]
        _strips(axis, column, [(some.dropna().tolist(), whole.mean()) for some, whole in rows])
    axes[0].set_yticks(range(len(labels)), labels)
    axes[0].get_yticklabels()[0].set_fontweight("bold")
    handles = [
        axes[0].plot([], [], "D", color=INK, markerfacecolor="none", label="full model")[0],
        axes[0].plot([], [], "o", color=NEUTRAL, label="subnetwork")[0],
    ]
    figure.legend(
        handles=handles,
        loc="lower center",
        bbox_to_anchor=(0.55, 0.92),
        ncols=2,
        frameon=False,
        handletextpad=0.3,
    )
    where = place(results, found)
    title = f"Telling cases apart, at {level(found['sparsity'])} sparsity" + (
        f" ({where})" if where else ""
    )
    identity = identify("discrimination", found)
    auc = found["auc"]["value"]
    return Drawing(
        identity,
        title,
        "Left: probability that an example of an adversarial case scores higher than a friendly "
        "one of its group; 0.5, dashed, is chance. Right: mean score of both sides; right of 0 a "
        "lean to the adversarial label. Subnetworks that only lean differ on the right but not on "
        "the left."
        + (
            f" The {MOST_CASES} cases of the widest areas, of {len(found['cases'])}."
            if len(found["cases"]) > MOST_CASES
            else ""
        ),
        to_svg(
            figure,
            identity,
            title,
            f"Strips of {count(found['n_subnetworks'], 'subnetwork')} over "
            f"{count(len(cases), 'case')}. Mean area {number(auc, 2)}"
            + (f", the full model’s {number(found['full'], 2)}." if known(found["full"]) else "."),
        ),
    )


def _same(table: pd.DataFrame, found: Mapping[str, Any], keys: Sequence[str]) -> pd.Series:
    return (table[list(keys)] == [found[key] for key in keys]).all(axis=1)


def _of(table: pd.DataFrame, case: tuple[str, str]) -> pd.DataFrame:
    return table[(table["suite"] == case[0]) & (table["case"] == case[1])]


def _strips(axis: Axes, column: str, rows: Sequence[tuple[list[float], float]]) -> None:
    neutral = 0.5 if column == "auc" else 0.0
    axis.axvline(neutral, color=INK, linewidth=0.9, linestyle=(0, (3, 2)), alpha=0.7)
    for y, (values, whole) in enumerate(rows):
        if values:
            axis.plot(
                [min(values), max(values)],
                [y, y],
                color=NEUTRAL,
                linewidth=6,
                alpha=0.25,
                solid_capstyle="round",
            )
        (dots,) = axis.plot(
            values,
            [y] * len(values),
            "o",
            color=NEUTRAL,
            markersize=4.8,
            alpha=0.8,
            markeredgewidth=0,
        )
        dots.set_gid(f"{column}-{y}")
        if known(whole):
            axis.plot(
                [whole],
                [y],
                "D",
                markersize=7.5,
                markerfacecolor="none",
                markeredgecolor=INK,
                markeredgewidth=1.6,
            )
    axis.set_ylim(len(rows) - 0.4, -0.6)
    if column == "auc":
        low = min([0.5, *(v for values, w in rows for v in (*values, w) if known(v))])
        axis.set_xlim(low - 0.03, 1.02)
    axis.grid(True, axis="x", color=INK, alpha=0.13, linewidth=0.6)
    axis.set_axisbelow(True)
    axis.tick_params(length=0)
    for side in ("left", "bottom"):
        axis.spines[side].set_visible(False)
    axis.set_xlabel(_COLUMNS[column])
