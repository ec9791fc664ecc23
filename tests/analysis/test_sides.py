from __future__ import annotations

import numpy as np
import pytest
from simulated_removals import CASES, heads, share_wrong, simulate, singles

from heuristic_core.analysis.sides import sides

REMOVALS = singles(heads(2, 5))


def effect(*of_units: tuple[float, float]) -> np.ndarray:
    """Changes of the first units' margins on cases of "no" and of "yes"."""
    found = np.zeros((len(REMOVALS), len(CASES)))
    for i, (no, yes) in enumerate(of_units):
        found[i] = [{"a": no, "f": yes, "i": 0}[case[0]] for case in CASES]
    return found


def one(change):
    table, _ = simulate(np.random.default_rng(0), REMOVALS, change=change, n=100)
    return sides(table)[0]


def test_two_sides_by_construction():
    result = one(effect((1, -2), (-1, 1), (-3, 1), (-1, -1), (1, 1), (-1, 0)))
    assert result.speakers == {"no": ("L0H2", "L0H1"), "yes": ("L0H0",)}
    by_unit = {unit.unit: unit for unit in result.units}
    assert by_unit["L0H0"].lean["yes"].value == pytest.approx(1.5, abs=0.1)
    assert by_unit["L0H0"].lean["no"].value == pytest.approx(-1.5, abs=0.1)
    assert by_unit["L0H0"].margin["yes"].high < -1.5
    assert by_unit["L0H3"].speaks_for == by_unit["L0H4"].speaks_for == ""
    assert result.verdict.decision == "supported"
    assert "2 of 10 units speak for 'no', most L0H2: +1." in result.verdict.reason


def test_one_side_is_not_two():
    result = one(effect((1, -2), (1, -1)))
    assert result.speakers["no"] == ()
    assert result.verdict.decision == "not decided by these data"


def test_a_small_lean_is_no_heuristic():
    settings = {"change": effect((0.05, -0.05), (-0.05, 0.05)), "noise": 0.01}
    table, _ = simulate(np.random.default_rng(0), REMOVALS, n=100, **settings)
    (result,) = sides(table)
    assert result.units[0].margin["yes"].high < 0
    assert result.verdict.decision == "not decided by these data"


def test_three_labels_are_told_apart():
    change = effect((1, -2))
    # Cases a1, a2, f1 and f2; the second unit speaks for what is right in a2.
    change[1, 1:] = [0.5, -1.0, 0.5, 0.5]
    table, _ = simulate(np.random.default_rng(0), REMOVALS, change=change, n=400)
    (result,) = sides(table.assign(label=table["label"].mask(table["case"] == "a2", "maybe")))
    assert result.speakers == {"maybe": ("L0H1",), "no": (), "yes": ("L0H0",)}
    assert result.units[1].lean["maybe"].value == pytest.approx(0.75, abs=0.05)


def test_nothing_to_say():
    table, _ = simulate(np.random.default_rng(0), REMOVALS)
    assert sides(table.iloc[:0]) == []
    assert sides(table[table["case_kind"] != "friendly"]) == []
    assert sides(table.assign(label="")) == []


def test_noise_rarely_decides():
    table, _ = simulate(np.random.default_rng(1), REMOVALS, n_studies=200, n=20)
    results = sides(table)
    assert len(results) == 200
    assert share_wrong(results) <= 0.09
