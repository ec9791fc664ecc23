"""Where models run: the processor, a CUDA device, or Apple's GPU (mps)."""

from __future__ import annotations

import platform
import re
from pathlib import Path

import torch

from ..errors import InputError, one_line

#: Names of the processor instructions that decide how fast matrices are multiplied.
_INSTRUCTIONS = ("avx2", "avx512f", "avx512_bf16", "amx_bf16")


def check_device(device: str | torch.device) -> torch.device:
    """Check that models can run on a device of this machine.

    Args:
        device: ``cpu``, ``mps``, ``cuda`` or one of several such as ``cuda:1``; or ``auto`` for
            ``cuda`` where this machine has it and else ``cpu``.

    Returns:
        The device.

    Raises:
        InputError: If it is none of these, or this machine does not have it.
    """
    if device == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        parsed = torch.device(device)
    except (RuntimeError, TypeError):
        parsed = torch.device("meta")
    if parsed.type not in ("cpu", "cuda", "mps"):
        raise InputError(f"unknown device {one_line(str(device))!r}; say auto, cpu, cuda or mps")
    if parsed.type == "cpu":
        return torch.device("cpu")
    if parsed.type == "mps":
        if not torch.backends.mps.is_available():
            raise InputError("this machine has no mps device that torch can use; say cpu as device")
        return torch.device("mps")
    n = torch.cuda.device_count() if torch.cuda.is_available() else 0
    if not n:
        raise InputError("this machine has no CUDA device that torch can use; say cpu as device")
    if (parsed.index or 0) >= n:
        raise InputError(f"there is no CUDA device {parsed.index} here; the last one is {n - 1}")
    return parsed


def widest_float(device: torch.device) -> torch.dtype:
    """Return the widest type of numbers on a device: float64, but float32 on mps."""
    return torch.float32 if device.type == "mps" else torch.float64


def widened(tensor: torch.Tensor) -> torch.Tensor:
    """Return a tensor in the widest type of its device."""
    return tensor.to(widest_float(tensor.device))


def check_float64(device: torch.device, what: str) -> None:
    """Check that a device has float64.

    Args:
        device: The device.
        what: What needs it, in the singular.

    Raises:
        InputError: If it has not.
    """
    if widest_float(device) is not torch.float64:
        raise InputError(f"{what} needs float64, which {device.type} has not; say cpu as device")


def pick_device(device: str) -> str:
    """Turn ``auto`` into the best device of this machine, and check that another choice exists.

    Raises:
        InputError: If the device is not supported, or not there.
    """
    return str(check_device(device))


def hardware(device: str, info: Path = Path("/proc/cpuinfo")) -> str:
    """Name the hardware of a device, so that times can be compared.

    Args:
        device: A device of this machine.
        info: The system's description of its processor.

    Returns:
        Such as ``AMD EPYC, avx2``: the make, and the instructions for matrices.
    """
    if torch.device(device).type == "cuda":
        return torch.cuda.get_device_name(device)
    lines = info.read_text().splitlines() if info.is_file() else []
    # The same is listed for every core.
    facts = {key.strip(): value for key, _, value in (line.partition(":") for line in lines)}
    text = facts.get("model name") or platform.processor()
    # A generation may come first, as in "11th Gen Intel(R) Core(TM) i7".
    text = re.sub(r"\((R|TM)\)|^\s*\w+ Gen\b", "", text)
    flags = set(facts.get("flags", "").split())
    name = " ".join(text.split()[:2]) or platform.machine()
    if torch.device(device).type == "mps":
        return f"{name}, mps"
    return ", ".join([name, *(one for one in _INSTRUCTIONS if one in flags)])
