from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import norm
from simulated import simulated
from simulated_sizes import fine_tunings, power, slope
from tables_by_hand import evaluation, evaluations

from heuristic_core.analysis.intervals import student
from heuristic_core.analysis.size import effective_size
from heuristic_core.analysis.size_rule import estimate, sizes

LEVELS = (0.0, 0.2, 0.4, 0.6, 0.8)
STEPS = (0, 100, 200, 300)


def grid(adversarial, friendly=None, full=(50, 52, 70, 90), n_seeds=3, n=10_000):
    """Per cent correct of each checkpoint, by sparsity; the same for all seeds; ID always 90."""
    cases = ["i", "a"] + (["f"] if friendly is not None else [])
    right = np.full((1, len(STEPS), n_seeds, len(LEVELS), len(cases)), 90)
    right[0, :, :, 0, 1] = np.array(full)[:, None]
    right[0, :, :, 1:, 1] = np.array(adversarial)[:, None, :]
    if friendly is not None:
        right[0, :, :, :, 2] = np.array(friendly)[:, None, None]
    return simulated(right * n // 100, cases, LEVELS, n, STEPS)


def by_data(table, margin=3.0):
    return {result.data: result for result in effective_size(table, margin)}


def test_the_rule_by_hand():
    levels = np.array([0.05, 0.1, 0.5])
    accuracy = np.array([[0.9, 0.9, 0.9], [0.9, 0.8, 0.7], [0.7, 0.9, 0.7], [0.7, 0.7, 0.7]])
    assert sizes(accuracy, levels, 0.8) == pytest.approx([50, 95, 90, 100])
    # Strictly above: as good as the bar is not enough, whatever rounding does to it.
    assert sizes(np.full((1, 3), 0.1 + 0.2), levels, 0.3) == [100]
    assert sizes(np.array([[np.nan, 0.9, np.nan]]), levels, 0.8) == pytest.approx([90])


@given(st.lists(st.integers(0, 20), min_size=3, max_size=3), st.integers(0, 20), st.integers(0, 20))
def test_a_higher_bar_never_makes_it_smaller(accuracy, one, other):
    levels = np.array([0.1, 0.5, 0.7])
    shares = np.array([accuracy]) / 20
    low, high = sorted((one / 20, other / 20))
    assert sizes(shares, levels, low) <= sizes(shares, levels, high)


FALLING = [[50, 50, 50, 50], [52, 40, 30, 20], [70, 69, 50, 20], [90, 90, 89, 20]]
RISING = [[50, 50, 50, 50], [52, 52, 51, 30], [70, 69, 50, 30], [90, 70, 50, 30]]


def test_sizes_over_fine_tuning():
    result = by_data(grid(RISING))["adversarial"]
    assert result.sparsities == LEVELS[1:]
    assert [at.checkpoint for at in result.sizes] == list(STEPS)
    assert [at.size.value for at in result.sizes] == pytest.approx([20, 40, 60, 80])
    assert [at.accuracy for at in result.sizes] == pytest.approx([0.5, 0.52, 0.7, 0.9])
    assert [at.at_most for at in result.sizes] == [True, False, False, False]
    # At 70 %: 69 is above 70 - 2 but not above 70 - 1, where 70 itself remains.
    assert result.sizes[2].by_margin == pytest.approx({"1": 80, "2": 60, "3": 60, "4": 60, "5": 60})
    # Every second sparsity from the sparsest: 0.8 and 0.4.
    assert [at.coarse for at in result.sizes] == pytest.approx([20, 60, 60, 100])
    assert (result.change.before, result.change.after) == (100, 300)
    assert result.change.points.value == pytest.approx(40)
    # The full model gains 18 points up to 200, then 20.
    assert (result.at_rise.before, result.at_rise.after) == (200, 300)
    assert result.at_rise.points.value == pytest.approx(20)
    assert result.verdict.decision == "contradicted"
    assert "from step 100 to 300 it changes by +40.0 % of the units" in result.verdict.reason
    assert "adversarial accuracy changes by +38.0 points" in result.verdict.reason


def test_mixed_data_are_the_cases_alike():
    table = grid(RISING)
    at = by_data(table)["mixed"].sizes[-1]
    assert at.accuracy == pytest.approx(0.9)
    # (90 + 70) / 2 is below 87, so that only the densest will do; ID alone is always kept.
    assert at.size.value == pytest.approx(80)
    assert by_data(table)["id"].sizes[-1].size.value == pytest.approx(20)
    assert by_data(table)["id"].verdict.decision == "not decided by these data"
    assert set(by_data(table)) == {"id", "adversarial", "mixed"}


def test_a_falling_size_supports():
    results = by_data(grid(FALLING, friendly=[90, 90, 90, 90]))
    assert [at.size.value for at in results["balanced"].sizes][1:] == pytest.approx([80, 60, 40])
    assert results["balanced"].verdict.decision == "supported"
    assert results["adversarial"].verdict.decision == "supported"


def test_a_lean_to_one_label_is_no_small_size():
    """In the end the sparsest subnetworks get everything adversarial right."""
    leaning = [*FALLING[:3], [90, 90, 90, 100]]
    results = by_data(grid(leaning))
    assert results["adversarial"].sizes[-1].at_most
    assert results["adversarial"].verdict.decision == "not decided by these data"
    assert "lean to one label" in results["adversarial"].verdict.reason


def test_where_the_margin_means_nothing():
    nothing = [[50] * 4, [0, 0, 0, 0], RISING[2], RISING[3]]
    result = by_data(grid(nothing, full=(50, 1, 70, 90)))["adversarial"]
    assert "under three margins" in result.sizes[1].note
    assert result.sizes[1].size.value == pytest.approx(20)
    assert result.change.points.low > 0
    assert (result.where_meaningful.before, result.where_meaningful.after) == (200, 300)
    assert result.where_meaningful.points.value == pytest.approx(20)
    assert result.verdict.decision == "not decided by these data"
    assert "means nothing at step 100" in result.verdict.reason
    assert "where it means something, from step 200 to 300 it changes by" in result.verdict.reason
    # Balanced accuracy at chance: a constant answer will do.
    chance = by_data(grid(RISING, friendly=[50, 50, 90, 90]))["balanced"]
    assert "always giving the same answer" in chance.sizes[1].note
    assert chance.sizes[2].note == ""
    assert chance.verdict.decision == "not decided by these data"


def test_too_little_is_not_decided():
    assert effective_size(evaluations()) == []
    assert effective_size(evaluations(evaluation({"i": 9, "a": 5}))) == []
    table = grid(RISING)
    assert effective_size(table[table["kind"] == "subnetwork"]) == []
    single = by_data(table[table["seed"] < 1])["adversarial"]
    assert np.isnan(single.sizes[-1].size.low)
    assert single.verdict.decision == "not decided by these data"
    one = by_data(table[table["checkpoint"] == 300])["adversarial"]
    assert (one.change, one.where_meaningful, one.at_rise) == (None, None, None)
    assert one.verdict.decision == "not decided by these data"
    flat = by_data(grid(RISING, full=(50, 52, 53, 54)))["adversarial"]
    assert "does not come to generalise" in flat.verdict.reason


def test_a_missing_cell_is_passed_over():
    table = grid(RISING)
    some = table[(table["seed"] != 0) | (table["checkpoint"] != 300) | (table["sparsity"] != 0.2)]
    at = by_data(some)["adversarial"].sizes[-1]
    assert (at.n_seeds, at.n_failed) == (3, 1)
    assert at.size.value == pytest.approx((100 + 80 + 80) / 3)


def test_intervals_hold_the_error_of_the_bar():
    """Three seeds that agree say nothing of the examples that they all answer."""
    few = by_data(grid(FALLING, n=100))["adversarial"]
    many = by_data(grid(FALLING))["adversarial"]
    assert few.change.points.value == many.change.points.value == pytest.approx(-40)
    assert many.verdict.decision == "supported"
    assert few.verdict.decision == "not decided by these data"
    assert many.change.points.high < 0 < few.change.points.high
    # By the normal distribution, with 1.5 times the variance of 52 % of 100: from 52 it takes 3
    # points for none to be good enough, at a sparsity of 0.2 where the variance is 0.4 of that.
    found = few.sizes[1].size
    far = 0.03 / (1.5 * 0.4 * 0.52 * 0.48 / 99) ** 0.5
    assert 0.025 < norm.sf(far) < 0.975
    assert (found.value, found.high) == (pytest.approx(80), 100)


def test_without_errors_over_examples_intervals_are_students():
    found, none = np.array([20.0, 40.0, 70.0]), np.zeros((1000, 1))
    expected = student(found)
    made = estimate(found, found + none, 0, -100.0)
    assert made.value == expected.value
    # A thousand draws of Student's t, spread evenly.
    assert (made.low, made.high) == pytest.approx((expected.low, 100), abs=0.05)
    drawn = found + np.repeat([-20.0, 20.0], 500)[:, None]
    assert estimate(found, drawn, 0, -100.0).low < expected.low - 9


def test_changes_end_at_all_units():
    split = grid(RISING, n_seeds=2)
    split.loc[(split["seed"] == 1) & (split["checkpoint"] == 300), "correct"] = 10_000
    points = by_data(split)["adversarial"].change.points
    assert (points.low, points.high) == (-100, 100)


def share_decided(table, data, *wanted):
    results = effective_size(table[table["role"] == "ood"])
    found = [result.verdict.decision for result in results if result.data == data]
    return np.mean([decision in wanted for decision in found])


@pytest.mark.parametrize(
    ("n_seeds", "step", "falls", "more"),
    [
        (3, 0.1, [power(3)] * 2, {"spread": 0.04}),
        (3, 0.05, [power(5), power(2)], {}),
        (8, 0.1, [slope(0.05)] * 2, {"alike": (0.0, 0.0)}),
        (12, 0.05, [power(3)] * 2, {"alike": (0.3, 0.8)}),
    ],
)
def test_where_the_true_size_stays_little_is_decided(n_seeds, step, falls, more):
    rng = np.random.default_rng(n_seeds)
    table = fine_tunings(rng, 60, n_seeds, step, (0.45, 0.45), falls, **more)
    for data in ("adversarial", "balanced"):
        assert share_decided(table, data, "supported", "contradicted") <= 0.09


@pytest.mark.parametrize(("n_seeds", "least"), [(3, 0.5), (6, 0.5)])
def test_a_size_that_falls_by_three_steps_is_mostly_found(n_seeds, least):
    rng = np.random.default_rng(n_seeds)
    falling = fine_tunings(rng, 30, n_seeds, 0.1, (0.25, 0.55), [slope(0.04)] * 2)
    assert share_decided(falling, "balanced", "supported") >= least
    assert share_decided(falling, "balanced", "contradicted") == 0
    rising = fine_tunings(rng, 30, n_seeds, 0.1, (0.55, 0.25), [slope(0.04)] * 2)
    assert share_decided(rising, "balanced", "contradicted") >= least
