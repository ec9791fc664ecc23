"""Shapes and types in signatures are checked at run time in the tests."""

from __future__ import annotations

import os

import pytest
import torch
from hypothesis import HealthCheck, settings
from jaxtyping import install_import_hook

# The models here are so small that several threads only get in each other's way.
torch.set_num_threads(1)

# Nothing here may reach for the network, and a hub that hangs would hang the tests.
os.environ["HF_HUB_OFFLINE"] = "1"
os.environ["HF_DATASETS_OFFLINE"] = "1"
os.environ["TOKENIZERS_PARALLELISM"] = "false"

install_import_hook(
    [
        "heuristic_core.models.ablation",
        "heuristic_core.models.classifier",
        "heuristic_core.models.compaction",
        "heuristic_core.models.families",
        "heuristic_core.models.gates",
        "heuristic_core.models.smaller",
        "heuristic_core.search",
        "heuristic_core.measure",
    ],
    "beartype.beartype",
)

settings.register_profile(
    "project", deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
settings.load_profile("project")


@pytest.fixture(scope="session")
def tiny_folder(tmp_path_factory):
    """A folder with a tiny random BERT classifier and its tokenizer."""
    from tiny import save_tiny

    return save_tiny(tmp_path_factory.mktemp("tiny-bert"))


@pytest.fixture
def tiny(tiny_folder):
    """A tiny random BERT classifier, loaded anew."""
    from heuristic_core.models.loading import load_model

    return load_model(tiny_folder)


@pytest.fixture(scope="session")
def pairs():
    """Thirty-two labelled pairs from the grammar."""
    from tiny import some_pairs

    return some_pairs(32)
