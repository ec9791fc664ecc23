"""Coloured cells that look the same on a light and a dark page."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pandas as pd
from matplotlib import colormaps
from matplotlib.axes import Axes
from matplotlib.colors import LinearSegmentedColormap
from matplotlib.patches import Rectangle

from .canvas import BLUE, ORANGE

_DARK, _LIGHT = "#26303c", "#ffffff"
#: From what hurts over nothing to what helps.
_BOTH_SIGNS = LinearSegmentedColormap.from_list(
    "both signs", ["#b3480a", ORANGE, "#f3ede6", BLUE, "#1b5c96"]
)


def colours(values: pd.Series, whole: bool, reference: float | None) -> Callable[[float], Any]:
    """Choose the colours of cells.

    Args:
        values: The values that the colours span.
        whole: Whether they are shares that run from 0 to 1.
        reference: Where colours begin; 0 if not given.

    Returns:
        From a value to its colour: orange below and blue above 0 where there are both, else from
        light to dark.
    """
    low = reference or 0.0
    if values.min() < min(low, 0.0):
        most = values.abs().max() or 1.0
        return lambda value: _BOTH_SIGNS(0.5 + 0.5 * max(-1.0, min(1.0, value / most)))
    high = 1.0 if whole else max(values.max(), low)
    span = (high - low) or 1.0
    return lambda value: colormaps["Blues"](max(0.0, min(1.0, (value - low) / span)))


def cell(
    axis: Axes,
    row: int,
    place: tuple[float, float],
    colour: Any,
    text: str,
    *,
    bold: bool = False,
    outlined: bool = False,
    size: float = 8.5,
) -> None:
    """Draw the cell of a row, of width and height 1; its text has the row's id.

    Args:
        axis: The axis.
        row: The row's number.
        place: The cell's upper left corner.
        colour: Its colour, as red, green, blue and more.
        text: What stands in it.
        bold: Whether that is bold.
        outlined: Whether the cell has an outline.
        size: The text's size in points.
    """
    x, y = place
    axis.add_artist(Rectangle((x + 0.03, y + 0.03), 0.94, 0.94, facecolor=colour, linewidth=0))
    red, green, blue = colour[:3]
    dark = 0.299 * red + 0.587 * green + 0.114 * blue < 0.58
    word = axis.text(x + 0.5, y + 0.52, text, ha="center", va="center", fontsize=size)
    word.set(color=_LIGHT if dark else _DARK, fontweight="bold" if bold else "normal")
    word.set_gid(f"row-{row}")
    if outlined:
        frame = axis.add_artist(Rectangle((x + 0.06, y + 0.06), 0.88, 0.88, zorder=3))
        frame.set(facecolor="none", edgecolor=ORANGE, linewidth=2.4)
        frame.set_gid(f"outline-{row}")
