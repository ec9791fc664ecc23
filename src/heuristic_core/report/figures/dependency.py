"""Which added heads depend on which core heads, as a graph drawn by layers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import FancyArrowPatch

from ...units import Unit
from ..results import Results
from ..table import place
from ..wording import count, name, number
from .canvas import ADVERSARIAL, FRIENDLY, INK, NEUTRAL, Drawing, identify, to_svg
from .grid import DARK

#: Pairs of heads that are drawn at most, those of the largest excess.
MOST_PAIRS = 40
_READS = {
    "q": ("query", FRIENDLY),
    "k": ("key", ADVERSARIAL),
    "v": ("value", NEUTRAL),
}
_GROUNDS = {"core": "#f6cfb2", "added": "#cfe3f5"}
_WIDTH = 8.4
#: Heads of different numbers that have a column each.
_COLUMNS = 14
Found = Mapping[str, Any]


def dependency_graph(results: Results, found: Found) -> Drawing | None:
    """Draw the heads with edges layer by layer, and each pair's strongest edge.

    Args:
        results: The run's results.
        found: One entry of the analysis ``dependency``.

    Returns:
        The figure; ``None`` where no edge stands out.
    """
    path = "direct" if any(edge["path"] == "direct" for edge in found["edges"]) else "total"
    strongest = strongest_edges([edge for edge in found["edges"] if edge["path"] == path])
    if not strongest:
        return None
    drawn = strongest[:MOST_PAIRS]
    nodes = [unit for unit in found["nodes"] if any(unit in _pair(edge) for edge in drawn)]
    layers = sorted({_layer(unit) for unit in nodes})
    figure = Figure(figsize=(_WIDTH, 0.95 * len(layers) + 0.3))
    axis = figure.add_axes((0.0, 0.0, 1.0, 1.0))
    axis.set(xlim=(-0.07, 1.0), ylim=(-0.5, len(layers) - 0.5))
    axis.axis("off")
    places = _places(nodes, layers)
    most = max(edge["excess"]["value"] for edge in drawn)
    for i, edge in enumerate(drawn):
        _edge(axis, edge, places, edge["excess"]["value"] / most, i)
    for unit in nodes:
        group = found["nodes"][unit]
        axis.text(
            *places[unit],
            name(unit, 20),
            ha="center",
            va="center",
            color=DARK,
            fontsize=8.5,
            zorder=4,
            bbox={
                "boxstyle": "square,pad=0.35" if group == "core" else "round,pad=0.35",
                "facecolor": _GROUNDS[group],
                "edgecolor": "none",
            },
        )
    for y, layer in enumerate(layers):
        axis.text(-0.06, y, f"layer {layer}", va="center", fontsize=8.8)
    _legend(figure, axis)
    where = place(results, found)
    title = "Added heads that depend on the core" + (f" ({where})" if where else "")
    identity = identify("dependency", found)
    shown = count(len(drawn), "pair")
    some = (
        f"The {MOST_PAIRS} strongest of {len(strongest)} pairs"
        if len(drawn) < len(strongest)
        else "Pairs"
    )
    top = drawn[0]
    return Drawing(
        identity,
        title,
        f"{some} of a core head and an added head above it whose dependence stands out from that "
        f"on other heads of the core head’s layer, beyond correction, on the {path} path. Width: "
        "the excess; colour: the projection that reads it, the strongest where several do. The "
        f"table of edges has all {len(found['edges'])} edges, on all paths.",
        to_svg(
            figure,
            identity,
            title,
            f"Graph of {count(len(nodes), 'head')} and {shown}; the strongest is "
            f"{name(top['sender'])} to {name(top['receiver'])}, by "
            f"{number(100 * top['excess']['value'], 0)} points.",
        ),
    )


def strongest_edges(edges: Sequence[Found]) -> list[Found]:
    """Give each pair's strongest edge, largest excess first."""
    best: dict[tuple[str, str], Found] = {}
    for edge in sorted(edges, key=lambda e: -e["excess"]["value"]):
        best.setdefault(_pair(edge), edge)
    return sorted(best.values(), key=lambda e: (-e["excess"]["value"], *_pair(e)))


def _pair(edge: Found) -> tuple[str, str]:
    return edge["sender"], edge["receiver"]


def _layer(unit: str) -> int:
    return Unit.parse(unit).layer


def _head(unit: str) -> int:
    return Unit.parse(unit).head or 0


def _places(nodes: Sequence[str], layers: Sequence[int]) -> dict[str, tuple[float, float]]:
    """Place heads by layer and number, so that they stand as in the grids of heads."""
    numbers = sorted({_head(unit) for unit in nodes})
    places = {}
    for y, layer in enumerate(layers):
        own = [unit for unit in nodes if _layer(unit) == layer]
        for i, unit in enumerate(own):
            # With many heads there is no room for a column each.
            crowded = len(numbers) > _COLUMNS
            at, of = (i, len(own)) if crowded else (numbers.index(_head(unit)), len(numbers))
            places[unit] = (0.06 + 0.92 * (at + 0.5) / of, float(y))
    return places


def _edge(
    axis: Axes, edge: Found, places: Mapping[str, tuple[float, float]], share: float, i: int
) -> None:
    start, end = places[edge["sender"]], places[edge["receiver"]]
    _, colour = _READS.get(edge["reads"], ("", INK))
    # Edges that skip layers are bent, so that they pass the heads between.
    skipped = end[1] - start[1] - 1
    bend = 0.0 if skipped < 1 else min(0.12 + 0.05 * skipped, 0.35) * (1 if i % 2 else -1)
    patch = FancyArrowPatch(
        start,
        end,
        connectionstyle=f"arc3,rad={bend}",
        arrowstyle="-|>",
        mutation_scale=7 + 4 * share,
        shrinkA=9,
        shrinkB=11,
        linewidth=0.6 + 3.4 * share,
        color=colour,
        alpha=0.85,
        zorder=2,
    )
    patch.set_gid(f"edge-{i + 1}")
    axis.add_patch(patch)


def _legend(figure: Figure, axis: Axes) -> None:
    handles = [
        axis.plot([], [], marker, color=_GROUNDS[group], markersize=9, linewidth=0, label=label)[0]
        for group, marker, label in (("core", "s", "core head"), ("added", "o", "added head"))
    ]
    handles += [
        axis.plot([], [], color=colour, linewidth=2.4, label=f"read by the {word}")[0]
        for word, colour in _READS.values()
    ]
    figure.legend(
        handles=handles,
        loc="lower center",
        bbox_to_anchor=(0.5, 1.0),
        ncols=len(handles),
        frameon=False,
        handletextpad=0.5,
        columnspacing=1.4,
    )
