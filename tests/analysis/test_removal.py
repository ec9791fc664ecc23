from __future__ import annotations

import numpy as np
import pytest
from simulated_removals import CASES, heads, share_wrong, simulate, singles, verdicts

from heuristic_core.analysis.removal import removal

CORE = ("L0H1", "L1H2", "L2H0")
UNITS = [*heads(3, 6), "L0MLP", "L1MLP", "L2MLP"]
REMOVALS = [*singles(UNITS), ("core", -1, "+".join(CORE))]
IN_CORE = np.array([unit in CORE for _, _, unit in REMOVALS])
PART = {name: np.array([case[0] == name[0] for case in CASES]) for name in ("id", "adv", "fri")}
OOD = PART["adv"] | PART["fri"]


def changes(in_domain: float, ood: float, of: np.ndarray = IN_CORE) -> np.ndarray:
    """Changes of the margin of some removals, the same for all OOD cases."""
    return of[:, None] * np.where(OOD, ood, in_domain)


def test_a_core_whose_heads_generalisation_rests_on():
    table, apart = simulate(
        np.random.default_rng(0),
        REMOVALS,
        change=changes(-0.1, -1.5),
        area=-0.3 * IN_CORE[:, None],
        n=100,
    )
    (result,) = removal(table, apart)
    assert result.core == CORE
    assert [unit.unit for unit in result.units[:3]] == sorted(
        CORE, key=[unit.unit for unit in result.units].index
    )
    assert {unit.unit for unit in result.units if unit.in_core} == set(CORE)
    worst = result.units[0]
    assert worst.p_value < 1e-6
    assert worst.margin["balanced"].value == pytest.approx(-1.5, abs=0.2)
    # The full margins are all 2: without 0.1 of them in-domain, 0.1 less OOD would be the same.
    assert worst.beyond_in_domain.value == pytest.approx(-1.4, abs=0.2)
    assert result.beside_others.n_heads == 3
    assert result.verdict.decision == "supported"
    assert "3 hurt OOD when removed and 3 of them hurt it more than ID" in result.verdict.reason
    (without,) = removal(table)
    assert without.measure == "balanced OOD margin"
    assert without.units[0].auc is None
    assert without.verdict.decision == "supported"


def test_a_core_that_hurts_both_alike_is_not_decided():
    table, apart = simulate(
        np.random.default_rng(0),
        REMOVALS,
        change=changes(-1.0, -1.0),
        area=-0.3 * IN_CORE[:, None],
        n=100,
    )
    (result,) = removal(table, apart)
    assert result.verdict.decision == "not decided by these data"


def test_a_margin_that_is_smaller_ood_may_shrink_by_less():
    """In nats ID loses more here, but both lose half."""
    table, apart = simulate(
        np.random.default_rng(0), REMOVALS, change=changes(-2.0, -0.5), area=-0.3 * IN_CORE[:, None]
    )
    table["margin"] = np.where(table["role"] == "id", 4.0, 1.0)
    (result,) = removal(table, apart)
    core = [unit for unit in result.units if unit.in_core]
    assert all(abs(unit.beyond_in_domain.value) < 0.5 for unit in core)
    assert result.verdict.decision == "not decided by these data"


def test_a_lean_to_one_label_is_no_loss():
    """Adversarial margins fall, friendly ones rise: nothing is told apart worse."""
    lean = IN_CORE[:, None] * (PART["adv"] * -1.5 + PART["fri"] * 1.5)
    table, apart = simulate(np.random.default_rng(0), REMOVALS, change=lean, n=100)
    (result,) = removal(table, apart)
    assert result.verdict.decision != "supported"
    (result,) = removal(table)
    assert result.verdict.decision != "supported"


def test_other_heads_that_do_more_harm_contradict():
    others = np.array([unit[0] == "single" for unit in REMOVALS]) & ~IN_CORE
    table, apart = simulate(
        np.random.default_rng(1),
        REMOVALS,
        change=changes(-0.1, -1.5, others),
        area=-0.3 * others[:, None],
        n=100,
    )
    (result,) = removal(table, apart)
    assert "0 hurt ID and 0 of them more than OOD" in result.verdict.reason
    assert result.verdict.decision == "contradicted"


def test_other_heads_that_do_as_much_harm_leave_it_open():
    every = np.array([unit[0] == "single" for unit in REMOVALS])
    table, apart = simulate(
        np.random.default_rng(1),
        REMOVALS,
        change=changes(-0.1, -1.5, every),
        area=-0.3 * every[:, None],
        n=100,
    )
    (result,) = removal(table, apart)
    assert "3 of them hurt it more than ID" in result.verdict.reason
    assert result.verdict.decision == "not decided by these data"


def test_in_domain_harm_contradicts():
    table, apart = simulate(np.random.default_rng(0), REMOVALS, change=changes(-1.5, 0.0), n=100)
    (result,) = removal(table, apart)
    assert result.verdict.decision == "contradicted"


def test_mlps_are_listed_but_not_compared():
    others = np.array(["MLP" in unit for _, _, unit in REMOVALS])
    table, apart = simulate(
        np.random.default_rng(0), REMOVALS, area=-0.3 * others[:, None], n=100, noise=0.01
    )
    (result,) = removal(table, apart)
    assert {unit.unit for unit in result.units[:3]} == {"L0MLP", "L1MLP", "L2MLP"}
    assert abs(result.beside_others.others) < 0.1


def test_too_little_does_not_decide():
    table, apart = simulate(np.random.default_rng(0), REMOVALS)
    assert removal(table.iloc[:0], apart.iloc[:0]) == []
    assert removal(table[table["role"] == "id"]) == []
    without_core = [frame[frame["group"] != "core"] for frame in (table, apart)]
    (result,) = removal(*without_core)
    assert result.core == ()
    assert "no core was removed" in result.verdict.reason
    (result,) = removal(table[table["role"] == "ood"], apart)
    assert result.units[0].beyond_in_domain is None
    assert "no margin both OOD and in-domain" in result.verdict.reason
    single = table[table["removed"].isin(["", "L0H1", "+".join(CORE)])]
    (result,) = removal(single)
    assert "no layer has enough heads" in result.verdict.reason


def test_few_examples_give_no_false_numbers():
    table, apart = simulate(np.random.default_rng(0), REMOVALS)
    for frame in (table, apart):
        frame[[c for c in frame if c.endswith("_se")]] = np.nan
    (result,) = removal(table.assign(n=1, correct=1), apart.assign(n=1, n_friendly=1))
    assert all(unit.p_value == 1 for unit in result.units)


def test_a_probe_is_named():
    table, apart = simulate(np.random.default_rng(0), REMOVALS)
    (result,) = removal(table.assign(head="probe"), apart.assign(head="probe"))
    assert result.head == "probe"
    assert "as a probe on the encoder answers" in result.verdict.claim


@pytest.mark.parametrize("areas", [True, pytest.param(False, marks=pytest.mark.slow)])
def test_noise_rarely_decides(areas):
    table, apart = simulate(np.random.default_rng(1), REMOVALS, n_studies=200, n=20)
    results = removal(table, apart if areas else None)
    assert len(results) == 200
    assert share_wrong(results) <= 0.09


def test_heads_that_differ_at_random_rarely_decide():
    """Heads matter, but which of them are core is chance."""
    rng = np.random.default_rng(2)
    size = rng.normal(size=(200, len(REMOVALS), 1)) * 0.3
    table, apart = simulate(rng, REMOVALS, n_studies=200, change=size, area=size / 5, n=20)
    assert share_wrong(removal(table, apart)) <= 0.09


def test_results_repeat():
    table, apart = simulate(np.random.default_rng(0), REMOVALS)
    assert verdicts(removal(table, apart)) == verdicts(removal(table, apart))
    assert removal(table, apart) == removal(table, apart)
