from __future__ import annotations

import numpy as np
import pytest
from simulated_removals import decisions, evidence, share_decided, simulate, singles

from heuristic_core.analysis.conclusions import conclude
from heuristic_core.analysis.group_removal import QUESTION, group_removal

UNITS = ["L0H0", "L1H1", "L1MLP"]
REMOVALS = [*singles(UNITS), ("mine", -1, "L0H0+L1MLP"), ("one", -1, "L1H1")]
IS_MINE = np.array([group == "mine" for group, _, _ in REMOVALS])[:, None]


def test_a_group_that_matters_and_one_that_does_not():
    table, aurocs = simulate(
        np.random.default_rng(0),
        REMOVALS,
        n=100,
        change=-1.0 * IS_MINE,
        auroc=-0.2 * IS_MINE,
        auroc_interaction=-0.1 * IS_MINE,
    )
    mine, one = group_removal(evidence(table, aurocs))
    assert (mine.subject["group"], one.subject["group"]) == ("mine", "one")
    (row,) = mine.rows["groups"]
    assert row["units"] == "L0H0 L1MLP"
    assert row["auc"].value == pytest.approx(-0.2, abs=0.05)
    assert row["auc_interaction"].value == pytest.approx(-0.1, abs=0.05)
    assert row["margin"].value == pytest.approx(-1, abs=0.15)
    assert mine.verdict.decision == "supported"
    assert (mine.verdict.measure, mine.verdict.effect) == ("AUROC", row["auc"])
    assert mine.verdict.p == row["p"] < 0.05
    assert "'mine'" in mine.verdict.claim
    (row,) = one.rows["groups"]
    assert row["auc_interaction"] is row["margin_interaction"] is None
    assert one.verdict.decision == "not decided by these data"


def test_rows_fill_the_tables():
    table, aurocs = simulate(np.random.default_rng(0), REMOVALS)
    tables = conclude(evidence(table, aurocs), (QUESTION,)).tables
    assert tables["groups"]["group"].tolist() == ["mine", "one"]
    assert tables["groups"]["friendly_points"].tolist() == [0.0, 0.0]
    assert tables["groups"]["units"].tolist() == ["L0H0 L1MLP", "L1H1"]


def test_limits_say_over_which_cases_auroc_is():
    assert any("separates" in limit for limit in QUESTION.limits)


def test_a_group_whose_removal_helps():
    table, aurocs = simulate(np.random.default_rng(0), REMOVALS, n=100, auroc=0.2 * IS_MINE)
    answers = group_removal(evidence(table, aurocs))
    assert decisions(answers) == ["contradicted", "not decided by these data"]


def test_margins_alone_decide_nothing():
    table, _ = simulate(np.random.default_rng(0), REMOVALS, n=100, change=-1.0 * IS_MINE)
    mine, _ = group_removal(evidence(table))
    assert mine.verdict.p < 0.05
    assert mine.verdict.measure == "balanced margin, nats"
    assert mine.verdict.decision == "not decided by these data"


def test_nothing_to_say():
    table, aurocs = simulate(np.random.default_rng(0), REMOVALS)
    assert group_removal(evidence(table.iloc[:0], aurocs.iloc[:0])) == []
    assert group_removal(evidence(table[table["group"] == "single"], aurocs)) == []
    assert group_removal(evidence(table[table["role"] == "id"])) == []


def test_noise_rarely_decides():
    table, aurocs = simulate(np.random.default_rng(1), REMOVALS, n_studies=200, n=20)
    assert share_decided(group_removal(evidence(table, aurocs))) <= 0.09
