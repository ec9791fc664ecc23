from __future__ import annotations

import numpy as np
import pytest
from scipy import stats
from tables_by_hand import evaluation, evaluations, found

from heuristic_core.analysis.evidence import Evidence
from heuristic_core.analysis.faithfulness import faithfulness

ID = np.array([0.01, 0.02, 0.03, 0.02])


def answer(ood, n=4):
    rows = []
    for seed in range(n):
        systems = evaluation({"in": 90, "aswap": 40, "fswap": 80}, **found(seed, 0.5))
        for row in systems:
            row["kl"] = ID[seed] if row["role"] == "id" else ood[seed]
        rows.append(systems)
    (result,) = faithfulness(Evidence({"evaluations": evaluations(*rows)}))
    return result


def test_by_hand():
    ood = np.array([0.11, 0.22, 0.13, 0.32])
    result = answer(ood)
    (row,) = result.rows["faithfulness"]
    difference = ood - ID
    low, high = stats.t.interval(0.95, 3, difference.mean(), stats.sem(difference))
    assert row["n"] == 4
    assert row["in_domain"].value == pytest.approx(ID.mean())
    assert row["ood"].value == pytest.approx(ood.mean())
    assert (row["difference"].low, row["difference"].high) == pytest.approx((low, high))
    assert result.verdict.effect == row["difference"]
    assert result.verdict.decision == "supported"


@pytest.mark.parametrize(
    ("ood", "n", "decision"),
    [
        (ID / 10, 4, "contradicted"),
        (ID[::-1], 4, "not decided by these data"),
        (ID + 1, 2, "not decided by these data"),
    ],
)
def test_decisions(ood, n, decision):
    assert answer(ood, n).verdict.decision == decision


def test_without_ood_cases_there_is_no_answer():
    table = evaluations(evaluation({"in": 90}, **found(1, 0.5)))
    assert faithfulness(Evidence({"evaluations": table})) == []
