"""Which questions a study as planned can hardly decide."""

from __future__ import annotations

import pytest

from heuristic_core.analysis.questions import QUESTIONS
from heuristic_core.study.config import load_study
from heuristic_core.study.design import design_of, warnings
from heuristic_core.study.run import load_study_task

ENOUGH = (
    "search.seeds=[1, 2, 3, 4]",
    "finetune.checkpoints=[0, 100, 250]",
    "analysis.grid.seeds=[1, 2, 3, 4, 5, 6, 7, 8]",
)
SMALL = ("task.options.train_size=64", "task.options.search_size=32", "task.options.per_case=2")
NEED_THREE = {"core", "faithfulness", "sparser", "emergence", "disjoint"}
BLIND = ("search.method='magnitude'", "search.options={}", "analysis.grid.options={}")


@pytest.fixture(scope="module")
def planned():
    """From settings to the warnings of the quickstart with them."""
    task = load_study_task(load_study("quickstart", SMALL), None)
    return lambda *sets: warnings(design_of(load_study("quickstart", (*ENOUGH, *sets)), task))


def test_a_study_with_enough_of_everything_is_not_warned_of(planned):
    assert planned() == {}


@pytest.mark.parametrize(
    ("setting", "questions"),
    [
        ("search.seeds=[1, 2]", NEED_THREE),
        ("search.seeds=[1]", NEED_THREE | {"spread", "discrimination", "overlap"}),
        ("analysis.grid.seeds=[1, 2, 3]", {"effective_size"}),
        ("analysis.grid.seeds=[1, 2]", {"effective_size", "smoothness"}),
        ("analysis.grid.checkpoints=[250]", {"effective_size", "emergence"}),
        ("analysis.grid.sparsities=[0.2, 0.4]", {"smoothness"}),
        ("analysis.grid=false", set()),
        ("analysis.disjoint=false", set()),
        ("analysis.disjoint.seeds=2", {"disjoint"}),
        ("analysis.dependency.senders=2", {"dependency"}),
        ("finetune.checkpoints=[100, 250]", {"repeated_tokens"}),
    ],
)
def test_what_it_lacks_is_said_of_each_question(planned, setting, questions):
    assert set(planned(setting)) == questions


def test_searches_that_cannot_differ_count_once(planned):
    alike = planned(*BLIND)
    assert {"core", "overlap", "spread", "smoothness", "effective_size"} <= set(alike)
    assert "and 1 is planned" in alike["core"]
    assert planned(BLIND[0], "search.options={resample=true}", BLIND[2]) == {}


def test_the_number_that_is_enough_for_the_effective_size_is_named(planned):
    text = planned("analysis.grid.seeds=[1, 2, 3]")["effective_size"]
    assert "with 5 search seeds instead of 3, a fall of 20 % of the units" in text
    assert planned("analysis.grid.seeds=[1, 2, 3, 4, 5]") == {}
    assert set(planned("analysis.grid.seeds=[1, 2, 3, 4]")) == {"effective_size"}


def test_only_questions_with_a_plan_are_asked():
    assert {question.key for question in QUESTIONS if question.plan} >= {"core", "effective_size"}
