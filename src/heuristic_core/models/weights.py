"""Whether the weights that were loaded are those that a configuration needs, all of them."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Any

import torch

from ..errors import InputError, one_line
from .sources import BUFFERS


def check_complete(source: object, model: Any, missing: Collection[str], fresh_head: bool) -> None:
    """Make sure that a model lacks no weights, but for a new head and a pooler below it.

    Args:
        source: What to call the model in errors.
        model: The model, of transformers.
        missing: The names of the weights that were not there.
        fresh_head: Whether its head is meant to be new.

    Raises:
        InputError: If it lacks others.
    """
    # A new head is meant to be new, and many encoders come without the pooler a classifier uses.
    base = f"{model.base_model_prefix}."
    lost = sorted(
        name
        for name in missing
        if not fresh_head or (name.startswith(base) and ".pooler." not in name)
    )
    if lost:
        raise InputError(
            f"{source} lacks {len(lost)} of the weights its configuration needs, such as "
            f"{lost[0]}; the folder is incomplete, or its weights are another model's: save or "
            "fetch the model again"
        )


def check_shapes(
    source: object, model: Any, mismatched: Collection[Any], fresh_head: bool, compact: bool
) -> None:
    """Make sure that weights have the sizes that a configuration says.

    Args:
        source: What to call the model in errors.
        model: The model, of transformers.
        mismatched: Name, size found and size needed of each weight whose sizes differ.
        fresh_head: Whether its head is meant to be new.
        compact: Whether it is a compacted model, of which the record of its units is held against
            the sizes instead.

    Raises:
        InputError: If some have not.
    """
    base = f"{model.base_model_prefix}."
    wrong = sorted(key for key in mismatched if not fresh_head or str(key[0]).startswith(base))
    if wrong and not compact:
        name, found, needed = wrong[0]
        raise InputError(
            f"cannot load {source}: {len(wrong)} of its weights have other sizes than config.json "
            f"says, such as {name} ({_by(found)}, not {_by(needed)}); give a config.json and "
            "weights of the same model"
        )


def check_all_used(source: object, model: Any, unexpected: Collection[str]) -> None:
    """Make sure that no weights of the model below its head were left over.

    Those of other heads may be, such as a pretrained model's language-model head.

    Args:
        source: What to call the model in errors.
        model: The model, of transformers.
        unexpected: The names of the weights for which the model has no place.

    Raises:
        InputError: If some were: the model is not the one that was trained.
    """
    prefix = model.base_model_prefix

    def is_below(name: str) -> bool:
        # A model saved without a head names its parts without the prefix.
        first = name.partition(".")[0]
        return first == prefix or hasattr(model.base_model, first)

    left = sorted(
        name
        for name in map(str, unexpected)
        if is_below(name) and "pooler." not in name and not name.endswith(BUFFERS)
    )
    if left:
        raise InputError(
            f"cannot load {source}: for {len(left)} of its weights, such as "
            f"{one_line(left[0], 120)}, the model that its config.json describes has no place, so "
            "that it would not be the model that was trained; give a config.json and weights of "
            "the same model"
        )


def not_finite(model: Any) -> list[str]:
    """Give the names of a model's weights that hold something else than finite numbers."""
    return [name for name, p in model.named_parameters() if not torch.isfinite(p).all()]


def _by(shape: Sequence[int]) -> str:
    return " by ".join(map(str, shape)) or "one number"
