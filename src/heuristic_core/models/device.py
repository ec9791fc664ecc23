"""Where models run: the processor, or a CUDA device."""

from __future__ import annotations

import torch

from ..errors import InputError, one_line


def check_device(device: str | torch.device) -> torch.device:
    """Make sure that models can run on a device here.

    Args:
        device: ``cpu``, ``cuda`` or one of several such as ``cuda:1``.

    Returns:
        The device.

    Raises:
        InputError: If it is none of these, or this machine does not have it.
    """
    try:
        found = torch.device(device)
    except (RuntimeError, TypeError):
        found = torch.device("meta")
    if found.type not in ("cpu", "cuda"):
        raise InputError(f"unknown device {one_line(str(device))!r}; say cpu or cuda")
    if found.type == "cpu":
        return torch.device("cpu")
    n = torch.cuda.device_count() if torch.cuda.is_available() else 0
    if not n:
        raise InputError("this machine has no CUDA device that torch can use; say cpu as device")
    if (found.index or 0) >= n:
        raise InputError(f"there is no CUDA device {found.index} here; the last one is {n - 1}")
    return found
