from __future__ import annotations

import numpy as np
import pytest
from simulated_removals import CASES, heads, share_wrong, simulate, singles

from heuristic_core.analysis.roles import (
    HELPS,
    HURTS,
    NONE,
    ONE_SIDED,
    TO_ADVERSARIAL,
    TO_FRIENDLY,
    roles,
)

UNITS = heads(2, 5)
REMOVALS = singles(UNITS)


def effect(*sides: tuple[float, float]) -> np.ndarray:
    """Changes of the first units' adversarial and friendly margins."""
    found = np.zeros((len(REMOVALS), len(CASES)))
    for i, (adversarial, friendly) in enumerate(sides):
        found[i] = [{"a": adversarial, "f": friendly, "i": 0}[case[0]] for case in CASES]
    return found


def areas(*changes: float) -> np.ndarray:
    found = np.zeros((len(REMOVALS), 1))
    found[: len(changes), 0] = changes
    return found


def one(change=0.0, area=0.0, **settings):
    table, apart = simulate(
        np.random.default_rng(0), REMOVALS, change=change, area=area, n=100, **settings
    )
    return roles(table, apart)[0]


def test_roles_by_construction():
    result = one(effect((1, 1), (-1, -1), (1, -1), (-1, 1), (1, 0)), areas(0.2, -0.2))
    role = {unit.unit: unit.role for unit in result.units}
    expected = [HELPS, HURTS, TO_ADVERSARIAL, TO_FRIENDLY, ONE_SIDED, *[NONE] * 5]
    assert [role[unit] for unit in UNITS] == expected
    assert result.counts == {
        HELPS: 1,
        HURTS: 1,
        TO_ADVERSARIAL: 1,
        TO_FRIENDLY: 1,
        ONE_SIDED: 1,
        NONE: 5,
    }
    found = {unit.unit: unit for unit in result.units}
    assert found["L0H2"].lean.value == pytest.approx(1, abs=0.1)
    assert found["L0H2"].discrimination.value == pytest.approx(0, abs=0.1)
    assert found["L0H1"].discrimination.value == pytest.approx(-1, abs=0.1)
    assert result.units[0].unit == "L0H0"
    assert result.helping == ("L0H0",)
    assert result.verdict.decision == "supported"


def test_a_lean_is_no_help():
    """The trap: adversarial margins rise by as much as friendly ones fall."""
    result = one(effect((2, -2), (2, -2)))
    assert result.helping == ()
    assert result.counts[TO_ADVERSARIAL] == 2
    assert result.verdict.decision == "not decided by these data"
    table, _ = simulate(np.random.default_rng(0), REMOVALS, change=effect((2, -2)), n=100)
    assert roles(table)[0].verdict.decision == "not decided by these data"


def test_without_areas_the_balanced_margin_decides():
    table, _ = simulate(np.random.default_rng(0), REMOVALS, change=effect((1, 1)), n=100)
    (result,) = roles(table)
    assert result.units[0].auc is None
    assert result.verdict.decision == "supported"


def test_telling_apart_worse_is_no_help():
    result = one(effect((2, -4)), areas(-0.2))
    assert result.units[-1].unit == "L0H0"
    assert result.units[-1].p_discrimination < 0.05
    assert result.helping == ()


def test_the_other_side_alone_is_no_help():
    result = one(effect((0, 2)), areas(0.2))
    assert result.helping == ()


def test_exact_data_that_show_no_help_contradict():
    result = one(area_noise=0.01)
    assert result.verdict.decision == "contradicted"
    assert one(area_noise=0.01, full_auc=0.99).verdict.decision == "not decided by these data"
    assert one(area_noise=0.2).verdict.decision == "not decided by these data"
    assert one(area=areas(0.05), area_noise=0.01).verdict.decision == "not decided by these data"


def test_nothing_to_say():
    table, apart = simulate(np.random.default_rng(0), REMOVALS)
    assert roles(table.iloc[:0], apart.iloc[:0]) == []
    assert roles(table[table["case_kind"] != "friendly"], apart) == []
    assert roles(table[table["group"] == "none"], apart) == []


@pytest.mark.parametrize("areas_known", [True, False])
@pytest.mark.parametrize("lean", [0.0, 0.5])
def test_noise_rarely_decides(areas_known, lean):
    rng = np.random.default_rng(1)
    every = np.array([{"a": lean, "f": -lean, "i": 0}[case[0]] for case in CASES])
    table, apart = simulate(rng, REMOVALS, n_studies=200, n=20, change=every)
    results = roles(table, apart if areas_known else None)
    assert len(results) == 200
    assert share_wrong(results) <= 0.09
