"""The cells of analyses that run the model: planned once a study's searches are finished."""

from __future__ import annotations

import itertools
import math
from dataclasses import replace

import pandas as pd

from ..analysis.accuracies import sparsest_matching
from ..analysis.core import core, whole_cores
from ..measure.dependency import dependency_passes
from ..search.find import search_effort
from ..tasks.task import Suite, Task, adversarial_only
from ..units import Unit
from .analysis_config import DependencyConfig, RemovalConfig
from .config import SearchConfig, StudyConfig
from .plan import Plan, Planner, place, version_of
from .store import Cell

#: The tag of everything that is measured on the analyses' own sample of the suites.
GRID = "grid-"


def sampled(config: StudyConfig, task: Task) -> tuple[Suite, ...]:
    """Give the task's suites with as many examples as analyses that run the model take."""
    n_id, per_case, seed = (
        config.analysis.id_size,
        config.analysis.per_case,
        config.analysis.seed,
    )
    return tuple(
        replace(
            suite,
            examples=suite.examples.sample(n_id, seed)
            if suite.role == "id"
            else suite.examples.sample_per_case(per_case, seed),
        )
        for suite in task.suites
    )


def plan_analyses(
    config: StudyConfig,
    task: Task,
    plan: Plan,
    subnetworks: pd.DataFrame,
    evaluations: pd.DataFrame,
) -> Plan:
    """Lay out the cells of a study's analyses, with everything that they need.

    Args:
        config: The study.
        task: Its task.
        plan: The study's own cells.
        subnetworks: What its searches found, as in ``tables.SUBNETWORKS``: which heads are in the
            core decides what is removed and patched.
        evaluations: How well that does, as in ``tables.EVALUATION``: where subnetworks match the
            model, disjoint ones are searched for.

    Returns:
        The cells that are not in ``plan``.
    """
    planner = Planner(config, task, sampled(config, task), GRID)
    cells = _grid(config, planner)
    if config.search.sparsities:
        found = core_heads(subnetworks)
        for finetune_seed in planner.finetune_seeds:
            for checkpoint in config.pruned_checkpoints:
                heads = found.get((finetune_seed, checkpoint), ([], []))
                cells += _of_checkpoint(config, planner, finetune_seed, checkpoint, *heads)
                matching = sparsest_matching(
                    evaluations, finetune_seed, checkpoint, config.analysis.margin_points
                )
                cells += _disjoint(config, planner, finetune_seed, checkpoint, matching)
            cells += _raw(config, planner, finetune_seed, found)
    # By name: a sample that takes all examples gives a cell of the same content another name.
    known = {cell.name for cell in plan.cells}
    return Plan(tuple({cell.name: cell for cell in cells if cell.name not in known}.values()))


def core_heads(subnetworks: pd.DataFrame) -> dict[tuple[int, int], tuple[list[str], list[str]]]:
    """Give for each pruned model the core's heads and the added ones.

    The core is what all subnetworks of the model share. Added are the other heads that at least
    half of the subnetworks at the lowest sparsity keep, the most frequent first.
    """
    found = {}
    results = core(subnetworks)
    for shared in whole_cores(results):
        model = (shared.finetune_seed, shared.checkpoint)
        own = [r for r in results if (r.finetune_seed, r.checkpoint) == model]
        densest = min((r for r in own if r.sparsity is not None), key=lambda r: r.sparsity or 0.0)
        often = sorted(densest.frequencies, key=lambda unit: -densest.frequencies[unit])
        added = [
            unit
            for unit in often
            if unit not in shared.core and 2 * densest.frequencies[unit] >= densest.n_subnetworks
        ]
        found[model] = (list(shared.core), added)
    return found


def _grid(config: StudyConfig, planner: Planner) -> list[Cell]:
    grid = config.analysis.grid
    if grid is None or not config.search.sparsities:
        return []
    search = SearchConfig(
        method=config.search.method,
        sparsities=grid.sparsities,
        seeds=grid.seeds,
        units=config.search.units,
        ablation=config.search.ablation,
        options=config.search.options if grid.options is None else grid.options,
    )
    cells: list[Cell] = []
    for finetune_seed in planner.finetune_seeds:
        for checkpoint in config.grid_checkpoints:
            full = planner.full(finetune_seed, checkpoint)
            cells += [full, planner.prepare(finetune_seed, checkpoint)]
            for seed in grid.seeds:
                cells += planner.searched(finetune_seed, checkpoint, seed, search, full, GRID)
    return cells


def _of_checkpoint(
    config: StudyConfig,
    planner: Planner,
    finetune_seed: int,
    checkpoint: int,
    core_: list[str],
    added: list[str],
) -> list[Cell]:
    """Make the cells about one model that was pruned."""
    settings = config.analysis
    data = planner.prepare(finetune_seed, checkpoint)
    origin = planner.origin(finetune_seed)
    where = place(finetune_seed, checkpoint)
    label = f"f{finetune_seed}-s{checkpoint}"
    base = planner.base(checkpoint) | planner.tested() | {"draws": settings.seed}
    cells: list[Cell] = []
    if settings.removal is not None:
        spec = base | settings.removal.model_dump(exclude={"probe"}) | {"core": core_}
        cells.append(
            Cell(
                "removal",
                f"removal-{label}",
                spec | version_of("removal"),
                (*origin, data),
                where,
                _removals(planner, settings.removal, core_),
                5e4,
            )
        )
    if settings.attention is not None:
        cells += _attention(config, planner, finetune_seed, checkpoint)
    if settings.dependency is not None and core_ and added:
        spec = base | settings.dependency.model_dump() | {"core": core_, "added": added}
        cells.append(
            Cell(
                "dependency",
                f"dependency-{label}",
                spec | version_of("dependency"),
                (*origin, data),
                where,
                _paths(planner, settings.dependency, core_, added),
                5e4,
            )
        )
    return cells


def _disjoint(
    config: StudyConfig,
    planner: Planner,
    finetune_seed: int,
    checkpoint: int,
    matching: float | None,
) -> list[Cell]:
    """Make the cells of disjoint subnetworks, at the lowest sparsity and the sparsest matching."""
    settings, search = config.analysis.disjoint, config.search
    if settings is None:
        return []
    lowest = min(search.sparsities)
    sparsities = [lowest] if matching in (None, lowest) else [lowest, matching]
    if settings.sparsity is not None:
        sparsities = [settings.sparsity]
    full = planner.full(finetune_seed, checkpoint)
    base = planner.base(checkpoint) | planner.evaluated() | {"draws": config.analysis.seed}
    cells = [full]
    for sparsity, seed in itertools.product(sparsities, search.seeds[: settings.seeds]):
        # A second one is in the label, which is to be unique.
        level = "" if sparsity == sparsities[0] else f"-{100 * sparsity:g}pc"
        found = planner.searched(finetune_seed, checkpoint, seed, search, full)[0]
        n = search_effort(search.method, search.options, [sparsity])
        one = planner.cost.passes(planner.task.search, 2.2, n)
        cells.append(
            Cell(
                "disjoint",
                f"disjoint-f{finetune_seed}-s{checkpoint}-k{seed}{level}",
                base
                | {"sparsity": sparsity, "forbidden": sorted(settings.forbidden), "seed": seed}
                | version_of("disjoint"),
                (*found.inputs, full, found),
                place(finetune_seed, checkpoint)
                | {"kind": "subnetwork", "method": search.method}
                | {"sparsity": sparsity, "seed": seed},
                one * len(settings.forbidden),
                1e5,
            )
        )
    return cells


def _attention(
    config: StudyConfig, planner: Planner, finetune_seed: int, checkpoint: int
) -> list[Cell]:
    settings = config.analysis.attention
    assert settings is not None
    spec = planner.base(checkpoint) | planner.tested() | {"draws": config.analysis.seed}
    return [
        Cell(
            "attention",
            f"attention-{weighting}-f{finetune_seed}-s{checkpoint}",
            spec | {"weighting": weighting} | version_of("attention"),
            planner.origin(finetune_seed),
            place(finetune_seed, checkpoint),
            sum(planner.cost.passes(suite.examples, 1) for suite in planner.suites),
            5e4,
        )
        for weighting in settings.weightings
    ]


def _raw(
    config: StudyConfig,
    planner: Planner,
    finetune_seed: int,
    found: dict[tuple[int, int], tuple[list[str], list[str]]],
) -> list[Cell]:
    """Make the cells about the model before fine-tuning, where that is kept."""
    if config.finetune is None or 0 not in config.checkpoints:
        return []
    cells: list[Cell] = []
    if config.analysis.attention is not None:
        cells += _attention(config, planner, finetune_seed, 0)
    last = config.pruned_checkpoints[-1]
    removal = config.analysis.removal
    if removal is not None and removal.probe and last:
        core_ = found.get((finetune_seed, last), ([], []))[0]
        data = planner.prepare(finetune_seed, 0)
        spec = planner.base(0) | planner.tested() | removal.model_dump(exclude={"probe"})
        cells += [
            data,
            Cell(
                "probe",
                f"probe-f{finetune_seed}",
                spec
                | {"draws": config.analysis.seed, "core": core_}
                | {"search": planner.task.search.digest}
                | version_of("probe"),
                (*planner.origin(finetune_seed), data),
                place(finetune_seed, 0),
                _removals(planner, removal, core_) + planner.cost.passes(planner.task.search, 1),
                5e4,
            ),
        ]
    return cells


def _removals(planner: Planner, settings: RemovalConfig, core_: list[str]) -> float:
    """Forecast the cost of removing every unit, pairs, the core, its controls and own groups."""
    pairs = math.comb(min(settings.pairs, len(core_)), 2)
    # The layers below a unit are not run again; of single units that saves half of the work.
    n = planner.cost.units / 2 + pairs + settings.controls + len(settings.groups) + 2
    return sum(planner.cost.passes(suite.examples, n) for suite in planner.suites)


def _paths(
    planner: Planner, settings: DependencyConfig, core_: list[str], added: list[str]
) -> float:
    """Forecast the cost of patching the paths from core heads and their controls."""
    senders = core_[: settings.senders]
    # Which heads are the controls does not matter here: they are of the core heads' layers.
    layers = sorted({Unit.parse(label).layer for label in senders})
    controls = [f"L{layer}H0" for layer in layers] * settings.controls
    n = dependency_passes(
        planner.cost.layers or 1,
        [*senders, *controls],
        added[: settings.receivers],
        margin_paths=settings.margin_paths,
        counterfactual=settings.replace == "counterfactual",
    )
    suites = adversarial_only(planner.suites, settings.per_case, planner.config.analysis.seed)
    return sum(planner.cost.passes(suite.examples, n) for suite in suites)
