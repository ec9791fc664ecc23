"""The report's figures; importing this loads matplotlib, so it is done when one is drawn."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from ..results import Results
from .attention import before_and_after, pattern_maps
from .canvas import Drawing, style
from .curves import heat_map, line_panel
from .dependency import dependency_graph
from .discrimination import auc_and_bias
from .disjoint import complements
from .emergence import member_grid
from .heads import head_grid
from .removal import core_and_controls, effect_grid
from .size import size_panels
from .smoothness import sparsity_panels
from .spread import strips

__all__ = ["Drawing", "draw"]


def draw(results: Results) -> dict[str, list[Drawing]]:
    """Draw what a run's results can show.

    Args:
        results: The run's results.

    Returns:
        Figures by analysis; an analysis without any is left out.
    """

    def each(key: str) -> Sequence[Mapping[str, Any]]:
        return results.analysis.get(key, ())

    with style():
        drawn: dict[str, Iterable[Drawing | None]] = {
            "spread": [strips(results, entry) for entry in each("spread")],
            "core": [
                head_grid(results, entry) for entry in each("core") if entry["sparsity"] is not None
            ],
            "curves": [
                drawing
                for entry in each("curves")
                for drawing in (line_panel(results, entry), heat_map(results, entry))
            ],
            "discrimination": [auc_and_bias(results, entry) for entry in each("discrimination")],
            "smoothness": sparsity_panels(results),
            "size": size_panels(results),
            "disjoint": [complements(results, entry) for entry in each("disjoint")],
            "emergence": [member_grid(results, entry) for entry in each("emergence")],
            "removal": [effect_grid(results, entry) for entry in each("removal")],
            "core_removal": core_and_controls(results),
            "patterns": pattern_maps(results),
            "repeated": [
                before_and_after(results, entry, i) for i, entry in enumerate(each("repeated"))
            ],
            "dependency": [dependency_graph(results, entry) for entry in each("dependency")],
        }
        made = {key: [one for one in some if one is not None] for key, some in drawn.items()}
    return {key: some for key, some in made.items() if some}
