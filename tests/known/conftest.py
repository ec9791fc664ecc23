"""The task of the models whose answer is known, and what the tests of each model share.

A file of tests says what its model is by the constant ``CIRCUIT``.
"""

from __future__ import annotations

import pytest

import heuristic_core as hc
from known.pipeline import accuracies, evaluation_table
from known.sentences import task
from known.wiring import build


@pytest.fixture(scope="session")
def toy_task():
    """In-domain examples that need no order, and suites that do."""
    return task()


@pytest.fixture(scope="module")
def model(request, tmp_path_factory):
    """The file's circuit as a model."""
    return build(request.module.CIRCUIT, tmp_path_factory.mktemp("known"))


@pytest.fixture(scope="module")
def data(model, toy_task):
    """What searches share."""
    return hc.prepare(model, toy_task)


@pytest.fixture(scope="module")
def evaluated(model, toy_task, found):
    """How the model and the subnetworks that the file's searches found do."""
    return evaluation_table(model, toy_task, found)


@pytest.fixture
def accuracies_without(model, data, toy_task):
    """From units to the accuracy on each case when they are removed."""

    def measure(units):
        with hc.without(model, *units, means=data.values):
            return accuracies(hc.evaluate(model, toy_task))

    return measure
