"""A finished run that tests damage copies of."""

from __future__ import annotations

import shutil

import pytest

from command import SMALL, hcore


@pytest.fixture(scope="session")
def finished(tmp_path_factory, tiny_folder):
    folder = tmp_path_factory.mktemp("finished")
    hcore("run", "smoke", "--set", f"model.source={tiny_folder}", *SMALL, cwd=folder)
    return folder / "runs" / "smoke"


@pytest.fixture
def run(finished, tmp_path):
    """A copy of the finished run."""
    return shutil.copytree(finished, tmp_path / "runs" / "smoke")
