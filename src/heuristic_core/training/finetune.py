"""Fine-tuning through the transformers Trainer, with checkpoints at chosen steps."""

from __future__ import annotations

import copy
import random
import re
import shutil
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import datasets
import numpy as np
import pandas as pd
import torch
from transformers import DataCollatorWithPadding, Trainer, TrainerCallback, TrainingArguments

from ..errors import InputError, one_line
from ..models.classifier import Classifier, Progress
from ..models.encoding import Encoded
from ..models.loading import quiet
from ..storage import read_json, write_json
from ..tables import FINETUNING, conform
from ..tasks.task import Examples

_LOG_STEPS = 10
#: In a folder of unfinished training: which state is whole, and the seconds that it took.
_STATE = "state.json"


def checkpoint_folder(folder: Path, step: int) -> Path:
    """Say where the checkpoint of a step lies below a fine-tuning's folder."""
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
    bf16: bool = False,
    by_length: bool = False,
    unfinished: Path | None = None,
    save_seconds: float = 120.0,
    progress: Progress | None = None,
) -> pd.DataFrame:
    """Fine-tune a classifier in place and save it at chosen steps.

    The Trainer draws from the global random generators; they are seeded for the run and restored
    after it. Training that goes on from a saved state gives the weights it would have given.

    Args:
        model: A classifier, usually with a fresh head.
        examples: What to train on; labels in the order of the model's classes.
        folder: Where the checkpoints go, as ``step-000000`` and so on.
        steps: Optimiser steps.
        checkpoints: Steps to save at, from 0 (before training) to ``steps``.
        seed: Seed of data order and dropout.
        batch_size: Examples a step.
        learning_rate: Peak of a linear warm-up and decay.
        warmup_steps: Length of the warm-up.
        weight_decay: AdamW's weight decay.
        bf16: Compute in bfloat16 where that is safe; weights stay in float32.
        by_length: Make batches of examples alike in length, which pads less. Where length tells of
            the label, as in generated data, batches would be of one label each, and training would
            sway between labels.
        unfinished: Where the state of training is kept on the way. If there is one, of the same
            call, training goes on from it; removed at the end. Without it, nothing is kept.
        save_seconds: Seconds between two states; they are saved at steps that are logged.
        progress: Called with (steps done, steps in all).

    Returns:
        One row per ten steps: finetune_seed, step, loss, learning_rate.

    Raises:
        InputError: If a checkpoint is no step of the run, or the labels do not fit.
    """
    beyond = [step for step in checkpoints if not 0 <= step <= steps]
    if beyond:
        raise InputError(f"checkpoint {beyond[0]} is no step of a run from 0 to {steps}")
    if examples.labels != model.labels:
        raise InputError(
            f"the task's labels {list(examples.labels)} are not the model's {list(model.labels)}"
        )
    if not len(examples):
        raise InputError("there are no examples to fine-tune on")
    wanted = frozenset(checkpoints)
    # What is saved on the way to an unfinished end has to outlive it.
    place = folder if unfinished is None else unfinished

    def save(step: int) -> None:
        if step in wanted:
            target = checkpoint_folder(place, step)
            with quiet():
                model.hf.save_pretrained(target)
                model.tokenizer.save_pretrained(target)

    steps_done = _Steps(save, progress)
    states = None if unfinished is None else _States(unfinished, save_seconds)
    start = None if states is None else states.last()
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
        bf16=bf16,
        use_cpu=model.device.type == "cpu",
        dataloader_pin_memory=model.device.type != "cpu",
        logging_steps=_LOG_STEPS,
        save_strategy="no",
        # The Trainer's own groups by length are drawn anew where training goes on.
        train_sampling_strategy="sequential" if by_length else "random",
        report_to="none",
        disable_tqdm=True,
        log_level="error",
    )
    encoded = model.encode(examples)
    data = as_dataset(encoded, examples.label_ids)
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
        # The Trainer's own printing of losses would break through a progress bar.
        trainer.callback_handler.callbacks = [
            c for c in trainer.callback_handler.callbacks if type(c).__name__ != "PrinterCallback"
        ]
        try:
            trainer.train(resume_from_checkpoint=start)
        except Exception as error:
            if start is None or steps_done.begun:
                raise
            raise InputError(
                f"cannot go on with the training in {start} ({one_line(str(error), 120)}); remove "
                f"{unfinished} and run the same command again"
            ) from error
    if unfinished is not None:
        for step in sorted(wanted):
            shutil.move(checkpoint_folder(unfinished, step), checkpoint_folder(folder, step))
        shutil.rmtree(unfinished)
    rows = [
        {
            "finetune_seed": seed,
            "step": entry["step"],
            "loss": entry["loss"],
            "learning_rate": entry["learning_rate"],
        }
        for entry in trainer.state.log_history
        if "loss" in entry
    ]
    return conform(pd.DataFrame(rows, columns=list(FINETUNING)), FINETUNING)


def as_dataset(encoded: Encoded, label_ids: np.ndarray) -> datasets.Dataset:
    """Give token ids and class numbers in the form that the Trainer takes."""
    return datasets.Dataset.from_dict(dict(encoded.columns) | {"labels": label_ids.tolist()})


def _padding_right(tokenizer: Any) -> Any:
    """Give a tokenizer that pads on the right, where positions need not be told to the model."""
    if tokenizer.padding_side == "right":
        return tokenizer
    other = copy.deepcopy(tokenizer)
    other.padding_side = "right"
    return other


class _Steps(TrainerCallback):
    """Saves checkpoints and tells of progress at the end of every step, and whether one began."""

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
    """Lets the Trainer save its state now and then, and remembers which states are whole.

    Args:
        folder: Where.
        seconds: Time from one state to the next.
    """

    def __init__(self, folder: Path, seconds: float) -> None:
        self.folder = folder
        self.seconds = seconds
        self._saved_at = time.perf_counter()

    def last(self) -> str | None:
        """Give the folder of the last whole state, if there is one, and remove all others."""
        state = _read_state(self.folder)
        name = state.get("state")
        for other in self.folder.glob("trainer/checkpoint-*"):
            if other.name != name:
                shutil.rmtree(other, ignore_errors=True)
        path = self.folder / "trainer" / str(name)
        return str(path) if name and path.is_dir() else None

    def on_step_end(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        # Only where the loss is logged: the mean loss since the last entry is no part of a state.
        due = time.perf_counter() - self._saved_at >= self.seconds
        if due and state.global_step % _LOG_STEPS == 0 and state.global_step < args.max_steps:
            control.should_save = True

    def on_save(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        now = time.perf_counter()
        seconds = seconds_so_far(self.folder) + now - self._saved_at
        self._saved_at = now
        content = {"state": f"checkpoint-{state.global_step}", "seconds": seconds}
        write_json(self.folder / _STATE, content)
        self.last()  # the one before is of no use any more


def seconds_so_far(unfinished: Path) -> float:
    """Give the seconds that went into the state in a folder of unfinished training."""
    return float(_read_state(unfinished).get("seconds", 0.0))


def _read_state(folder: Path) -> dict[str, Any]:
    """Read which state is whole; nothing where that is not known, so that training starts anew."""
    try:
        state = read_json(folder / _STATE)
        name, seconds = state["state"], float(state["seconds"])
    except (InputError, TypeError, ValueError, KeyError):
        return {}
    # A name that leads out of the folder is none that was written here.
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
