"""Strips: marks along a line for each category, moved apart where they would overlap."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import count

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from .canvas import Drawn, faint_grid, legend, mark, percent_ticks, root
from .look import GREY, INK, Look, Style, short
from .plot import Plot

#: Inches: the whole width, what names take of it, the height of a line, the width of a mark.
_WIDTH, _NAMES, _LINE, _MARK = 8.8, 2.2, 0.29, 0.075
#: Share of a line by which marks are moved so that they do not overlap, and at most in all.
_LIFT, _MOST = 0.24, 0.9
_HEADING = 1.3
#: Where the width is given: the share of it that names take at most, and the inches of a panel.
_SHARE, _NARROWEST = 0.4, 1.2

Category = tuple[str, str]


def strips(plot: Plot, look: Look, into: Axes | None = None) -> Figure:
    """Draw marks at ``x`` in one line for each category ``y``, in the order of the rows.

    The columns may also name ``series`` (the kind of mark), ``section`` (a heading above a run of
    categories) and ``panel``. Panels of the same categories stand side by side, all others below
    each other. An estimate has its interval; several marks without one have a band behind them,
    from the lowest to the highest.
    """
    panels = list(plot.panels())
    styles = look.styles(plot.texts("series"))
    kinds = [set(_by_category(panel)) for _, panel in panels]
    beside = len(panels) > 1 and bool(set.intersection(*kinds))
    whole, names, letters = _WIDTH * look.scale, _NAMES * look.scale, 34
    if look.width is not None:
        whole = look.width
        names = min(names, _SHARE * whole)
        letters = look.letters(names)
        beside = beside and (whole - names) / len(panels) >= _NARROWEST
    gap = 0.3 * look.scale
    width = (whole - names) / (len(panels) if beside else 1) - gap
    groups = [panels] if beside else [[panel] for panel in panels]
    laid = [_Lines([panel for _, panel in group], styles, width) for group in groups]
    if into is not None:
        _panel(into, panels[0][1], laid[0], styles, letters=letters, look=look)
        if plot.has("series"):
            legend(into, styles, look=look, within=True)
        return root(into)
    apart = 2.6 if len(laid) > 1 else 0.0
    total = sum(lines.height + apart for lines in laid) - apart
    figure = Drawn(figsize=(whole, look.height or _LINE * look.scale * total))
    top = 0.0
    for group, lines in zip(groups, laid, strict=True):
        for i, (title, panel) in enumerate(group):
            left = (names + i * (width + gap)) / whole
            bottom = 1 - (top + lines.height) / total
            axis = figure.add_axes((left, bottom, width / whole, lines.height / total))
            _panel(axis, panel, lines, styles, letters=0 if i else letters, look=look)
            if title:
                limit = 44 if look.width is None else look.letters(width, 11)
                size = look.points(10)
                axis.set_title(short(title, limit), fontsize=size, fontweight="bold", loc="left")
        top += lines.height + apart
    if plot.has("series"):
        above = 0.32 * look.scale if panels[0][0] else 0.0
        legend(figure.axes[0], styles, look=look, above=above)
    return figure


class _Lines:
    """Where the lines of some panels are, and how far each mark is moved up or down.

    Args:
        panels: Panels that stand side by side.
        styles: The styles of their series.
        width: The width of each in inches.
    """

    def __init__(self, panels: Sequence[Plot], styles: Mapping[str, Style], width: float) -> None:
        self.lifts: dict[int, float] = {}
        self.places: dict[Category, float] = {}
        self.headings: list[tuple[float, str]] = []
        self.height = 0.0
        rooms: dict[Category, float] = {}
        for panel in panels:
            low, high = limits(panel)
            for category, rows in _by_category(panel).items():
                levels = _swarm(panel.part(rows), styles, width / (high - low))
                highest = max(map(abs, levels.values()))
                # A high pile is pressed together, so that its marks overlap but all are seen.
                lift = min(_LIFT, _MOST / max(highest, 1))
                rooms[category] = max(1.0, 2 * lift * highest + 0.5, rooms.get(category, 0.0))
                self.lifts |= {row: lift * level for row, level in levels.items()}
        section = ""
        for category, room in rooms.items():
            if category[0] != section:
                section = category[0]
                self.headings.append((self.height + 0.55 * _HEADING, section))
                self.height += _HEADING
            self.places[category] = self.height + room / 2
            self.height += room
        self.height += 0.1


def _by_category(plot: Plot) -> dict[Category, pd.DataFrame]:
    pairs = list(zip(plot.texts("section"), plot.texts("y"), strict=True))
    return {c: plot.rows[[pair == c for pair in pairs]] for c in dict.fromkeys(pairs)}


def limits(plot: Plot) -> tuple[float, float]:
    """Return the ends of the axis of values."""
    if plot.whole:
        return -0.025, 1.025
    ends = pd.concat([plot.values, plot.ends["low"], plot.ends["high"]]).dropna().tolist()
    if plot.reference is not None:
        ends.append(plot.reference)
    margin = 0.04 * (max(ends) - min(ends)) or 1.0
    return min(ends) - margin, max(ends) + margin


def _swarm(plot: Plot, styles: Mapping[str, Style], scale: float) -> dict[int, int]:
    """Choose for each mark of a line the nearest level at which it overlaps no other.

    Leading marks choose first, then those of which there are few.

    Args:
        plot: The marks of one line.
        styles: The styles of their series.
        scale: Inches per unit of the values.
    """
    series = plot.texts("series")
    looks, sizes = series.map(styles), series.map(series.value_counts())
    order = sorted(
        plot.rows.index,
        key=lambda row: (not looks[row].leading, sizes[row], plot.values[row], row),
    )
    taken: dict[int, list[tuple[float, float]]] = {}
    levels: dict[int, int] = {}
    for row in order:
        leading = looks[row].leading
        half = 0.5 * _MARK * (1.5 if leading else 1)
        value, low, high = plot.values[row], plot.ends["low"][row], plot.ends["high"][row]
        start = scale * min(value, low if low == low else value) - half
        end = scale * max(value, high if high == high else value) + half
        levels[row] = next(
            level
            for level in (sign * i for i in count() for sign in (1, -1))
            if all(end <= left or right <= start for left, right in taken.get(level, ()))
        )
        # A leading mark is so high that it reaches into the levels beside its own.
        for level in (-1, 0, 1) if leading else (0,):
            taken.setdefault(levels[row] + level, []).append((start, end))
    return levels


def _panel(
    axis: Axes,
    plot: Plot,
    lines: _Lines,
    styles: Mapping[str, Style],
    *,
    letters: int,
    look: Look,
) -> None:
    """Draw one panel.

    Args:
        axis: Where to.
        plot: Its rows.
        lines: Where its lines are.
        styles: The styles of series.
        letters: How many letters of a category's name fit; 0 for none.
        look: The figure's look.
    """
    axis.set(xlim=limits(plot), ylim=(lines.height, 0))
    if look.width is not None and not plot.whole:
        room = axis.get_position().width * look.width
        axis.xaxis.set_major_locator(MaxNLocator(max(1, int(room / look.inches(8)))))
    if plot.in_percent:
        percent_ticks(axis, "x", plot.whole, few=look.width is not None)
    faint_grid(axis, "x")
    for side in ("left", "bottom"):
        axis.spines[side].set_visible(False)
    for y in lines.places.values():
        axis.axhline(y, color=INK, alpha=0.09, linewidth=0.6, zorder=0)
    names = [short(text, letters) if letters else "" for _, text in lines.places]
    axis.set_yticks(list(lines.places.values()), names)
    if letters:
        for y, section in lines.headings:
            across = axis.get_yaxis_transform()
            axis.text(0, y, section, fontweight="bold", va="center", transform=across)
    if plot.reference is not None:
        axis.axvline(plot.reference, color=INK, linewidth=0.9, linestyle=(0, (3, 2)))
    if plot.spec.label or not plot.has("panel"):
        axis.set_xlabel(plot.axis_label)
    series, ends = plot.texts("series"), plot.ends
    for category, rows in _by_category(plot).items():
        y = lines.places[category]
        values, looks = plot.values[rows.index], series[rows.index].map(styles)
        crowd = values[
            ~looks.map(lambda own: own.leading) & ends.loc[rows.index].isna().any(axis=1)
        ]
        if len(crowd) > 1:
            (band,) = axis.plot([crowd.min(), crowd.max()], [y, y], color=look.colour(GREY))
            band.set(linewidth=6, alpha=0.22, solid_capstyle="round")
        for row, value in values.items():
            place = y - lines.lifts[row]
            if ends.loc[row].notna().all():
                (bar,) = axis.plot(ends.loc[row], [place] * 2, color=looks[row].colour)
                bar.set(linewidth=1.6, gid=f"interval-{row}")
            mark(axis, row, value, place, looks[row])
