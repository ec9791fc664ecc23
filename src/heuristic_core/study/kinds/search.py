"""Searching for subnetworks: one run of a search, which finds one at each sparsity."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from pathlib import Path
from typing import Any

from ...models.classifier import Classifier
from ...progress import Progress
from ...search.find import find_subnetworks, method_options, search_effort
from ...search.options import DeterministicOptions
from ...subnetwork import Subnetwork
from ..bench import Workbench
from ..config import SearchConfig
from ..planner import Checkpoint, Planner
from ..store import Cell, Store
from .finetune import classifier
from .kind import Kind
from .prepare import plan_prepare, search_data


def plan_search(
    planner: Planner, checkpoint: Checkpoint, seed: int, search: SearchConfig, tag: str = ""
) -> Cell:
    """Plan one run of a search.

    Args:
        planner: The study's planner.
        checkpoint: The model that is searched in.
        seed: The search's seed.
        search: Its settings.
        tag: Put before the cell's label.
    """
    prepared = plan_prepare(planner, checkpoint)
    return SEARCH.cell(
        f"{tag}search-{checkpoint.label}-k{seed}",
        spec=planner.spec(checkpoint)
        | {
            "method": search.method,
            "options": search.options,
            "sparsities": sorted(search.sparsities),
            "units": search.units,
            "seed": seed,
        }
        | _examples_spec(planner, seed, search),
        inputs=(*prepared.inputs, prepared),
        system=checkpoint.columns | {"seed": seed},
        effort=effort_of(planner, search, search.sparsities),
        disk=len(search.sparsities) * 5e4,
    )


def _examples_spec(planner: Planner, seed: int, search: SearchConfig) -> dict[str, Any]:
    """Say which examples a method takes of which nothing else is random.

    Each seed once drew its own. Only searches whose examples are others now are named anew.
    """
    options = method_options(search.method, search.options)
    if not isinstance(options, DeterministicOptions):
        return {}
    drawn = len(planner.task.search) > options.examples
    return {"drawn_by": 0} if drawn and options.drawn_by(seed) != seed else {}


def effort_of(planner: Planner, search: SearchConfig, sparsities: Sequence[float]) -> float:
    """Forecast the multiply-adds of one run of a search for some sparsities."""
    n_examples = search_effort(search.method, search.options, sparsities)
    full = getattr(method_options(search.method, search.options), "full_padding", False)
    length = planner.config.model.max_length if full else None
    return planner.cost.passes(planner.task.search, 2.2, n_examples, padded_to=length)


def find(
    bench: Workbench,
    cell: Cell,
    model: Classifier,
    sparsities: Sequence[float],
    *,
    exclude: Collection[str] = (),
    progress: Progress | None = None,
) -> list[Subnetwork]:
    """Search as the spec of a search cell says.

    Args:
        bench: What cells share.
        cell: The search's cell.
        model: The model.
        sparsities: The sparsities to find, in place of the spec's own.
        exclude: Units that may not be kept.
        progress: Called with (steps done, steps in all).
    """
    at = {name: cell.system[name] for name in ("finetune_seed", "checkpoint")}
    return find_subnetworks(
        model,
        search_data(bench, cell, model),
        sparsities,
        seed=cell.spec["seed"],
        method=cell.spec["method"],
        units=cell.spec["units"],
        exclude=exclude,
        provenance={
            "model": bench.config.source_of(*at.values()),
            "task": bench.task.name,
            **at,
        },
        progress=progress,
        **cell.spec["options"],
    )


def subnetwork_name(sparsity: float) -> str:
    """Return the name of a subnetwork's folder within its search's cell."""
    return f"sparsity-{sparsity:g}"


def load_subnetwork(store: Store, cell: Cell) -> Subnetwork | None:
    """Read the subnetwork that a cell is about; ``None`` for the full model."""
    search = SEARCH.input_of(cell)
    if search is None:
        return None
    name = subnetwork_name(cell.system["sparsity"])
    with store.reading(search, name) as folder:
        return Subnetwork.read(folder / name)


def _work(bench: Workbench, cell: Cell, folder: Path, progress: Progress) -> dict[str, Any]:
    sparsities = cell.spec["sparsities"]
    subnetworks = find(bench, cell, classifier(bench, cell), sparsities, progress=progress)
    for sparsity, subnetwork in zip(sparsities, subnetworks, strict=True):
        subnetwork.save(folder / subnetwork_name(sparsity))
    return {}


SEARCH = Kind(name="search", version=3, efficiency=0.38, work=_work)
