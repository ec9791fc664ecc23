"""What the core's heads attend to, and whether they did so before fine-tuning."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from matplotlib.figure import Figure

from ...analysis.patterns import CLEAR
from ..results import Results
from ..table import place
from ..wording import count, known, listing, name, number
from .canvas import ADVERSARIAL, FRIENDLY, INK, Drawing, identify, short, to_svg
from .grid import cell, outline
from .heads import KEPT

Found = Mapping[str, Any]
#: Doublings of attention above chance at which colours end.
_MOST = 4.0


def pattern_maps(results: Results) -> list[Drawing]:
    """Draw the core's heads by patterns, for each suite at the last checkpoint of a fine-tuning."""
    entries = results.analysis.get("patterns", ())
    last: dict[int, int] = {}
    for found in entries:
        seed = found["finetune_seed"]
        last[seed] = max(found["checkpoint"], last.get(seed, 0))
    drawn = [
        _map(results, found, i)
        for i, found in enumerate(entries)
        if found["checkpoint"] == last[found["finetune_seed"]]
    ]
    return [drawing for drawing in drawn if drawing is not None]


def _map(results: Results, found: Found, number_of_entry: int) -> Drawing | None:
    table = results.measurements("attention")
    keys = ["finetune_seed", "checkpoint", "suite", "weighting"]
    rows = table[(table[keys] == [found[key] for key in keys]).all(axis=1)]
    heads = [head for head in found["heads"] if head["in_core"]]
    if not heads or rows.empty:
        return None
    patterns = list(dict.fromkeys(rows["pattern"]))
    scores = rows.pivot_table(index="unit", columns="pattern", values="score", sort=False)
    core = [head["unit"] for head in heads]
    others = scores[~scores.index.isin(core)]
    lines = [(name(unit, 20), scores.loc[unit]) for unit in core if unit in scores.index]
    if len(others):
        lines.append(("other heads, mean", others.mean()))
    types = {name(head["unit"], 20): head["pattern"] for head in heads}
    figure = Figure(figsize=(0.78 * len(patterns) + 1.6, 0.25 * (len(lines) + 2.0)))
    axis = figure.add_axes((0.0, 0.0, 1.0, 1.0))
    axis.set(xlim=(-2.1, len(patterns)), ylim=(len(lines) + 0.2, -1.6))
    axis.axis("off")
    for x, pattern in enumerate(patterns):
        axis.text(x + 0.5, -0.55, short(name(pattern), 12), ha="center", va="center", fontsize=8.8)
    for y, (unit, row) in enumerate(lines):
        axis.text(-0.12, y + 0.52, unit, ha="right", va="center")
        for x, pattern in enumerate(patterns):
            score = row.get(pattern)
            if score is not None and known(float(score)):
                cell(axis, x, y, _colour(float(score)), _times(float(score)))
                if types.get(unit) == pattern:
                    outline(axis, x, y, ADVERSARIAL)
    where = [name(found["suite"]), place(results, found)]
    where += [] if found["weighting"] == "attention" else [name(found["weighting"])]
    title = f"What the core’s heads attend to ({', '.join(w for w in where if w)})"
    identity = f"{identify('attention', found)}-{number_of_entry}"
    return Drawing(
        identity,
        title,
        "Mean attention to a kind of token, in multiples of what uniform attention would give. "
        "Outlined: the kind that names a head’s type, its score clearly above 1.5.",
        to_svg(
            figure,
            identity,
            title,
            f"Heat map of {count(len(core), 'head')} by {count(len(patterns), 'pattern')}. Types: "
            + (listing(f"{name(t)} {n}" for t, n in found["core_types"].items()) or "none")
            + ".",
        ),
    )


def _colour(score: float) -> Any:
    return KEPT(float(np.clip(np.log2(max(score, 1.0)) / _MOST, 0, 1)))


def _times(score: float) -> str:
    return number(score, 1 if score < 9.95 else 0)


def before_and_after(results: Results, found: Found, number_of_entry: int) -> Drawing | None:
    """Draw the scores of the core's heads for repeated tokens before and after fine-tuning.

    Args:
        results: The run's results.
        found: One entry of the analysis ``repeated``.
        number_of_entry: Its number, which tells figures apart.
    """
    heads = sorted(found["heads"], key=lambda head: -head["after"]["value"])
    if not heads:
        return None
    figure = Figure(figsize=(6.4, 0.32 * len(heads) + 0.9))
    axis = figure.add_axes((0.12, 0.0, 0.86, 1.0))
    axis.axvline(CLEAR, color=INK, linewidth=0.9, linestyle=(0, (3, 2)))
    for y, head in enumerate(heads):
        ends = [head[when]["value"] for when in ("before", "after")]
        axis.plot(ends, [y, y], color=INK, linewidth=1, alpha=0.4, zorder=1)
        for when, colour, marker, lift in (
            ("before", FRIENDLY, "s", 0.12),
            ("after", ADVERSARIAL, "o", -0.12),
        ):
            score = head[when]
            if known(score["low"]) and known(score["high"]):
                axis.plot(
                    [score["low"], score["high"]], [y + lift] * 2, color=colour, linewidth=1.2
                )
            axis.plot([score["value"]], [y + lift], marker, color=colour, markersize=6)
    axis.set_ylim(len(heads) - 0.4, -0.6)
    axis.set_yticks(range(len(heads)), [name(head["unit"], 20) for head in heads])
    axis.set_xlim(left=min(0.0, axis.get_xlim()[0]))
    axis.set_xlabel("attention to repeated tokens, times chance")
    axis.grid(True, axis="x", color=INK, alpha=0.13, linewidth=0.6)
    axis.tick_params(length=0)
    handles = [
        axis.plot([], [], "s", color=FRIENDLY, label="before fine-tuning")[0],
        axis.plot([], [], "o", color=ADVERSARIAL, label=f"step {found['checkpoint']}")[0],
    ]
    figure.legend(
        handles=handles, loc="lower center", bbox_to_anchor=(0.55, 1.0), ncols=2, frameon=False
    )
    where = [name(found["suite"]), place(results, found)]
    title = f"Repeated tokens, before and after ({', '.join(w for w in where if w)})"
    identity = f"{identify('repeated', found)}-{number_of_entry}"
    already = count(found["n_already"], "head")
    return Drawing(
        identity,
        title,
        "The core’s heads that clearly attend to repeated tokens after fine-tuning, with 95 % "
        f"intervals; the dashed line is {CLEAR:g} times chance, from which on a head counts.",
        to_svg(
            figure,
            identity,
            title,
            f"{count(len(heads), 'head')}; {already} clearly did so before fine-tuning.",
        ),
    )
