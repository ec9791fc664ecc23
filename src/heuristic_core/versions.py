"""The installed versions that numbers rest on."""

from __future__ import annotations

import sys
from functools import cache
from importlib.metadata import PackageNotFoundError, version

_PACKAGES = ("heuristic-core", "torch", "transformers", "tokenizers", "numpy", "scipy", "pandas")


def versions() -> dict[str, str]:
    """Return the versions of Python, this package and the packages that its numbers rest on."""
    return {"python": sys.version.split()[0]} | {name: _installed(name) for name in _PACKAGES}


@cache
def _installed(name: str) -> str:
    try:
        return version(name)
    except PackageNotFoundError:
        return "not installed"
