from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from heuristic_core.analysis.equality import (
    auroc_equivalence,
    auroc_homogeneity,
    cohen_h,
    equivalence,
    homogeneity,
)
from heuristic_core.analysis.predictions import unpacked
from heuristic_core.analysis.separation import auc_variance, auc_z


def test_the_scale_by_hand():
    assert cohen_h(np.array([0.0, 0.5, 1.0])) == pytest.approx([0, np.pi / 2, np.pi])


def test_cochran_s_q_by_hand():
    """Three systems, six examples; Q = k (k - 1) sum (G - mean)^2 / (k sum L - sum L^2)."""
    answers = np.array([[1, 1, 1, 0, 1, 0], [1, 0, 1, 0, 0, 0], [1, 0, 0, 0, 0, 1]], bool)
    columns, rows = answers.sum(1), answers.sum(0)
    q = 6 * np.square(columns - columns.mean()).sum() / (3 * rows.sum() - np.square(rows).sum())
    assert homogeneity(columns, 6, answers) == pytest.approx(stats.chi2.sf(q, 2))


def test_cochran_s_q_of_two_systems_is_mcnemar_s():
    answers = np.random.default_rng(0).random((2, 80)) < np.array([[0.6], [0.4]])
    only = [(answers[0] & ~answers[1]).sum(), (answers[1] & ~answers[0]).sum()]
    expected = stats.chi2.sf((only[0] - only[1]) ** 2 / sum(only), 1)
    assert homogeneity(answers.sum(1), 80, answers) == pytest.approx(expected)


@given(st.integers(2, 5), st.integers(1, 60), st.booleans())
def test_what_all_answer_alike_shows_no_difference(k, n, right):
    answers = np.full((k, n), right)
    assert homogeneity(answers.sum(1), n, answers) == 1
    assert homogeneity(answers.sum(1), n) == 1
    mixed = np.tile(np.arange(n) % 2 == 0, (k, 1))
    assert homogeneity(mixed.sum(1), n, mixed) == 1


def test_equivalence_of_two_by_hand():
    share = np.array([0.5, 0.55])
    difference = abs(np.diff(2 * np.arcsin(np.sqrt(share)))[0])
    expected = stats.norm.cdf((difference - 0.2) / (2 / 400) ** 0.5)
    assert equivalence(share, 400, 0.2) == pytest.approx(expected)
    # The pair that differs most decides.
    three = np.array([0.5, 0.55, 0.52])
    assert equivalence(three, 400, 0.2) == pytest.approx(expected)


UNKNOWN = np.full(2, np.nan)


def test_two_aurocs_by_hand():
    """For two systems the test is that of their difference, whose variance is 2 v (1 - r)."""
    auc, r = np.array([0.7, 0.8]), 0.6
    alike = np.array([[1, r], [r, 1]])
    z = 0.1 / (2 * auc_variance(0.75, 80, 200) * (1 - r)) ** 0.5
    assert auroc_homogeneity(auc, 80, 200, UNKNOWN, alike) == pytest.approx(2 * stats.norm.sf(z))
    one, other, unknown, both = (np.array([x]) for x in (0.8, 0.7, np.nan, r))
    assert auc_z(one, other, 80, 200, unknown, both) == pytest.approx([z])
    # Variances of h are those of the AUROCs over A (1 - A).
    variance = auc_variance(auc, 80, 200) / (auc * (1 - auc))
    error = (variance.sum() - 2 * r * np.prod(variance) ** 0.5) ** 0.5
    h = abs(np.diff(cohen_h(auc))[0])
    expected = stats.norm.cdf((h - 0.5) / error)
    assert auroc_equivalence(auc, 80, 200, 0.5, UNKNOWN, alike) == pytest.approx(expected)
    # Errors over examples that are twice those by formula count.
    errors = 2 * auc_variance(auc, 80, 200) ** 0.5
    expected = stats.norm.cdf((h - 0.5) / (2 * error))
    assert auroc_equivalence(auc, 80, 200, 0.5, errors, alike) == pytest.approx(expected)


def test_independent_aurocs_have_the_chi_squared_test():
    auc = np.array([0.7, 0.8, 0.65])
    chi2 = np.square(auc - auc.mean()).sum() / auc_variance(auc.mean(), 60, 90)
    expected = stats.chi2.sf(chi2, 2)
    assert auroc_homogeneity(auc, 60, 90, np.full(3, np.nan)) == pytest.approx(expected)
    assert auroc_homogeneity(np.ones(3), 60, 90, np.full(3, np.nan)) == 1
    assert auroc_equivalence(np.ones(3), 60, 90, 0.2, np.full(3, np.nan)) < 1


def test_packed_answers_come_back():
    answers = np.random.default_rng(1).random((4, 13)) < 0.5
    rows = pd.DataFrame(
        {
            "seed": [3, 1, 4, 5],
            "n": 13,
            "correct": [np.packbits(row).tobytes() for row in answers],
        }
    )
    assert np.array_equal(unpacked(rows), answers)


def systems(rng, shares, n, alike):
    """Answers of systems with these accuracies that correlate on the same examples."""
    shared, own = rng.standard_normal(n), rng.standard_normal((len(shares), n))
    scores = alike**0.5 * shared + (1 - alike) ** 0.5 * own
    return scores < stats.norm.ppf(shares)[:, None]


@pytest.mark.parametrize(
    ("alike", "share"),
    [
        (0.5, 0.05),
        *(
            pytest.param(alike, share, marks=pytest.mark.slow)
            for alike, share in ((0.0, 0.05), (0.9, 0.05), (0.0, 0.5), (0.5, 0.5), (0.9, 0.5))
        ),
    ],
)
def test_equal_systems_differ_and_others_are_equal_in_few_draws(alike, share):
    rng = np.random.default_rng(7)
    high = np.sin(np.arcsin(share**0.5) + 0.1) ** 2  # 0.2 more in h: at the bar
    differ, equal = [], []
    for _ in range(1000):
        same = systems(rng, [share] * 4, 300, alike)
        differ.append(homogeneity(same.sum(1), 300, same) < 0.05)
        apart = systems(rng, [share, high, share], 300, alike)
        equal.append(equivalence(apart.mean(1), 300, 0.2, apart) < 0.05)
    assert np.mean(differ) <= 0.065
    assert np.mean(equal) <= 0.065


def test_pairing_finds_more():
    rng = np.random.default_rng(8)
    alone, paired = [], []
    for _ in range(300):
        answers = systems(rng, [0.5, 0.56, 0.5], 200, 0.9)
        alone.append(homogeneity(answers.sum(1), 200) < 0.05)
        paired.append(homogeneity(answers.sum(1), 200, answers) < 0.05)
    assert np.mean(paired) > 0.6 > 0.2 > np.mean(alone)
