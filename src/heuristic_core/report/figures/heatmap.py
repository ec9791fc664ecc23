"""Heat maps: a value for each pair of a row and a column."""

from __future__ import annotations

from matplotlib.figure import Figure

from .canvas import short
from .cells import cell, colours
from .plot import Plot

#: Inches: the height of a row, and what a letter takes.
_ROW, _LETTER = 0.235, 0.078
_HEADING = 1.3


def heatmap(plot: Plot) -> Figure:
    """Draw ``value`` as a coloured cell for each ``y``, downwards, and ``x``, across.

    The columns may also name ``outline`` (a column of yes and no) and ``section``, a heading above
    a run of rows. Columns of numbers ascend, all others are in the order of the rows.
    """
    x_texts, y_texts, sections = plot.texts("x"), plot.texts("y"), plot.texts("section")
    order = x_texts
    if plot.column("x").type != "str":
        order = x_texts.loc[plot.numbers("x").sort_values(kind="stable").index]
    across = {text: i for i, text in enumerate(dict.fromkeys(order))}
    shown = {text: short(text, 14) for text in across}
    written = plot.values.map(plot.short)
    widest = max(map(len, (*written, *shown.values())))
    width = max(0.45, _LETTER * widest + 0.12)
    down: dict[tuple[str, str], float] = {}
    headings: list[tuple[float, str]] = []
    height, section = 0.0, ""
    for line in dict.fromkeys(zip(sections, y_texts, strict=True)):
        if line[0] != section:
            section = line[0]
            headings.append((height + 0.6 * _HEADING, section))
            height += _HEADING
        down[line] = height
        height += 1
    names = _LETTER * max(len(short(text)) for text in y_texts) + 0.1
    figure = Figure(figsize=(width * len(across) + names, _ROW * (height + 1.1)))
    axis = figure.add_axes((0.0, 0.0, 1.0, 1.0))
    axis.set(xlim=(-names / width, len(across)), ylim=(height, -1.1))
    axis.axis("off")
    for text, x in across.items():
        axis.text(x + 0.5, -0.5, shown[text], ha="center", va="center", fontsize=8.8)
    if plot.column("x").type != "str":
        axis.text(-0.12, -0.5, plot.title("x"), ha="right", va="center")
    for y, text in headings:
        axis.text(0, y, text, fontweight="bold", va="center", fontsize=9.5)
    for (_, text), y in down.items():
        axis.text(-0.12, y + 0.52, short(text), ha="right", va="center")
    colour = colours(plot.values, plot.whole, plot.reference)
    outlined = plot.flags("outline")
    for row, value in plot.values.items():
        place = across[x_texts[row]], down[sections[row], y_texts[row]]
        cell(axis, row, place, colour(value), written[row], outlined=outlined[row])
    return figure
