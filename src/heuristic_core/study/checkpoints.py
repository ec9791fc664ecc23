"""The checkpoints that a study file names: models that another program fine-tuned."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

from pydantic import BeforeValidator, Field, ValidationInfo, WithJsonSchema, model_validator

from ..errors import InputError, one_line
from .analysis_config import Seed, Settings
from .place import starting_from

_STEP = re.compile(r"\d{1,12}", re.ASCII)


def checkpoints_in(folder: str | os.PathLike[str]) -> dict[int, str]:
    """List the checkpoints in the output folder of a transformers Trainer.

    Args:
        folder: The folder, which holds ``checkpoint-50`` and so on.

    Returns:
        The folder of each checkpoint by its step, in order.

    Raises:
        InputError: If there is none.
    """
    path = Path(os.path.expanduser(folder))
    shown = one_line(str(folder), 120)
    if not os.path.isdir(path):
        what = "a file" if os.path.exists(path) else "missing"
        raise InputError(
            f"{shown} is {what}, not the output folder of a Trainer; give one that holds "
            'checkpoint-*, or name each checkpoint: { 50 = "FOLDER", 100 = "FOLDER" }'
        )
    found = _checkpoints(path)
    if not found:
        raise InputError(
            f"{shown} holds no checkpoint-* as a Trainer leaves them; name each checkpoint: "
            '{ 50 = "FOLDER", 100 = "FOLDER" }'
        )
    return {int(p.name[11:]): os.path.join(folder, p.name) for p in found}


def beside(name: str, folder: Path | None) -> str:
    """Say where a checkpoint that is not there was looked for, and which are; else nothing.

    Args:
        name: Its path as the study has it.
        folder: The folder that it starts from; the working folder if not given.
    """
    path = ((folder or Path()) / os.path.expanduser(name)).absolute()
    if os.path.exists(path):
        return ""
    above = next(one for one in path.parents if os.path.isdir(one))
    held = [one.name for one in _checkpoints(above)]
    shown = ", ".join(held[:8]) + (" ..." if held[8:] else "")
    where = f"{one_line(str(above), 160)} holds {shown or 'no checkpoint-*'}"
    return f" (as a folder, it would be {one_line(str(path), 200)}; {where})"


def _checkpoints(folder: Path) -> list[Path]:
    """List the folders that a Trainer left in one, by step."""
    found = [p for p in folder.glob("checkpoint-*") if _STEP.fullmatch(p.name[11:]) and p.is_dir()]
    return sorted(found, key=_step)


def _step(path: Path) -> int:
    return int(path.name[11:])


def _numbered(value: Any, what: str, example: str) -> Any:
    """Turn the keys of a table, which TOML has as text, into numbers."""
    if not isinstance(value, Mapping):
        return value
    numbers: dict[int, Any] = {}
    for key, item in value.items():
        text = str(key)
        if isinstance(key, bool) or not _STEP.fullmatch(text):
            raise ValueError(
                f"{one_line(repr(key), 60)} is no {what}; write a whole number, as in {example}"
            )
        if int(text) in numbers:
            raise ValueError(f"{what} {int(text)} is given twice")
        numbers[int(text)] = item
    return dict(sorted(numbers.items()))


def _steps(value: Any, info: ValidationInfo) -> Any:
    if isinstance(value, str):
        base = (info.context or {}).get("folder")
        try:
            # The names stay those of the study file.
            inside = checkpoints_in(starting_from(value, base))
        except InputError as error:
            raise ValueError(str(error)) from error
        return {step: os.path.join(value, os.path.basename(p)) for step, p in inside.items()}
    numbers = _numbered(value, "step", '{ 50 = "FOLDER" }')
    if isinstance(numbers, dict):
        if not any(numbers):
            raise ValueError("name at least one step after 0")
        for step, name in numbers.items():
            if isinstance(name, str) and not name.strip():
                raise ValueError(f"step {step} names no model; give a folder or a hub id")
        for step, name in numbers.items():
            again = [other for other, its in numbers.items() if its == name and other > step]
            if again:
                raise ValueError(
                    f"steps {step} and {again[0]} are the same model, {one_line(str(name), 80)!r}; "
                    "give each its own"
                )
    return numbers


def _seeds(value: Any) -> Any:
    numbers = _numbered(value, "seed", '[model.seeds.1] checkpoints = "FOLDER"')
    if isinstance(numbers, dict) and not numbers:
        raise ValueError("name at least one fine-tuning, or leave the table out")
    return numbers


_NUMBERED = {"propertyNames": {"pattern": "^[0-9]+$"}, "minProperties": 1}

#: Checkpoints by their steps. A text names a Trainer's output folder, whose checkpoints are meant.
Checkpoints = Annotated[
    dict[int, str],
    BeforeValidator(_steps),
    WithJsonSchema(
        {
            "anyOf": [
                {"type": "string"},
                {"type": "object", "additionalProperties": {"type": "string"}, **_NUMBERED},
            ]
        }
    ),
]


class FineTuned(Settings):
    """One of several fine-tunings that are there already."""

    checkpoints: Checkpoints = Field(
        description="Its checkpoints, as in model.checkpoints; the same steps in all of them."
    )


#: Fine-tunings by their seeds.
FineTunings = Annotated[
    dict[Seed, FineTuned],
    BeforeValidator(_seeds),
    Field(json_schema_extra=dict(_NUMBERED)),
]


class Tuned(Settings):
    """The part of ``[model]`` that names checkpoints which another program fine-tuned."""

    source: str | None = Field(
        None,
        description="Pretrained weights to fine-tune, or without [finetune] a fine-tuned "
        "classifier: a packaged name, a folder, or a hub id such as org/name or org/name@revision. "
        "With checkpoints, the model before training (step 0), which needs no classification "
        "head; none by default. Without checkpoints, minilm by default.",
    )
    checkpoints: Checkpoints | None = Field(
        None,
        description="Checkpoints of a model that was fine-tuned already, by step: "
        '{ 50 = "run/checkpoint-50", 150 = "org/name@step150" }; or a Trainer\'s output folder, '
        "of which all checkpoint-* are taken. Step 0 is the model before training.",
    )
    seeds: FineTunings | None = Field(
        None,
        description="Several fine-tunings that are there already, a table [model.seeds.SEED] each.",
    )

    @model_validator(mode="before")
    @classmethod
    def _default_source(cls, raw: Any) -> Any:
        if isinstance(raw, Mapping):
            given = raw.get("checkpoints") is not None or raw.get("seeds") is not None
            if not given and "source" not in raw:
                return {**raw, "source": "minilm"}
        return raw

    @model_validator(mode="after")
    def _one_way(self) -> Tuned:
        if self.checkpoints is not None and self.seeds is not None:
            raise ValueError(
                "checkpoints are of one fine-tuning and seeds of several; give one of the two"
            )
        if self.source is None and not self.fine_tunings:
            raise ValueError("source names no model; give a packaged name, a folder or a hub id")
        tunings = self.fine_tunings
        own = [self.checkpoints or {}, *(t.checkpoints for t in (self.seeds or {}).values())]
        if self.source is not None and any(0 in steps for steps in own):
            raise ValueError("step 0 is named, and source names it too; leave one of them out")
        first = next(iter(tunings), 0)
        for seed, steps in tunings.items():
            missing = sorted(set(tunings[first]) ^ set(steps))
            if missing:
                has, lacks = (first, seed) if missing[0] in tunings[first] else (seed, first)
                raise ValueError(
                    f"fine-tuning {has} has step {missing[0]} and fine-tuning {lacks} has not; "
                    "give all the same steps"
                )
        named: dict[str, tuple[int, int]] = {}
        for seed, steps in tunings.items():
            for step, name in steps.items():
                if step and named.setdefault(name, (seed, step))[0] != seed:
                    raise ValueError(
                        f"fine-tunings {named[name][0]} and {seed} have the same model, "
                        f"{one_line(name, 80)!r}; give each its own"
                    )
        return self

    @property
    def fine_tunings(self) -> dict[int, dict[int, str]]:
        """The models that were fine-tuned already, by seed and step; none without checkpoints."""
        tunings = {seed: tuned.checkpoints for seed, tuned in (self.seeds or {}).items()}
        if self.checkpoints is not None:
            tunings = {1: self.checkpoints}
        if self.source is None:
            return tunings
        return {seed: {0: self.source} | steps for seed, steps in tunings.items()}

    def key_of(self, source: str) -> str | None:
        """Return the key of the study file that names a checkpoint; ``None`` if none does."""
        tunings = {"model.checkpoints": self.checkpoints or {}}
        for seed, tuned in (self.seeds or {}).items():
            tunings[f"model.seeds.{seed}.checkpoints"] = tuned.checkpoints
        for key, steps in tunings.items():
            for step, name in steps.items():
                if name == source:
                    return f"{key}.{step}"
        return None
