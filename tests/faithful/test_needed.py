"""Which units are shown to be needed: known costs, and errors where nothing is."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from heuristic_core.faithful import needed
from heuristic_core.faithful.needed import needed_units, p_needed
from heuristic_core.units import UnitSpace

NONE = np.zeros((0, 200))


def test_what_costs_nothing_is_not_needed_and_what_costs_the_same_everywhere_is():
    costs = np.array([np.zeros(200), np.full(200, 0.01), np.full(200, -0.01), np.full(200, 9e-6)])
    assert p_needed(costs, NONE, [0]).tolist() == [1, 1 / 10_000, 1, 1]


def test_units_of_a_large_model_can_be_needed():
    """The more units are tested, the more draws are made: corrected, the least p is below 0.05."""
    p = p_needed(np.full((600, 30), 0.01), np.zeros((0, 30)), [0])
    assert 600 * p.max() <= 0.025


def test_a_cost_of_a_few_examples_alone_is_not_shown():
    costs = np.zeros((1, 200))
    costs[0, :2] = 1
    assert p_needed(costs, NONE, [0])[0] > 0.05


def test_p_is_the_larger_of_students_and_the_bootstraps(monkeypatch):
    monkeypatch.setattr(needed, "N_DRAWS", 99)
    monkeypatch.setattr(needed, "_DRAWS_A_UNIT", 1)
    monkeypatch.setattr(needed, "ROUNDING", 0)
    values = np.random.default_rng(0).normal(0.1, 1, (5, 30))
    drawn = np.random.default_rng([7]).multinomial(30, np.full(30, 1 / 30), 99)
    expected = []
    for row in values:
        t = row.mean() / row.std()
        beyond = 0
        for times in drawn:
            sample = np.repeat(row, times)
            beyond += (sample.mean() - row.mean()) / sample.std() >= t
        student = stats.ttest_1samp(row, 0, alternative="greater").pvalue
        expected.append(max((1 + beyond) / 100, student))
    np.testing.assert_allclose(p_needed(values, np.zeros((0, 30)), [7]), expected)


def test_a_unit_that_is_worth_as_much_as_those_left_out_is_not_needed():
    rng = np.random.default_rng(0)
    worth = rng.exponential(0.1, (20, 200))
    unit = rng.exponential(0.1, (1, 200))
    assert p_needed(unit, NONE, [0])[0] < 0.001
    assert p_needed(unit, worth, [0])[0] > 0.05
    assert p_needed(3 * unit, worth, [0])[0] < 0.001
    # Where those left out do harm, a unit must still be worth something itself.
    assert p_needed(unit - 0.1, worth - 0.3, [0])[0] > 0.05


NULLS = {
    "symmetric": lambda rng, shape: rng.normal(size=shape),
    "a tail to the right": lambda rng, shape: rng.exponential(size=shape) - 1,
    "a tail to the left": lambda rng, shape: 1 - rng.exponential(size=shape),
    "of few examples": lambda rng, shape: (rng.random(shape) < 0.05) * rng.normal(size=shape),
}


@pytest.mark.parametrize("null", NULLS)
def test_at_most_8_percent_are_called_needed_where_costs_are_0_on_average(null):
    rng = np.random.default_rng(0)
    p = p_needed(NULLS[null](rng, (200, 200)), NONE, [1])
    assert (p <= 0.05).mean() <= 0.08
    # The sizes that Holm's correction of 30 units asks about.
    assert (p <= 0.05 / 30).mean() <= 0.02


def test_the_units_that_something_rests_on_are_found():
    """A divergence that is a sum over the planted units that are dropped."""
    space = UnitSpace((4, 4))
    planted, idle = ["L0H1", "L1H2", "L1MLP"], ["L0H0", "L0MLP"]
    worth = np.random.default_rng(0).exponential(0.1, (3, 50))
    at = [space.index(unit) for unit in planted]

    def kl(masks):
        return 1 + ~masks[:, at] @ worth

    kept = space.mask([*planted, *idle])
    table, left_out = needed_units(space, kept, np.ones(10, dtype=bool), kl, [0])
    assert set(table.loc[table["needed"], "unit"]) == set(planted)
    assert set(table["unit"]) == {*planted, *idle}
    costs = table.set_index("unit")["cost"]
    np.testing.assert_allclose(costs[planted], worth.mean(1))
    assert (costs[idle] == 0).all()
    assert left_out == 0
    # Without one of the planted units, it is the one that is left out.
    kept[at[0]] = False
    table, left_out = needed_units(space, kept, np.ones(10, dtype=bool), kl, [0])
    assert left_out == pytest.approx(worth[0].mean() / 6)
    # Units that cannot be dropped are not tested.
    table, _ = needed_units(space, kept, space.is_head, kl, [0])
    assert "L1MLP" not in set(table["unit"])
