"""What all tests share.

Shapes and types in signatures are checked at run time.
"""

from __future__ import annotations

import copy
import gc
import os
import pickle
from unittest import mock

import pytest
from hypothesis import HealthCheck, settings
from jaxtyping import install_import_hook

# Nothing here may reach for the network, and a hub that hangs would hang the tests.
os.environ["HF_HUB_OFFLINE"] = "1"
os.environ["HF_DATASETS_OFFLINE"] = "1"
os.environ["TOKENIZERS_PARALLELISM"] = "false"

install_import_hook(
    [
        "heuristic_core.models.ablation",
        "heuristic_core.models.anatomy",
        "heuristic_core.models.classifier",
        "heuristic_core.models.compaction",
        "heuristic_core.models.families",
        "heuristic_core.models.gates",
        "heuristic_core.models.means",
        "heuristic_core.models.smaller",
        "heuristic_core.models.text_classifier",
        "heuristic_core.faithful",
        "heuristic_core.search",
        "heuristic_core.measure",
    ],
    "beartype.beartype",
)

settings.register_profile(
    "project", deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
settings.load_profile("project")


def pytest_addoption(parser):
    parser.addoption("--no-skips", action="store_true", help="count a test that skips as failed")


def pytest_configure():
    gc.disable()
    import torch

    # The models here are so small that several threads only get in each other's way.
    torch.set_num_threads(1)


def pytest_collection_finish():
    """Leave out of garbage collection what was imported and collected: it all stays to the end."""
    gc.freeze()
    gc.enable()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item):
    report = yield
    if report.skipped and not hasattr(report, "wasxfail") and item.config.option.no_skips:
        path, line, reason = report.longrepr
        report.outcome = "failed"
        report.longrepr = f"{path}:{line}: {reason}, which --no-skips does not allow"
    return report


#: Where the report of one tiny study is written many times.
_FIGURES_REMEMBERED = {"commands", "docs"}
#: Where figures are not what is tested.
_FIGURES_LEFT_OUT = {"bad_inputs", "study"}


@pytest.fixture(scope="module", autouse=True)
def figures_drawn_once(request):
    """Draw every figure once that shows the same, or none, in some folders of tests."""
    folder = request.path.parent.name
    if folder not in _FIGURES_REMEMBERED | _FIGURES_LEFT_OUT:
        yield
        return
    from heuristic_core.report.figures import Drawing

    drawn: dict[bytes, str] = {}
    draw = vars(Drawing)["svg"].func

    def svg(drawing: Drawing) -> str:
        if folder in _FIGURES_LEFT_OUT:
            return f'<svg xmlns="http://www.w3.org/2000/svg"><title>{drawing.name}</title></svg>'
        shown = pickle.dumps((drawing.name, drawing.kind, drawing.title, drawing.plot))
        if shown not in drawn:
            drawn[shown] = draw(drawing)
        return drawn[shown]

    with mock.patch.object(Drawing, "svg", property(svg)):
        yield


@pytest.fixture(scope="session")
def tiny_folder(tmp_path_factory):
    """A folder with a tiny random BERT classifier and its tokenizer."""
    from tiny import save_tiny

    return save_tiny(tmp_path_factory.mktemp("tiny-bert"))


@pytest.fixture(scope="session")
def tiny_loaded(tiny_folder):
    """A tiny random BERT classifier, which no test changes."""
    from heuristic_core.models.loading import load_model

    return load_model(tiny_folder)


@pytest.fixture
def tiny(tiny_loaded):
    """A tiny random BERT classifier for one test to change."""
    return copy.deepcopy(tiny_loaded)


@pytest.fixture(scope="session")
def pairs():
    """Thirty-two labelled pairs from the grammar."""
    from tiny import some_pairs

    return some_pairs(32)
