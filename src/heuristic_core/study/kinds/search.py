"""Searching for subnetworks: one run of a search, which finds one at each seed and sparsity."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import Any

from ...models.classifier import Classifier
from ...progress import Progress
from ...search.find import find_subnetworks_together
from ...search.methods import METHODS, check_together, method_options, search_effort
from ...search.options import DeterministicOptions
from ...subnetwork import Subnetwork
from ..bench import Workbench
from ..config import SearchConfig
from ..planner import Checkpoint, Planner, precision_of, precision_spec
from ..store import Cell, Store
from .finetune import classifier
from .kind import Kind
from .prepare import plan_prepare, search_data


def plan_search(
    planner: Planner,
    checkpoint: Checkpoint,
    seed: int,
    sparsity: float,
    search: SearchConfig,
    tag: str = "",
) -> Cell:
    """Plan the run of a search that finds a subnetwork, with all seeds of its pass.

    All sparsities are found in one run, unless the method searches for each apart.

    Args:
        planner: The study's planner.
        checkpoint: The model that is searched in.
        seed: The seed.
        sparsity: The sparsity.
        search: The search's settings; they say which seeds share a pass.
        tag: Put before the cell's label.
    """
    prepared = plan_prepare(planner, checkpoint)
    seeds = seeds_of_pass(seed, search)
    # Cells of one seed are named as before there were passes of several.
    alone = len(seeds) == 1
    named = {"seed": seed} if alone else {"seeds": seeds}
    apart = METHODS[search.method].apart and len(search.sparsities) > 1
    sparsities = [sparsity] if apart else sorted(search.sparsities)
    last, level = "" if alone else f"-k{seeds[-1]}", f"-{100 * sparsity:g}pc" if apart else ""
    return SEARCH.cell(
        f"{tag}search-{checkpoint.label}-k{seeds[0]}{last}{level}",
        spec=planner.spec(checkpoint)
        | {
            "method": search.method,
            "options": search.options,
            "sparsities": sparsities,
            "units": search.units,
        }
        | named
        | precision_spec(search.precision)
        | _examples_spec(planner, seed, search),
        inputs=(*prepared.inputs, prepared),
        system=checkpoint.columns | named,
        effort=effort_of(planner, search, sparsities) * len(seeds),
        disk=len(seeds) * len(sparsities) * 5e4,
    )


def seeds_of_pass(seed: int, search: SearchConfig) -> list[int]:
    """Return the seeds that are searched in one pass with a seed, itself among them.

    Raises:
        InputError: If the method takes one seed at a time.
    """
    if search.seeds_per_pass > 1:
        check_together(search.method, search.options)
    return next(seeds for seeds in search.passes if seed in seeds)


def seed_spec(search: Cell, seed: int) -> dict[str, int]:
    """Return the entry of a spec that says which subnetwork of a search with several it reads."""
    return {"seed": seed} if "seeds" in search.spec else {}


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
    seeds: Sequence[int],
    *,
    exclude: Collection[str] = (),
    progress: Progress | None = None,
) -> dict[int, list[Subnetwork]]:
    """Search as the spec of a search cell says.

    Args:
        bench: What cells share.
        cell: The search's cell.
        model: The model.
        sparsities: The sparsities to find, in place of the spec's own.
        seeds: The seeds, in place of the spec's own.
        exclude: Units that may not be kept.
        progress: Called with (steps done, steps in all).
    """
    at = {name: cell.system[name] for name in ("finetune_seed", "checkpoint")}
    return find_subnetworks_together(
        model,
        search_data(bench, cell, model),
        sparsities,
        seeds=seeds,
        method=cell.spec["method"],
        units=cell.spec["units"],
        exclude=exclude,
        precision=precision_of(cell.spec),
        provenance={
            "model": bench.config.source_of(*at.values()),
            "task": bench.task.name,
            **at,
        },
        progress=progress,
        **cell.spec["options"],
    )


def subnetwork_name(sparsity: float) -> str:
    """Return the name of a subnetwork's folder within the folder of its seed."""
    return f"sparsity-{sparsity:g}"


def place_of(spec: Mapping[str, Any], seed: int, sparsity: float) -> str:
    """Return where a search cell of some spec keeps a subnetwork."""
    name = subnetwork_name(sparsity)
    return f"seed-{seed}/{name}" if "seeds" in spec else name


def load_subnetwork(store: Store, cell: Cell) -> Subnetwork | None:
    """Read the subnetwork that a cell is about; ``None`` for the full model."""
    search = SEARCH.input_of(cell)
    if search is None:
        return None
    return load_found(store, search, cell.system["seed"], cell.system["sparsity"])


def load_found(store: Store, search: Cell, seed: int, sparsity: float) -> Subnetwork:
    """Read a subnetwork that a search cell found."""
    name = place_of(search.spec, seed, sparsity)
    with store.reading(search, name) as folder:
        return Subnetwork.read(folder / name)


def _work(bench: Workbench, cell: Cell, folder: Path, progress: Progress) -> dict[str, Any]:
    sparsities = cell.spec["sparsities"]
    seeds = cell.spec["seeds"] if "seeds" in cell.spec else [cell.spec["seed"]]
    found = find(bench, cell, classifier(bench, cell), sparsities, seeds, progress=progress)
    for seed, subnetworks in found.items():
        for sparsity, subnetwork in zip(sparsities, subnetworks, strict=True):
            subnetwork.save(folder / place_of(cell.spec, seed, sparsity))
    return {}


SEARCH = Kind(name="search", version=4, efficiency=0.62, work=_work)
