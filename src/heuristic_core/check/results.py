"""What a check finds: a difference within its tolerance or not, or nothing to check."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor


@dataclass(frozen=True)
class Result:
    """One row of the table of checks.

    Args:
        what: What was checked.
        result: How it came out.
        difference: The largest difference found; ``None`` where nothing is compared.
        tolerance: How large it may be.
        note: What else there is to know, such as why it failed.
    """

    what: str
    result: Literal["ok", "failed", "not for this model"]
    difference: float | None = None
    tolerance: float | None = None
    note: str = ""


@dataclass(frozen=True)
class Measured:
    """What a check measured.

    Args:
        difference: The largest difference found.
        tolerance: How large it may be.
        note: What else there is to know.
    """

    difference: float | None = None
    tolerance: float | None = None
    note: str = ""

    @property
    def is_ok(self) -> bool:
        """Whether the difference is allowed; one that is no number is not."""
        if self.difference is None or self.tolerance is None:
            return True
        return self.difference <= self.tolerance


class Failed(Exception):
    """A check that failed in another way than by a difference."""


class NotForThisModel(Exception):
    """A check that has nothing to check in this model."""


def apart(one: Tensor, other: Tensor) -> float:
    """Give the largest difference of two tensors of one shape, not a number if either has none.

    Raises:
        Failed: If their shapes differ.
    """
    if one.shape != other.shape:
        raise Failed(f"shapes {tuple(one.shape)} and {tuple(other.shape)} differ")
    difference = (one.double().cpu() - other.double().cpu()).abs()
    return float(torch.nan_to_num(difference, nan=torch.inf).max())
