"""What a result is about: a model, the subnetworks of one method in it, those of one sparsity."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd

#: The columns that name a model, the subnetworks found in it by one method, those of one sparsity.
MODEL = ["finetune_seed", "checkpoint"]
METHOD = [*MODEL, "method"]
SPARSITY = [*METHOD, "sparsity"]
ModelKey = tuple[int, int]
MethodKey = tuple[int, int, str]
SparsityKey = tuple[int, int, str, float]

_TYPES = {"finetune_seed": int, "checkpoint": int, "method": str, "sparsity": float}


@dataclass(frozen=True)
class OfModel:
    """What a result says is of one model.

    Args:
        finetune_seed: Seed of the fine-tuning.
        checkpoint: Its step.
    """

    finetune_seed: int
    checkpoint: int


@dataclass(frozen=True)
class OfMethod(OfModel):
    """What a result says is of the subnetworks that one method found in a model.

    Args:
        method: The search method.
    """

    method: str


@dataclass(frozen=True)
class OfSparsity(OfMethod):
    """What a result says is of those of one sparsity.

    Args:
        sparsity: The sparsity asked for.
    """

    sparsity: float

    @property
    def key(self) -> SparsityKey:
        """What names the subnetworks."""
        return self.finetune_seed, self.checkpoint, self.method, self.sparsity


@dataclass(frozen=True)
class OfAnswers(OfModel):
    """What a result says is of a model's answers, or of those of a probe on it.

    Args:
        head: Who answers: ``model``, or ``probe`` for one on frozen features.
    """

    head: str

    @property
    def key(self) -> tuple[int, int, str]:
        """What names the answers."""
        return self.finetune_seed, self.checkpoint, self.head


def by_system(
    table: pd.DataFrame, columns: Sequence[str]
) -> Iterator[tuple[tuple[Any, ...], pd.DataFrame]]:
    """Go through the rows of each model, method or sparsity.

    Args:
        table: Rows with these columns.
        columns: ``MODEL``, ``METHOD`` or ``SPARSITY``.

    Returns:
        The values of these columns, which are the first fields of a result, and the rows.
    """
    for key, rows in table.groupby(list(columns)):
        yield tuple(_TYPES[name](x) for name, x in zip(columns, key, strict=True)), rows
