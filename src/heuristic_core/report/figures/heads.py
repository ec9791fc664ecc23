"""Which heads and MLPs subnetworks keep, as a grid of layers and heads."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from matplotlib import colormaps
from matplotlib.colors import LinearSegmentedColormap

from ..results import Results
from ..table import MODEL, place
from ..tables.heads import whole_cores
from ..wording import count, level, listing
from .canvas import ADVERSARIAL, Drawing, identify, to_svg
from .grid import cell, outline, unit_grid

#: From kept by none to kept by all.
KEPT = LinearSegmentedColormap.from_list("kept", colormaps["Blues"]([0.03, 0.25, 0.5, 0.75, 1.0]))


def head_grid(results: Results, core: Mapping[str, Any]) -> Drawing:
    """Draw how many subnetworks of one sparsity keep each head and MLP, the core outlined.

    Args:
        results: The run's results.
        core: One entry of the analysis ``core``, of a single sparsity.
    """
    whole = next(c for c in whole_cores(results) if all(c[k] == core[k] for k in MODEL))
    outlined = set(whole["core"])
    figure, places = unit_grid((*core["frequencies"], *core["mlp_frequencies"]))
    axis = figure.axes[0]
    n = core["n_subnetworks"]
    for unit, kept in (core["frequencies"] | core["mlp_frequencies"]).items():
        x, y = places[unit]
        cell(axis, x, y, KEPT(kept / n), str(kept), bold=kept == n)
        if unit in outlined:
            outline(axis, x, y, ADVERSARIAL)
    sparsity = level(core["sparsity"])
    where = place(results, core)
    title = f"Kept at {sparsity} sparsity" + (f" ({where})" if where else "")
    identity = identify("heads", core)
    shared = listing(core["core"]) or "none"
    return Drawing(
        identity,
        title,
        f"How many of {count(n, 'subnetwork')} keep each head (layers down, heads across) and "
        f"each MLP. Outlined: {_outline(whole, core)}",
        to_svg(
            figure,
            identity,
            title,
            f"Grid of layers by heads. Heads kept by all {count(n, 'subnetwork')}: {shared}.",
        ),
    )


def _outline(whole: Mapping[str, Any], core: Mapping[str, Any]) -> str:
    if not whole["core"]:
        return "nothing, as no head is kept by all subnetworks."
    n = whole["n_subnetworks"]
    every = "of all sparsities" if whole["sparsity"] is None else ""
    return f"the heads that all {n} subnetworks {every} keep.".replace("  ", " ")
