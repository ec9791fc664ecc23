from __future__ import annotations

import numpy as np
import pytest
from simulated_removals import share_wrong, simulate, singles, verdicts

from heuristic_core.analysis.groups import groups

UNITS = ["L0H0", "L1H1", "L1MLP"]
REMOVALS = [*singles(UNITS), ("mine", -1, "L0H0+L1MLP"), ("one", -1, "L1H1")]
IS_MINE = np.array([group == "mine" for group, _, _ in REMOVALS])[:, None]


def test_a_group_that_matters_and_one_that_does_not():
    table, apart = simulate(
        np.random.default_rng(0),
        REMOVALS,
        n=100,
        change=-1.0 * IS_MINE,
        area=-0.2 * IS_MINE,
        area_interaction=-0.1 * IS_MINE,
    )
    mine, one = groups(table, apart)
    assert (mine.group, one.group) == ("mine", "one")
    assert mine.together.units == ("L0H0", "L1MLP")
    assert mine.together.auc.value == pytest.approx(-0.2, abs=0.05)
    assert mine.together.auc_interaction.value == pytest.approx(-0.1, abs=0.05)
    assert set(mine.singles) == {"L0H0", "L1MLP"}
    alone = apart[(apart["group"] == "single") & (apart["removed"] == "L0H0")]["auc_change"].mean()
    assert mine.singles["L0H0"].value == pytest.approx(alone)
    assert mine.verdict.decision == "supported"
    assert "'mine'" in mine.verdict.claim
    assert one.together.auc_interaction is None
    assert not one.together.interaction
    assert one.verdict.decision == "not decided by these data"


def test_a_group_whose_removal_helps():
    table, apart = simulate(np.random.default_rng(0), REMOVALS, n=100, area=0.2 * IS_MINE)
    assert verdicts(groups(table, apart)) == ["contradicted", "not decided by these data"]


def test_margins_alone_decide_nothing():
    table, _ = simulate(np.random.default_rng(0), REMOVALS, n=100, change=-1.0 * IS_MINE)
    mine, _ = groups(table)
    assert mine.p_value < 0.05
    assert mine.verdict.decision == "not decided by these data"


def test_nothing_to_say():
    table, apart = simulate(np.random.default_rng(0), REMOVALS)
    assert groups(table.iloc[:0], apart.iloc[:0]) == []
    assert groups(table[table["group"] == "single"], apart) == []
    assert groups(table[table["role"] == "id"]) == []


def test_noise_rarely_decides():
    table, apart = simulate(np.random.default_rng(1), REMOVALS, n_studies=200, n=20)
    assert share_wrong(groups(table, apart)) <= 0.09
