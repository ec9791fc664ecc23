"""Heat maps: a value for each pair of a row and a column."""

from __future__ import annotations

from collections.abc import Mapping

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from .canvas import axes_of
from .cells import cell, colours, scale
from .look import ORANGE, Look, short
from .plot import Plot

#: Inches: the height of a row, and the least width of a cell; points: numbers and headings.
_ROW, _CELL, _NUMBER, _HEADS = 0.235, 0.45, 8.5, 8.8
_HEADING = 1.3
#: Of a figure of a given width, the share that the names of rows take at most.
_NAMES = 0.38
_LETTER = 0.078


def heatmap(plot: Plot, look: Look, into: Axes | None = None) -> Figure:
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
    limit = 34 if look.width is None else look.letters(_NAMES * look.width)
    letter = _LETTER * look.scale
    names = letter * max(len(short(text, limit)) for text in y_texts) + 0.1
    widest = max(map(len, (*written, *shown.values())))
    fits, top = True, 1.1
    if look.width is None:
        width = max(_CELL * look.scale, letter * widest + 0.12 * look.scale)
    else:
        width = (look.width - names) / len(across)
        fits = width >= look.inches(max(map(len, written)) + 1, _NUMBER)
    row = _ROW * max(look.scale, look.points(_NUMBER) / _NUMBER)
    upright = look.width is not None and width < look.inches(max(map(len, shown.values())) + 1)
    if upright:
        top = look.inches(max(map(len, shown.values())), _HEADS) / row + 0.6
    below = 0.0 if fits else 2.1
    size = (width * len(across) + names, look.height or row * (height + top + below))
    figure, axis = axes_of(into, size)
    axis.set(xlim=(-names / width, len(across)), ylim=(height + below, -top))
    axis.axis("off")
    _columns(axis, {shown[text]: x for text, x in across.items()}, width, look, upright)
    usual = look.points(9.5)
    left = -0.12 * _CELL / max(width, 0.1) if look.width is not None else -0.12
    if plot.column("x").type != "str":
        axis.text(left, -0.5, plot.title("x"), ha="right", va="center", fontsize=usual)
    for y, text in headings:
        axis.text(0, y, text, fontweight="bold", va="center", fontsize=usual)
    for (_, text), y in down.items():
        axis.text(left, y + 0.52, short(text, limit), ha="right", va="center", fontsize=usual)
    colour = colours(plot, plot.values, look)
    outlined = plot.flags("outline")
    for number, value in plot.values.items():
        place = across[x_texts[number]], down[sections[number], y_texts[number]]
        cell(
            axis,
            number,
            place,
            colour(value),
            written[number] if fits else "",
            outlined=outlined[number],
            size=look.points(_NUMBER),
            outline=look.colour(ORANGE),
        )
    if not fits:
        scale(axis, plot, plot.values, colour, (height + 0.5, len(across)), look.points(_HEADS))
    return figure


def _columns(
    axis: Axes, places: Mapping[str, int], width: float, look: Look, upright: bool
) -> None:
    """Write the headings of columns; upright ones that would touch are left out."""
    size = look.points(_HEADS)
    every = max(1, round(1.1 * size / 72 / width + 0.5)) if upright else 1
    for text, x in places.items():
        if x % every == 0:
            turned = {"rotation": 90, "va": "bottom"} if upright else {"va": "center"}
            y = -0.2 if upright else -0.5
            axis.text(x + 0.5, y, text, ha="center", fontsize=size, **turned)
