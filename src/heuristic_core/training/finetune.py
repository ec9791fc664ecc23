"""Fine-tuning with the transformers Trainer, with checkpoints at chosen steps."""

from __future__ import annotations

import copy
import os
import random
import re
import shutil
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import datasets
import numpy as np
import pandas as pd
import torch
from transformers import DataCollatorWithPadding, Trainer, TrainerCallback, TrainingArguments

from ..errors import InputError, one_line
from ..models.classifier import Classifier
from ..models.precision import quick_gradients
from ..models.products import fast_products
from ..models.saving import quiet, save_model
from ..precision import check_precision, check_training
from ..progress import Progress
from ..storage import read_json, write_json
from ..tables import FINETUNING
from ..tasks.task import Examples

_LOG_STEPS = 10
#: File in a folder of unfinished training: the last complete state and its training time.
_STATE = "state.json"


def checkpoint_folder(folder: Path, step: int) -> Path:
    """Return the folder of a checkpoint within the folder of its fine-tuning."""
    return folder / f"step-{step:06d}"


def finetune(
    model: Classifier,
    examples: Examples,
    folder: Path,
    *,
    steps: int,
    checkpoints: Sequence[int],
    seed: int,
    batch_size: int = 32,
    learning_rate: float = 5e-5,
    warmup_steps: int = 0,
    weight_decay: float = 0.0,
    precision: str = "float32",
    by_length: bool = False,
    unfinished: Path | None = None,
    save_seconds: float = 120.0,
    progress: Progress | None = None,
) -> pd.DataFrame:
    """Fine-tune a classifier in place and save it at chosen steps.

    The Trainer uses the global random generators, which are seeded for the run and then restored.
    Training that resumes from a saved state ends in the same weights as uninterrupted training.

    Args:
        model: A classifier, usually with a new classification layer.
        examples: Training examples, with labels in the order of the model's classes.
        folder: Folder of the checkpoints, ``step-000000`` and so on.
        steps: Number of optimiser steps.
        checkpoints: Steps to save, from 0 (before training) to ``steps``.
        seed: Seed of data order and dropout.
        batch_size: Examples per step.
        learning_rate: Peak of a linear warm-up and decay.
        warmup_steps: Steps of the warm-up.
        weight_decay: AdamW's weight decay.
        precision: What to compute in: ``float32``, ``bfloat16`` where that is safe, or on CUDA
            ``float16``; weights stay in float32.
        by_length: Batch examples of similar length, which needs less padding. Not for data in
            which length predicts the label, such as generated data: batches would have a single
            label and make training unstable.
        unfinished: Folder of the saved states and of the checkpoints so far, for the caller to
            remove once the result is safe. Training resumes from a state of the same call. If not
            given, no state is saved.
        save_seconds: Seconds between saved states. Only steps that are logged are saved.
        progress: Called with (steps done, steps in all).

    Returns:
        One row per ten steps with the columns finetune_seed, step, loss and learning_rate.

    Raises:
        InputError: If a checkpoint is not a step of the run, the labels do not fit, or the device
            cannot be trained on in the precision.
    """
    beyond = [step for step in checkpoints if not 0 <= step <= steps]
    if beyond:
        raise InputError(f"checkpoint {beyond[0]} is not a step from 0 to {steps}; choose another")
    if examples.labels != model.labels:
        raise InputError(
            f"the task's labels {list(examples.labels)} are not the model's {list(model.labels)}"
        )
    if not len(examples):
        raise InputError("there are no examples to fine-tune on")
    checked = check_precision(precision)
    check_training(checked, model.device.type, "fine-tuning in")
    wanted = frozenset(checkpoints)
    # Checkpoints of interrupted training are kept with its state.
    place = folder if unfinished is None else unfinished

    def save(step: int) -> None:
        if step in wanted:
            save_model(model.hf, model.tokenizer, checkpoint_folder(place, step))

    steps_done = _Steps(save, progress)
    states = None if unfinished is None else _States(unfinished, save_seconds)
    start = None if states is None else states.last(place, wanted)
    if start is None:
        save(0)
    arguments = TrainingArguments(
        output_dir=str(place / "trainer"),
        max_steps=steps,
        per_device_train_batch_size=batch_size,
        learning_rate=learning_rate,
        warmup_steps=warmup_steps,
        weight_decay=weight_decay,
        lr_scheduler_type="linear",
        seed=seed,
        data_seed=seed,
        bf16=precision == "bfloat16",
        fp16=precision == "float16",
        use_cpu=model.device.type == "cpu",
        dataloader_pin_memory=model.device.type != "cpu",
        logging_steps=_LOG_STEPS,
        save_strategy="no",
        # Groups by length of the Trainer would change when training resumes.
        train_sampling_strategy="sequential" if by_length else "random",
        report_to="none",
        disable_tqdm=True,
        log_level="error",
    )
    encoded = model.encode(examples)
    columns = dict(encoded.columns) | {"labels": examples.label_ids.tolist()}
    data = datasets.Dataset.from_dict(columns)
    if by_length:
        batches = encoded.shuffled(batch_size, steps, np.random.default_rng(seed))
        data = data.select(np.concatenate(list(batches)))
    with _global_generators_kept(), _model_mode_kept(model), quiet():
        trainer = Trainer(
            model=model.hf,
            args=arguments,
            train_dataset=data,
            data_collator=DataCollatorWithPadding(_padding_right(model.tokenizer)),
            callbacks=[steps_done, *([] if states is None else [states])],
        )
        # Losses printed by the Trainer would break a progress bar.
        trainer.callback_handler.callbacks = [
            c for c in trainer.callback_handler.callbacks if type(c).__name__ != "PrinterCallback"
        ]
        try:
            with fast_products(model.hf), quick_gradients(model.device, checked):
                trainer.train(resume_from_checkpoint=start)
        except Exception as error:
            if start is None or steps_done.begun:
                raise
            raise InputError(
                f"cannot resume the training in {start} ({one_line(str(error), 120)}); remove "
                f"{unfinished} and run the same command again"
            ) from error
    if unfinished is not None:
        # They stay where they are, so that nothing is lost if this is killed.
        for step in sorted(wanted):
            copied = checkpoint_folder(folder, step)
            shutil.copytree(checkpoint_folder(unfinished, step), copied, copy_function=_linked)
    logged = [entry for entry in trainer.state.log_history if "loss" in entry]
    names = ("step", "loss", "learning_rate")
    return FINETUNING.frame(
        {"finetune_seed": seed} | {name: entry[name] for name in names} for entry in logged
    )


def _linked(source: str, place: str) -> None:
    """Give a file a second name, or copy it where the file system has no such links."""
    try:
        os.link(source, place)
    except OSError:
        shutil.copy2(source, place)


def _padding_right(tokenizer: Any) -> Any:
    """Return a tokenizer that pads on the right, which does not shift positions."""
    if tokenizer.padding_side == "right":
        return tokenizer
    other = copy.deepcopy(tokenizer)
    other.padding_side = "right"
    return other


class _Steps(TrainerCallback):
    """Saves checkpoints, reports progress, and records whether a step has begun."""

    def __init__(self, save: Any, progress: Progress | None) -> None:
        self.save = save
        self.progress = progress
        self.begun = False

    def on_step_begin(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        self.begun = True

    def on_step_end(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        self.save(state.global_step)
        if self.progress is not None:
            self.progress(state.global_step, args.max_steps)


class _States(TrainerCallback):
    """Lets the Trainer save its state regularly, and records the last complete state.

    Args:
        folder: The folder of unfinished training.
        seconds: Seconds between states.
    """

    def __init__(self, folder: Path, seconds: float) -> None:
        self.folder = folder
        self.seconds = seconds
        self._saved_at = time.perf_counter()

    def last(self, place: Path, wanted: Iterable[int]) -> str | None:
        """Return the folder of the last complete state, if any, and remove all others.

        Args:
            place: The folder of the checkpoints.
            wanted: The steps that are saved. Without those before it, a state is of no use.
        """
        name = self._keep_last()
        if name is None:
            return None
        done = int(name.removeprefix("checkpoint-"))
        before = [checkpoint_folder(place, step) for step in wanted if step <= done]
        return str(self.folder / "trainer" / name) if all(map(Path.is_dir, before)) else None

    def _keep_last(self) -> str | None:
        """Remove all states but the last complete one, and return the name of its folder."""
        name = _read_state(self.folder).get("state")
        for other in self.folder.glob("trainer/checkpoint-*"):
            if other.name != name:
                shutil.rmtree(other, ignore_errors=True)
        return name if name and (self.folder / "trainer" / name).is_dir() else None

    def on_step_end(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        # Only at logged steps: a state does not hold the losses since the last logged step.
        due = time.perf_counter() - self._saved_at >= self.seconds
        if due and state.global_step % _LOG_STEPS == 0 and state.global_step < args.max_steps:
            control.should_save = True

    def on_save(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        now = time.perf_counter()
        seconds = seconds_so_far(self.folder) + now - self._saved_at
        self._saved_at = now
        content = {"state": f"checkpoint-{state.global_step}", "seconds": seconds}
        write_json(self.folder / _STATE, content)
        self._keep_last()


def seconds_so_far(unfinished: Path) -> float:
    """Return the training time of the state in a folder of unfinished training, in seconds."""
    return float(_read_state(unfinished).get("seconds", 0.0))


def _read_state(folder: Path) -> dict[str, Any]:
    """Read the record of the last complete state; empty if there is none or it is damaged."""
    try:
        state = read_json(folder / _STATE)
        name, seconds = state["state"], float(state["seconds"])
    except (InputError, TypeError, ValueError, KeyError):
        return {}
    # Other names could lead out of the folder.
    known = isinstance(name, str) and re.fullmatch(r"checkpoint-\d+", name, re.ASCII)
    return {"state": name, "seconds": seconds} if known else {}


@contextmanager
def _global_generators_kept() -> Iterator[None]:
    python, old_numpy = random.getstate(), np.random.get_state()
    try:
        with torch.random.fork_rng():
            yield
    finally:
        random.setstate(python)
        np.random.set_state(old_numpy)


@contextmanager
def _model_mode_kept(model: Classifier) -> Iterator[None]:
    mode = model.hf.training
    try:
        yield
    finally:
        model.hf.train(mode)
        # Accelerate would leave it within autocast, and the next training in the same precision.
        for name in ("forward", "_original_forward", "_is_accelerate_prepared"):
            model.hf.__dict__.pop(name, None)
