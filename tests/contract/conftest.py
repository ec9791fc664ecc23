"""The subjects of the contract, each prepared once."""

from __future__ import annotations

import pytest
from family_matrix import Subject


@pytest.fixture(scope="session")
def subject(request):
    """A family's subject. The cells of a family come one after another, as pytest orders them."""
    made = Subject(request.param)
    yield made
    made.assert_unchanged()
