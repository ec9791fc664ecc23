"""Coloured cells that look the same on a light and a dark page."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pandas as pd
from matplotlib import colormaps
from matplotlib.axes import Axes
from matplotlib.colors import LinearSegmentedColormap
from matplotlib.patches import Rectangle

from .look import BLUE, ORANGE, Look
from .plot import Plot

_DARK, _LIGHT = "#26303c", "#ffffff"
#: How many cells the scale of colours has.
_STEPS = 5


def colours(plot: Plot, values: pd.Series, look: Look) -> Callable[[float], Any]:
    """Choose the colours of cells.

    Args:
        plot: What is drawn.
        values: The values that the colours span.
        look: The figure's look.

    Returns:
        From a value to its colour: orange below and blue above 0 where there are both, else from
        light to dark.
    """
    low, high = spanned(plot, values)
    if low < 0 and low == -high:
        orange, blue = look.colour(ORANGE), look.colour(BLUE)
        # From what hurts over nothing to what helps.
        dark = ["#b3480a"] if orange == ORANGE else [], ["#1b5c96"] if blue == BLUE else []
        both = LinearSegmentedColormap.from_list(
            "both signs", [*dark[0], orange, "#f3ede6", blue, *dark[1]]
        )
        return lambda value: both(0.5 + 0.5 * max(-1.0, min(1.0, value / high)))
    span = (high - low) or 1.0
    ramp = colormaps["Blues"]
    if look.colour(BLUE) != BLUE:
        ramp = LinearSegmentedColormap.from_list("one colour", ["#ffffff", look.colour(BLUE)])
    return lambda value: ramp(max(0.0, min(1.0, (value - low) / span)))


def spanned(plot: Plot, values: pd.Series) -> tuple[float, float]:
    """Return the values at both ends of the colours."""
    low = plot.reference or 0.0
    if values.min() < min(low, 0.0):
        most = float(values.abs().max() or 1.0)
        return -most, most
    return low, 1.0 if plot.whole else float(max(values.max(), low))


def scale(
    axis: Axes,
    plot: Plot,
    values: pd.Series,
    colour: Callable[[float], Any],
    place: tuple[float, float],
    size: float,
) -> None:
    """Draw a scale of colours, where cells are too narrow for their numbers.

    Args:
        axis: The axis.
        plot: What is drawn.
        values: The values that the colours span.
        colour: From a value to its colour.
        place: The upper left corner of the scale, and its width, in cells.
        size: The size of its text in points.
    """
    low, high = spanned(plot, values)
    (top, width), step = place, place[1] / _STEPS
    for i in range(_STEPS):
        value = low + (high - low) * i / (_STEPS - 1)
        axis.add_artist(Rectangle((i * step, top), step, 0.6, facecolor=colour(value), linewidth=0))
    for x, value, side in ((0.0, low, "left"), (width, high, "right")):
        axis.text(x, top + 0.75, plot.written(value), ha=side, va="top", fontsize=size)


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
    outline: str = ORANGE,
) -> None:
    """Draw the cell of a row, of width and height 1; its text has the row's id.

    Args:
        axis: The axis.
        row: The row's number.
        place: The cell's upper left corner.
        colour: Its colour, as red, green, blue and more.
        text: What stands in it; the cell itself has the row's id if nothing does.
        bold: Whether that is bold.
        outlined: Whether the cell has an outline.
        size: The text's size in points.
        outline: The outline's colour.
    """
    x, y = place
    ground = Rectangle((x + 0.03, y + 0.03), 0.94, 0.94, facecolor=colour, linewidth=0)
    axis.add_artist(ground)
    red, green, blue = colour[:3]
    dark = 0.299 * red + 0.587 * green + 0.114 * blue < 0.58
    if text:
        word = axis.text(x + 0.5, y + 0.52, text, ha="center", va="center", fontsize=size)
        word.set(color=_LIGHT if dark else _DARK, fontweight="bold" if bold else "normal")
        word.set_gid(f"row-{row}")
    else:
        ground.set_gid(f"row-{row}")
    if outlined:
        frame = axis.add_artist(Rectangle((x + 0.06, y + 0.06), 0.88, 0.88, zorder=3))
        frame.set(facecolor="none", edgecolor=outline, linewidth=2.4 if text else 1.4)
        frame.set_gid(f"outline-{row}")
