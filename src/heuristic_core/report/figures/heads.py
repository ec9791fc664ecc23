"""Which heads and MLPs subnetworks keep, as a grid of layers and heads."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from matplotlib import colormaps
from matplotlib.axes import Axes
from matplotlib.colors import Colormap, LinearSegmentedColormap
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from ..heads import whole_cores
from ..results import Results
from ..table import MODEL, place
from ..wording import count, level, listing
from .canvas import ADVERSARIAL, Drawing, to_svg

_UNIT = re.compile(r"L(\d+)(?:H(\d+)|MLP)")
_CELL = 0.345


def head_grid(results: Results, core: Mapping[str, Any]) -> Drawing:
    """Draw how many subnetworks of one sparsity keep each head and MLP, the core outlined.

    Args:
        results: The run's results.
        core: One entry of the analysis ``core``, of a single sparsity.
    """
    whole = next(c for c in whole_cores(results) if all(c[k] == core[k] for k in MODEL))
    outlined = set(whole["core"])
    places = {unit: _where(unit) for unit in (*core["frequencies"], *core["mlp_frequencies"])}
    n_layers = 1 + max(layer for layer, _ in places.values())
    n_heads = 1 + max(head or 0 for _, head in places.values())
    width = n_heads + (1.9 if core["mlp_frequencies"] else 0.2)
    figure = Figure(figsize=(_CELL * (width + 1.1), _CELL * 0.84 * (n_layers + 1.1)))
    axis = figure.add_axes((0.0, 0.0, 1.0, 1.0))
    axis.set(xlim=(-1.1, width), ylim=(n_layers + 0.05, -1.05))
    axis.axis("off")
    n = core["n_subnetworks"]
    colours = LinearSegmentedColormap.from_list(
        "kept", colormaps["Blues"]([0.03, 0.25, 0.5, 0.75, 1.0])
    )
    for unit, kept in (core["frequencies"] | core["mlp_frequencies"]).items():
        layer, head = places[unit]
        x = n_heads + 0.6 if head is None else float(head)
        _cell(axis, x, layer, kept, n, colours, unit in outlined)
    for layer in range(n_layers):
        axis.text(-0.2, layer + 0.52, f"L{layer}", ha="right", va="center")
    for head in range(n_heads):
        axis.text(head + 0.5, -0.4, f"H{head}", ha="center", va="center", fontsize=8.5)
    if core["mlp_frequencies"]:
        axis.text(n_heads + 1.1, -0.4, "MLP", ha="center", va="center", fontsize=8.5)
    sparsity = level(core["sparsity"])
    where = place(results, core)
    title = f"Kept at {sparsity} sparsity" + (f" ({where})" if where else "")
    method = "".join(c for c in str(core["method"]) if c.isascii() and c.isalnum())
    identity = (
        f"heads-f{core['finetune_seed']}-s{core['checkpoint']}-{method}-"
        f"{100 * core['sparsity']:g}pc"
    ).replace(".", "_")
    shared = listing(core["core"]) or "none"
    return Drawing(
        identity,
        title,
        f"How many of {count(n, 'subnetwork')} keep each head (layers down, heads across) and "
        f"each MLP. Outlined: {_outline(whole, core)}",
        to_svg(
            figure,
            identity,
            title,
            f"Grid of {n_layers} layers by {n_heads} heads. Heads kept by all "
            f"{count(n, 'subnetwork')}: {shared}.",
        ),
    )


def _outline(whole: Mapping[str, Any], core: Mapping[str, Any]) -> str:
    if not whole["core"]:
        return "nothing, as no head is kept by all subnetworks."
    n = whole["n_subnetworks"]
    every = "of all sparsities" if whole["sparsity"] is None else ""
    return f"the heads that all {n} subnetworks {every} keep.".replace("  ", " ")


def _where(unit: str) -> tuple[int, int | None]:
    found = _UNIT.fullmatch(unit)
    assert found is not None, unit
    return int(found[1]), None if found[2] is None else int(found[2])


def _cell(
    axis: Axes, x: float, y: int, kept: int, n: int, colours: Colormap, outlined: bool
) -> None:
    part = kept / n
    axis.add_patch(
        Rectangle((x + 0.03, y + 0.03), 0.94, 0.94, facecolor=colours(part), linewidth=0)
    )
    if outlined:
        axis.add_patch(
            Rectangle(
                (x + 0.06, y + 0.06),
                0.88,
                0.88,
                facecolor="none",
                edgecolor=ADVERSARIAL,
                linewidth=2.4,
                zorder=3,
            )
        )
    axis.text(
        x + 0.5,
        y + 0.52,
        str(kept),
        ha="center",
        va="center",
        fontsize=8.5,
        color="#ffffff" if part > 0.55 else "#26303c",
        fontweight="bold" if kept == n else "normal",
    )
