"""How figures are drawn: colours, styles of series, and SVG that is the same for the same rows."""

from __future__ import annotations

import io
import re
import warnings
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Literal
from xml.sax.saxutils import escape

import matplotlib
from matplotlib.axes import Axes
from matplotlib.backends.backend_svg import FigureCanvasSVG
from matplotlib.figure import Figure

#: Text and lines: stands for ``currentColor``, so that a figure suits a light and a dark page.
INK = "#010203"
#: Colours that differ for any kind of colour vision, on light and dark ground.
ORANGE, BLUE, GREY, PURPLE, GREEN = "#e0671c", "#2f86cf", "#8a8f98", "#a06ab4", "#2c9a7a"

_STYLE: dict[Any, Any] = {
    "font.family": "sans-serif",
    "font.sans-serif": ["DejaVu Sans"],
    "font.size": 9.5,
    "text.color": INK,
    "text.parse_math": False,  # a case's name may hold a dollar sign
    "axes.edgecolor": INK,
    "axes.labelcolor": INK,
    "axes.linewidth": 0.6,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "xtick.color": INK,
    "ytick.color": INK,
    "xtick.major.size": 0,
    "ytick.major.size": 0,
    "path.simplify": False,  # a line keeps a vertex for each of its rows
    "svg.fonttype": "none",  # text stays text: sharp, found by a search, read by screen readers
    "svg.hashsalt": "heuristic-core",
}


@dataclass(frozen=True)
class Style:
    """How the marks of a series look.

    Args:
        colour: Their colour.
        marker: Their shape.
        leading: Whether they are large and stand before all others.
    """

    colour: str
    marker: str = "o"
    leading: bool = False

    @property
    def hollow(self) -> bool:
        """Whether marks are outlines, so that what is behind them is seen."""
        return self.leading and self.colour == INK


_SERIES = {
    "": Style(INK),  # where there are no series
    "full model": Style(INK, "D", True),
    "subnetwork": Style(GREY),
    "core": Style(ORANGE, "D", True),
    "matched group": Style(GREY),
    "95 % of matched groups": Style(GREY, "|"),
    "in-domain": Style(INK),
    "adversarial": Style(ORANGE, "^"),
    "friendly": Style(BLUE, "s"),
    "shift": Style(ORANGE, "v"),
    "balanced": Style(GREY, "D"),
    "balanced AUROC": Style(GREY, "d"),
    "balanced OOD": Style(GREY, "D"),
    "mixed": Style(PURPLE, "v"),
    "before fine-tuning": Style(BLUE, "s"),
    "after fine-tuning": Style(ORANGE),
    "highest in adversarial mean": Style(ORANGE, "^"),
    "lowest in adversarial mean": Style(BLUE, "v"),
    "within the margin": Style(BLUE),
    "outside the margin": Style(ORANGE, "X"),
    "query": Style(BLUE),
    "key": Style(ORANGE),
    "value": Style(GREY),
}
#: For series of other names.
_CYCLE = (
    Style(ORANGE, "^"),
    Style(BLUE, "v"),
    Style(PURPLE, "s"),
    Style(GREEN, "P"),
    Style(GREY, "X"),
    Style(INK),
)


def series_styles(names: Iterable[str]) -> dict[str, Style]:
    """Choose a style for each series: the usual one of its name, else the next that is free."""
    distinct = dict.fromkeys(names)
    used = {_SERIES[name] for name in distinct if name in _SERIES}
    free = [style for style in _CYCLE if style not in used] or list(_CYCLE)
    others = [name for name in distinct if name not in _SERIES]
    chosen = {name: free[i % len(free)] for i, name in enumerate(others)}
    return {name: _SERIES.get(name) or chosen[name] for name in distinct}


@contextmanager
def style() -> Iterator[None]:
    """Draw in the report's style within the block, whatever the user's own settings are."""
    with matplotlib.rc_context(), warnings.catch_warnings():
        # Layout is measured in a font that may lack a letter which the reader's font has.
        warnings.filterwarnings("ignore", message="Glyph .* missing from")
        matplotlib.rcdefaults()
        matplotlib.rcParams.update(_STYLE)
        yield


def to_svg(figure: Figure, name: str, title: str, description: str) -> str:
    """Write a figure as SVG with a title and a description for those who do not see it.

    Args:
        figure: The figure.
        name: Unique on the page; put before all of the figure's ids.
        title: A few words.
        description: What can be seen.
    """
    FigureCanvasSVG(figure)
    buffer = io.StringIO()
    figure.savefig(
        buffer,
        format="svg",
        transparent=True,
        bbox_inches="tight",
        pad_inches=0.04,
        metadata={"Date": None, "Creator": None},
    )
    text = buffer.getvalue()
    text = text[text.index("<svg") :]
    text = re.sub(r"<!--.*?-->\n?", "", text, flags=re.DOTALL)
    text = re.sub(r"\s*<metadata>.*?</metadata>", "", text, flags=re.DOTALL)
    # Only within tags: what stands between them is text from the data.
    text = re.sub(r"<[^>]*>", lambda tag: _adapt(tag.group(), name), text)
    opening, rest = text.split(">", 1)
    labels = f'role="img" color="#1b1e23" aria-labelledby="{name}-title {name}-description"'
    words = (
        f'<title id="{name}-title">{escape(title)}</title>\n'
        f'<desc id="{name}-description">{escape(description)}</desc>'
    )
    return f"{opening} {labels}>\n{words}{rest}"


def _adapt(tag: str, name: str) -> str:
    tag = tag.replace(INK, "currentColor")
    tag = tag.replace("'DejaVu Sans', sans-serif", "system-ui, 'DejaVu Sans', sans-serif")
    tag = re.sub(r'\bid="', f'id="{name}-', tag)
    return re.sub(r'((?:href="|url\()#)', rf"\g<1>{name}-", tag)


def mark(axis: Axes, row: int, x: float, y: float, look: Style, size: float = 4.8) -> None:
    """Draw the mark of a row; its id is ``row-`` and the row's number."""
    (drawn,) = axis.plot(
        [x],
        [y],
        look.marker,
        color=look.colour,
        markersize=7.2 if look.leading else size,
        markerfacecolor="none" if look.hollow else look.colour,
        markeredgewidth=1.6 if look.hollow or look.marker == "|" else 0,
        alpha=1.0 if look.leading else 0.8,  # marks that are pressed together show their edges
        clip_on=False,
        zorder=5 if look.leading else 4,
    )
    drawn.set_gid(f"row-{row}")


def legend(
    figure: Figure,
    marks: Mapping[str, Style],
    lines: Mapping[str, Style] | None = None,
    above: float = 0.0,
) -> None:
    """Name the series above a figure.

    Args:
        figure: The figure, drawn already.
        marks: Styles of series of marks by name.
        lines: Styles of series of lines by name.
        above: Inches to be left free between the figure and the names.
    """
    axis = figure.axes[0]
    handles = [
        axis.plot(
            [],
            [],
            look.marker + line,
            color=look.colour,
            markerfacecolor="none" if look.hollow else look.colour,
            markersize=6,
            label=short(name),
        )[0]
        for line, styles in (("", marks), ("-", lines or {}))
        for name, look in styles.items()
    ]
    # Few enough beside each other to stay within the figure.
    widths = [0.5 + 0.075 * len(short(name)) for name in (*marks, *(lines or {}))]
    room = figure.get_figwidth()
    across = len(handles) if sum(widths) <= room else max(1, int(room / max(widths)))
    figure.legend(
        handles=handles,
        loc="lower center",
        bbox_to_anchor=(0.5, 1 + above / figure.get_figheight()),
        ncols=across,
        frameon=False,
        handletextpad=0.4,
        columnspacing=1.6,
    )


def faint_grid(axis: Axes, which: Literal["x", "y", "both"]) -> None:
    """Draw faint lines behind the marks."""
    axis.grid(True, axis=which, color=INK, alpha=0.13, linewidth=0.6)
    axis.set_axisbelow(True)


def percent_ticks(axis: Axes, which: Literal["x", "y"], whole: bool) -> None:
    """Write an axis in per cent.

    Args:
        axis: The axis.
        which: The horizontal or the vertical one.
        whole: Whether it runs from 0 to 100 %.
    """
    own = axis.xaxis if which == "x" else axis.yaxis
    if whole:
        limits, ticks = (-0.025, 1.025), (0, 0.25, 0.5, 0.75, 1)
        axis.set(**{f"{which}lim": limits})
        own.set_ticks(ticks)
    own.set_major_formatter(lambda value, _: f"{100 * value:.6g} %".replace("-", "−"))


def spaced(positions: Sequence[float], gap: float) -> list[float]:
    """Leave out positions whose labels would touch; the last one stays."""
    kept: list[float] = []
    for position in reversed(positions):
        if not kept or kept[-1] - position >= gap:
            kept.append(position)
    return kept[::-1]


def short(text: str, limit: int = 34) -> str:
    """Cut a name that would not fit beside a figure, keeping its end, where names differ."""
    return text if len(text) <= limit else f"{text[: limit // 2]}…{text[-limit // 2 + 1 :]}"
