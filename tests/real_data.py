"""Where the real data sets lie that some tests compare with; none is part of the project."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).resolve().parents[1]


def real_file(name: str) -> Path:
    """Give the path of a real data file, or skip the test where it is absent.

    The folder is the environment variable ``HCORE_DATA``, or ``../shared/data`` beside the
    repository.
    """
    folder = Path(os.environ.get("HCORE_DATA") or REPOSITORY.parent / "shared" / "data")
    path = folder / name
    if not path.is_file():
        pytest.skip(f"needs {name}, which is not in {folder}; set HCORE_DATA to its folder")
    return path
