from __future__ import annotations

import itertools

import numpy as np
import pytest
from scipy import stats

from heuristic_core.analysis.matched import CONTRAST_COLUMNS, core_within_layers, within_layers


def compare(values, layer, in_core, seed=0, **options):
    table = np.asarray(values, dtype=float)[:, None]
    core = np.array(in_core, dtype=bool)
    return within_layers(["x"], table, np.array(layer), core, seed, **options)


def test_a_difference_equals_a_hand_count():
    # Layer 0: 5 against 1 and 3. Layer 1: 2 and 4 against 3 and 7. Layer 2 has no core head.
    (contrast,) = compare(
        [5, 1, 3, 2, 4, 3, 7, 100], [0, 0, 0, 1, 1, 1, 1, 2], [1, 0, 0, 1, 1, 0, 0, 0]
    )
    assert contrast.n_heads == 3
    assert contrast.core == pytest.approx((5 + 2 + 4) / 3)
    assert contrast.others == pytest.approx((2 + 5 + 5) / 3)
    assert contrast.difference.value == pytest.approx(11 / 3 - 4)
    # Half the layers' sizes enter the error: 1/3 + 1 / (9 * 2) + 4 / (9 * 2).
    half = (contrast.difference.high - contrast.difference.low) / 2
    x = np.array([2 / 3, -1 / 3, -1 / 3, 0.5, 0.5, -0.5, -0.5])
    y = np.array([2, -2, 0, -2, 0, -1, 3])
    residual = y - x * (x @ y) / (x @ x)
    variance = residual @ residual / (7 - 2 - 1) * (1 / 3 + 5 / 18)
    assert half == pytest.approx(stats.t.ppf(0.975, 4) * variance**0.5)


def test_shuffling_agrees_with_counting_all_possibilities():
    values = np.array([3.0, 1.0, 0.5, 2.0, 4.0, 3.5, 0.0, 1.0])
    layer = np.array([0, 0, 0, 0, 1, 1, 1, 1])
    core = np.array([1, 0, 0, 0, 1, 1, 0, 0], dtype=bool)

    def difference(chosen):
        parts = [
            values[[i for i in chosen if layer[i] == k]].mean() * (k + 1)
            - values[[i for i in range(8) if layer[i] == k and i not in chosen]].mean() * (k + 1)
            for k in (0, 1)
        ]
        return sum(parts) / 3

    all_of_them = [
        difference((a, *b)) for a in range(4) for b in itertools.combinations(range(4, 8), 2)
    ]
    observed = difference((0, 4, 5))
    above = np.mean(np.array(all_of_them) >= observed - 1e-9)
    (contrast,) = compare(values, layer, core)
    assert contrast.difference.value == pytest.approx(observed)
    assert contrast.p == pytest.approx(2 * above, abs=0.01)


def test_ranks_agree_with_counting_all_possibilities():
    # Ranks 4, 2, 1, 3 and 4.5, 3, 2, 4.5, 1; weights 1/5 and 1/6.
    values = np.array([3.0, 1.0, 0.5, 2.0, 9.0, 3.5, 2.0, 9.0, 0.0])
    layer = np.array([0, 0, 0, 0, 1, 1, 1, 1, 1])
    weighted = np.array([4 / 5, 2 / 5, 1 / 5, 3 / 5, 4.5 / 6, 3 / 6, 2 / 6, 4.5 / 6, 1 / 6])
    sums = [
        weighted[[a, *b]].sum() for a in range(4) for b in itertools.combinations(range(4, 9), 2)
    ]
    above = np.mean(np.array(sums) >= weighted[[0, 4, 5]].sum() - 1e-9)
    core = np.isin(np.arange(9), [0, 4, 5])
    (contrast,) = compare(values, layer, core, ranks=True)
    assert contrast.p == pytest.approx(2 * above, abs=0.02)
    # The effect stays the difference of means, and ranks do not see how long a tail is.
    (plain,) = compare(values, layer, core)
    assert contrast.difference == plain.difference
    (longer,) = compare(np.exp(values), layer, core, ranks=True)
    assert longer.p == contrast.p


def test_ranks_that_point_the_other_way_decide_nothing():
    # Core heads are the lowest but one, which alone makes their mean the highest.
    values = [100.0, 1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0, 8.0, 9.0]
    (contrast,) = compare(values, [0] * 10, np.arange(10) < 4, ranks=True)
    assert contrast.difference.value > 0
    assert contrast.p > 0.5


def test_heads_are_found_by_their_labels():
    values = {"L0H0": 5.0, "L0H1": 1.0, "L0H2": 3.0, "L0MLP": 100.0, "L1H0": 7.0}
    contrast = core_within_layers("x", values, ["L0H0"], 0)
    assert (contrast.measure, contrast.n_heads) == ("x", 1)
    assert (contrast.core, contrast.others) == (5.0, 2.0)
    assert {column.name for column in CONTRAST_COLUMNS} <= set(vars(contrast))
    assert contrast.difference.value == 3.0
    assert core_within_layers("x", {"L0MLP": 1.0}, ["L0H0"], 0) is None
    assert core_within_layers("x", values, ["L1H0"], 0) is None


def test_what_differs_between_layers_plays_no_part():
    rng = np.random.default_rng(0)
    values, layer = rng.normal(size=24), np.repeat([0, 1], 12)
    core = np.tile(np.arange(12) < 3, 2)
    (one,) = compare(values, layer, core)
    (other,) = compare(values + 1000 * layer, layer, core)
    assert one.difference.value == pytest.approx(other.difference.value)
    assert one.difference.high == pytest.approx(other.difference.high)
    assert one.p == other.p


def test_equal_heads_do_not_differ():
    (contrast,) = compare(np.full(8, 0.1), [0] * 4 + [1] * 4, [1, 0, 0, 0] * 2)
    assert contrast.difference.value == pytest.approx(0, abs=1e-12)
    assert contrast.p == 1


@pytest.mark.parametrize(
    ("layer", "in_core"),
    [
        ([0, 0, 1, 1], [1, 1, 0, 0]),  # no layer has both
        ([0, 0], [1, 0]),  # no degree of freedom
        ([], []),
    ],
)
def test_nothing_to_compare_gives_nothing(layer, in_core):
    assert compare(np.arange(len(layer)), layer, in_core) == []


@pytest.mark.slow
@pytest.mark.parametrize("k", [1, 3])
def test_intervals_cover_the_truth_and_p_values_keep_their_level(k):
    rng = np.random.default_rng(1)
    layer = np.repeat(np.arange(4), 12)
    core = np.tile(np.arange(12) < k, 4)
    # A layer of its own size of core, so that layers weigh differently.
    core[:5] = True
    covered = rejected = 0
    for seed in range(300):
        values = rng.normal(size=48) + layer + 0.7 * core
        (contrast,) = compare(values, layer, core, seed)
        covered += contrast.difference.low <= 0.7 <= contrast.difference.high
        (null,) = compare(values - 0.7 * core, layer, core, seed)
        rejected += null.p < 0.05
    assert 0.90 <= covered / 300 <= 0.99
    assert rejected / 300 <= 0.09


def share_covered(rng, shared, over_examples, n=400):
    """How often the interval holds the planted difference if all heads have a part of the noise.

    Heads differ by 0.1; examples add 0.2 to each alone, and ``shared`` in proportion to what a head
    does.
    """
    layer, core = np.repeat(np.arange(4), 12), np.tile(np.arange(12) < 3, 4)
    true = np.where(core, 1.0, 0.0)
    together = shared**2 * np.outer(true, true) + 0.2**2 * np.eye(48)
    found = []
    for _ in range(n):
        noise = shared * rng.normal() * true + rng.normal(0, 0.2, 48)
        values = (true + rng.normal(0, 0.1, 48) + noise)[:, None]
        known = together if over_examples else None
        (contrast,) = within_layers(["x"], values, layer, core, 0, over_examples=known)
        found.append(contrast.difference.low <= 1.0 <= contrast.difference.high)
    return np.mean(found)


def test_the_interval_has_what_examples_do_to_all_core_heads(monkeypatch):
    monkeypatch.setattr("heuristic_core.analysis.matched.N_SHUFFLES", 1)
    rng = np.random.default_rng(0)
    assert share_covered(rng, 0.2, over_examples=False) < 0.6
    assert 0.92 < share_covered(rng, 0.2, over_examples=True) < 0.98
    # What examples do to each head alone shows in how heads differ, and counts once.
    assert 0.92 < share_covered(rng, 0.0, over_examples=True) < 0.98
