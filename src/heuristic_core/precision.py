"""The types that a model can compute in."""

from __future__ import annotations

from typing import Literal, cast, get_args

from .errors import unknown

Precision = Literal["float32", "bfloat16", "float16"]


def check_precision(precision: object) -> Precision:
    """Check the name of a precision.

    Raises:
        InputError: If it is none of float32, bfloat16 and float16.
    """
    if precision not in get_args(Precision):
        raise unknown("precision", precision, get_args(Precision))
    return cast(Precision, precision)
