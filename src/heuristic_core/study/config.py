"""What a study is: a TOML file, checked against these fields."""

from __future__ import annotations

import os
import tomllib
from collections.abc import Mapping, Sequence
from importlib import resources
from pathlib import Path
from types import NoneType
from typing import Annotated, Any, Literal, get_args

from pydantic import BaseModel, Field, PrivateAttr, ValidationError, model_validator

from ..errors import InputError, unknown
from ..precision import Precision
from ..storage import read_toml
from ..validation import NAME, wrong
from .analysis_config import (
    SEEDS_PER_PASS,
    AnalysisConfig,
    Distinct,
    Seeds,
    SeedsPerPass,
    Settings,
    Sparsities,
)
from .checkpoints import FineTuned, Tuned, beside
from .place import Place, starting_from
from .settings import settings


class ModelConfig(Tuned):
    """Which model is studied."""

    max_length: int = Field(
        128, ge=4, le=1_000_000, description="Longest input in tokens; longer ones are cut."
    )
    labels: dict[str, str] | None = Field(
        None,
        description="Names of a fine-tuned classifier's classes, where its own say nothing: "
        '{ LABEL_0 = "entailment", ... }.',
    )
    dtype: Literal["float32", "bfloat16", "float16"] = Field(
        "float32", description="Type of the weights when masks are learned and models evaluated."
    )


class TaskConfig(Settings):
    """What the model is trained and tested on."""

    name: str = Field(
        "hans-grammar",
        description="A task that `hcore tasks` lists, or the path of a task file ending in .toml.",
    )
    seed: int = Field(0, ge=0, description="Seed of generation and sampling.")
    options: dict[str, Any] = Field(default_factory=dict, description="The task's own settings.")


class FinetuneConfig(Settings):
    """How the model is fine-tuned."""

    steps: int = Field(ge=1, description="Optimiser steps.")
    checkpoints: Annotated[list[int], Distinct] = Field(
        min_length=1, description="Steps to keep; 0 is the model before training."
    )
    seeds: Seeds = Field([1], min_length=1, description="One fine-tuning for each seed.")
    batch_size: int = Field(32, ge=1, description="Examples a step.")
    learning_rate: float = Field(5e-5, gt=0, description="Peak learning rate.")
    warmup_steps: int = Field(0, ge=0, description="Steps of linear warm-up.")
    weight_decay: float = Field(0.0, ge=0, description="AdamW's weight decay.")
    precision: Precision = Field(
        "float32",
        description="What is computed in; 'bfloat16' and 'float16' where that is safe, with "
        "weights in float32. 'float16' needs a CUDA device.",
    )
    by_length: bool = Field(
        False,
        description="Make batches of examples of similar length, which saves padding; not where "
        "length predicts the label, as in generated data.",
    )

    @model_validator(mode="after")
    def _checkpoints_are_steps(self) -> FinetuneConfig:
        wrong = [step for step in self.checkpoints if not 0 <= step <= self.steps]
        if wrong:
            raise ValueError(f"checkpoint {wrong[0]} is no step of a run of {self.steps} steps")
        return self


class SearchConfig(Settings):
    """How subnetworks are found."""

    method: str = Field("learned", description="The search method.")
    sparsities: Sparsities = Field([0.5], description="Shares of the prunable units dropped.")
    seeds: Seeds = Field([1], description="One run of the search for each seed.")
    checkpoints: list[int] | Literal["last", "all"] = Field(
        "last", description="Which checkpoints are pruned: steps, 'last' or 'all'."
    )
    units: Literal["all", "heads"] = Field("all", description="What may be dropped.")
    ablation: Literal["mean", "zero"] = Field("mean", description="What dropped units become.")
    precision: Precision = Field(
        "float32",
        description="What models compute in while masks are learned; 'bfloat16' and 'float16' "
        "where that is safe. Weights, gates and the full model's predictions stay in float32.",
    )
    seeds_per_pass: SeedsPerPass = Field(1, description=SEEDS_PER_PASS)
    options: dict[str, Any] = Field(default_factory=dict, description="The method's own settings.")

    @property
    def passes(self) -> list[list[int]]:
        """The seeds of every pass, in the order given."""
        n = self.seeds_per_pass
        return [self.seeds[first : first + n] for first in range(0, len(self.seeds), n)]


class EvaluationConfig(Settings):
    """How models and subnetworks are evaluated."""

    precision: Precision = Field(
        "float32",
        description="What models and subnetworks are evaluated in. 'bfloat16' and 'float16', where "
        "that is safe, are faster, and few predictions differ (benchmarks/rounding.py). Heads are "
        "still removed, patched and probed in the type that [model] names.",
    )


class StudyConfig(Settings):
    """A whole study."""

    name: str = Field(pattern=NAME, description="Names the run.")
    model: ModelConfig = Field(ModelConfig(), description="Which model is studied.")
    task: TaskConfig = Field(TaskConfig(), description="What it is trained and tested on.")
    finetune: FinetuneConfig | None = Field(
        None,
        description="How it is fine-tuned; leave this table out to study a fine-tuned model.",
    )
    search: SearchConfig = Field(SearchConfig(), description="How subnetworks are found.")
    evaluation: EvaluationConfig = Field(
        EvaluationConfig(), description="How models and subnetworks are evaluated."
    )
    analysis: AnalysisConfig = Field(
        AnalysisConfig(), description="How results are judged, and what is measured for that."
    )
    _folder: Path | None = PrivateAttr(None)
    _places: Mapping[str, Place] = PrivateAttr({})

    @property
    def folder(self) -> Path | None:
        """The folder that relative paths start from; ``None`` for the working folder."""
        return self._folder

    def within(self, folder: Path | None) -> StudyConfig:
        """Return the same study with a folder that relative paths start from."""
        study = self.model_copy()
        study._folder = folder
        return study

    def at(self, places: Mapping[str, Place]) -> StudyConfig:
        """Return the same study with the places where its models were found, by their names."""
        study = self.model_copy()
        study._places = dict(places)
        return study

    def place(self, source: str) -> Place:
        """Return where a model of the study is: as it was found, else as its path says.

        Raises:
            InputError: If it is not there.
        """
        try:
            return self._places.get(source) or Place.of(starting_from(source, self.folder))
        except InputError as error:
            raise self.about(source, error) from error

    def about(self, source: str, error: InputError) -> InputError:
        """Return an error about a model with the key of the checkpoint that it is, if it is one."""
        key = self.model.key_of(source)
        if key is None:
            return error
        return InputError(f"study key {key}: {error}{beside(source, self.folder)}")

    def same_as(self, other: StudyConfig) -> bool:
        """Return whether all settings are the same, wherever the models were found."""
        return self.model_dump() == other.model_dump()

    @property
    def over_training(self) -> bool:
        """Whether checkpoints of fine-tunings are studied, not a model as it is."""
        return self.finetune is not None or bool(self.model.fine_tunings)

    @property
    def finetune_seeds(self) -> list[int]:
        """The seeds of the fine-tunings; 0 alone for a model that is studied as it is."""
        if self.finetune is not None:
            return self.finetune.seeds
        return list(self.model.fine_tunings) or [0]

    @property
    def sources(self) -> dict[tuple[int, int], str]:
        """The models that must be there, by seed of the fine-tuning and step.

        A model that the study fine-tunes, and one that is studied as it is, have seed and step 0.
        """
        if not self.model.fine_tunings:
            assert self.model.source is not None
            return {(0, 0): self.model.source}
        return {
            (seed, step): source
            for seed, steps in self.model.fine_tunings.items()
            for step, source in steps.items()
        }

    def source_of(self, seed: int, step: int) -> str:
        """Return the model at a step of a fine-tuning, or that which is fine-tuned."""
        return self.sources[(seed, step) if self.model.fine_tunings else (0, 0)]

    @property
    def last_source(self) -> str:
        """The model at the end of training, or else the only one."""
        return self.sources[max(self.sources, key=lambda at: at[1])]

    @property
    def checkpoints(self) -> list[int]:
        """The checkpoints that are evaluated, in order; 0 alone for a model studied as it is."""
        if self.finetune is not None:
            return sorted(self.finetune.checkpoints)
        return sorted({step for _, step in self.sources})

    @property
    def pruned_checkpoints(self) -> list[int]:
        """The checkpoints that subnetworks are found in, in order."""
        if self.search.checkpoints == "all":
            return self.checkpoints
        if self.search.checkpoints == "last":
            return self.checkpoints[-1:]
        return sorted(self.search.checkpoints)

    @property
    def grid_checkpoints(self) -> list[int]:
        """The checkpoints of the grid of small searches, in order; none without a grid."""
        grid = self.analysis.grid
        if grid is None:
            return []
        if isinstance(grid.checkpoints, list):
            return sorted(grid.checkpoints)
        trained = grid.checkpoints == "trained" and self.over_training
        return [step for step in self.checkpoints if step or not trained]

    @model_validator(mode="after")
    def _fine_tuned_once(self) -> StudyConfig:
        if self.finetune is not None and self.model.fine_tunings:
            raise ValueError(
                "[finetune] fine-tunes model.source, but [model] names checkpoints that are there "
                "already; leave one of the two out"
            )
        return self

    @model_validator(mode="after")
    def _labels_of_a_classifier(self) -> StudyConfig:
        if self.finetune is not None and self.model.labels is not None:
            raise ValueError(
                "model.labels is for a classifier that is studied as it is; with [finetune] the "
                "task names the classes: leave it out"
            )
        return self

    @model_validator(mode="after")
    def _weights_are_wider(self) -> StudyConfig:
        for name, table in (("search", self.search), ("evaluation", self.evaluation)):
            if table.precision != "float32" and self.model.dtype != "float32":
                raise ValueError(
                    f"{name}.precision is for weights in float32, model.dtype is "
                    f"{self.model.dtype}; leave one of them out"
                )
        return self

    @model_validator(mode="after")
    def _sparsities_of_analyses_are_searched_for(self) -> StudyConfig:
        for name in ("disjoint", "faithful", "validity"):
            table = getattr(self.analysis, name)
            sparsity = None if table is None else table.sparsity
            if sparsity is not None and sparsity not in self.search.sparsities:
                raise ValueError(
                    f"analysis.{name}.sparsity is {sparsity:g}, which search.sparsities does not "
                    "hold"
                )
        return self

    @model_validator(mode="after")
    def _pruned_checkpoints_exist(self) -> StudyConfig:
        for key, steps in (
            ("search", self.pruned_checkpoints),
            ("analysis.grid", self.grid_checkpoints),
        ):
            missing = [step for step in steps if step not in self.checkpoints]
            if missing:
                kept = "finetune.checkpoints does not keep"
                if self.finetune is None:
                    kept = f"is no step of [model], which has {_listed(self.checkpoints)}"
                raise ValueError(f"{key}.checkpoints names {missing[0]}, which {kept}")
        return self


def _listed(steps: Sequence[int]) -> str:
    return ", ".join(map(str, steps[:8])) + (" ..." if len(steps) > 8 else "")


def builtin_studies() -> list[str]:
    """Return the names of the studies that come with the package."""
    folder = resources.files("heuristic_core.study") / "builtin"
    return sorted(entry.name[:-5] for entry in folder.iterdir() if entry.name.endswith(".toml"))


def load_study(source: str | Path = "quickstart", sets: Sequence[str] = ()) -> StudyConfig:
    """Read a study and check it.

    Args:
        source: A TOML file, whose relative paths start from its own folder, or the name of a study
            that comes with the package.
        sets: Changes such as ``search.seeds=[1, 2]``; see ``settings.settings``. Their paths
            start from the working folder.

    Returns:
        The configuration, defaults filled in.

    Raises:
        InputError: If the file cannot be read, or a key or value does not fit.
    """
    text = str(source)
    path = Path(text)
    folder: Path | None = None
    if text in builtin_studies():
        file = resources.files("heuristic_core.study") / "builtin" / f"{text}.toml"
        raw = tomllib.loads(file.read_text("utf-8"))
    elif os.path.isfile(path):
        raw = read_toml(path)
        folder = path.absolute().parent
    elif path.suffix == ".toml" or os.path.exists(path):
        what = "a folder" if os.path.isdir(path) else "missing"
        raise InputError(f"study file {text} is {what}; give a TOML file")
    else:
        raise unknown("study", text, builtin_studies())
    settings(sets, raw)
    if folder is not None and not os.path.samefile(folder, Path()):
        for change in sets:
            _from_here(raw, change.partition("=")[0].strip().split("."))
    return check_study(raw, folder)


def _from_here(raw: dict[str, Any], key: list[str]) -> None:
    """Make a path that was given on the command line one from the working folder."""
    models = (["model", "source"], ["model", "checkpoints"], ["model", "seeds"])
    if key[:2] not in models and key != ["task", "name"]:
        return
    *tables, last = key
    table = raw
    for name in tables:
        table = table[name]
    table[last] = _absolute(table[last])


def _absolute(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _absolute(inner) for key, inner in value.items()}
    is_there = isinstance(value, str) and bool(value.strip()) and os.path.exists(value)
    return os.path.abspath(value) if is_there else value


def check_study(raw: Mapping[str, Any], folder: Path | None = None) -> StudyConfig:
    """Check a study given as nested dictionaries.

    Args:
        raw: The study.
        folder: The folder that its relative paths start from; the working folder if not given.

    Raises:
        InputError: If a key is unknown (the nearest known one is named) or a value does not fit.
    """
    raw = _renamed(raw)
    _check_keys(raw, StudyConfig, "")
    try:
        return StudyConfig.model_validate(raw, context={"folder": folder}).within(folder)
    except ValidationError as error:
        place, message = wrong(error)
        # An error about several tables names its keys itself.
        where = f"study key {'.'.join(map(str, place))}" if place else "study"
        raise InputError(f"{where}: {message}") from error


def _renamed(raw: Mapping[str, Any]) -> dict[str, Any]:
    """Return a study with today's names for keys of earlier versions: ``bf16`` is a precision.

    Raises:
        InputError: If it has a key under both names.
    """
    new = dict(raw)
    for name in ("finetune", "evaluation"):
        table = new.get(name)
        if isinstance(table, Mapping) and isinstance(table.get("bf16"), bool):
            if "precision" in table:
                raise InputError(
                    f"study key {name}.bf16 is the earlier name of {name}.precision, which is "
                    "given too; leave bf16 out"
                )
            others = {key: value for key, value in table.items() if key != "bf16"}
            new[name] = {"precision": "bfloat16" if table["bf16"] else "float32"} | others
    return new


def _check_keys(raw: Mapping[str, Any], table: type[BaseModel], prefix: str) -> None:
    for key, value in raw.items():
        if key not in table.model_fields:
            raise unknown("study key", prefix + key, [prefix + name for name in table.model_fields])
        annotation = table.model_fields[key].annotation
        choices = get_args(annotation) or (annotation,)
        inner = [kind for kind in choices if isinstance(kind, type) and issubclass(kind, Settings)]
        left_out = NoneType in choices and value in (None, False)
        if inner and not left_out:
            if not isinstance(value, Mapping):
                raise InputError(f"study key {prefix + key} is a table: write [{prefix + key}]")
            _check_keys(value, inner[0], f"{prefix}{key}.")
        elif key == "seeds" and table is ModelConfig and isinstance(value, Mapping):
            for seed, tuned in value.items():
                name = f"{prefix}{key}.{seed}"
                if not isinstance(tuned, Mapping):
                    raise InputError(f"study key {name} is a table: write [{name}]")
                _check_keys(tuned, FineTuned, f"{name}.")
