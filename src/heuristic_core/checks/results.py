"""What a check returns: a difference within its tolerance or not, or nothing to check."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor


@dataclass(frozen=True)
class Measured:
    """What a check measured.

    Args:
        difference: The largest difference; ``None`` where nothing is compared.
        tolerance: How large it may be.
        note: Anything else to know.
    """

    difference: float | None = None
    tolerance: float = 0.0
    note: str = ""


@dataclass(frozen=True)
class Result:
    """One row of the table of checks.

    Args:
        what: What was checked.
        result: The outcome.
        difference: The largest difference; ``None`` where nothing is compared.
        tolerance: How large it may be; ``None`` where nothing is compared.
        note: Anything else to know, such as why it failed.
    """

    what: str
    result: Literal["ok", "failed", "not for this model"]
    difference: float | None = None
    tolerance: float | None = None
    note: str = ""


class Failed(Exception):
    """A check that failed otherwise than by a difference."""


class NotForThisModel(Exception):
    """A check that has nothing to check in this model."""


def largest_difference(one: Tensor, other: Tensor) -> float:
    """Return the largest difference of two tensors of one shape; infinity if either has a NaN.

    Raises:
        Failed: If their shapes differ.
    """
    if one.shape != other.shape:
        raise Failed(f"shapes {tuple(one.shape)} and {tuple(other.shape)} differ")
    difference = (one.double().cpu() - other.double().cpu()).abs()
    return float(torch.nan_to_num(difference, nan=torch.inf).max())
