from __future__ import annotations

import numpy as np
import pytest
from simulated_removals import CASES, evidence, heads, share_decided, simulate, singles

from heuristic_core.analysis.conclusions import conclude
from heuristic_core.analysis.label_bias import QUESTION, label_bias
from heuristic_core.analysis.question import Answer

REMOVALS = singles(heads(2, 5))


def effect(*of_units: tuple[float, float]) -> np.ndarray:
    """Changes of the first units' margins in cases of the labels "no" and "yes"."""
    changes = np.zeros((len(REMOVALS), len(CASES)))
    for i, (no, yes) in enumerate(of_units):
        changes[i] = [{"a": no, "f": yes, "i": 0}[case[0]] for case in CASES]
    return changes


def ask(table) -> Answer:
    (answer,) = label_bias(evidence(table))
    return answer


def one(change) -> Answer:
    table, _ = simulate(np.random.default_rng(0), REMOVALS, change=change, n=100)
    return ask(table)


def favouring(answer: Answer) -> dict[str, list[str]]:
    """The units that favour each label."""
    return {row["label"]: row["units"].split() for row in answer.rows["label-bias"]}


def by_unit(answer: Answer) -> dict[tuple[str, str], dict]:
    return {(row["unit"], row["label"]): row for row in answer.rows["unit-label-bias"]}


def test_two_labels_by_construction():
    answer = one(effect((1, -2), (-1, 1), (-3, 1), (-1, -1), (1, 1), (-1, 0)))
    assert favouring(answer) == {"no": ["L0H2", "L0H1"], "yes": ["L0H0"]}
    rows = by_unit(answer)
    assert rows["L0H0", "yes"]["bias"].value == pytest.approx(1.5, abs=0.1)
    assert rows["L0H0", "no"]["bias"].value == pytest.approx(-1.5, abs=0.1)
    assert rows["L0H0", "yes"]["change"].high < -1.5
    favoured = {key for key, row in rows.items() if row["favoured"]}
    assert favoured == {("L0H0", "yes"), ("L0H1", "no"), ("L0H2", "no")}
    no, yes = answer.rows["label-bias"]
    assert (no["n"], yes["n"]) == (2, 1)
    assert no["bias"] == rows["L0H2", "no"]["bias"]
    assert answer.verdict.decision == "supported"
    assert answer.verdict.effect is answer.verdict.p is None
    assert "2 of 10 units favour 'no', most of all L0H2 (+1." in answer.verdict.reason


def test_rows_fill_the_tables():
    table, _ = simulate(np.random.default_rng(0), REMOVALS)
    tables = conclude(evidence(table), (QUESTION,)).tables
    assert tables["label-bias"]["label"].tolist() == ["no", "yes"]
    assert tables["label-bias"]["bias"].isna().all()
    assert len(tables["unit-label-bias"]) == 2 * len(REMOVALS)


def test_one_label_is_not_two():
    answer = one(effect((1, -2), (1, -1)))
    assert favouring(answer)["no"] == []
    assert answer.verdict.decision == "not decided by these data"


def test_a_small_bias_is_no_heuristic():
    settings = {"change": effect((0.05, -0.05), (-0.05, 0.05)), "noise": 0.01}
    table, _ = simulate(np.random.default_rng(0), REMOVALS, n=100, **settings)
    answer = ask(table)
    assert by_unit(answer)["L0H0", "yes"]["change"].high < 0
    assert answer.verdict.decision == "not decided by these data"


def test_three_labels_are_separated():
    change = effect((1, -2))
    # Cases a1, a2, f1 and f2; the second unit favours what is right in a2.
    change[1, 1:] = [0.5, -1.0, 0.5, 0.5]
    table, _ = simulate(np.random.default_rng(0), REMOVALS, change=change, n=400)
    answer = ask(table.assign(label=table["label"].mask(table["case"] == "a2", "maybe")))
    assert favouring(answer) == {"maybe": ["L0H1"], "no": [], "yes": ["L0H0"]}
    assert by_unit(answer)["L0H1", "maybe"]["bias"].value == pytest.approx(0.75, abs=0.05)


def test_nothing_to_say():
    table, _ = simulate(np.random.default_rng(0), REMOVALS)
    for rows in (
        table.iloc[:0],
        table[table["case_kind"] != "friendly"],
        table.assign(label=""),
    ):
        assert label_bias(evidence(rows)) == []


def test_noise_rarely_decides():
    table, _ = simulate(np.random.default_rng(1), REMOVALS, n_studies=200, n=20)
    answers = label_bias(evidence(table))
    assert len(answers) == 200
    assert share_decided(answers) <= 0.09
