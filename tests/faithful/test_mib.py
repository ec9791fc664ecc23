"""CPR and CMD against MIB's formula, written a second time, and closed forms."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from heuristic_core.faithful import mib
from heuristic_core.faithful.mib import Recovered, areas, faithfulness, recovered, why_none

#: The sizes that MIB's code has by default.
MIB_SIZES = np.array([0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1])
numbers = st.floats(-20, 20)


def by_hand(sizes, scores, empty, full):
    """MIB's definition: f of each size, then both areas, piece by piece."""
    f = [(m - empty) / (full - empty) for m in scores]
    cpr = cmd = 0.0
    for i in range(len(sizes) - 1):
        width = sizes[i + 1] - sizes[i]
        cpr += width * (f[i] + f[i + 1]) / 2
        cmd += width * (abs(1 - f[i]) + abs(1 - f[i + 1])) / 2
    return cpr, cmd


@given(st.lists(numbers, min_size=10, max_size=10), numbers, st.floats(0.5, 20))
def test_areas_are_those_of_the_formula(scores, empty, gap):
    f = faithfulness(np.array(scores), empty, empty + gap)
    found = areas(MIB_SIZES, f)
    assert found == pytest.approx(by_hand(MIB_SIZES, scores, empty, empty + gap), abs=1e-9)


def test_closed_forms():
    sizes = np.linspace(0, 1, 11)
    assert areas(sizes, sizes) == pytest.approx((0.5, 0.5))
    assert areas(sizes, np.ones(11)) == pytest.approx((1, 0))
    # Better than the model by as much as it is better than nothing: a high CPR is no success.
    assert areas(sizes, np.full(11, 2.0)) == pytest.approx((2, 1))
    assert areas(sizes, np.full(11, -1.0)) == pytest.approx((-1, 2))
    np.testing.assert_allclose(recovered(np.array([3.0, 9.0]), 1.0, 5.0), [0, 0.5, 2, 1])
    # A model that is worse than nothing: f is what is recovered of its being worse.
    np.testing.assert_allclose(recovered(np.array([-1.0]), 1.0, -3.0), [0, 0.5, 1])


def test_draws_are_of_examples_and_the_ratio_is_computed_in_each(monkeypatch):
    monkeypatch.setattr(mib, "N_DRAWS", 7)
    rng = np.random.default_rng(0)
    empty, full = rng.normal(0, 1, 20), rng.normal(5, 1, 20)
    runs = rng.normal(3, 1, (2, 3, 20))
    sizes = np.array([0.2, 0.5, 0.7])
    found = Recovered.of(sizes, empty, full, runs, [4])
    drawn = np.random.default_rng([4]).multinomial(20, np.full(20, 1 / 20), 7)
    grid = [0, *sizes, 1]
    for times, f in zip([np.ones(20, int), *drawn], [found.f, *found.drawn], strict=True):
        rows = np.repeat(np.arange(20), times)
        for run in range(2):
            scores = [empty[rows].mean(), *runs[run][:, rows].mean(1), full[rows].mean()]
            expected = by_hand(grid, scores, scores[0], scores[-1])
            assert areas(found.sizes, f[run]) == pytest.approx(expected, abs=1e-9)


def test_intervals_are_over_examples_for_one_run_and_wider_over_several():
    rng = np.random.default_rng(0)
    empty, full = rng.normal(0, 1, 400), rng.normal(5, 1, 400)
    half = (empty + full) / 2
    sizes = np.array([0.5])
    one = Recovered.of(sizes, empty, full, half[None, None], [0])
    # Half of every example's way: no draw of the examples says anything else.
    for estimate in (one.cpr, one.cmd, one.at(1)):
        assert (estimate.low, estimate.value, estimate.high) == pytest.approx((0.5, 0.5, 0.5))
    noisy = half + rng.normal(0, 2, 400)
    alone = Recovered.of(sizes, empty, full, noisy[None, None], [0]).at(1)
    assert alone.low < alone.value < alone.high
    error = 2 / 400**0.5 / 5
    assert alone.high - alone.low == pytest.approx(2 * 1.96 * error, rel=0.2)
    apart = np.stack([noisy + 1, noisy - 1])[:, None]
    both = Recovered.of(sizes, empty, full, apart, [0]).at(1)
    assert both.value == pytest.approx(alone.value)
    assert both.high - both.low > alone.high - alone.low


def test_intervals_cover_the_truth():
    """95 % of them, over runs and examples that both vary; at least 90 % of 200."""
    rng = np.random.default_rng(0)
    sizes = np.array([0.5])
    covered = 0
    for number in range(200):
        shared = rng.normal(0, 1, 60)
        empty, full = np.zeros(60), 5 + shared
        runs = 2.5 + 0.8 * shared + rng.normal(0, 0.3, (3, 1)) + rng.normal(0, 0.5, (3, 60))
        found = Recovered.of(sizes, empty, full, runs[:, None], [number]).at(1)
        covered += found.low <= 0.5 <= found.high
    assert covered >= 180


@pytest.mark.parametrize(
    ("full", "empty", "said"),
    [
        ([5.0, 6.0, 7.0], [0.0, 0.0, 0.0], ""),
        ([-5.0, -6.0, -7.0], [0.0, 0.0, 0.0], ""),
        ([1.0, -1.0, 1.0], [0.0, 0.0, 0.0], "differ by 0.5 standard errors, less than 3"),
        ([1.0, 1.0, 1.0], [1.0, 1.0, 1.0], "both models are alike"),
        ([5.0], [0.0], "a single example has no standard error"),
        ([np.inf, np.inf], [np.inf, np.inf], "log-odds are infinite"),
    ],
)
def test_a_case_without_a_difference_has_no_ratio(full, empty, said):
    found = why_none(np.array(full), np.array(empty))
    assert found.endswith(said) if not said.startswith("log") else found.startswith(said)
    assert bool(found) == bool(said)
