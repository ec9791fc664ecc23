"""What every bad input has to end in, and how inputs are made bad."""

from __future__ import annotations

import io
import json
import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from heuristic_core.errors import InputError

#: A name that would colour a terminal and run on a page.
HOSTILE = "\x1b[31m<script>alert(1)</script>"


def snapshot(folder: Path) -> dict[str, tuple[int, int]]:
    """What lies in a folder: for each path its size and when it was changed."""
    return {
        str(path.relative_to(folder)): (path.lstat().st_size, path.lstat().st_mtime_ns)
        for path in folder.rglob("*")
        if not path.is_dir() or path.is_symlink()
    } | {str(path.relative_to(folder)) + "/": (0, 0) for path in folder.rglob("*") if path.is_dir()}


def refused(call: Callable[[], Any], message: str, folder: Path) -> str:
    """Check that a call ends in one clear line and leaves a folder as it was; give the line."""
    before = snapshot(folder)
    with pytest.raises(InputError, match=message) as caught:
        call()
    text = str(caught.value)
    assert text.isprintable()
    assert "trust_remote_code" not in text
    assert snapshot(folder) == before
    return text


class Marker:
    """An object whose unpickling leaves a file behind."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[Any, ...]:
        return (Path.touch, (self.path,))


def pickled(marker: Path) -> bytes:
    """A pickle that leaves a file behind if it is loaded."""
    return pickle.dumps({"weight": Marker(marker)})


def pickled_array(marker: Path) -> bytes:
    """An array of objects, as numpy saves it, that does the same."""
    buffer = io.BytesIO()
    np.save(buffer, np.array([Marker(marker)], dtype=object), allow_pickle=True)
    return buffer.getvalue()


def change_json(file: Path, **changes: Any) -> None:
    """Change or, with ``None`` for ``...``, remove entries of a JSON file."""
    content = json.loads(file.read_text()) | changes
    file.write_text(json.dumps({key: v for key, v in content.items() if v is not ...}))


def cut(file: Path, n: int) -> None:
    """Keep the first bytes of a file."""
    file.write_bytes(file.read_bytes()[:n])
