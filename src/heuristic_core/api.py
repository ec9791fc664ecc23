"""Calls of the Python interface that join several folders: whole steps, as the command line has."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd
from rich.console import Console

from .checks import open_subject, run_checks
from .errors import InputError, expect, expect_whole
from .measure.attention_maps import attention_of
from .models.device import pick_device
from .models.loading import new_classifier
from .models.steady import steady
from .progress import Progress
from .report.attention_map import AttentionMap
from .storage import as_path, check_writable
from .study.config import StudyConfig, check_study, load_study
from .study.loaded import LoadedRun, load_run
from .study.run import RunOptions, run_study
from .study.settings import settings
from .study.watch import Watch
from .tasks import load_task
from .tasks.task import Task
from .training.finetune import checkpoint_folder
from .training.finetune import finetune as train

if TYPE_CHECKING:
    from .models.classifier import Classifier
    from .units import Unit


@steady()
def finetune(
    source: str | os.PathLike[str],
    task: Task | str,
    folder: str | os.PathLike[str],
    *,
    steps: int = 300,
    checkpoints: Sequence[int] | None = None,
    seed: int = 1,
    batch_size: int = 32,
    learning_rate: float = 5e-5,
    warmup_steps: int = 0,
    precision: str = "float32",
    max_length: int = 128,
    device: str = "auto",
    data: str | os.PathLike[str] | None = None,
    progress: Progress | None = None,
) -> dict[int, Path]:
    """Fine-tune a classifier on a task and save checkpoints.

    Args:
        source: Pretrained weights: ``minilm``, a folder or hub id.
        task: A task, or its name.
        folder: The folder of the checkpoints, which must not hold any.
        steps: Optimiser steps.
        checkpoints: Steps to save, from 0; the first and the last if not given.
        seed: Seed of new weights, data order and dropout.
        batch_size: Examples per step.
        learning_rate: Peak of a linear warm-up and decay.
        warmup_steps: Steps of the warm-up.
        precision: What to compute in: ``float32``, ``bfloat16`` where that is safe, or on CUDA
            ``float16``; weights stay in float32.
        max_length: Longest text in tokens; longer ones are cut.
        device: ``cpu``, ``cuda``, ``mps`` or ``auto``.
        data: The folder of data files, for a task given by its name.
        progress: Called with (steps done, steps in all).

    Returns:
        The folder of each checkpoint by its step, for ``heuristic_core.load_model``.

    Raises:
        InputError: If an argument does not fit, or the folder cannot be written.
    """
    place = as_path(folder)
    expect("the task", task, Task, str, hint="load it with load_task")
    expect_whole("steps", steps, 1)
    expect_whole("seed", seed)
    expect_whole("batch_size", batch_size, 1)
    kept = sorted({0, steps} if checkpoints is None else set(checkpoints))
    there = [step for step in kept if checkpoint_folder(place, step).exists()]
    if there:
        raise InputError(
            f"{place} holds a checkpoint of step {there[0]} already; choose another folder"
        )
    check_writable(place)
    loaded = load_task(task, data=_path(data)) if isinstance(task, str) else task
    loaded.check_whole("train")
    model = new_classifier(
        source if isinstance(source, str) else as_path(source),
        loaded.labels,
        seed=seed,
        device=pick_device(device),
        max_length=max_length,
    )
    train(
        model,
        loaded.train,
        place,
        steps=steps,
        checkpoints=kept,
        seed=seed,
        batch_size=batch_size,
        learning_rate=learning_rate,
        warmup_steps=warmup_steps,
        precision=precision,
        progress=progress,
    )
    return {step: checkpoint_folder(place, step) for step in kept}


@steady()
def run(
    study: str | os.PathLike[str] | StudyConfig | Mapping[str, Any] = "quickstart",
    *,
    out: str | os.PathLike[str] | None = None,
    sets: Sequence[str] = (),
    data: str | os.PathLike[str] | None = None,
    device: str = "auto",
    update: bool = False,
    quiet: bool = False,
) -> LoadedRun:
    """Run a whole study and open the run; finished cells are not computed again.

    Args:
        study: A TOML file, the name of a packaged study, or a configuration.
        out: The run folder; ``runs/NAME`` if not given.
        sets: Changes such as ``"search.seeds=[1, 2]"``.
        data: The folder of data files.
        device: ``cpu``, ``cuda``, ``mps`` or ``auto``.
        update: Replace the settings of the run folder by changed ones.
        quiet: Show no progress on the error stream.

    Raises:
        InputError: If anything given cannot be used; what is finished is kept.
    """
    expect("the study", study, str, os.PathLike, StudyConfig, Mapping)
    if isinstance(study, StudyConfig):
        study = study.model_dump(mode="json")
    if isinstance(study, Mapping):
        config = check_study(settings(sets, dict(study)))
    else:
        config = load_study(os.fspath(study), list(sets))
    folder = Path("runs") / config.name if out is None else as_path(out)
    options = RunOptions(
        out=folder,
        device=device,
        data=_path(data),
        update=update,
        command="heuristic_core.run",
    )
    run_study(config, options, Watch(Console(stderr=True, highlight=False, quiet=quiet)))
    return load_run(folder)


@steady()
def check(
    model: str | os.PathLike[str],
    *,
    task: Task | str | None = None,
    device: str = "auto",
    dtype: str = "float32",
    data: str | os.PathLike[str] | None = None,
    progress: Progress | None = None,
) -> pd.DataFrame:
    """Check in a second way, property by property, that a model can be studied.

    Args:
        model: A model: ``minilm``, a folder or hub id; also one without a classifier.
        task: Check on texts of this task; on a few generated pairs if not given.
        device: ``cpu``, ``cuda``, ``mps`` or ``auto``.
        dtype: The type of the weights.
        data: The folder of data files, for a task given by its name.
        progress: Called with (checks done, checks in all).

    Returns:
        One row a check: ``what`` was checked, ``result`` (``ok``, ``failed`` or ``not for this
        model``), the largest ``difference``, its ``tolerance`` and a ``note``.

    Raises:
        InputError: If the model or the task cannot be loaded.
    """
    examples = None
    if task is not None:
        loaded = load_task(task, data=_path(data)) if isinstance(task, str) else task
        expect("the task", loaded, Task, hint="load it with load_task")
        examples = loaded.search if len(loaded.search) else loaded.suites[0].examples
    subject = open_subject(
        os.fspath(model), device=pick_device(device), dtype=dtype, examples=examples
    )
    return pd.DataFrame([asdict(row) for row in run_checks(subject, progress)])


@steady()
def attention(
    model: Classifier, head: Unit | str, text: str, text_pair: str | None = None
) -> AttentionMap:
    """Return what one head attends to in one text or pair, as numbers and as a figure.

    Args:
        model: The model; it is not changed.
        head: The head, such as ``"L4H0"``.
        text: The text, or the first of a pair.
        text_pair: The second of a pair.

    Returns:
        Its ``tokens``, its ``weights`` (a data frame of the attention from each token to each
        token) and its ``figure()``.

    Raises:
        InputError: If the model has no such head, or gives no attention maps.
    """
    return AttentionMap(str(head), *attention_of(model, head, text, text_pair))


def _path(folder: str | os.PathLike[str] | None) -> Path | None:
    return None if folder is None else as_path(folder)
