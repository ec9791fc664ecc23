"""The report's figures; importing this loads matplotlib, so it is done when one is drawn."""

from __future__ import annotations

from ..results import Results
from .canvas import Drawing, style
from .curves import heat_map, line_panel
from .heads import head_grid
from .spread import strips

__all__ = ["Drawing", "draw"]


def draw(results: Results) -> dict[str, list[Drawing]]:
    """Draw what a run's results can show.

    Args:
        results: The run's results.

    Returns:
        Figures by subject: ``curves``, ``spread`` and ``heads``; each may be empty.
    """
    analysis = results.analysis
    with style():
        curves = [
            drawing
            for found in analysis.get("curves", ())
            for drawing in (line_panel(results, found), heat_map(results, found))
            if drawing is not None
        ]
        spread = [strips(results, found) for found in analysis.get("spread", ())]
        heads = [
            head_grid(results, found)
            for found in analysis.get("core", ())
            if found["sparsity"] is not None
        ]
    return {"curves": curves, "spread": spread, "heads": heads}
