from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from attention_by_hand import PATTERNS, attention, flat
from simulated import decisions

from heuristic_core.analysis.intervals import CONTRADICTED, SUPPORTED, UNDECIDED
from heuristic_core.analysis.repeated import repeated

CORE = ["L0H0", "L0H1", "L0H2", "L1H0"]


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
    (result,) = repeated(before_and_after([3, 4, 1, 5], [5, 5, 1, 5]), {1: CORE})
    assert result.checkpoint == 250
    assert [head.unit for head in result.heads] == ["L0H0", "L0H1"]  # L0H3 is no core head
    assert result.n_others == 1
    assert [head.before.value for head in result.heads] == [3, 4]
    assert [head.after.value for head in result.heads] == [5, 5]
    assert (result.n_already, result.n_not_yet) == (2, 0)
    assert result.verdict.decision == SUPPORTED
    assert "L0H0 3.0 before, 5.0 after" in result.verdict.reason


def test_heads_that_learn_it_in_fine_tuning():
    (result,) = repeated(before_and_after([1, 1, 3], [5, 5, 5]), {1: CORE})
    assert [head.already for head in result.heads] == [False, False, True]
    assert result.verdict.decision == CONTRADICTED


def test_half_is_not_most():
    (result,) = repeated(before_and_after([1, 4], [5, 5]), {1: CORE})
    assert result.verdict.decision == CONTRADICTED
    (result,) = repeated(before_and_after([1.5, 4], [5, 5]), {1: CORE})
    assert [head.already for head in result.heads] == [None, True]
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
    (result,) = repeated(before_and_after([5, 5, 5, 5], after), core)
    assert result.verdict.decision == UNDECIDED
    assert reason in result.verdict.reason
    assert result.heads == ()


def test_stability_is_a_rank_correlation():
    scores = np.arange(1, 13) / 4
    (same,) = repeated(before_and_after(list(scores), list(scores)), {1: CORE})
    assert same.stability.value == pytest.approx(1)
    (other,) = repeated(before_and_after(list(scores[::-1]), list(scores)), {1: CORE})
    assert other.stability.value == pytest.approx(-1)
    (flat_,) = repeated(before_and_after([], []), {1: CORE})
    assert flat_.stability is None


def test_suites_and_weightings_are_kept_apart():
    one = before_and_after([4], [5], suite="id")
    other = before_and_after([1], [5], suite="ood")
    normed = before_and_after([1], [5], weighting="value_norm")
    found = repeated(pd.concat([one, other, normed]), {1: CORE})
    key = [(r.suite, r.weighting, r.verdict.decision) for r in found]
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
        found = repeated(table.assign(score_se=error), {1: ["L0H0"]})
        wrong += decisions(found) != [UNDECIDED]
    assert wrong / 200 <= 0.09


def test_without_a_model_before_fine_tuning_there_is_no_answer():
    table = before_and_after([4], [5])
    assert repeated(table[table["checkpoint"] > 0], {1: CORE}) == []
    assert repeated(table[table["checkpoint"] == 0], {1: CORE}) == []
    assert repeated(table.iloc[:0], {1: CORE}) == []
    assert repeated(table[table["pattern"] != "repeated"], {1: CORE}) == []


def test_one_example_says_nothing():
    (result,) = repeated(before_and_after([9, 9], [9, 9], error=np.nan, n=1), {1: CORE})
    assert result.verdict.decision == UNDECIDED
