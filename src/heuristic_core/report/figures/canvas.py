"""How figures are drawn and become files, which are the same for the same rows."""

from __future__ import annotations

import io
import re
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from typing import Any, Literal
from xml.sax.saxutils import escape

import matplotlib
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.backends.backend_svg import FigureCanvasSVG
from matplotlib.figure import Figure
from matplotlib.transforms import Bbox

from .look import INK, Look, Style, short

#: Inches left free around a figure, and dots per inch of images.
_PAD, _DPI = 0.04, 300
#: How often a figure is laid out anew, and within how many inches it then is as wide as asked for.
_TRIALS, _CLOSE = 4, 0.01

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


class Drawn(Figure):
    """A figure that a notebook shows, whether or not pyplot is used there."""

    def _repr_png_(self) -> bytes:
        buffer = io.BytesIO()
        self.savefig(buffer, format="png", dpi=144, facecolor="white", bbox_inches="tight")
        return buffer.getvalue()


@contextmanager
def style(look: Look | None = None) -> Iterator[None]:
    """Draw in the report's style within the block, whatever the user's own settings are."""
    look = look or Look()
    with matplotlib.rc_context(), warnings.catch_warnings():
        # Layout is measured in a font that may lack a letter which the reader's font has.
        warnings.filterwarnings("ignore", message="Glyph .* missing from")
        matplotlib.rcdefaults()
        matplotlib.rcParams.update(_STYLE)
        # Sizes of ticks, labels and legends are relative to it.
        matplotlib.rcParams["font.size"] = look.usual
        if look.font:
            matplotlib.rcParams["font.family"] = [look.font, "DejaVu Sans"]
        yield


def fit(figure: Figure, width: float | None = None) -> None:
    """Make a figure as large as all that is drawn, so that nothing is cut off when it is saved.

    Args:
        figure: The figure.
        width: Inches that it takes across at least.
    """
    old, box = figure.get_size_inches(), _drawn(figure)
    spare = max(0.0, (width or 0.0) - box.width) / 2
    box = Bbox.from_extents(box.x0 - spare, box.y0, box.x1 + spare, box.y1)
    places = [(axis, axis.get_position(original=True)) for axis in figure.axes]
    anchors = [
        (one, one.get_bbox_to_anchor().transformed(figure.dpi_scale_trans.inverted()))
        for one in figure.legends
    ]
    figure.set_size_inches(box.width, box.height)
    for axis, place in places:
        axis.set_position(
            (
                (place.x0 * old[0] - box.x0) / box.width,
                (place.y0 * old[1] - box.y0) / box.height,
                place.width * old[0] / box.width,
                place.height * old[1] / box.height,
            )
        )
    for one, anchor in anchors:
        at = (anchor.x0 - box.x0) / box.width, (anchor.y0 - box.y0) / box.height
        one.set_bbox_to_anchor(at, transform=figure.transFigure)


def fitted(draw: Callable[[Look], Figure], look: Look) -> Figure:
    """Draw a figure that is as wide as asked for, with all that stands beside its axes.

    Args:
        draw: Draws it, with axes as wide as a look says.
        look: The look.
    """
    figure, wanted = draw(look), look.width
    if wanted is None:
        fit(figure)
        return figure
    inner, width = wanted, _drawn(figure).width
    fitting: dict[float, Figure] = {}
    # What stands beside the axes has about the same width in every trial, but for other ticks.
    for _ in range(_TRIALS):
        if width <= wanted + _CLOSE:
            fitting[width] = figure
        if abs(width - wanted) <= _CLOSE:
            break
        inner = max(0.6, inner - (width - wanted))
        figure = draw(replace(look, width=inner))
        width = _drawn(figure).width
    fitting.setdefault(min(fitting, default=width), figure)
    chosen = fitting[max(fitting)]
    fit(chosen, wanted)
    return chosen


def _drawn(figure: Figure) -> Bbox:
    """Return where in a figure something is drawn, in inches."""
    dpi = figure.get_dpi()
    figure.set_dpi(_DPI)  # at few, letters are as wide as whole dots
    box = figure.get_tightbbox(FigureCanvasAgg(figure).get_renderer()).padded(_PAD)
    figure.set_dpi(dpi)
    return box


def to_file(figure: Figure, kind: str) -> bytes:
    """Write a figure as PDF or PNG, the same for the same figure."""
    buffer = io.BytesIO()
    metadata = {"pdf": {"CreationDate": None, "Producer": None, "Creator": None}}
    own = metadata.get(kind, {"Software": None})
    with matplotlib.rc_context({"pdf.fonttype": 42}):
        figure.savefig(buffer, format=kind, dpi=_DPI, metadata=own)
    return buffer.getvalue()


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
        pad_inches=_PAD,
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
    axis: Axes,
    marks: Mapping[str, Style],
    lines: Mapping[str, Style] | None = None,
    *,
    look: Look,
    above: float = 0.0,
    within: bool = False,
) -> None:
    """Name the series above a figure.

    Args:
        axis: One of the figure's axes, drawn already.
        marks: Styles of series of marks by name.
        lines: Styles of series of lines by name.
        look: The figure's look.
        above: Inches to be left free between the figure and the names.
        within: Whether the names belong to these axes alone, in a figure of the user's own.
    """
    handles = [
        axis.plot(
            [],
            [],
            style.marker + line,
            color=style.colour,
            markerfacecolor="none" if style.hollow else style.colour,
            markersize=6,
            label=short(name),
        )[0]
        for line, styles in (("", marks), ("-", lines or {}))
        for name, style in styles.items()
    ]
    figure = root(axis)
    # Few enough beside each other to stay within the figure.
    letter = 0.075 * look.scale
    widths = [0.5 * look.scale + letter * len(short(name)) for name in (*marks, *(lines or {}))]
    room = _width_of(axis) if within else figure.get_figwidth()
    across = len(handles) if sum(widths) <= room else max(1, int(room / max(widths)))
    place: Any = axis if within else figure
    height = _height_of(axis) if within else figure.get_figheight()
    place.legend(
        handles=handles,
        loc="lower center",
        bbox_to_anchor=(0.5, 1 + above / height),
        ncols=across,
        frameon=False,
        handletextpad=0.4,
        columnspacing=1.6 * look.scale,
    )


def root(axis: Axes) -> Figure:
    """Return the figure that axes are in, also where they are in a part of it."""
    own: Any = axis.figure
    figure: Figure = own.figure
    return figure


def _width_of(axis: Axes) -> float:
    """Return the width of axes in inches."""
    return float(axis.get_position().width * root(axis).get_figwidth())


def _height_of(axis: Axes) -> float:
    return float(axis.get_position().height * root(axis).get_figheight())


def axes_of(into: Axes | None, size: tuple[float, float]) -> tuple[Figure, Axes]:
    """Return the axes to draw into: the user's own, or those of a new figure, which they fill.

    Args:
        into: The user's own.
        size: Inches across and down of the new figure.
    """
    if into is None:
        figure: Figure = Drawn(figsize=size)
        return figure, figure.add_axes((0.0, 0.0, 1.0, 1.0))
    return root(into), into


def look_within(axis: Axes, look: Look) -> Look:
    """Return the look of a figure that is drawn into axes of the user's own."""
    return replace(look, width=_width_of(axis), height=None)


def faint_grid(axis: Axes, which: Literal["x", "y", "both"]) -> None:
    """Draw faint lines behind the marks."""
    axis.grid(True, axis=which, color=INK, alpha=0.13, linewidth=0.6)
    axis.set_axisbelow(True)


def percent_ticks(axis: Axes, which: Literal["x", "y"], whole: bool, *, few: bool = False) -> None:
    """Write an axis in per cent.

    Args:
        axis: The axis.
        which: The horizontal or the vertical one.
        whole: Whether it runs from 0 to 100 %.
        few: Whether there is room for three labels only.
    """
    own = axis.xaxis if which == "x" else axis.yaxis
    if whole:
        limits, ticks = (-0.025, 1.025), (0, 0.5, 1) if few else (0, 0.25, 0.5, 0.75, 1)
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
