"""What the plans of all kinds of cells share: the study, its models, their specs and costs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np

from ..precision import Precision
from ..tasks.task import Examples, Suite, Task
from .config import StudyConfig
from .place import Place


class Checkpoint(NamedTuple):
    """One model of a study.

    Args:
        finetune_seed: The seed of its fine-tuning; 0 for a model that is studied as it is.
        step: The optimiser step.
    """

    finetune_seed: int
    step: int

    @property
    def columns(self) -> dict[str, Any]:
        """The columns that name it in tables."""
        return {"finetune_seed": self.finetune_seed, "checkpoint": self.step}

    @property
    def label(self) -> str:
        """Its name within labels of cells."""
        return f"f{self.finetune_seed}-s{self.step}"


def precision_spec(precision: Precision) -> dict[str, Any]:
    """Return the entries of a spec that say what a cell computes in."""
    # The names and the missing entry keep cells valid that are from before there was a choice.
    named: dict[Precision, dict[str, Any]] = {
        "float32": {},
        "bfloat16": {"bf16": True},
        "float16": {"precision": "float16"},
    }
    return named[precision]


def precision_of(spec: Mapping[str, Any]) -> Precision:
    """Return what a cell computes in, by its spec."""
    if spec.get("precision") == "float16":
        return "float16"
    return "bfloat16" if spec.get("bf16") else "float32"


@dataclass(eq=False)
class Planner:
    """The part of a study that plans of cells are made from.

    Args:
        config: The study.
        task: Its task.
        suites: What is evaluated on.
        tag: Put before the labels of evaluations on other suites than the task's own.
    """

    config: StudyConfig
    task: Task
    suites: Sequence[Suite]
    tag: str = ""
    _places: dict[str, Place] = field(default_factory=dict, init=False)

    @cached_property
    def place(self) -> Place:
        """Where the study's model is, or the last checkpoint of its first fine-tuning."""
        return self.place_of(self.config.last_source)

    def place_of(self, source: str) -> Place:
        """Return where one of the study's models is; each is looked at once."""
        if source not in self._places:
            self._places[source] = self.config.place(source)
        return self._places[source]

    @cached_property
    def cost(self) -> Cost:
        """What running the model costs."""
        return Cost(self.place.shape)

    def model(self, checkpoint: Checkpoint | None = None) -> dict[str, Any]:
        """Return the entry of a spec that says which model is read.

        Args:
            checkpoint: The checkpoint that it is; if not given, the model that is fine-tuned.
        """
        settings = self.config.model
        own = checkpoint if settings.fine_tunings else None
        source = self.config.source_of(*(own or (0, 0)))
        entry: dict[str, Any] = {
            "identity": dict(self.place_of(source).identity),
            "max_length": settings.max_length,
        }
        if settings.labels is not None:
            entry["labels"] = settings.labels
        if own is not None and not own.step:
            # A model without a head gets a new one, with the classes of a trained checkpoint.
            entry["head"] = {"seed": own.finetune_seed, "of": dict(self.place.identity)}
        return entry

    @property
    def finetune_seeds(self) -> list[int]:
        """The seeds of the fine-tunings; 0 alone for a model that is studied as it is."""
        return self.config.finetune_seeds

    def spec(self, checkpoint: Checkpoint) -> dict[str, Any]:
        """Return what every spec about a checkpoint holds."""
        given = {} if self.config.finetune else {"model": self.model(checkpoint)}
        return {"dtype": self.config.model.dtype, "checkpoint": checkpoint.step} | given

    def suites_spec(self) -> dict[str, Any]:
        """Return the entries of a spec that say what is tested on."""
        return {
            "suites": {suite.name: suite.examples.digest for suite in self.suites},
            "kinds": {s.name: [s.kind(case) for case in s.cases] for s in self.suites},
            "groups": {s.name: [s.group(case) for case in s.cases] for s in self.suites},
            "maps": {suite.name: dict(suite.label_map) for suite in self.suites},
        }

    def sample_spec(self, checkpoint: Checkpoint) -> dict[str, Any]:
        """Return what every spec holds about a measurement that makes random draws."""
        draws = {"draws": self.config.analysis.seed}
        return self.spec(checkpoint) | self.suites_spec() | draws

    def suite_passes(self, n_passes: float) -> float:
        """Forecast the multiply-adds of running all suites, counted in forward passes."""
        return sum(self.cost.passes(suite.examples, n_passes) for suite in self.suites)


class Cost:
    """Forecasts from a model's size; all zero where the size is not known.

    Args:
        size: The size, as ``models.sources.shape`` returns it.
    """

    def __init__(self, size: Mapping[str, int] | None) -> None:
        self.weights = self.layers = self.units = 0
        self.per_token = 0.0
        if size is not None:
            width, inner = size["hidden_size"], size["intermediate_size"]
            self.weights = size["bytes"]
            self.layers = size["num_hidden_layers"]
            self.units = self.layers * (size["num_attention_heads"] + 1)
            self.per_token = self.layers * (4 * width**2 + 2 * width * inner)

    def passes(
        self,
        examples: Examples,
        n_passes: float,
        n_examples: int | None = None,
        padded_to: int | None = None,
    ) -> float:
        """Forecast the multiply-adds of running examples of this length.

        Args:
            examples: The examples.
            n_passes: How often each is run, counted in forward passes.
            n_examples: How many are run; all of them once if not given.
            padded_to: Tokens that every example is padded to; its own number if not given.
        """
        n = len(examples) if n_examples is None else n_examples
        return self.per_token * n_passes * n * (padded_to or mean_tokens(examples))


def mean_tokens(examples: Examples) -> float:
    """Estimate the mean number of tokens from the number of words."""
    if not len(examples):
        return 0.0
    some = examples.table.iloc[:: max(1, len(examples) // 200)]
    words = [
        len(f"{row.text} {row.text_pair or ''}".split()) for row in some.itertuples(index=False)
    ]
    return 1.25 * float(np.mean(words)) + 3
