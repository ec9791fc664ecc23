"""What names a model, the subnetworks found in it by one method, and those of one sparsity."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import pandas as pd

from ..tables import DETERMINISTIC

#: The columns that name a model, the subnetworks found in it by one method, those of one sparsity.
BY_MODEL = ("finetune_seed", "checkpoint")
BY_METHOD = (*BY_MODEL, "method")
BY_SPARSITY = (*BY_METHOD, "sparsity")

#: What the subnetworks of a method differ in of which nothing is random.
RESAMPLED = "one ranking, resampled examples"

_TYPES = {"finetune_seed": int, "checkpoint": int, "method": str, "sparsity": float}


def by_system(
    table: pd.DataFrame, columns: Sequence[str]
) -> Iterator[tuple[tuple[Any, ...], pd.DataFrame]]:
    """Iterate over the rows of each model, method or sparsity.

    Args:
        table: Rows with these columns.
        columns: ``BY_MODEL``, ``BY_METHOD`` or ``BY_SPARSITY``.

    Yields:
        The values of these columns, and the rows.
    """
    for key, rows in table.groupby(list(columns)):
        yield tuple(_TYPES[name](x) for name, x in zip(columns, key, strict=True)), rows


def claim_on(method: str, claim: str) -> str:
    """Return a claim on independent searches, marked where one ranking gave all subnetworks.

    Args:
        method: How they were found.
        claim: The claim.
    """
    return f"{claim} ({RESAMPLED})" if method in DETERMINISTIC else claim
