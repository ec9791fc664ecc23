"""From a configuration to the cells that it needs."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from ..errors import InputError, one_line
from ..measure.counterfactual import check_counterparts
from ..search.methods import check_together, method_options
from ..tasks.task import Suite, Task
from ..units import UnitSpace
from .config import StudyConfig
from .kinds.evaluate import plan_full, plan_subnetworks
from .kinds.finetune import plan_finetune
from .kinds.prepare import plan_prepare
from .planner import Checkpoint, Planner
from .store import Cell


@dataclass(frozen=True)
class Plan:
    """The cells of a study, in an order in which inputs come first."""

    cells: tuple[Cell, ...]

    def of_kind(self, *kinds: str) -> tuple[Cell, ...]:
        """Return the cells of some kinds, by the kinds' names, with everything that they need."""
        wanted: dict[str, Cell] = {}
        for cell in self.cells:
            if cell.kind in kinds:
                for needed in (*_ancestors(cell), cell):
                    wanted.setdefault(needed.key, needed)
        return tuple(wanted.values())


def make_plan(
    config: StudyConfig, task: Task, suites: Sequence[Suite] | None = None, tag: str = ""
) -> Plan:
    """Plan a study's cells.

    Args:
        config: The study.
        task: Its task, loaded.
        suites: What models and subnetworks are evaluated on; the task's own suites if not given.
        tag: Put before the labels of evaluation cells on other suites.

    Returns:
        The plan.

    Raises:
        InputError: If a setting of the search method is unknown or does not fit, or the task lacks
            counterfactual examples that the study asks for.
    """
    planner = Planner(config, task, task.suites if suites is None else suites, tag)
    _check_analyses(config, task, planner.place.shape)
    search = config.search
    cells: list[Cell] = []
    for finetune_seed in planner.finetune_seeds:
        cells += plan_finetune(planner, finetune_seed)
        for step in config.checkpoints:
            checkpoint = Checkpoint(finetune_seed, step)
            cells.append(plan_full(planner, checkpoint))
            if step in config.pruned_checkpoints:
                cells.append(plan_prepare(planner, checkpoint))
                for seed in search.seeds if search.sparsities else []:
                    cells += plan_subnetworks(planner, checkpoint, seed, search)
    # A search with several seeds is planned with each of them.
    return Plan(tuple({cell.name: cell for cell in cells}.values()))


def _check_analyses(config: StudyConfig, task: Task, size: Mapping[str, int] | None) -> None:
    """Check what is known of the analyses before anything is computed."""
    grid, removal, dependency = (
        config.analysis.grid,
        config.analysis.removal,
        config.analysis.dependency,
    )
    if grid is not None:
        options = config.search.options if grid.options is None else grid.options
        method_options(config.search.method, options)
        if grid.seeds_per_pass > 1:
            check_together(config.search.method, options)
    if dependency is not None and dependency.replace == "counterfactual":
        check_counterparts(task.suites)
    if removal is None or size is None:  # the size of a model on the hub is not known yet
        return
    space = UnitSpace((size["num_attention_heads"],) * size["num_hidden_layers"])
    for name, units in removal.groups.items():
        try:
            space.mask(units)
        except InputError as error:
            raise InputError(
                f"study key analysis.removal.groups: {one_line(repr(name), 60)}: {error}"
            ) from error


def _ancestors(cell: Cell) -> Iterable[Cell]:
    for source in cell.inputs:
        yield from _ancestors(source)
        yield source
