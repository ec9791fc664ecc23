"""A graph of heads, drawn by layers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import FancyArrowPatch

from ...units import Unit
from .canvas import Style, legend, series_styles, short
from .plot import Plot

_WIDTH = 8.4
#: Heads of different numbers that have a column each.
_COLUMNS = 14
_DARK = "#26303c"
_SOURCE, _TARGET = Style("#f6cfb2", "s"), Style("#cfe3f5", "o")


def graph(plot: Plot) -> Figure:
    """Draw an arrow from ``source`` to ``target`` for each row, as wide as ``weight`` is large.

    The columns may also name ``series``, which gives arrows their colours.
    """
    sources, targets, series = (plot.texts(role) for role in ("source", "target", "series"))
    nodes = sorted({*sources, *targets}, key=lambda label: (_layer(label), _head(label)))
    layers = sorted({_layer(node) for node in nodes})
    figure = Figure(figsize=(_WIDTH, 0.95 * len(layers) + 0.3))
    axis = figure.add_axes((0.0, 0.0, 1.0, 1.0))
    axis.set(xlim=(-0.07, 1.0), ylim=(-0.5, len(layers) - 0.5))
    axis.axis("off")
    places = _places(nodes, layers)
    styles = series_styles(series)
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
        look = _SOURCE if node in set(sources) else _TARGET
        box = {"boxstyle": "square,pad=0.35" if look is _SOURCE else "round,pad=0.35"}
        axis.text(
            *places[node],
            short(node, 20),
            ha="center",
            va="center",
            color=_DARK,
            fontsize=8.5,
            zorder=6,
            bbox=box | {"facecolor": look.colour, "edgecolor": "none"},
        )
    for y, layer in enumerate(layers):
        axis.text(-0.06, y, f"layer {layer}", va="center", fontsize=8.8)
    titles = [plot.title(role) for role in ("source", "target")]
    colours = {
        f"{plot.title('series')}: {name}": replace(look, marker="")
        for name, look in styles.items()
        if name
    }
    legend(figure, dict(zip(titles, (_SOURCE, _TARGET), strict=True)), colours)
    return figure


def _layer(label: str) -> int:
    return Unit.parse(label).layer


def _head(label: str) -> int:
    return Unit.parse(label).head or 0


def _places(nodes: Sequence[str], layers: Sequence[int]) -> dict[str, tuple[float, float]]:
    """Place heads by layer and number, as they stand in a grid of heads."""
    numbers = sorted({_head(node) for node in nodes})
    places = {}
    for y, layer in enumerate(layers):
        own = [node for node in nodes if _layer(node) == layer]
        for i, node in enumerate(own):
            # With many heads there is no room for a column each.
            crowded = len(numbers) > _COLUMNS
            at, of = (i, len(own)) if crowded else (numbers.index(_head(node)), len(numbers))
            places[node] = (0.06 + 0.92 * (at + 0.5) / of, float(y))
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
