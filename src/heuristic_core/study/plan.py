"""From a configuration to the cells it needs, with what each is forecast to cost."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..models.sources import identity, shape
from ..search.find import search_effort
from ..tasks.task import Examples, Suite, Task
from .config import StudyConfig
from .store import Cell

#: Raised when a kind of cell comes to compute something else from the same spec.
VERSIONS = {"finetune": 1, "prepare": 1, "search": 2, "evaluate": 2}


@dataclass(frozen=True)
class Plan:
    """The cells of a study, in an order in which inputs come first."""

    cells: tuple[Cell, ...]

    def of_kind(self, *kinds: str) -> tuple[Cell, ...]:
        """Give the cells of some kinds with everything that they need."""
        wanted: dict[str, Cell] = {}
        for cell in self.cells:
            if cell.kind in kinds:
                for needed in (*_ancestors(cell), cell):
                    wanted.setdefault(needed.key, needed)
        return tuple(wanted.values())


def make_plan(
    config: StudyConfig, task: Task, suites: Sequence[Suite] | None = None, tag: str = ""
) -> Plan:
    """Lay out a study's cells.

    Args:
        config: The study.
        task: Its task, loaded.
        suites: What models and subnetworks are evaluated on; the task's own suites if not given.
        tag: Put before the labels of evaluation cells on other suites.

    Returns:
        The plan.
    """
    cost = Cost(shape(config.model.source))
    tested = task.suites if suites is None else tuple(suites)
    model = {"identity": identity(config.model.source), "max_length": config.model.max_length}
    running: dict[str, Any] = {"dtype": config.model.dtype}
    cells: list[Cell] = []
    for finetune_seed in config.finetune.seeds if config.finetune else [0]:
        tuned = _finetune_cell(config, task, model, finetune_seed, cost)
        cells += [tuned] if tuned else []
        origin = (tuned,) if tuned else ()
        for checkpoint in config.checkpoints:
            where: dict[str, Any] = {"finetune_seed": finetune_seed, "checkpoint": checkpoint}
            base = running | {"checkpoint": checkpoint} | ({} if tuned else {"model": model})
            full = _evaluate_cell(
                tag, base, tested, origin, where | FULL, f"f{finetune_seed}-s{checkpoint}", cost
            )
            cells.append(full)
            if checkpoint not in config.pruned_checkpoints:
                continue
            data = Cell(
                "prepare",
                f"prepare-f{finetune_seed}-s{checkpoint}",
                base
                | {"search": task.search.digest, "ablation": config.search.ablation}
                | _version("prepare"),
                origin,
                where,
                cost.passes(task.search, 1),
                1e6,
            )
            cells.append(data)
            for seed in config.search.seeds if config.search.sparsities else []:
                found, evaluations = _search_cells(
                    config, task, tested, tag, base, data, full, where | {"seed": seed}, cost
                )
                cells += [found, *evaluations]
    return Plan(tuple(cells))


FULL: dict[str, Any] = {"kind": "full", "method": "", "sparsity": 0.0, "seed": -1}


class Cost:
    """Forecasts from a model's size; all zero where the size is not known."""

    def __init__(self, size: Mapping[str, int] | None) -> None:
        self.weights = 0 if size is None else size["bytes"]
        self.per_token = 0.0
        if size is not None:
            width, inner = size["hidden_size"], size["intermediate_size"]
            self.per_token = size["num_hidden_layers"] * (4 * width**2 + 2 * width * inner)

    def passes(self, examples: Examples, passes: float, n: int | None = None) -> float:
        """Forecast multiply-adds of running n of the examples, counted in forward passes."""
        return self.per_token * passes * (len(examples) if n is None else n) * _tokens(examples)


def _finetune_cell(
    config: StudyConfig, task: Task, model: Mapping[str, Any], seed: int, cost: Cost
) -> Cell | None:
    if config.finetune is None:
        return None
    recipe = config.finetune.model_dump(exclude={"seeds"})
    spec = recipe | {"model": model, "train": task.train.digest, "seed": seed}
    return Cell(
        "finetune",
        f"finetune-f{seed}",
        spec | {"checkpoints": sorted(recipe["checkpoints"])} | _version("finetune"),
        (),
        {"finetune_seed": seed},
        cost.passes(task.train, 3, config.finetune.steps * config.finetune.batch_size),
        cost.weights * len(recipe["checkpoints"]),
    )


def _search_cells(
    config: StudyConfig,
    task: Task,
    suites: Sequence[Suite],
    tag: str,
    base: Mapping[str, Any],
    data: Cell,
    full: Cell,
    where: Mapping[str, Any],
    cost: Cost,
) -> tuple[Cell, list[Cell]]:
    search = config.search
    n_examples = search_effort(search.method, search.options, search.sparsities)
    label = f"f{where['finetune_seed']}-s{where['checkpoint']}-k{where['seed']}"
    found = Cell(
        "search",
        f"search-{label}",
        dict(base)
        | {
            "method": search.method,
            "options": search.options,
            "sparsities": sorted(search.sparsities),
            "units": search.units,
            "seed": where["seed"],
        }
        | _version("search"),
        (*data.inputs, data),
        where,
        cost.passes(task.search, 2.2, n_examples),
        len(search.sparsities) * 5e4,
    )
    evaluations = [
        _evaluate_cell(
            tag,
            dict(base) | {"sparsity": sparsity},
            suites,
            (*data.inputs, full, found),
            dict(where) | {"kind": "subnetwork", "method": search.method, "sparsity": sparsity},
            f"{label}-{sparsity * 100:g}pc",
            cost,
        )
        for sparsity in search.sparsities
    ]
    return found, evaluations


def _evaluate_cell(
    tag: str,
    base: Mapping[str, Any],
    suites: Sequence[Suite],
    inputs: tuple[Cell, ...],
    system: Mapping[str, Any],
    label: str,
    cost: Cost,
) -> Cell:
    content = {suite.name: suite.examples.digest for suite in suites}
    kinds = {suite.name: [suite.kind(case) for case in suite.cases] for suite in suites}
    maps = {suite.name: dict(suite.label_map) for suite in suites}
    return Cell(
        "evaluate",
        f"{tag}evaluate-{label}",
        dict(base) | {"suites": content, "kinds": kinds, "maps": maps} | _version("evaluate"),
        inputs,
        system,
        sum(cost.passes(suite.examples, 1) for suite in suites),
        2e4 + 12 * sum(len(suite.examples) for suite in suites),
    )


def _version(kind: str) -> dict[str, int]:
    return {"version": VERSIONS[kind]}


def _ancestors(cell: Cell) -> Iterable[Cell]:
    for source in cell.inputs:
        yield from _ancestors(source)
        yield source


def _tokens(examples: Examples) -> float:
    """Guess the mean number of tokens from the number of words."""
    if not len(examples):
        return 0.0
    some = examples.table.iloc[:: max(1, len(examples) // 200)]
    words = [
        len(f"{row.text} {row.text_pair or ''}".split()) for row in some.itertuples(index=False)
    ]
    return 1.25 * float(np.mean(words)) + 3
