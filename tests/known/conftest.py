"""The task of the models whose answer is known."""

from __future__ import annotations

import pytest

from known.sentences import task


@pytest.fixture(scope="session")
def toy_task():
    """In-domain examples that need no order, and suites that do."""
    return task()
