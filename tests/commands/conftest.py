"""What the tests of commands share."""

from __future__ import annotations

import pytest

from command import SMALL, hcore


@pytest.fixture(scope="module")
def place(tmp_path_factory, tiny_folder):
    """A folder with a finished tiny run in it."""
    folder = tmp_path_factory.mktemp("place")
    hcore("run", "smoke", "--set", f"model.source={tiny_folder}", *SMALL, cwd=folder)
    return folder
