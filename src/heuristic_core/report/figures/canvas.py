"""How figures are drawn: colours, one canvas, and SVG that is the same for the same numbers."""

from __future__ import annotations

import io
import re
import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any
from xml.sax.saxutils import escape

import matplotlib
from matplotlib.axes import Axes
from matplotlib.backends.backend_svg import FigureCanvasSVG
from matplotlib.figure import Figure

#: Text and lines: stands for ``currentColor``, so that a figure suits a light and a dark page.
INK = "#010203"
#: Colours that people with any kind of colour vision tell apart, on light and dark ground alike.
ADVERSARIAL, FRIENDLY, NEUTRAL, MIXED = "#e0671c", "#2f86cf", "#8a8f98", "#a06ab4"
COLOURS = {"id": INK, "adversarial": ADVERSARIAL, "friendly": FRIENDLY}
MARKERS = {"id": "o", "adversarial": "^", "friendly": "s"}

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
    "xtick.major.width": 0.6,
    "ytick.major.width": 0.6,
    "svg.fonttype": "none",  # text stays text: sharp, found by a search, read by screen readers
    "svg.hashsalt": "heuristic-core",
}


@dataclass(frozen=True)
class Drawing:
    """A finished figure.

    Args:
        name: Its file name without an ending.
        title: What it shows, in a few words.
        caption: How to read it.
        svg: The figure.
    """

    name: str
    title: str
    caption: str
    svg: str


@contextmanager
def style() -> Iterator[None]:
    """Draw in the report's style within the block, whatever the user's own settings are."""
    with matplotlib.rc_context(), warnings.catch_warnings():
        # Layout is measured in a font that may lack a letter which the reader's font has.
        warnings.filterwarnings("ignore", message="Glyph .* missing from")
        matplotlib.rcdefaults()
        matplotlib.rcParams.update(_STYLE)
        yield


def identify(subject: str, entry: Mapping[str, Any]) -> str:
    """Make a figure's name, which is unique on the page, from what an analysis' entry is about."""
    parts = [subject]
    for key, prefix in (("finetune_seed", "f"), ("checkpoint", "s"), ("final_checkpoint", "s")):
        if key in entry:
            parts.append(f"{prefix}{entry[key]}")
    for key in ("method", "head"):
        if key in entry:
            parts.append("".join(c for c in str(entry[key]) if c.isascii() and c.isalnum()))
    if "sparsity" in entry:
        parts.append(f"{100 * entry['sparsity']:g}pc")
    return "-".join(parts).replace(".", "_")


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


def percent_axis(axis: Axes, which: str = "x") -> None:
    """Make an axis run from 0 to 100 % with faint lines at the quarters."""
    ticks = (0, 25, 50, 75, 100)
    labels = [f"{tick} %" for tick in ticks]
    if which == "x":
        axis.set_xlim(-2.5, 102.5)
        axis.set_xticks(ticks, labels)
    else:
        axis.set_ylim(-2.5, 102.5)
        axis.set_yticks(ticks, labels)
    axis.grid(True, axis=which, color=INK, alpha=0.13, linewidth=0.6)  # type: ignore[arg-type]
    axis.set_axisbelow(True)
    axis.tick_params(length=0)


def spaced(positions: Sequence[int], gap: float) -> list[int]:
    """Leave out positions whose labels would touch; the last one stays."""
    kept: list[int] = []
    for position in reversed(positions):
        if not kept or kept[-1] - position >= gap:
            kept.append(position)
    return kept[::-1]


def step_axis(axis: Axes, steps: Sequence[int], gap: float = 0.16) -> None:
    """Make the horizontal axis run over checkpoints; of labels that would touch some are left out.

    Args:
        axis: The axis.
        steps: The checkpoints, ascending.
        gap: The least distance of labels, as a share of the axis.
    """
    margin = 0.04 * (steps[-1] - steps[0]) or 1
    axis.set_xlim(steps[0] - margin, steps[-1] + margin)
    axis.set_xticks(spaced(steps, gap * (steps[-1] - steps[0])))
    axis.tick_params(length=0)


def short(text: str, limit: int = 34) -> str:
    """Cut a name that would not fit beside a figure, keeping its end, where names differ."""
    return text if len(text) <= limit else f"{text[: limit // 2]}…{text[-limit // 2 + 1 :]}"
