from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from attention_by_hand import PATTERNS, WithCores, attention, flat
from simulated import decisions

from heuristic_core.analysis.conclusions import conclude
from heuristic_core.analysis.repeated_tokens import AFTER, BEFORE, QUESTION, repeated_tokens
from heuristic_core.tables import CONTRADICTED, SUPPORTED, UNDECIDED

CORE = ["L0H0", "L0H1", "L0H2", "L1H0"]


def answers(table, core):
    return repeated_tokens(WithCores(table, core))


def column(answer, when, name):
    """A column of the rows of the core's heads before or after fine-tuning."""
    return [row[name] for row in answer.rows["repeated"] if row["when"] == when]


def before_and_after(
    before: list[float], after: list[float], error: float = 0.1, **columns
) -> pd.DataFrame:
    """Scores for repeated tokens, head by head from L0H0 on; chance for all others."""
    tables = []
    for checkpoint, scores in ((0, before), (100, np.ones(12)), (250, after)):
        table = flat()
        grid = np.ones(12)
        grid[: len(scores)] = scores
        table[:, :, PATTERNS.index("repeated")] = grid.reshape(3, 4)
        tables.append(attention(table, error=error, checkpoint=checkpoint, **columns))
    return pd.concat(tables, ignore_index=True)


def test_heads_that_already_attend_to_repeats():
    (result,) = answers(before_and_after([3, 4, 1, 5], [5, 5, 1, 5]), {1: CORE})
    assert result.subject["checkpoint"] == 250
    assert column(result, AFTER, "unit") == ["L0H0", "L0H1"]  # L0H3 is no core head
    assert [score.value for score in column(result, BEFORE, "score")] == [3, 4]
    assert [score.value for score in column(result, AFTER, "score")] == [5, 5]
    assert column(result, AFTER, "clear") == ["yes", "yes"]
    assert result.verdict.effect.value == 1
    assert result.verdict.decision == SUPPORTED
    assert result.verdict.reason == (
        "of 2 core heads that clearly attend to repeated tokens, 2 clearly did so before "
        "fine-tuning and 0 clearly did not"
    )


def test_heads_that_learn_it_in_fine_tuning():
    (result,) = answers(before_and_after([1, 1, 3], [5, 5, 5]), {1: CORE})
    assert column(result, BEFORE, "clear") == ["no", "no", "yes"]
    assert result.verdict.decision == CONTRADICTED


def test_half_is_not_most():
    (result,) = answers(before_and_after([1, 4], [5, 5]), {1: CORE})
    assert result.verdict.decision == CONTRADICTED
    (result,) = answers(before_and_after([1.5, 4], [5, 5]), {1: CORE})
    assert column(result, BEFORE, "clear") == ["unclear", "yes"]
    assert result.verdict.decision == UNDECIDED


@pytest.mark.parametrize(
    ("after", "core", "reason"),
    [
        ([5, 5], {}, "this fine-tuning has no supported core"),
        ([1, 1], {1: CORE}, "no core head clearly attends"),
        ([1.6, 1.6], {1: CORE}, "no core head clearly attends"),
        ([1, 1, 1, 5], {1: CORE}, "no core head clearly attends"),
    ],
)
def test_nothing_to_follow_back_decides_nothing(after, core, reason):
    (result,) = answers(before_and_after([5, 5, 5, 5], after), core)
    assert result.verdict.decision == UNDECIDED
    assert reason in result.verdict.reason
    assert result.rows["repeated"] == []
    assert result.verdict.effect is None


def test_suites_and_weightings_are_kept_apart():
    one = before_and_after([4], [5], suite="id")
    other = before_and_after([1], [5], suite="ood")
    normed = before_and_after([1], [5], weighting="value_norm")
    found = answers(pd.concat([one, other, normed]), {1: CORE})
    key = [(r.subject["suite"], r.subject["weighting"], r.verdict.decision) for r in found]
    assert key == [
        ("id", "attention", SUPPORTED),
        ("id", "value_norm", CONTRADICTED),
        ("ood", "attention", CONTRADICTED),
    ]


def test_scores_at_the_bound_decide_nothing_too_often():
    rng = np.random.default_rng(0)
    wrong = 0
    for _ in range(200):
        before = rng.gamma(2, 0.75, (60, 4))  # mean 1.5, skewed
        table = before_and_after(list(before.mean(0)), [9, 9, 9, 9])
        error = table["score_se"].to_numpy().copy()
        raw = (table["checkpoint"] == 0) & (table["pattern"] == "repeated")
        error[np.flatnonzero(raw)[:4]] = before.std(0, ddof=1) / 60**0.5
        found = answers(table.assign(score_se=error), {1: ["L0H0"]})
        wrong += decisions(found) != [UNDECIDED]
    assert wrong / 200 <= 0.09


def test_without_a_model_before_fine_tuning_there_is_no_answer():
    table = before_and_after([4], [5])
    assert answers(table[table["checkpoint"] > 0], {1: CORE}) == []
    assert answers(table[table["checkpoint"] == 0], {1: CORE}) == []
    assert answers(table.iloc[:0], {1: CORE}) == []
    assert answers(table[table["pattern"] != "repeated"], {1: CORE}) == []


def test_one_example_says_nothing():
    (result,) = answers(before_and_after([9, 9], [9, 9], error=np.nan, n=1), {1: CORE})
    assert result.verdict.decision == UNDECIDED


def test_tables():
    table = before_and_after([1, 4], [5, 5])
    found = conclude(WithCores(table, {1: CORE}), (QUESTION,))
    assert found.tables["repeated"]["score"].tolist() == [1, 5, 4, 5]
    assert found.tables["repeated"]["unit"].tolist() == ["L0H0", "L0H0", "L0H1", "L0H1"]
    assert found.verdicts["effect"].tolist() == [0.5]
