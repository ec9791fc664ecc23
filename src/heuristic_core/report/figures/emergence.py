"""When the core's heads enter subnetworks, over checkpoints."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from ..results import Results
from ..table import place
from ..wording import count, level, name, percent
from .canvas import ADVERSARIAL, INK, Drawing, identify, to_svg
from .grid import cell
from .heads import KEPT

_WIDTH, _HEIGHT = 0.62, 0.25


def member_grid(results: Results, found: Mapping[str, Any]) -> Drawing | None:
    """Draw how many subnetworks of each checkpoint keep each head of the final core.

    Args:
        results: The run's results.
        found: One entry of the analysis ``emergence``.

    Returns:
        The figure; ``None`` where there is no core to follow.
    """
    steps = [at["checkpoint"] for at in found["checkpoints"]]
    if not found["members"] or not steps:
        return None
    members = sorted(
        found["members"],
        key=lambda m: tuple(
            step if step is not None else steps[-1] + 1
            for step in (m["in_all_from"], m["in_most_from"])
        ),
    )
    n = len(members)
    figure = Figure(figsize=(_WIDTH * (len(steps) + 3.2), _HEIGHT * (n + 4.6)))
    axis = figure.add_axes((0.0, 0.0, 1.0, 1.0))
    axis.set(xlim=(-2.4, len(steps) + 0.8), ylim=(n + 3.1, -1.5))
    axis.axis("off")
    for y, member in enumerate(members):
        axis.text(-0.12, y + 0.52, name(member["unit"], 20), ha="right", va="center")
        for x, (at, kept) in enumerate(zip(found["checkpoints"], member["kept"], strict=True)):
            of = at["n_subnetworks"]
            cell(axis, x, y, KEPT(kept / of), f"{kept}/{of}", bold=kept == of)
    for x, at in enumerate(found["checkpoints"]):
        for row, share in enumerate((at["share"]["value"], at["share_by_chance"]["expected"])):
            axis.text(
                x + 0.5, n + 1.6 + row, percent(share), ha="center", va="center", fontsize=8.8
            )
        axis.text(x + 0.5, n + 0.5, str(steps[x]), ha="center", va="center")
    for row, words in enumerate(("step", "core kept", "by chance")):
        axis.text(-0.12, n + 0.5 + row + 0.1 * (row > 0), words, ha="right", va="center")
    rise = found["rises_at"]
    if rise is not None:
        _mark_rise(axis, sum(step < rise for step in steps), n, rise)
    where = place(results, {"finetune_seed": found["finetune_seed"], "method": found["method"]})
    title = f"When the core’s heads enter, at {level(found['sparsity'])} sparsity" + (
        f" ({where})" if where else ""
    )
    identity = identify("emergence", found)
    return Drawing(
        identity,
        title,
        "How many of a checkpoint’s subnetworks keep each head of the final core; those kept by "
        "all earliest come first. Core kept: share of the core in one subnetwork, in the mean, "
        "and what it would be if each kept as many heads in every layer at random."
        + (
            f" The line: the area under the curve of a case first rises at step {rise}."
            if rise is not None
            else " The full model’s area under the curve is not seen to rise in any case."
        )
        + (
            " The core is that of the last checkpoint drawn, which therefore keeps all of it."
            if found["from_grid"]
            else ""
        ),
        to_svg(
            figure,
            identity,
            title,
            f"Grid of {count(n, 'head')} by {count(len(steps), 'checkpoint')}. Share of the core "
            f"kept: {percent(found['checkpoints'][0]['share']['value'])} at step {steps[0]}, "
            f"{percent(found['checkpoints'][-1]['share']['value'])} at step {steps[-1]}.",
        ),
    )


def _mark_rise(axis: Axes, x: int, n: int, rise: int) -> None:
    (line,) = axis.plot([x, x], [-0.25, n + 0.1], color=ADVERSARIAL, linewidth=2.2, zorder=5)
    line.set_gid("rise")
    axis.text(
        x,
        -0.75,
        f"OOD rises: {rise}",
        color=INK,
        ha="center",
        va="center",
        fontsize=8.8,
        fontweight="bold",
    )
