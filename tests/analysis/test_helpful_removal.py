from __future__ import annotations

import numpy as np
import pytest
from simulated_removals import CASES, evidence, heads, share_decided, simulate, singles

from heuristic_core.analysis.conclusions import conclude
from heuristic_core.analysis.helpful_removal import OUTCOMES, QUESTION, helpful_removal
from heuristic_core.analysis.question import Answer

UNITS = heads(2, 5)
REMOVALS = singles(UNITS)


def effect(*of_units: tuple[float, float]) -> np.ndarray:
    """Changes of the first units' adversarial and friendly margins."""
    changes = np.zeros((len(REMOVALS), len(CASES)))
    for i, (adversarial, friendly) in enumerate(of_units):
        changes[i] = [{"a": adversarial, "f": friendly, "i": 0}[case[0]] for case in CASES]
    return changes


def of_auroc(*of_units: float) -> np.ndarray:
    changes = np.zeros((len(REMOVALS), 1))
    changes[: len(of_units), 0] = of_units
    return changes


def ask(table, aurocs=None) -> Answer:
    (answer,) = helpful_removal(evidence(table, aurocs))
    return answer


def one(change=0.0, auroc=0.0, **settings) -> Answer:
    return ask(
        *simulate(np.random.default_rng(0), REMOVALS, change=change, auroc=auroc, n=100, **settings)
    )


def helping(answer: Answer) -> list[str]:
    return [row["unit"] for row in answer.rows["unit-removal-outcomes"] if row["helps"]]


def counts(answer: Answer) -> dict[str, int]:
    return {row["outcome"]: row["n"] for row in answer.rows["removal-outcomes"]}


def test_roles_by_construction():
    answer = one(effect((1, 1), (-1, -1), (1, -1), (-1, 1), (1, 0)), of_auroc(0.2, -0.2))
    by_unit = {row["unit"]: row for row in answer.rows["unit-removal-outcomes"]}
    expected = [
        "helps both",
        "hurts both",
        "biases to the adversarial label",
        "biases to the friendly label",
        "changes one kind alone",
        *["no clear change"] * 5,
    ]
    assert [by_unit[unit]["outcome"] for unit in UNITS] == expected
    assert counts(answer) == {one: expected.count(one) for one in OUTCOMES}
    assert by_unit["L0H2"]["label_bias"].value == pytest.approx(1, abs=0.1)
    assert by_unit["L0H2"]["balanced"].value == pytest.approx(0, abs=0.1)
    assert by_unit["L0H1"]["balanced"].value == pytest.approx(-1, abs=0.1)
    assert answer.rows["unit-removal-outcomes"][0]["unit"] == "L0H0"
    assert helping(answer) == ["L0H0"]
    verdict = answer.verdict
    assert verdict.decision == "supported"
    assert (verdict.measure, verdict.effect) == ("AUROC", by_unit["L0H0"]["auc"])
    assert verdict.p == by_unit["L0H0"]["p_separation"]


def test_rows_fill_the_tables():
    table, aurocs = simulate(np.random.default_rng(0), REMOVALS)
    tables = conclude(evidence(table, aurocs), (QUESTION,)).tables
    assert tables["removal-outcomes"]["n"].sum() == len(UNITS)
    assert set(tables["unit-removal-outcomes"]["unit"]) == set(UNITS)


def test_label_bias_is_no_help():
    """The trap: adversarial margins rise by as much as friendly ones fall."""
    answer = one(effect((2, -2), (2, -2)))
    assert helping(answer) == []
    assert counts(answer)["biases to the adversarial label"] == 2
    assert answer.verdict.decision == "not decided by these data"
    table, _ = simulate(np.random.default_rng(0), REMOVALS, change=effect((2, -2)), n=100)
    assert ask(table).verdict.decision == "not decided by these data"


def test_without_auroc_the_balanced_margin_decides():
    table, _ = simulate(np.random.default_rng(0), REMOVALS, change=effect((1, 1)), n=100)
    answer = ask(table)
    assert answer.rows["unit-removal-outcomes"][0]["auc"] is None
    assert answer.verdict.measure == "balanced margin, nats"
    assert answer.verdict.decision == "supported"


def test_worse_separation_is_no_help():
    answer = one(effect((2, -4)), of_auroc(-0.2))
    worst = answer.rows["unit-removal-outcomes"][-1]
    assert worst["unit"] == "L0H0"
    assert worst["p_separation"] < 0.05
    assert helping(answer) == []


def test_friendly_cases_alone_are_no_help():
    assert helping(one(effect((0, 2)), of_auroc(0.2))) == []


def test_exact_data_that_show_no_help_contradict():
    assert one(auroc_noise=0.01).verdict.decision == "contradicted"
    for settings in (
        {"auroc_noise": 0.01, "full_auc": 0.99},
        {"auroc_noise": 0.2},
        {"auroc_noise": 0.01, "auroc": of_auroc(0.05)},
    ):
        assert one(**settings).verdict.decision == "not decided by these data"


def test_nothing_to_say():
    table, aurocs = simulate(np.random.default_rng(0), REMOVALS)
    for rows in (
        table.iloc[:0],
        table[table["case_kind"] != "friendly"],
        table[table["group"] == "none"],
    ):
        assert helpful_removal(evidence(rows, aurocs)) == []


@pytest.mark.slow
@pytest.mark.parametrize("measured", [True, False])
@pytest.mark.parametrize("bias", [0.0, 0.5])
def test_noise_rarely_decides(measured, bias):
    rng = np.random.default_rng(1)
    every = np.array([{"a": bias, "f": -bias, "i": 0}[case[0]] for case in CASES])
    table, aurocs = simulate(rng, REMOVALS, n_studies=200, n=20, change=every)
    answers = helpful_removal(evidence(table, aurocs if measured else None))
    assert len(answers) == 200
    assert share_decided(answers) <= 0.09
