"""Ranges of generalisation, repelling subnetworks and necessity, where the answer is known.

One model has two ways to its answers without a common head; in the other, the head that generalises
reads what the core writes.
"""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

import heuristic_core as hc
from heuristic_core.faithful.necessity import _p_rise, necessity
from heuristic_core.faithful.repelling import least_jaccard, repelling_subnetworks
from heuristic_core.faithful.targeted import generalisation_range
from known.models import (
    DEEP,
    GATHER,
    ORDER,
    OVERLAP,
    OVERLAP_THEN_ORDER,
    SHALLOW,
    TWO_WAYS,
)
from known.pipeline import QUICK, labels
from known.wiring import build
from tiny import some_pairs

CORE = {OVERLAP, GATHER}


@pytest.fixture(scope="module")
def two_ways(tmp_path_factory):
    return build(TWO_WAYS, tmp_path_factory.mktemp("two"))


@pytest.fixture(scope="module")
def nested(tmp_path_factory):
    return build(OVERLAP_THEN_ORDER, tmp_path_factory.mktemp("nested"))


def auc(found, aim):
    """The mean AUROC of an aim's subnetworks on the cases that were held out."""
    return found.summary.loc[aim, "held_out_auc"]


def check_two_ways(model, task, seeds):
    found = generalisation_range(model, task, 0.87, seeds=seeds, **QUICK)
    assert found.summary["faithful"].eq(1).all()
    for well, badly in zip(found.subnetworks["well"], found.subnetworks["badly"], strict=True):
        assert (labels(well.kept), labels(badly.kept)) == (set(DEEP), set(SHALLOW))
        assert well.heads_jaccard(badly) == 0
    # The one that generalises does without the other's heads.
    assert (auc(found, "well"), auc(found, "badly"), auc(found, "apart")) == (1, 0.5, 1)
    return found


def check_nested(model, task, seeds):
    found = generalisation_range(model, task, 0.8, seeds=seeds, **QUICK)
    for well, badly in zip(found.subnetworks["well"], found.subnetworks["badly"], strict=True):
        assert labels(well.kept) & labels(badly.kept) >= CORE
        assert ORDER in well
        assert ORDER not in badly
    assert (auc(found, "well"), auc(found, "badly")) == (1, 0.5)
    # Without the heads of the one that does not, none matches the model.
    assert found.summary.loc["apart", "faithful"] == 0
    return found


def test_two_ways_are_found_by_aiming_and_do_without_each_other(two_ways, toy_task):
    found = check_two_ways(two_ways, toy_task, (0,))
    contrast = found.contrasts.set_index(["aim", "other_aim", "aimed"])["auc_difference"]
    assert contrast["well", "badly", False] == pytest.approx(0.5)
    assert contrast["apart", "badly", False] == pytest.approx(0.5)
    assert found.cases.loc[found.cases["role"] == "ood", "aimed"].any()


def test_what_generalises_is_nested_in_the_core(nested, toy_task):
    check_nested(nested, toy_task, (0,))


@pytest.mark.slow
def test_the_kinds_are_found_with_every_seed(two_ways, nested, toy_task):
    check_two_ways(two_ways, toy_task, range(20))
    check_nested(nested, toy_task, range(20))


def test_no_search_sees_what_judges_it(two_ways, toy_task):
    from heuristic_core.faithful.generalisation import halves

    (suite,) = [one for one in toy_task.suites if one.role == "ood"]
    split = halves(suite)
    every = suite.examples.table
    both = len(split.aimed.examples) + len(split.judging.examples)
    assert both == len(every)
    assert set(split.aimed.cases) == {"swapped", "fronted"}
    assert (split.aimed_cases, split.held_out_cases) == (("swapped",), ("fronted_swapped",))
    n = split.judging.examples.table["case"].value_counts()
    assert dict(n) == {"fronted_swapped": 24, "swapped": 12, "fronted": 12}


def test_subnetworks_that_repel_each_other_take_both_ways(two_ways, toy_task):
    found = repelling_subnetworks(two_ways, toy_task, 0.87, weights=[0.0, 0.3], **QUICK)
    last = found.subnetworks[0.3]
    assert {frozenset(labels(one.kept)) for one in last} == {frozenset(SHALLOW), frozenset(DEEP)}
    assert found.survivors(0.01) == frozenset()
    # Of five subnetworks with two ways, at best four of ten pairs are alike.
    assert found.table["jaccard"].tolist() == pytest.approx([0.4, 0.4])
    assert found.table["expected"].iloc[0] == pytest.approx(expected_of_two(15))


def test_the_penalty_is_what_keeps_subnetworks_apart(tiny_loaded):
    """In a model of which no unit matters much; and what all keep is of what may be dropped."""
    given = {"n": 3, "weights": [0.0, 2.0], "units": "heads", **QUICK}
    found = repelling_subnetworks(tiny_loaded, some_pairs(24), 0.5, **given)
    without, most = found.table["jaccard"]
    assert most < without
    assert most == pytest.approx(found.table["least"].iloc[-1], abs=0.15)
    for bound in (found.table["worst"].iloc[-1], 1e9):
        assert all(unit.is_head for unit in found.survivors(bound))
        assert len(found.survivors(bound)) == found.table["shared"].iloc[-1]


def test_overlap_is_that_of_the_units_chosen_from(tiny_loaded):
    """Of six units five are kept; without any two subnetworks are equal."""
    given = {"n": 3, "weights": [0.3], **QUICK}
    left_out = ["L0H0", "L0H1", "L1H2", "L1MLP"]
    found = repelling_subnetworks(tiny_loaded, some_pairs(24), 0.5, exclude=left_out, **given)
    (row,) = found.table.to_dict("records")
    assert row["least"] == pytest.approx(least_jaccard(6, 5, 3)) == pytest.approx(2 / 3)
    assert row["least"] - 1e-12 <= row["jaccard"] <= 1
    # Each unit is in all three of them with the probability of (5/6)^3.
    assert row["expected_shared"] == pytest.approx(6 * (5 / 6) ** 3)
    none = repelling_subnetworks(tiny_loaded, some_pairs(24), 0.99, **given).table.iloc[0]
    assert none[["jaccard", "least", "expected"]].tolist() == pytest.approx([1.0] * 3)


def expected_of_two(n):
    """The mean Jaccard index of two random pairs of n units, by counting all of them."""
    pairs = [{a, b} for a in range(n) for b in range(a)]
    return np.mean([len(pairs[0] & other) / len(pairs[0] | other) for other in pairs])


def test_the_core_survives_where_subnetworks_repel_each_other(nested, toy_task):
    found = repelling_subnetworks(nested, toy_task, 0.8, weights=[0.3], **QUICK)
    assert {str(unit) for unit in found.survivors(0.01)} == CORE
    assert len({one.kept for one in found.subnetworks[0.3]}) == 5  # nothing else is shared by all
    assert found.table["p_shared"].iloc[0] < 1e-3
    with pytest.raises(hc.InputError, match="at no weight are all subnetworks within"):
        found.survivors(1e-12)


@pytest.mark.parametrize(("n_units", "kept", "n"), [(6, 3, 2), (6, 2, 3), (4, 3, 3), (5, 5, 4)])
def test_the_least_overlap_is_that_of_the_most_even_choice(n_units, kept, n):
    from itertools import combinations, product

    sets = [set(one) for one in combinations(range(n_units), kept)]
    overlaps = [
        np.mean([len(a & b) for a, b in combinations(choice, 2)])
        for choice in product(sets, repeat=n)
    ]
    shared = min(overlaps)
    assert least_jaccard(n_units, kept, n) == pytest.approx(shared / (2 * kept - shared))
    indices = [
        np.mean([len(a & b) / len(a | b) for a, b in combinations(choice, 2)])
        for choice in product(sets, repeat=n)
    ]
    assert least_jaccard(n_units, kept, n) <= min(indices) + 1e-12


def test_no_unit_of_two_ways_is_necessary(two_ways, toy_task):
    (best,) = hc.find_subnetworks(two_ways, toy_task, [0.87], seed=0, **QUICK)
    found = necessity(two_ways, toy_task, best, rounds=3)
    assert found.core(0.01) == frozenset()
    assert (found.table["p"] > 0.05).all()
    for unit in best.kept:  # without a unit of one way, the other way is best
        assert labels(found.without[unit].kept) == set(SHALLOW + DEEP) - labels(best.kept)


def test_the_planted_core_is_necessary_and_nothing_else(nested, toy_task):
    (best,) = hc.find_subnetworks(nested, toy_task, [0.6], seed=0, **QUICK)
    found = necessity(nested, toy_task, best, rounds=3)
    assert {str(unit) for unit in found.core(0.01)} == CORE
    assert set(found.table.loc[found.table["p"] < 0.05, "unit"]) == CORE
    for unit, other in found.without.items():
        assert unit not in other
        assert len(other) == len(best)


def test_a_rise_that_is_the_same_in_all_examples_is_clear():
    """Unless it is rounding; of a single example nothing is."""
    assert _p_rise(np.full(50, 0.0068)) == 0.0
    assert _p_rise(np.full(50, 9e-6)) == _p_rise(np.zeros(50)) == _p_rise(np.full(1, 1.0)) == 1.0
    rise = np.random.default_rng(0).normal(0.01, 0.03, size=50)
    assert _p_rise(rise) == pytest.approx(
        stats.ttest_1samp(rise, 1e-5, alternative="greater").pvalue
    )
