"""A graph of heads, drawn by layers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import FancyArrowPatch

from ...units import Unit
from .canvas import axes_of, legend
from .look import Look, Style, short
from .plot import Plot

#: Inches: the usual width, and what a head takes of it.
_WIDTH, _NODE = 8.4, 0.54
_DARK = "#26303c"
_SOURCE, _TARGET = Style("#f6cfb2", "s"), Style("#cfe3f5", "o")


def graph(plot: Plot, look: Look, into: Axes | None = None) -> Figure:
    """Draw an arrow from ``source`` to ``target`` for each row, as wide as ``weight`` is large.

    The columns may also name ``series``, which gives arrows their colours.
    """
    sources, targets, series = (plot.texts(role) for role in ("source", "target", "series"))
    nodes = sorted({*sources, *targets}, key=lambda label: (_layer(label), _head(label)))
    layers = sorted({_layer(node) for node in nodes})
    width = look.width or _WIDTH * look.scale
    n_columns = max(2, int(0.92 * width / (_NODE * look.points(8.5) / 8.5)))
    size = (width, look.height or 0.95 * max(look.scale, 0.85) * len(layers) + 0.3)
    figure, axis = axes_of(into, size)
    # A narrow figure has the names of its layers above the heads, not beside them.
    beside = look.width is None or look.inches(10) < 0.12 * width
    axis.set(xlim=(-0.07 if beside else 0.0, 1.0), ylim=(-0.5, len(layers) - 0.5))
    axis.axis("off")
    places = _places(nodes, layers, n_columns)
    styles = look.styles(series)
    most = plot.values.abs().max() or 1.0
    pairs: dict[tuple[str, str], int] = {}
    for i, (row, value) in enumerate(plot.values.sort_values(ascending=False).items()):
        pair = sources[row], targets[row]
        pairs[pair] = pairs.get(pair, 0) + 1
        skipped = layers.index(_layer(pair[1])) - layers.index(_layer(pair[0])) - 1
        # Arrows that skip layers, or join the same heads as another, are bent apart.
        bend = 0.0 if skipped < 1 else min(0.12 + 0.05 * skipped, 0.35) * (1 if i % 2 else -1)
        bend += 0.14 * (pairs[pair] - 1)
        ends = places[pair[0]], places[pair[1]]
        _arrow(axis, row, ends, abs(value) / most, bend, styles[series[row]].colour)
    for node in nodes:
        style = _SOURCE if node in set(sources) else _TARGET
        box = {"boxstyle": "square,pad=0.35" if style is _SOURCE else "round,pad=0.35"}
        axis.text(
            *places[node],
            short(node, 20),
            ha="center",
            va="center",
            color=_DARK,
            fontsize=look.points(8.5),
            zorder=6,
            bbox=box | {"facecolor": style.colour, "edgecolor": "none"},
        )
    for y, layer in enumerate(layers):
        left, above = (-0.06, 0.0) if beside else (0.0, 0.4)
        axis.text(left, y + above, f"layer {layer}", va="center", fontsize=look.points(8.8))
    titles = [plot.title(role) for role in ("source", "target")]
    colours = {
        f"{plot.title('series')}: {name}": replace(style, marker="")
        for name, style in styles.items()
        if name
    }
    marks = dict(zip(titles, (_SOURCE, _TARGET), strict=True))
    legend(axis, marks, colours, look=look, within=into is not None)
    return figure


def _layer(label: str) -> int:
    return Unit.parse(label).layer


def _head(label: str) -> int:
    return Unit.parse(label).head or 0


def _places(
    nodes: Sequence[str], layers: Sequence[int], n_columns: int
) -> dict[str, tuple[float, float]]:
    """Place heads by layer and number, as they stand in a grid of heads.

    Args:
        nodes: The heads.
        layers: Their layers, in order.
        n_columns: How many heads fit beside each other.
    """
    numbers = sorted({_head(node) for node in nodes})
    places = {}
    for y, layer in enumerate(layers):
        own = [node for node in nodes if _layer(node) == layer]
        for i, node in enumerate(own):
            # With many heads there is no room for a column each.
            crowded = len(numbers) > n_columns
            at, of = (i, len(own)) if crowded else (numbers.index(_head(node)), len(numbers))
            # Nor for all of a layer in one line: they take turns in several.
            lines = -(-len(own) // n_columns) if crowded else 1
            lift = 0.3 * (i % lines - (lines - 1) / 2)
            places[node] = (0.06 + 0.92 * (at + 0.5) / of, y + lift)
    return places


def _arrow(
    axis: Axes,
    row: int,
    ends: tuple[tuple[float, float], tuple[float, float]],
    share: float,
    bend: float,
    colour: str,
) -> None:
    arrow = FancyArrowPatch(
        *ends,
        connectionstyle=f"arc3,rad={bend}",
        arrowstyle="-|>",
        mutation_scale=7 + 4 * share,
        shrinkA=9,
        shrinkB=11,
        linewidth=0.8 + 3.2 * share,
        color=colour,
        alpha=0.85,
        zorder=2,
    )
    arrow.set_gid(f"row-{row}")
    axis.add_patch(arrow)
