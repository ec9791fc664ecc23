from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from heuristic_core.analysis.intervals import (
    Estimate,
    change_text,
    correlation,
    crossed_share,
    estimate_text,
    holm,
    student,
    wilson,
)
from heuristic_core.writing import p_text, p_value, signed


def test_wilson_against_a_known_value():
    # 8 of 10, z = 1.959964: (p + z^2/2n +- z sqrt(p(1-p)/n + z^2/4n^2)) / (1 + z^2/n)
    e = wilson(8, 10)
    assert (e.value, e.low, e.high) == pytest.approx((0.8, 0.490162, 0.943318), abs=1e-5)
    assert wilson(0, 50).low == 0.0
    assert wilson(50, 50).high == pytest.approx(1.0)


def test_student_by_hand_and_covers():
    # t(2, 0.975) = 4.302653 and the standard error of 1, 2, 3 is 1 / sqrt(3).
    e = student(np.array([1.0, 2.0, 3.0]))
    assert (e.value, e.low, e.high) == pytest.approx((2, 2 - 2.484138, 2 + 2.484138), abs=1e-5)
    bounded = student(np.array([1.0, 2.0, 3.0]), (0.0, 4.0))
    assert (bounded.low, bounded.high) == (0.0, 4.0)
    assert np.isnan(student(np.array([1.0]), (0.0, 4.0)).low)
    rng = np.random.default_rng(0)
    estimates = [student(rng.normal(3.0, 1.0, size=3)) for _ in range(400)]
    assert 0.92 <= np.mean([e.low <= 3.0 <= e.high for e in estimates]) <= 0.98


def test_an_interval_that_is_not_known_is_not_written():
    write = "{:+.1f}".format
    assert estimate_text(student(np.array([1.0, 3.0])), write) == "+2.0 [-10.7, +14.7]"
    assert estimate_text(student(np.array([2.0])), write) == "+2.0"


def test_numbers_of_a_reason_are_written_plainly():
    assert change_text(Estimate(0.25), 1) == "+0.2"
    assert change_text(Estimate(-0.5, -1.0, 0.01), 1) == "-0.5 [-1.0, 0.0]"
    assert (signed(-0.04, 1), signed(0.06, 1)) == ("0.0", "+0.1")
    assert (p_text(0.0123), p_text(0.0)) == ("p = 0.012", "p < 1e-300")
    assert "<" not in p_text(float("nan"))  # what is not known is no small number
    assert p_value(0.0) == "<1e-300"


def test_correlation_by_hand():
    x = np.array([1.0, 2, 3, 4, 5])
    y = np.array([2.0, 1, 4, 3, 5])
    # Ranks differ by 1, -1, 1, -1, 0: 1 - 6 x 4 / (5 x 24) = 0.8; its z is 1.0986, se 0.7071.
    e = correlation(x, y)
    assert e.value == pytest.approx(0.8)
    assert e.low == pytest.approx(np.tanh(1.098612 - 1.96 / 2**0.5), abs=1e-5)
    ranks = correlation(x**3, np.exp(y), rank=True)
    assert ranks.value == pytest.approx(0.8)
    assert np.isnan([ranks.low, ranks.high]).all()  # five points are too few
    many, others = np.arange(10.0), np.array([1.0, 0, 3, 2, 5, 4, 7, 6, 9, 8])
    ten = correlation(many, others, rank=True)
    r = 1 - 6 * 10 / (10 * 99)
    assert (ten.value, ten.low) == pytest.approx(
        (r, np.tanh(np.arctanh(r) - 1.96 * ((1 + r**2 / 2) / 7) ** 0.5))
    )
    perfect = correlation(x, 2 * x)
    assert perfect.value == pytest.approx(1)
    assert perfect.low <= perfect.value <= perfect.high <= 1
    assert correlation(x, np.full(5, 0.1)) is None
    assert correlation(x[:3], y[:3]) is None


@pytest.mark.slow
@pytest.mark.parametrize(
    ("rank", "n"), [(False, 4), (False, 12), (True, 10), (True, 12), (True, 20)]
)
@pytest.mark.parametrize("r", [0.0, 0.6, 0.9])
def test_correlation_covers(rank, n, r):
    rng = np.random.default_rng(0)
    # Spearman's correlation of a normal pair with Pearson's r is 6 / pi asin(r / 2).
    truth = 6 / np.pi * np.arcsin(r / 2) if rank else r
    hits = 0
    for _ in range(1000):
        x, noise = rng.normal(size=(2, n))
        e = correlation(x, r * x + (1 - r**2) ** 0.5 * noise, rank=rank)
        hits += e.low <= truth <= e.high
    assert 0.93 <= hits / 1000 <= 0.985


def test_holm_by_hand():
    corrected = holm(np.array([0.01, 0.04, 0.03, 0.005]))
    assert corrected == pytest.approx([0.03, 0.06, 0.06, 0.02])


@given(st.lists(st.floats(0, 1), min_size=1, max_size=20))
def test_holm_never_lowers_and_keeps_the_order(p):
    values = np.array(p)
    corrected = holm(values)
    assert (corrected >= values).all()
    assert (corrected <= 1).all()
    order = np.argsort(values, kind="stable")
    assert (np.diff(corrected[order]) >= 0).all()


def test_a_share_over_items_and_samples_by_hand():
    # Where samples agree, the items alone count: Wilson's interval for two of three.
    alike = crossed_share(np.array([[1, 1], [1, 1], [0, 0]], bool))
    known = wilson(2, 3)
    assert (alike.value, alike.low, alike.high) == pytest.approx(
        (known.value, known.low, known.high)
    )
    # Means 1, 1/2, 0 and 1/2: between 1/3, within 1/4, so r = 1/7 and n = 8 / (8/7) = 7; t(3).
    mixed = crossed_share(np.array([[1, 1], [1, 0], [0, 0], [0, 1]], bool))
    squared = 3.182446**2 / 7
    half = (squared / 4 + squared**2 / 4) ** 0.5 / (1 + squared)
    assert (mixed.value, mixed.low, mixed.high) == pytest.approx((0.5, 0.5 - half, 0.5 + half))
    assert np.isnan(crossed_share(np.ones((1, 3), bool)).low)
    assert crossed_share(np.ones((12, 3), bool)).low == pytest.approx(0.757, abs=1e-3)


@pytest.mark.slow
@pytest.mark.parametrize("share", [0.5, 0.65, 0.8])
@pytest.mark.parametrize("correlation", [0.0, 0.2, 0.5, 0.8])
@pytest.mark.parametrize("items", [12, 24])
def test_the_interval_of_a_share_over_items_and_samples_covers(items, correlation, share):
    rng = np.random.default_rng(0)
    strength = (1 - correlation) / correlation if correlation else np.inf
    covered = 0
    for _ in range(1000):
        p = rng.beta(share * strength, (1 - share) * strength, items) if correlation else share
        interval = crossed_share(np.reshape(p, (-1, 1)) > rng.random((3, items)).T)
        covered += interval.low <= share <= interval.high
    assert 0.93 <= covered / 1000 <= 0.985
