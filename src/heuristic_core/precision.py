"""The types that a model can compute in."""

from __future__ import annotations

from typing import Literal, cast, get_args

from .errors import InputError, unknown

Precision = Literal["float32", "bfloat16", "float16"]


def check_precision(precision: object) -> Precision:
    """Check the name of a precision.

    Raises:
        InputError: If it is none of float32, bfloat16 and float16.
    """
    if precision not in get_args(Precision):
        raise unknown("precision", precision, get_args(Precision))
    return cast(Precision, precision)


def check_training(precision: Precision, device: str, what: str) -> None:
    """Check that a device can fine-tune in a precision.

    Args:
        precision: The precision.
        device: Its type, or its name such as ``cuda:1``.
        what: What asks for it, as the message begins.

    Raises:
        InputError: If it cannot: float16 takes CUDA's scaling of gradients.
    """
    if precision == "float16" and device.partition(":")[0] != "cuda":
        raise InputError(
            f"{what} float16 needs a CUDA device, this is {device}; take bfloat16 or float32"
        )
