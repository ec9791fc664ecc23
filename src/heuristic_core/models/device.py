"""Where models run: the processor, or a CUDA device."""

from __future__ import annotations

import platform
import re
from pathlib import Path

import torch

from ..errors import InputError, one_line

#: What processors call the instructions that decide how fast matrices are multiplied.
_INSTRUCTIONS = ("avx2", "avx512f", "avx512_bf16", "amx_bf16")


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


def hardware(device: str, info: Path = Path("/proc/cpuinfo")) -> str:
    """Name what a device is, so that times can be compared: a processor coarsely.

    Args:
        device: One that is here.
        info: Where the system describes its processor.

    Returns:
        Such as ``AMD EPYC, avx2``, with the instructions for matrices that the processor has.
    """
    if torch.device(device).type == "cuda":
        return torch.cuda.get_device_name(device)
    lines = info.read_text().splitlines() if info.is_file() else []
    # Every core says the same; some say a thing a second time under other headings.
    facts = {key.strip(): value for key, _, value in (line.partition(":") for line in lines)}
    text = facts.get("model name") or platform.processor()
    # A generation may come first, as in "11th Gen Intel(R) Core(TM) i7".
    text = re.sub(r"\((R|TM)\)|^\s*\w+ Gen\b", "", text)
    has = set(facts.get("flags", "").split())
    name = " ".join(text.split()[:2]) or platform.machine()
    return ", ".join([name, *(one for one in _INSTRUCTIONS if one in has)])
