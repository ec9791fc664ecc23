from __future__ import annotations

import numpy as np
import pytest
from simulated_removals import CASES, share_wrong, simulate, singles

from heuristic_core.analysis.additivity import additivity

UNITS = ["L0H0", "L1H1", "L2H2"]
PAIRS = [("pair", -1, pair) for pair in ("L0H0+L1H1", "L0H0+L2H2", "L1H1+L2H2")]
CORE = [("core", -1, "+".join(UNITS))]
REMOVALS = [*singles(UNITS), *PAIRS, *CORE]
IS_CORE = np.array([group == "core" for group, _, _ in REMOVALS])[:, None]
IS_PAIR = np.array([group == "pair" for group, _, _ in REMOVALS])[:, None]
OOD = np.array([case[0] != "i" for case in CASES])


def one(**settings):
    table, apart = simulate(np.random.default_rng(1), REMOVALS, n=100, **settings)
    return additivity(table, apart)[0]


#: What the core does to areas: harm, and more or less of it than the sum.
HARM = {"area": -0.3 * IS_CORE, "area_interaction": -0.1 * IS_CORE, "full_auc": 0.9}


def test_more_than_the_sum():
    result = one(change=-3.0 * IS_CORE, interaction=-1.0 * IS_CORE * OOD, **HARM)
    assert result.verdict.decision == "supported"
    assert result.measure == "area under the curve"
    assert result.core.auc_interaction.value == pytest.approx(-0.1, abs=0.05)
    assert result.core.units == tuple(UNITS)
    assert result.core.interaction["balanced"].value == pytest.approx(-1, abs=0.15)
    assert result.core.change["balanced"].value == pytest.approx(-3, abs=0.15)
    assert abs(result.core.interaction["in_domain"].value) < 0.2
    alone = result.core.change["balanced"].value - result.core.interaction["balanced"].value
    assert f"without each in turn by {alone:+.2f} in all" in result.verdict.reason
    assert (result.n_super, result.n_sub) == (0, 0)


def test_less_than_the_sum():
    less = {"change": -3.0 * IS_CORE, "interaction": 1.0 * IS_CORE}
    areas = {"area": -0.2 * IS_CORE, "area_interaction": 0.1 * IS_CORE}
    assert one(**less, **areas, full_auc=0.9).verdict.decision == "contradicted"
    # A model that has less to lose than the single removals cost cannot show it.
    result = one(**less, **areas, full_auc=0.7)
    assert result.verdict.decision == "not decided by these data"
    assert "more than all discrimination there is" in result.verdict.reason


def test_help_is_no_harm():
    """Together they help, if less than each alone: that is no harm beyond the sum."""
    areas = {"area": 0.2 * IS_CORE, "area_interaction": -0.1 * IS_CORE}
    result = one(change=3.0 * IS_CORE, interaction=-1.0 * IS_CORE, **areas)
    assert result.verdict.decision == "not decided by these data"


def test_a_lean_has_no_interaction():
    lean = np.array([{"a": 1, "f": -1, "i": 0}[case[0]] for case in CASES])
    result = one(change=-3.0 * IS_CORE, interaction=lean * IS_CORE)
    assert result.core.interaction["adversarial"].low > 0.5
    assert result.verdict.decision == "not decided by these data"


@pytest.mark.parametrize("friendly", [0.0, 0.2, 0.8])
def test_a_lean_whose_friendly_side_is_saturated_is_not_told_by_margins(friendly):
    """The balanced margin falls, as friendly ones rise by less; nothing is told apart worse."""
    lean = np.array([{"a": -1, "f": friendly, "i": 0}[case[0]] for case in CASES])
    settings = {"change": 3 * lean * IS_CORE, "interaction": lean * IS_CORE, "n": 400}
    table, apart = simulate(np.random.default_rng(1), REMOVALS, **settings)
    for result in (*additivity(table, apart), *additivity(table)):
        assert result.core.interaction["balanced"].high < 0
        assert result.verdict.decision == "not decided by these data"


def test_measures_that_disagree_decide_nothing():
    result = one(change=-3.0 * IS_CORE, interaction=1.0 * IS_CORE * OOD, **HARM)
    assert result.core.auc_interaction.high < 0
    assert result.verdict.decision == "not decided by these data"


def test_pairs_are_counted_and_decide_without_a_core():
    table, apart = simulate(
        np.random.default_rng(0),
        REMOVALS,
        n=100,
        interaction=-1.0 * IS_PAIR,
        area_interaction=-0.1 * IS_PAIR,
    )
    (result,) = additivity(table, apart)
    assert (result.n_super, result.n_sub) == (3, 0)
    assert result.verdict.decision == "not decided by these data"
    pairs = [frame[frame["group"] != "core"] for frame in (table, apart)]
    (result,) = additivity(*pairs)
    assert result.core is None
    assert result.verdict.decision == "supported"
    values = [pair.auc_interaction.value for pair in result.pairs]
    assert values == sorted(values)
    (without,) = additivity(pairs[0])
    assert (without.n_super, without.n_sub) == (3, 0)
    assert without.verdict.decision == "not decided by these data"
    pairs[0]["interaction"] *= -1
    (result,) = additivity(*pairs)
    assert (result.n_super, result.n_sub) == (0, 0)
    pairs[1]["auc_interaction"] *= -1
    (result,) = additivity(*pairs)
    assert result.verdict.decision == "contradicted"


def test_only_adversarial_cases():
    table, _ = simulate(
        np.random.default_rng(0), REMOVALS, n=100, change=-3 * IS_CORE, interaction=-1.0 * IS_CORE
    )
    (result,) = additivity(table[table["case_kind"] == "adversarial"])
    assert result.measure == "adversarial margin"
    assert result.verdict.decision == "not decided by these data"


def test_few_examples_give_no_false_numbers():
    table, apart = simulate(np.random.default_rng(0), REMOVALS)
    for frame in (table, apart):
        frame[[c for c in frame if c.endswith("_se")]] = np.nan
    (result,) = additivity(table.assign(n=1, correct=1), apart.assign(n=1, n_friendly=1))
    assert "nan" not in result.verdict.reason


def test_nothing_to_add():
    table, _ = simulate(np.random.default_rng(0), REMOVALS)
    assert additivity(table.iloc[:0]) == []
    assert additivity(table[table["group"] == "single"]) == []
    assert additivity(table[table["role"] == "id"]) == []
    table["interaction"] = np.nan
    assert additivity(table) == []


@pytest.mark.parametrize("removals", [REMOVALS, REMOVALS[:-1]])
def test_noise_rarely_decides(removals):
    rng = np.random.default_rng(1)
    # Their sum does harm, so that an interaction alone decides.
    table, apart = simulate(rng, removals, n_studies=200, change=-1.0, area=-0.1, n=20)
    results = additivity(table, apart)
    assert len(results) == 200
    assert share_wrong(results) <= 0.09
