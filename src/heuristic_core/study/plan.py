"""From a configuration to the cells it needs, with what each is forecast to cost."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..errors import InputError, one_line
from ..measure.counterfactual import check_counterparts
from ..models.sources import identity, shape
from ..search.find import method_options, search_effort
from ..tasks.task import Examples, Suite, Task
from ..units import UnitSpace
from .config import SearchConfig, StudyConfig
from .store import Cell

#: Raised when a kind of cell comes to compute something else from the same spec.
VERSIONS = {
    "finetune": 1,
    "prepare": 1,
    "search": 2,
    "evaluate": 5,
    "disjoint": 1,
    "removal": 3,
    "probe": 3,
    "attention": 1,
    "dependency": 3,
}
FULL: dict[str, Any] = {"kind": "full", "method": "", "sparsity": 0.0, "seed": -1}


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

    Raises:
        InputError: If a setting of the search method is unknown or does not fit, or the task lacks
            counterfactual examples that the study asks for.
    """
    grid = config.analysis.grid
    if grid is not None and grid.options is not None:
        method_options(config.search.method, grid.options)  # told before anything is computed
    patched = config.analysis.dependency
    if patched is not None and patched.replace == "counterfactual":
        check_counterparts(task.suites)
    planner = Planner(config, task, suites, tag)
    _check_groups(config)
    cells: list[Cell] = []
    for finetune_seed in planner.finetune_seeds:
        tuned = planner.finetune(finetune_seed)
        cells += [tuned] if tuned else []
        for checkpoint in config.checkpoints:
            full = planner.full(finetune_seed, checkpoint)
            cells.append(full)
            if checkpoint in config.pruned_checkpoints:
                cells.append(planner.prepare(finetune_seed, checkpoint))
                for seed in config.search.seeds if config.search.sparsities else []:
                    search = config.search
                    cells += planner.searched(finetune_seed, checkpoint, seed, search, full)
    return Plan(tuple(cells))


def _check_groups(config: StudyConfig) -> None:
    """Check the units of groups to remove, where the model's size is known before it is loaded."""
    removal, size = config.analysis.removal, shape(config.model.source)
    if removal is None or size is None:
        return
    space = UnitSpace((size["num_attention_heads"],) * size["num_hidden_layers"])
    for name, units in removal.groups.items():
        try:
            space.mask(units)
        except InputError as error:
            raise InputError(
                f"study key analysis.removal.groups: {one_line(repr(name), 60)}: {error}"
            ) from error


class Cost:
    """Forecasts from a model's size; all zero where the size is not known."""

    def __init__(self, size: Mapping[str, int] | None) -> None:
        self.weights = 0 if size is None else size["bytes"]
        self.layers = self.units = 0
        self.per_token = 0.0
        if size is not None:
            width, inner = size["hidden_size"], size["intermediate_size"]
            self.layers = size["num_hidden_layers"]
            self.units = self.layers * (size["num_attention_heads"] + 1)
            self.per_token = self.layers * (4 * width**2 + 2 * width * inner)

    def passes(self, examples: Examples, passes: float, n: int | None = None) -> float:
        """Forecast multiply-adds of running n of the examples, counted in forward passes."""
        return self.per_token * passes * (len(examples) if n is None else n) * _tokens(examples)


class Planner:
    """Makes the cells of one study.

    Args:
        config: The study.
        task: Its task.
        suites: What is evaluated on; the task's own suites if not given.
        tag: Put before the labels of evaluations on other suites.
    """

    def __init__(
        self,
        config: StudyConfig,
        task: Task,
        suites: Sequence[Suite] | None = None,
        tag: str = "",
    ) -> None:
        self.config = config
        self.task = task
        self.suites = task.suites if suites is None else tuple(suites)
        self.tag = tag
        self.cost = Cost(shape(config.model.source))
        self._model = {
            "identity": identity(config.model.source),
            "max_length": config.model.max_length,
        }

    @property
    def finetune_seeds(self) -> list[int]:
        """One for each model; 0 for a model that is given as it is."""
        return self.config.finetune.seeds if self.config.finetune else [0]

    def finetune(self, seed: int) -> Cell | None:
        """Make the cell of one fine-tuning; ``None`` where the model is given as it is."""
        if self.config.finetune is None:
            return None
        recipe = self.config.finetune.model_dump(exclude={"seeds"})
        spec = recipe | {"model": self._model, "train": self.task.train.digest, "seed": seed}
        n_examples = self.config.finetune.steps * self.config.finetune.batch_size
        return Cell(
            "finetune",
            f"finetune-f{seed}",
            spec | {"checkpoints": sorted(recipe["checkpoints"])} | version_of("finetune"),
            (),
            {"finetune_seed": seed},
            self.cost.passes(self.task.train, 3, n_examples),
            self.cost.weights * len(recipe["checkpoints"]),
        )

    def origin(self, finetune_seed: int) -> tuple[Cell, ...]:
        """Give what a checkpoint's cells need."""
        tuned = self.finetune(finetune_seed)
        return (tuned,) if tuned else ()

    def base(self, checkpoint: int) -> dict[str, Any]:
        """Give what every spec about a checkpoint holds."""
        given = {} if self.config.finetune else {"model": self._model}
        return {"dtype": self.config.model.dtype, "checkpoint": checkpoint} | given

    def full(self, finetune_seed: int, checkpoint: int) -> Cell:
        """Make the cell that evaluates a full model."""
        return self._evaluate(
            self.base(checkpoint),
            self.origin(finetune_seed),
            place(finetune_seed, checkpoint) | FULL,
            f"f{finetune_seed}-s{checkpoint}",
        )

    def prepare(self, finetune_seed: int, checkpoint: int) -> Cell:
        """Make the cell of what all searches in a checkpoint share."""
        return Cell(
            "prepare",
            f"prepare-f{finetune_seed}-s{checkpoint}",
            self.base(checkpoint)
            | {"search": self.task.search.digest, "ablation": self.config.search.ablation}
            | version_of("prepare"),
            self.origin(finetune_seed),
            place(finetune_seed, checkpoint),
            self.cost.passes(self.task.search, 1),
            1e6,
        )

    def searched(
        self,
        finetune_seed: int,
        checkpoint: int,
        seed: int,
        search: SearchConfig,
        full: Cell,
        tag: str = "",
    ) -> list[Cell]:
        """Make the cells of one run of a search and of the evaluations of what it finds.

        Args:
            finetune_seed: The model's fine-tuning.
            checkpoint: Its step.
            seed: The search's seed.
            search: The search.
            full: The evaluation of the full model.
            tag: Put before the label of the search.
        """
        data = self.prepare(finetune_seed, checkpoint)
        where = place(finetune_seed, checkpoint) | {"seed": seed}
        label = f"f{finetune_seed}-s{checkpoint}-k{seed}"
        n_examples = search_effort(search.method, search.options, search.sparsities)
        found = Cell(
            "search",
            f"{tag}search-{label}",
            self.base(checkpoint)
            | {
                "method": search.method,
                "options": search.options,
                "sparsities": sorted(search.sparsities),
                "units": search.units,
                "seed": seed,
            }
            | version_of("search"),
            (*data.inputs, data),
            where,
            self.cost.passes(self.task.search, 2.2, n_examples),
            len(search.sparsities) * 5e4,
        )
        evaluations = [
            self._evaluate(
                self.base(checkpoint) | {"sparsity": sparsity},
                (*data.inputs, full, found),
                where | {"kind": "subnetwork", "method": search.method, "sparsity": sparsity},
                f"{label}-{sparsity * 100:g}pc",
            )
            for sparsity in search.sparsities
        ]
        return [found, *evaluations]

    def tested(self) -> dict[str, Any]:
        """Give the entries of a spec that say what is tested on."""
        return {
            "suites": {suite.name: suite.examples.digest for suite in self.suites},
            "kinds": {s.name: [s.kind(case) for case in s.cases] for s in self.suites},
            "groups": {s.name: [s.group(case) for case in s.cases] for s in self.suites},
            "maps": {suite.name: dict(suite.label_map) for suite in self.suites},
        }

    def evaluated(self) -> dict[str, Any]:
        """Give the entries of a spec that say what is evaluated on, and how."""
        # No entry where it is off: cells from before there was this setting stay good.
        return self.tested() | ({"bf16": True} if self.config.evaluation.bf16 else {})

    def _evaluate(
        self,
        base: Mapping[str, Any],
        inputs: tuple[Cell, ...],
        system: Mapping[str, Any],
        label: str,
    ) -> Cell:
        return Cell(
            "evaluate",
            f"{self.tag}evaluate-{label}",
            dict(base) | self.evaluated() | version_of("evaluate"),
            inputs,
            system,
            sum(self.cost.passes(suite.examples, 1) for suite in self.suites),
            2e4 + 12 * sum(len(suite.examples) for suite in self.suites),
        )


def place(finetune_seed: int, checkpoint: int) -> dict[str, Any]:
    """Give the columns that name a model."""
    return {"finetune_seed": finetune_seed, "checkpoint": checkpoint}


def version_of(kind: str) -> dict[str, int]:
    """Give the entry of a spec that says which code computes it."""
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
