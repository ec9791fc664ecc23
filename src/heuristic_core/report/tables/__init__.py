"""The report's tables, by the question that they belong to."""

from __future__ import annotations

from collections.abc import Callable

from ..results import Results
from ..table import Table
from .accuracies import case_table, curve_table, sparsity_table, subnetwork_table
from .attention import head_table, repeated_table, type_table
from .dependency import edge_table, effect_table
from .discrimination import discrimination_table, ranks_table, told_apart_table
from .emergence import checkpoint_core_table, member_table
from .heads import core_table, frequency_table
from .overlap import core_overlap_table, disjoint_table, neighbour_table, overlap_table
from .removal import additivity_table, core_removal_table, group_table, removal_table
from .roles import role_table, side_table, unit_role_table
from .size import grid_table, size_change_table, size_table, smoothness_table

_MAKERS: dict[str, tuple[Callable[[Results], Table], ...]] = {
    "spread": (sparsity_table, subnetwork_table, case_table),
    "core": (core_table, frequency_table),
    "curves": (curve_table,),
    "discrimination": (discrimination_table, told_apart_table),
    "ranks": (ranks_table,),
    "smoothness": (smoothness_table, grid_table),
    "size": (size_table, size_change_table),
    "overlap": (overlap_table, neighbour_table),
    "disjoint": (disjoint_table,),
    "core_overlap": (core_overlap_table,),
    "emergence": (checkpoint_core_table, member_table),
    "removal": (removal_table,),
    "core_removal": (core_removal_table,),
    "additivity": (additivity_table,),
    "groups": (group_table,),
    "roles": (role_table, unit_role_table),
    "sides": (side_table,),
    "patterns": (type_table, head_table),
    "repeated": (repeated_table,),
    "dependency": (effect_table, edge_table),
}


def tables(results: Results) -> dict[str, list[Table]]:
    """Make every table that has rows.

    Args:
        results: The run's results.

    Returns:
        Tables by analysis; an analysis without any is left out.
    """
    made = {
        key: [table for make in makers if (table := make(results)).rows]
        for key, makers in _MAKERS.items()
    }
    return {key: some for key, some in made.items() if some}
