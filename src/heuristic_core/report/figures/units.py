"""A grid of a model's layers and heads."""

from __future__ import annotations

from matplotlib.figure import Figure

from ...units import Unit
from .cells import cell, colours
from .plot import Plot

#: Inches: the least width of a cell, its height, and what a letter takes.
_CELL, _HEIGHT, _LETTER = 0.345, 0.29, 0.07


def units(plot: Plot) -> Figure:
    """Draw ``value`` as a coloured cell for each ``unit``: layers down, heads across, MLPs beside.

    The columns may also name ``outline`` and ``bold``, columns of yes and no. Colours end at the
    strongest head.
    """
    parsed = plot.texts("unit").map(Unit.parse)
    heads = parsed.map(lambda unit: unit.head is not None)
    n_layers = 1 + max(unit.layer for unit in parsed)
    n_heads = 1 + max((unit.head for unit in parsed if unit.head is not None), default=0)
    written = plot.values.map(plot.short)
    width = max(_CELL, _LETTER * max(map(len, written)) + 0.08)
    columns = n_heads + (1.9 if not heads.all() else 0.2)
    figure = Figure(figsize=(width * (columns + 1.1), _HEIGHT * (n_layers + 1.1)))
    axis = figure.add_axes((0.0, 0.0, 1.0, 1.0))
    axis.set(xlim=(-1.1, columns), ylim=(n_layers + 0.05, -1.05))
    axis.axis("off")
    for layer in range(n_layers):
        axis.text(-0.2, layer + 0.52, f"L{layer}", ha="right", va="center")
    for head in range(n_heads):
        axis.text(head + 0.5, -0.4, f"H{head}", ha="center", va="center", fontsize=8.5)
    if not heads.all():
        axis.text(n_heads + 1.1, -0.4, "MLP", ha="center", va="center", fontsize=8.5)
    spanned = plot.values[heads] if heads.any() else plot.values
    colour = colours(spanned, plot.whole, plot.reference)
    bold, outlined = plot.flags("bold"), plot.flags("outline")
    for row, unit in parsed.items():
        place = (n_heads + 0.6 if unit.head is None else float(unit.head), float(unit.layer))
        marked = {"bold": bool(bold[row]), "outlined": bool(outlined[row])}
        shade = colour(plot.values[row])
        cell(axis, row, place, shade, written[row], size=7.8, **marked)
    return figure
