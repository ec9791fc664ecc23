"""What the cells about the set of faithful subnetworks have in common."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from ...subnetwork import Subnetwork
from ..analysis_config import FaithfulConfig
from ..bench import Workbench
from ..config import SearchConfig
from ..planner import Checkpoint, Planner, precision_spec
from ..store import Cell
from .evaluate import evaluation_spec
from .search import SEARCH, effort_of, load_found, plan_search


def faithful_inputs(
    planner: Planner, checkpoint: Checkpoint, matching: float | None
) -> tuple[FaithfulConfig, float, tuple[Cell, ...]] | None:
    """Return the settings, the sparsity and the inputs of such cells; ``None`` if there are none.

    Args:
        planner: The study's planner.
        checkpoint: The model.
        matching: The highest sparsity at which subnetworks match the model, if any.
    """
    settings, search = planner.config.analysis.faithful, planner.config.search
    if settings is None or search.method != "learned":
        return None
    sparsity = sparsity_of(settings.sparsity, search, matching)
    searched = [plan_search(planner, checkpoint, s, sparsity, search) for s in search.seeds]
    own = {cell.name: cell for cell in searched}
    return settings, sparsity, (*searched[0].inputs, *own.values())


def sparsity_of(asked: float | None, search: SearchConfig, matching: float | None) -> float:
    """Return the sparsity of the subnetworks that are looked at closely.

    Args:
        asked: What the study says, if it does.
        search: The study's searches.
        matching: The highest sparsity at which subnetworks match the model, if any; by default
            this one, else the lowest.
    """
    if asked is not None:
        return asked
    return min(search.sparsities) if matching is None else matching


def faithful_spec(
    planner: Planner, checkpoint: Checkpoint, settings: FaithfulConfig, sparsity: float
) -> dict[str, Any]:
    """Return what the spec of all such cells says."""
    search = planner.config.search
    return (
        planner.spec(checkpoint)
        | evaluation_spec(planner)
        | {
            "sparsity": sparsity,
            "seeds": search.seeds,
            "units": search.units,
            "options": search.options,
            "rounds": settings.rounds,
            "examples": settings.examples,
        }
        | precision_spec(search.precision)
    )


def search_effort_of(planner: Planner, settings: FaithfulConfig, sparsity: float) -> float:
    """Forecast the multiply-adds of one such search: it makes exchanges of its own number."""
    search = planner.config.search
    options = with_rounds(search.options, settings.rounds)
    return effort_of(planner, search.model_copy(update={"options": options}), [sparsity])


def searched(bench: Workbench, cell: Cell, seeds: Sequence[int]) -> list[Subnetwork]:
    """Read the subnetworks that the study's own searches found, by seed."""
    holding: dict[int, Cell] = {}
    for source in cell.inputs:
        if source.kind == SEARCH.name:
            own = source.spec["seeds"] if "seeds" in source.spec else [source.spec["seed"]]
            holding |= dict.fromkeys(own, source)
    sparsity = cell.spec["sparsity"]
    return [load_found(bench.store, holding[seed], seed, sparsity) for seed in seeds]


def options_of(cell: Cell) -> dict[str, Any]:
    """Return the settings of a cell's searches."""
    return with_rounds(cell.spec["options"], cell.spec["rounds"])


def with_rounds(options: Mapping[str, Any], rounds: int) -> dict[str, Any]:
    """Return a study's settings of searches with other rounds of exchanges."""
    return {**options, "exchange_rounds": rounds}
