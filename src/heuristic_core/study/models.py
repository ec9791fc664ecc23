"""Checking, before a study is run, that its models can be studied, and studied together."""

from __future__ import annotations

from typing import Any

from ..errors import InputError, one_line
from ..models.compaction import recorded
from ..models.loading import check_model, classes_of, is_classifier
from .config import StudyConfig

#: What all checkpoints of a study have in common, as configurations call it.
_SHARED = (
    "model_type",
    "num_hidden_layers",
    "num_attention_heads",
    "hidden_size",
    "vocab_size",
)


def check_models(config: StudyConfig) -> tuple[str, ...] | None:
    """Check that a study's models are there, fit it, and are alike but for their weights.

    Args:
        config: The study.

    Returns:
        The names of their classes; ``None`` if the study fine-tunes a model.

    Raises:
        InputError: If a model cannot be studied.
    """
    last = config.last_source
    reference = _checked(config, last, fresh_head=config.finetune is not None)
    if config.finetune is not None:
        return None
    classes = classes_of(reference)
    for (seed, step), source in config.sources.items():
        if source == last:
            continue
        location = config.place(source).to_load()
        fresh = not step and not is_classifier(location)
        model = _checked(config, source, fresh_head=fresh)
        for what in _SHARED:
            ours, theirs = getattr(model, what, None), getattr(reference, what, None)
            if ours != theirs:
                raise InputError(
                    f"the checkpoints are of different models: {what} of {_named(seed, step)} "
                    f"({one_line(source, 120)}) is {one_line(str(ours), 40)}, that of "
                    f"{one_line(last, 120)} {one_line(str(theirs), 40)}; study them apart"
                )
        if not fresh and classes_of(model) != classes:
            raise InputError(
                f"{_named(seed, step)} ({one_line(source, 120)}) has the classes "
                f"{one_line(str(list(classes_of(model))), 120)}, and {one_line(last, 120)} "
                f"{one_line(str(list(classes)), 120)}; all must have the same, in the same order"
            )
    return classes


def _named(seed: int, step: int) -> str:
    return f"step {step} of fine-tuning {seed}"


def _checked(config: StudyConfig, source: str, *, fresh_head: bool) -> Any:
    location = config.place(source).to_load()
    labels = None if fresh_head else config.model.labels
    try:
        model = check_model(location, fresh_head=fresh_head, labels=labels)
    except InputError as error:
        raise config.about(source, error) from error
    if recorded(location, model) is not None:
        raise InputError(f"{source} is a compacted model, which cannot be studied; give a full one")
    return model
