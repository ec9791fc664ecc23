"""Lines: a value over an axis of numbers, such as steps or sparsities."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from .canvas import Drawn, faint_grid, legend, mark, percent_ticks, root, spaced
from .look import INK, Look, Style, short
from .plot import Plot

#: Panels side by side at most, and inches that each takes at least where the width is given.
_ACROSS, _NARROWEST = 4, 1.15
#: Inches that the name of a line beside its end takes.
_NAMED = 2.4
#: Tick labels that fit beside each other, by the number of panels side by side.
_LABELS = {1: 14, 2: 7, 3: 5, 4: 4}


def lines(plot: Plot, look: Look, into: Axes | None = None) -> Figure:
    """Draw ``y`` over ``x``, with its interval where it is an estimate.

    The columns may also name ``series`` (a line for each), ``panel``, and ``detail``: a faint line
    for each of its values beside the main line, which is of the rows where it is missing.
    """
    panels = list(plot.panels())
    styles = look.styles(plot.texts("series"))
    single = len(panels) == 1
    most = _ACROSS if look.width is None else max(1, min(_ACROSS, int(look.width / _NARROWEST)))
    down = -(-len(panels) // most)
    across = -(-len(panels) // down)
    # With little room, the names of lines stand above the figure.
    ends = single and len(styles) > 1
    if look.width is not None:
        ends = ends and look.width > 2 * _NAMED
        width = look.width
        height = look.height or min(1.1 * width / across, 0.62 * width) * down
    else:
        width, height = (6.2, 3.7) if single else (2.3 * across, 2.55 * down)
        width, height = width * look.scale, look.height or height * look.scale
    if into is None:
        figure: Figure = Drawn(figsize=(width, height))
        axes = figure.subplots(
            down,
            across,
            sharex=True,
            sharey=True,
            squeeze=False,
            gridspec_kw={"hspace": 0.32, "wspace": 0.17}
            | {"left": 0, "right": 1, "bottom": 0, "top": 1},
        )
    else:
        figure, axes = root(into), np.array([[into]])
    for axis in axes.flat[len(panels) :]:
        axis.set_visible(False)
    room = width / across
    fitting = _LABELS[across] if look.width is None else max(2, int(room / look.inches(7)))
    _set_axes(axes.flat[0], plot, fitting, look)
    letters = 24 if look.width is None else look.letters(room, 11)
    for i, (axis, (title, panel)) in enumerate(zip(axes.flat, panels, strict=False)):
        faint_grid(axis, "y")
        axis.tick_params(axis="x", length=2.5)
        _panel(axis, panel, styles)
        size = look.points(10)
        axis.set_title(short(title, letters), fontsize=size, fontweight="bold", loc="left")
        if i >= len(panels) - across:
            axis.set_xlabel(plot.title("x"))
            axis.tick_params(labelbottom=True)
        if i % across == 0:
            axis.set_ylabel(plot.axis_label)
    if ends:
        _label_ends(axes[0, 0], plot, styles)
    elif plot.has("series") and len(styles) > 1:
        above = 0.28 * look.scale if panels[0][0] or not single else 0.05
        legend(axes.flat[0], {}, styles, look=look, above=above, within=into is not None)
    return figure


def _set_axes(axis: Axes, plot: Plot, fitting: int, look: Look) -> None:
    """Set the ends of the axes, and their ticks.

    Args:
        axis: The axes, or one of those that share them.
        plot: What is drawn.
        fitting: How many labels fit beside each other.
        look: The figure's look.
    """
    x = sorted(plot.numbers("x").unique())
    span = x[-1] - x[0]
    axis.set_xlim(x[0] - 0.03 * (span or 1), x[-1] + 0.03 * (span or 1))
    if plot.column("x").name.endswith("sparsity") or plot.column("x").form == "percent":
        marked = [tick for tick in (0, 0.25, 0.5, 0.75, 1) if x[0] <= tick <= x[-1]] or x
        axis.set_xticks(marked if look.width is None else spaced(marked, span / fitting))
        percent_ticks(axis, "x", whole=False)
    elif plot.column("x").type == "int":
        axis.set_xticks(spaced(x, span / fitting), minor=False)
    if plot.in_percent:
        percent_ticks(axis, "y", plot.whole)


def _split(plot: Plot) -> tuple[Plot, Plot]:
    """Return the rows of the main lines and those of the faint ones."""
    if not plot.has("detail"):
        return plot, plot.part(plot.rows.head(0))
    main = plot.rows[plot.column("detail").name].isna()
    return plot.part(plot.rows[main]), plot.part(plot.rows[~main])


def _panel(axis: Axes, plot: Plot, styles: Mapping[str, Style]) -> None:
    if plot.reference is not None:
        axis.axhline(plot.reference, color=INK, linewidth=0.9, linestyle=(0, (3, 2)))
    main, faint = _split(plot)
    keys = [faint.texts("series").rename("series"), faint.texts("detail").rename("detail")]
    for (name, _), some in faint.rows.groupby(keys, sort=False):
        _line(axis, faint.part(some), styles[name].colour, 0.9, 0.38)
    for name, some in main.rows.groupby(main.texts("series"), sort=False):
        series, look = main.part(some), styles[name]
        _line(axis, series, look.colour, 2, 1)
        x = series.numbers("x")
        for row, value in series.values.items():
            ends = series.ends.loc[row]
            if ends.notna().all():
                (bar,) = axis.plot([x[row]] * 2, ends, color=look.colour, linewidth=1.3)
                bar.set_gid(f"interval-{row}")
            mark(axis, row, x[row], value, look, 5.2)


def _line(axis: Axes, plot: Plot, colour: str, width: float, alpha: float) -> None:
    """Draw a line through rows; its id lists their numbers."""
    x = plot.numbers("x").sort_values(kind="stable")
    (line,) = axis.plot(x, plot.values[x.index], color=colour, linewidth=width, alpha=alpha)
    line.set_gid("line-" + "-".join(map(str, x.index)))


def _label_ends(axis: Axes, plot: Plot, styles: Mapping[str, Style]) -> None:
    """Write the name of each main line beside its end, moved apart where ends are close."""
    main, x = _split(plot)[0], plot.numbers("x")
    by_series = x[main.rows.index].groupby(main.texts("series"))
    last = sorted(by_series.idxmax(), key=lambda row: main.values[row])
    low, high = axis.get_ylim()
    gap = 0.065 * (high - low)
    places = np.array([main.values[row] for row in last])
    for _ in range(200):
        close = np.flatnonzero(np.diff(places) < gap * (1 - 1e-6))
        if not len(close):
            break
        for i in close:
            push = (gap - (places[i + 1] - places[i])) / 2
            places[i] -= push
            places[i + 1] += push
        places += max(0.0, low - places[0]) - max(0.0, places[-1] - high)
    transform = axis.get_yaxis_transform()
    for row, y in zip(last, places, strict=True):
        name = main.texts("series")[row]
        colour = styles[name].colour
        axis.plot(
            [1.0, 1.035],
            [main.values[row], y],
            color=colour,
            linewidth=0.8,
            transform=transform,
            clip_on=False,
        )
        text = f"{short(name)}  {main.written(main.values[row])}"
        axis.text(1.045, y, text, color=colour, va="center", fontweight="bold", transform=transform)
