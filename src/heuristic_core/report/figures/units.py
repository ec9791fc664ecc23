"""A grid of a model's layers and heads."""

from __future__ import annotations

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from ...units import Unit
from .canvas import axes_of
from .cells import cell, colours, scale
from .look import ORANGE, Look
from .plot import Plot

#: Inches: the least width of a cell, its height, and what a letter takes.
_CELL, _HEIGHT, _LETTER = 0.345, 0.29, 0.07
#: Points: numbers in cells, and headings.
_NUMBER, _HEADING = 7.8, 8.5


def units(plot: Plot, look: Look, into: Axes | None = None) -> Figure:
    """Draw ``value`` as a coloured cell for each ``unit``: layers down, heads across, MLPs beside.

    The columns may also name ``outline`` and ``bold``, columns of yes and no. Colours end at the
    strongest head.
    """
    parsed = plot.texts("unit").map(Unit.parse)
    heads = parsed.map(lambda unit: unit.head is not None)
    n_layers = 1 + max(unit.layer for unit in parsed)
    n_heads = 1 + max((unit.head for unit in parsed if unit.head is not None), default=0)
    written = plot.values.map(plot.short)
    columns = n_heads + (1.9 if not heads.all() else 0.2) + 1.1
    letters = max(map(len, written))
    wanted = max(_CELL, _LETTER * letters + 0.08) * look.scale
    width = wanted if look.width is None else look.width / columns
    fits = look.width is None or width >= look.inches(letters + 1, _NUMBER)
    below = 0.05 if fits else 2.1
    height = _HEIGHT * look.scale * (n_layers + 1.05 + below)
    figure, axis = axes_of(into, (width * columns, look.height or height))
    axis.set(xlim=(-1.1, columns - 1.1), ylim=(n_layers + below, -1.05))
    axis.axis("off")
    for layer in range(n_layers):
        axis.text(
            -0.2, layer + 0.52, f"L{layer}", ha="right", va="center", fontsize=look.points(9.5)
        )
    size = look.points(_HEADING)
    # Headings that would touch are left out.
    every = max(1, -(-look.inches(len(f"H{n_heads - 1}") + 1, _HEADING) // width))
    for head in range(0, n_heads, int(every)):
        axis.text(head + 0.5, -0.4, f"H{head}", ha="center", va="center", fontsize=size)
    if not heads.all():
        axis.text(n_heads + 1.1, -0.4, "MLP", ha="center", va="center", fontsize=size)
    spanned = plot.values[heads] if heads.any() else plot.values
    colour = colours(plot, spanned, look)
    bold, outlined = plot.flags("bold"), plot.flags("outline")
    for row, unit in parsed.items():
        place = (n_heads + 0.6 if unit.head is None else float(unit.head), float(unit.layer))
        cell(
            axis,
            row,
            place,
            colour(plot.values[row]),
            written[row] if fits else "",
            size=look.points(_NUMBER),
            bold=bool(bold[row]),
            outlined=bool(outlined[row]),
            outline=look.colour(ORANGE),
        )
    if not fits:
        scale(axis, plot, spanned, colour, (n_layers + 0.5, n_heads), size)
    return figure
