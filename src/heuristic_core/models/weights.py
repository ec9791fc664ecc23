"""Checks that the weights that were loaded are all those that a configuration needs."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import torch

from ..errors import InputError, one_line
from .compaction import RECORD
from .sources import BUFFERS


def check_loaded(source: object, model: Any, info: dict[str, Any], *, fresh_head: bool) -> None:
    """Check that a full model's weights were all found, of the right sizes, and all used.

    Args:
        source: The model's name in errors.
        model: The model, from transformers.
        info: What transformers reports of its loading.
        fresh_head: Whether its head is meant to be new.

    Raises:
        InputError: If they were not.
    """
    base = f"{model.base_model_prefix}."
    wrong = sorted(
        key for key in info["mismatched_keys"] if not fresh_head or str(key[0]).startswith(base)
    )
    if wrong:
        name, size, needed = wrong[0]
        pruned = getattr(model.config, "pruned_heads", None)
        if pruned:
            raise InputError(
                f"cannot load {source}: heads were removed from its weights (pruned_heads in "
                f"config.json: {one_line(str(pruned), 80)}), which transformers 5 cannot load; "
                "give the model before that"
            )
        raise InputError(
            f"cannot load {source}: {len(wrong)} of its weights have other sizes than config.json "
            f"says, such as {name} ({_by(size)}, not {_by(needed)}); give a config.json and "
            "weights of the same model"
        )
    # A new head is meant to be new, and many encoders come without the pooler a classifier uses.
    _check_complete(
        source,
        [
            name
            for name in info["missing_keys"]
            if not fresh_head or (name.startswith(base) and ".pooler." not in name)
        ],
    )
    _check_all_used(source, model, info["unexpected_keys"])


def check_loaded_compact(source: object, info: dict[str, Any]) -> None:
    """Check that a compacted model's weights are those of the units that are left.

    Args:
        source: The model's name in errors.
        info: What transformers reports of its loading.

    Raises:
        InputError: If they are not.
    """
    _check_complete(source, info["missing_keys"])
    odd = sorted({str(key[0]) for key in info["mismatched_keys"]} | set(info["unexpected_keys"]))
    if odd:
        raise InputError(
            f"{source}: {len(odd)} of the weights do not fit the units that {RECORD!r} in its "
            f"config.json says are left, such as {one_line(odd[0], 120)}; compact the full model "
            "again"
        )


def _check_complete(source: object, missing: Iterable[str]) -> None:
    lost = sorted(missing)
    if lost:
        raise InputError(
            f"{source} lacks {len(lost)} of the weights its configuration needs, such as "
            f"{lost[0]}; the folder is incomplete, or its weights are another model's: save or "
            "fetch the model again"
        )


def _check_all_used(source: object, model: Any, unexpected: Iterable[str]) -> None:
    """Check that no weights below the head were left over, as those of other heads may be."""
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
    """List the names of a model's weights that hold NaN or infinity."""
    return [name for name, p in model.named_parameters() if not torch.isfinite(p).all()]


def _by(shape: Sequence[int]) -> str:
    return " by ".join(map(str, shape)) or "one number"
