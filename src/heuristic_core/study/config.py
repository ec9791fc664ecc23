"""What a study is: a TOML file checked against these fields, each with its own help."""

from __future__ import annotations

import os
import tomllib
from collections.abc import Mapping, Sequence
from importlib import resources
from pathlib import Path
from typing import Any, Literal, get_args

from pydantic import BaseModel, Field, ValidationError, field_validator, model_validator

from ..errors import InputError, one_line, unknown
from ..storage import read_toml
from .analysis_config import (
    STRICT,
    AnalysisConfig,
    AttentionConfig,
    DependencyConfig,
    DisjointConfig,
    GridConfig,
    RemovalConfig,
    different_seeds,
    different_sparsities,
)


class ModelConfig(BaseModel):
    """Which model is studied."""

    model_config = STRICT
    source: str = Field(
        "minilm",
        description="Pretrained weights to fine-tune, or without [finetune] a fine-tuned "
        "classifier: a packaged name, a folder, or a hub id.",
    )
    max_length: int = Field(
        128, ge=4, le=1_000_000, description="Longest input in tokens; longer ones are cut."
    )
    dtype: Literal["float32", "bfloat16", "float16"] = Field(
        "float32", description="Type of the weights when masks are learned and models evaluated."
    )


class TaskConfig(BaseModel):
    """What it is trained and tested on."""

    model_config = STRICT
    name: str = Field(
        "hans-grammar",
        description="A task that `hcore tasks` lists, or a task file of your own, ending in .toml.",
    )
    seed: int = Field(0, ge=0, description="Seed of generation and sampling.")
    options: dict[str, Any] = Field(default_factory=dict, description="The task's own settings.")


class FinetuneConfig(BaseModel):
    """How the model is fine-tuned."""

    model_config = STRICT
    steps: int = Field(ge=1, description="Optimiser steps.")
    checkpoints: list[int] = Field(
        min_length=1, description="Steps to keep; 0 is the model before training."
    )
    seeds: list[int] = Field([1], min_length=1, description="One fine-tuning for each seed.")
    batch_size: int = Field(32, ge=1, description="Examples a step.")
    learning_rate: float = Field(5e-5, gt=0, description="Peak learning rate.")
    warmup_steps: int = Field(0, ge=0, description="Steps of linear warm-up.")
    weight_decay: float = Field(0.0, ge=0, description="AdamW's weight decay.")
    bf16: bool = Field(False, description="Compute in bfloat16 where that is safe.")
    by_length: bool = Field(
        False,
        description="Make batches of examples alike in length, which pads less; not where length "
        "tells of the label, as in generated data.",
    )

    _seeds = field_validator("seeds")(different_seeds)

    @model_validator(mode="after")
    def _checkpoints_are_steps(self) -> FinetuneConfig:
        wrong = [step for step in self.checkpoints if not 0 <= step <= self.steps]
        if wrong:
            raise ValueError(f"checkpoint {wrong[0]} is no step of a run of {self.steps} steps")
        if len(set(self.checkpoints)) < len(self.checkpoints):
            raise ValueError("a checkpoint is named twice")
        return self


class SearchConfig(BaseModel):
    """How subnetworks are found."""

    model_config = STRICT
    method: str = Field("learned", description="The search method.")
    sparsities: list[float] = Field([0.5], description="Shares of the prunable units dropped.")
    seeds: list[int] = Field([1], description="One run of the search for each seed.")
    checkpoints: list[int] | Literal["last", "all"] = Field(
        "last", description="Which checkpoints are pruned: steps, 'last' or 'all'."
    )
    units: Literal["all", "heads"] = Field("all", description="What may be dropped.")
    ablation: Literal["mean", "zero"] = Field("mean", description="What dropped units become.")
    options: dict[str, Any] = Field(default_factory=dict, description="The method's own settings.")

    _sparsities = field_validator("sparsities")(different_sparsities)
    _seeds = field_validator("seeds")(different_seeds)


class EvaluationConfig(BaseModel):
    """How models and subnetworks are evaluated."""

    model_config = STRICT
    bf16: bool = Field(
        False,
        description="Evaluate models and subnetworks in bfloat16 where that is safe: sooner, and "
        "few answers differ (benchmarks/rounding.py). Masks are learned, and heads removed, "
        "patched and probed, as [model] says all the same.",
    )


class StudyConfig(BaseModel):
    """A whole study."""

    model_config = STRICT
    name: str = Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,79}$", description="Names the run.")
    model: ModelConfig = ModelConfig()
    task: TaskConfig = TaskConfig()
    finetune: FinetuneConfig | None = Field(
        None, description="Leave this table out to study a model that is fine-tuned already."
    )
    search: SearchConfig = SearchConfig()
    evaluation: EvaluationConfig = EvaluationConfig()
    analysis: AnalysisConfig = AnalysisConfig()

    @property
    def checkpoints(self) -> list[int]:
        """The checkpoints that are evaluated, rising; 0 alone for a model given as it is."""
        return [0] if self.finetune is None else sorted(self.finetune.checkpoints)

    @property
    def pruned_checkpoints(self) -> list[int]:
        """The checkpoints that subnetworks are found in, rising."""
        if self.search.checkpoints == "all":
            return self.checkpoints
        if self.search.checkpoints == "last":
            return self.checkpoints[-1:]
        return sorted(self.search.checkpoints)

    @property
    def grid_checkpoints(self) -> list[int]:
        """The checkpoints of the grid of small searches, rising; none without a grid."""
        grid = self.analysis.grid
        if grid is None:
            return []
        if isinstance(grid.checkpoints, list):
            return sorted(grid.checkpoints)
        trained = grid.checkpoints == "trained" and self.finetune is not None
        return [step for step in self.checkpoints if step or not trained]

    @model_validator(mode="after")
    def _weights_are_wider(self) -> StudyConfig:
        if self.evaluation.bf16 and self.model.dtype != "float32":
            raise ValueError(
                f"evaluation.bf16 is for weights in float32, model.dtype is {self.model.dtype}; "
                "leave one of them out"
            )
        return self

    @model_validator(mode="after")
    def _disjoint_sparsity_is_searched_for(self) -> StudyConfig:
        disjoint = self.analysis.disjoint
        sparsity = None if disjoint is None else disjoint.sparsity
        if sparsity is not None and sparsity not in self.search.sparsities:
            raise ValueError(
                f"analysis.disjoint.sparsity is {sparsity:g}, which search.sparsities does not hold"
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
                raise ValueError(
                    f"{key}.checkpoints names {missing[0]}, which finetune.checkpoints does not "
                    "keep"
                )
        return self


def builtin_studies() -> list[str]:
    """Give the names of the studies that come with the package."""
    folder = resources.files("heuristic_core.study") / "builtin"
    return sorted(entry.name[:-5] for entry in folder.iterdir() if entry.name.endswith(".toml"))


def load_study(source: str | Path = "quickstart", sets: Sequence[str] = ()) -> StudyConfig:
    """Read a study and check it.

    Args:
        source: A TOML file, or the name of a study that comes with the package.
        sets: Changes such as ``search.seeds=[1, 2]``; see :func:`settings`.

    Returns:
        The configuration, defaults filled in.

    Raises:
        InputError: If the file cannot be read, or a key or value does not fit.
    """
    text = str(source)
    path = Path(text)
    if text in builtin_studies():
        file = resources.files("heuristic_core.study") / "builtin" / f"{text}.toml"
        raw = tomllib.loads(file.read_text("utf-8"))
    elif os.path.isfile(path):
        raw = read_toml(path)
    elif path.suffix == ".toml" or os.path.exists(path):
        what = "a folder" if os.path.isdir(path) else "missing"
        raise InputError(f"study file {text} is {what}; give a TOML file")
    else:
        raise unknown("study", text, builtin_studies())
    return check_study(settings(sets, raw))


def check_study(raw: Mapping[str, Any]) -> StudyConfig:
    """Check a study given as nested dictionaries.

    Raises:
        InputError: If a key is unknown (the nearest known one is named) or a value does not fit.
    """
    _check_keys(raw, StudyConfig, "")
    try:
        return StudyConfig.model_validate(raw)
    except ValidationError as error:
        first = error.errors()[0]
        # What is wrong with several tables together names its keys itself.
        where = f"study key {'.'.join(map(str, first['loc']))}" if first["loc"] else "study"
        message = first["msg"].removeprefix("Value error, ")
        raise InputError(f"{where}: {one_line(message)}") from error


def _check_keys(raw: Mapping[str, Any], model: type[BaseModel], prefix: str) -> None:
    for key, value in raw.items():
        if key not in model.model_fields:
            known = [prefix + name for name in model.model_fields]
            raise unknown("study key", prefix + key, known)
        inner = _TABLES.get(prefix + key)
        may_be_left_out = type(None) in get_args(model.model_fields[key].annotation)
        if inner is not None and not (may_be_left_out and value in (None, False)):
            if not isinstance(value, Mapping):
                raise InputError(f"study key {prefix + key} is a table: write [{prefix + key}]")
            _check_keys(value, inner, f"{prefix}{key}.")


_TABLES: dict[str, type[BaseModel]] = {
    "model": ModelConfig,
    "task": TaskConfig,
    "finetune": FinetuneConfig,
    "search": SearchConfig,
    "evaluation": EvaluationConfig,
    "analysis": AnalysisConfig,
    "analysis.grid": GridConfig,
    "analysis.disjoint": DisjointConfig,
    "analysis.removal": RemovalConfig,
    "analysis.attention": AttentionConfig,
    "analysis.dependency": DependencyConfig,
}


def settings(changes: Sequence[str], into: dict[str, Any] | None = None) -> dict[str, Any]:
    """Turn ``key=value`` texts into nested dictionaries.

    Args:
        changes: Texts such as ``search.seeds=[1, 2]``; values as in TOML, ``none`` for no value
            and other bare words as strings.
        into: What is changed, in place; a new dictionary if not given.

    Returns:
        The dictionary.

    Raises:
        InputError: If a text is not of that form.
    """
    raw = {} if into is None else into
    for change in changes:
        key, equals, text = change.partition("=")
        parts = key.strip().split(".")
        if not equals or not all(parts):
            raise InputError(f"--set {one_line(change)!r} is not of the form key=value")
        table = raw
        for part in parts[:-1]:
            table = table.setdefault(part, {})
            if not isinstance(table, dict):
                raise InputError(f"--set {key}: {part} is no table")
        table[parts[-1]] = _value(text)
    return raw


def _value(text: str) -> Any:
    if text.strip() == "none":
        return None  # TOML has no word for it
    try:
        return tomllib.loads(f"value = {text}")["value"]
    except (ValueError, RecursionError):
        return text.strip()  # a bare word is a string: --set model.source=minilm
