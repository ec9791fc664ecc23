"""Which questions a study as planned can hardly decide."""

from __future__ import annotations

import pytest
from scipy import stats

from heuristic_core.analysis.questions import QUESTIONS
from heuristic_core.analysis.spread import least_examples
from heuristic_core.study.config import load_study
from heuristic_core.study.design import design_of, warnings
from heuristic_core.study.run import load_study_task

ENOUGH = (
    "search.seeds=[1, 2, 3, 4]",
    "finetune.checkpoints=[0, 100, 150, 250]",
    "analysis.grid.seeds=[1, 2, 3, 4, 5, 6, 7, 8]",
)
SMALL = ("task.options.train_size=64", "task.options.search_size=32", "task.options.per_case=7")
NEED_THREE = {"core", "faithfulness", "sparser", "emergence", "disjoint"}
NEED_FOUR = NEED_THREE | {"ranks"}
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
        ("search.seeds=[1, 2, 3]", {"ranks"}),
        ("search.seeds=[1, 2]", NEED_FOUR),
        ("search.seeds=[1]", NEED_FOUR | {"spread", "discrimination", "overlap"}),
        ("analysis.grid.seeds=[1, 2, 3]", {"effective_size"}),
        ("analysis.grid.seeds=[1, 2]", {"effective_size", "smoothness"}),
        ("analysis.grid.seeds=[1]", {"effective_size", "smoothness", "emergence"}),
        ("analysis.grid.checkpoints=[250]", {"effective_size", "emergence"}),
        ("analysis.grid.sparsities=[0.2, 0.4]", {"smoothness"}),
        ("analysis.grid=false", set()),
        ("analysis.disjoint=false", set()),
        ("analysis.disjoint.seeds=2", {"disjoint"}),
        ("analysis.dependency.senders=2", {"dependency"}),
        ("finetune.checkpoints=[100, 250]", {"repeated_tokens", "learning_order"}),
    ],
)
def test_what_it_lacks_is_said_of_each_question(planned, setting, questions):
    assert set(planned(setting)) == questions


def test_searches_that_cannot_differ_count_once(planned):
    alike = planned(*BLIND)
    assert {"core", "overlap", "spread", "smoothness", "effective_size"} <= set(alike)
    assert "and 1 is planned" in alike["core"]
    drawn = "search.options={resample=true}"
    assert planned(BLIND[0], drawn, "analysis.grid.options={resample=true}") == {}
    # The grid's own options count there, and those of the search where it has none.
    of_grid = {"smoothness", "effective_size", "emergence"}
    assert set(planned(BLIND[0], drawn, BLIND[2])) == of_grid
    assert planned(BLIND[0], drawn, "analysis.grid.options=none") == {}


def test_examples_too_few_to_show_any_difference_are_said():
    """Of 30 cases with six examples each, Fisher's test finds none at the corrected level."""

    def warned(n: int) -> dict[str, str]:
        sets = (*ENOUGH, *SMALL[:2], f"task.options.per_case={n}")
        config = load_study("quickstart", sets)
        return warnings(design_of(config, load_study_task(config, None)))

    assert warned(6) == {"spread": "it takes 7 examples of each case, and 6 are planned"}
    assert warned(7) == {}
    for n_cases in (1, 6, 30):
        n = least_examples(n_cases)
        p = [stats.fisher_exact([[k, 0], [0, k]]).pvalue * n_cases for k in (n - 1, n)]
        assert p[0] >= 0.05 > p[1]


def test_the_number_that_is_enough_for_the_effective_size_is_named(planned):
    text = planned("analysis.grid.seeds=[1, 2, 3]")["effective_size"]
    assert "with 5 search seeds instead of 3, a fall of 20 % of the units" in text
    assert planned("analysis.grid.seeds=[1, 2, 3, 4, 5]") == {}
    assert set(planned("analysis.grid.seeds=[1, 2, 3, 4]")) == {"effective_size"}


def test_only_questions_with_a_plan_are_asked():
    assert {question.key for question in QUESTIONS if question.plan} >= {"core", "effective_size"}
