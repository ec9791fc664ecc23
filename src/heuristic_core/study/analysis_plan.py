"""The cells of analyses that run the model: planned once a study's searches are finished."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import pandas as pd

from ..analysis.accuracies import sparsest_matching
from ..analysis.cores import cores_of, whole_cores
from ..tasks.task import Suite, Task
from .config import StudyConfig
from .kinds.attention import plan_attention
from .kinds.attention_maps import plan_attention_maps
from .kinds.dependency import plan_dependency
from .kinds.disjoint import plan_disjoint
from .kinds.evaluate import plan_full, plan_subnetworks
from .kinds.necessity import plan_necessity
from .kinds.prepare import plan_prepare
from .kinds.probe import plan_probe
from .kinds.removal import plan_removal
from .kinds.repelled import plan_repelled
from .kinds.targeted import plan_targeted
from .kinds.validity import plan_validity
from .plan import Plan
from .planner import Checkpoint, Planner
from .store import Cell

#: The tag of everything that is measured on the analyses' own sample of the suites.
GRID = "grid-"


def sampled(config: StudyConfig, task: Task) -> tuple[Suite, ...]:
    """Return the task's suites with as many examples as analyses that run the model take."""
    settings = config.analysis
    return tuple(
        replace(
            suite,
            examples=suite.examples.sample(settings.id_size, settings.seed)
            if suite.role == "id"
            else suite.examples.sample_per_case(settings.per_case, settings.seed),
        )
        for suite in task.suites
    )


def plan_analyses(
    config: StudyConfig, task: Task, plan: Plan, tables: Mapping[str, pd.DataFrame]
) -> Plan:
    """Plan the cells of a study's analyses, with everything that they need.

    Args:
        config: The study.
        task: Its task.
        plan: The study's own cells.
        tables: The study's own tables ``subnetworks`` and ``evaluations``. The first says which
            heads are in the core, which decides what is removed and patched; the second at which
            sparsities subnetworks match the model, where disjoint ones are searched for.

    Returns:
        The cells that are not in ``plan``.
    """
    planner = Planner(config, task, sampled(config, task), GRID)
    cells: list[Cell] = []
    if config.search.sparsities:
        cells += _plan_grid(planner)
        heads = core_heads(tables["subnetworks"])
        for finetune_seed in planner.finetune_seeds:
            pruned = [Checkpoint(finetune_seed, step) for step in config.pruned_checkpoints]
            for checkpoint in pruned:
                shared, added = heads.get(checkpoint, ([], []))
                matching = sparsest_matching(
                    tables["evaluations"], *checkpoint, config.analysis.margin_points
                )
                cells += plan_removal(planner, checkpoint, shared)
                cells += plan_attention(planner, checkpoint)
                cells += plan_attention_maps(planner, checkpoint)
                cells += plan_dependency(planner, checkpoint, shared, added)
                cells += plan_disjoint(planner, checkpoint, matching)
                cells += plan_targeted(planner, checkpoint, matching)
                cells += plan_repelled(planner, checkpoint, matching)
                cells += plan_necessity(planner, checkpoint, matching)
                cells += plan_validity(planner, checkpoint, matching, shared)
            if config.over_training and 0 in config.checkpoints:
                untrained = Checkpoint(finetune_seed, 0)
                cells += plan_attention(planner, untrained)
                cells += plan_attention_maps(planner, untrained)
                if pruned[-1].step:
                    shared, _ = heads.get(pruned[-1], ([], []))
                    cells += plan_probe(planner, finetune_seed, shared)
    # By name: a sample that takes all examples gives a cell of the same content another name.
    known = {cell.name for cell in plan.cells}
    return Plan(tuple({cell.name: cell for cell in cells if cell.name not in known}.values()))


def core_heads(subnetworks: pd.DataFrame) -> dict[Checkpoint, tuple[list[str], list[str]]]:
    """List for each pruned model the core's heads and the added ones.

    The core is what all subnetworks of the model share. Added are the other heads that at least
    half of the subnetworks at the lowest sparsity keep, the most frequent first.
    """
    heads = {}
    results = cores_of(subnetworks)
    for shared in whole_cores(results):
        model = Checkpoint(shared.finetune_seed, shared.checkpoint)
        own = [r for r in results if (r.finetune_seed, r.checkpoint) == model]
        densest = min((r for r in own if r.sparsity is not None), key=lambda r: r.sparsity or 0.0)
        # At one sparsity every independent set is a subnetwork.
        often = sorted(densest.times, key=lambda unit: -densest.times[unit])
        added = [
            unit
            for unit in often
            if unit not in shared.heads and 2 * densest.times[unit] >= len(densest.sets)
        ]
        heads[model] = (list(shared.heads), added)
    return heads


def _plan_grid(planner: Planner) -> list[Cell]:
    """Plan the small searches on the grid of checkpoints and sparsities."""
    config, grid = planner.config, planner.config.analysis.grid
    if grid is None:
        return []
    search = config.search.model_copy(
        update={
            "sparsities": grid.sparsities,
            "seeds": grid.seeds,
            "seeds_per_pass": grid.seeds_per_pass,
        }
        | ({} if grid.options is None else {"options": grid.options})
    )
    cells: list[Cell] = []
    for finetune_seed in planner.finetune_seeds:
        for step in config.grid_checkpoints:
            checkpoint = Checkpoint(finetune_seed, step)
            cells += [plan_full(planner, checkpoint), plan_prepare(planner, checkpoint)]
            for seed in grid.seeds:
                cells += plan_subnetworks(planner, checkpoint, seed, search, GRID)
    return cells
