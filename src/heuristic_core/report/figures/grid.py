"""Coloured cells: one by one, and as a grid of a model's layers and heads."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any

from matplotlib.axes import Axes
from matplotlib.colors import LinearSegmentedColormap
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from .canvas import ADVERSARIAL, FRIENDLY

#: Words on light and on dark cells; cells look the same on a light and a dark page.
DARK, LIGHT = "#26303c", "#ffffff"
_UNIT = re.compile(r"L(\d+)(?:H(\d+)|MLP)")
_CELL = 0.345
#: From harm over nothing to help.
HARM_TO_HELP = LinearSegmentedColormap.from_list(
    "harm to help", ["#b3480a", ADVERSARIAL, "#f3ede6", FRIENDLY, "#1b5c96"]
)


def cell(
    axis: Axes, x: float, y: float, colour: Any, text: str, *, bold: bool = False, size: float = 8.5
) -> None:
    """Draw a cell of one unit's width and height with a word that can be read on its colour."""
    axis.add_patch(Rectangle((x + 0.03, y + 0.03), 0.94, 0.94, facecolor=colour, linewidth=0))
    red, green, blue = colour[:3]
    dark = 0.299 * red + 0.587 * green + 0.114 * blue < 0.58
    axis.text(
        x + 0.5,
        y + 0.52,
        text,
        ha="center",
        va="center",
        fontsize=size,
        color=LIGHT if dark else DARK,
        fontweight="bold" if bold else "normal",
    )


def outline(axis: Axes, x: float, y: float, colour: str) -> None:
    """Outline a cell."""
    axis.add_patch(
        Rectangle(
            (x + 0.06, y + 0.06),
            0.88,
            0.88,
            facecolor="none",
            edgecolor=colour,
            linewidth=2.4,
            zorder=3,
        )
    )


def unit_grid(
    units: Iterable[str], scale: float = 1.0
) -> tuple[Figure, dict[str, tuple[float, int]]]:
    """Make a figure for a grid of layers (down) and heads (across), MLPs beside them.

    Args:
        units: Labels of the units to be drawn.
        scale: How much wider than usual a cell is.

    Returns:
        The figure with one axis, and for each unit the place of its cell.
    """
    found = {unit: match for unit in units if (match := _UNIT.fullmatch(unit))}
    where = {unit: (int(m[1]), None if m[2] is None else int(m[2])) for unit, m in found.items()}
    n_layers = 1 + max((layer for layer, _ in where.values()), default=0)
    n_heads = 1 + max((head for _, head in where.values() if head is not None), default=0)
    mlps = any(head is None for _, head in where.values())
    width = n_heads + (1.9 if mlps else 0.2)
    figure = Figure(figsize=(_CELL * scale * (width + 1.1), _CELL * 0.84 * (n_layers + 1.1)))
    axis = figure.add_axes((0.0, 0.0, 1.0, 1.0))
    axis.set(xlim=(-1.1, width), ylim=(n_layers + 0.05, -1.05))
    axis.axis("off")
    for layer in range(n_layers):
        axis.text(-0.2, layer + 0.52, f"L{layer}", ha="right", va="center")
    for head in range(n_heads):
        axis.text(head + 0.5, -0.4, f"H{head}", ha="center", va="center", fontsize=8.5)
    if mlps:
        axis.text(n_heads + 1.1, -0.4, "MLP", ha="center", va="center", fontsize=8.5)
    places = {
        unit: (n_heads + 0.6 if head is None else float(head), layer)
        for unit, (layer, head) in where.items()
    }
    return figure, places
