"""What mending gains: full repair of a planted heuristic, and intervals by hand."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

import heuristic_core as hc
from heuristic_core.errors import InputError
from heuristic_core.faithful.ways_to_mend import (
    OF_ALL,
    OF_UNITS,
    _Answers,
    _beyond,
    _gains,
    _Group,
    ways_to_mend,
)
from known.models import HEURISTIC_FIRST, SHALLOW
from known.sentences import task
from known.wiring import build
from tiny import some_pairs


@pytest.fixture(scope="module")
def found(tmp_path_factory):
    """A model whose heuristic prevails, mended with 24 examples."""
    model = build(HEURISTIC_FIRST, tmp_path_factory.mktemp("hasty"))
    return ways_to_mend(model, task(), SHALLOW, n_examples=24, n_random=1, steps=60, fidelity=0.1)


def test_a_planted_heuristic_is_repaired_by_its_own_units(found):
    rows = found.table.set_index(["how", "units"])
    assert rows.loc[("none", ""), ["in_domain", "worst_group"]].tolist() == [1, 0]
    for how in ("drop", "scale"):
        row = rows.loc[how, "blamed"]
        assert row[["in_domain", "balanced", "worst_group", "held_out"]].tolist() == [1, 1, 1, 1]
        assert row["worst_group_gain"] == row["worst_group_low"] == 1
    assert {how for how, units in rows.index if units == "blamed"} == set(OF_UNITS)
    assert {how for how, units in rows.index if units == "all"} == set(OF_ALL)
    assert set(found.models) == set(OF_UNITS)
    beyond = found.beyond_random.set_index("how")
    assert set(beyond.index) == set(OF_UNITS)
    for how in OF_UNITS:
        gains = rows.xs(how, level="how")["balanced_gain"]
        assert beyond.loc[how, "balanced"] == pytest.approx(gains["blamed"] - gains["random"])
    assert "worst group 0.0% before, at best 100.0%" in repr(found)


def answers(**groups):
    """Answers from names such as ood_hans_swap_adversarial_no to what is right."""
    return _Answers(
        {_Group(*name.split("_")): np.array(own, dtype=bool) for name, own in groups.items()}
    )


def test_measures_are_those_of_groups():
    one = answers(
        id_mnli_all_id_yes=[1, 1, 1, 0, 1, 1, 1, 0, 1],
        id_mnli_all_id_no=[0],
        id_snli_all_id_yes=[1, 0],
        ood_hans_swap_adversarial_no=[1, 0, 0, 0],
        ood_hans_prep_adversarial_no=[1, 1, 0, 0],
        ood_hans_swap_friendly_yes=[1, 1, 1, 1],
    )
    measured = one.measured(["prep"])
    assert measured == {
        "in_domain": 8 / 12,  # of all examples, whatever their label and suite
        "balanced": (0.375 + 1) / 2,
        "worst_group": 0.25,
        "held_out": (0.5 + 1) / 2,
    }


def test_gains_have_paired_intervals():
    rng = np.random.default_rng(0)
    before = rng.random(400) < 0.4
    full = answers(ood_hans_swap_adversarial_no=before)
    better = answers(ood_hans_swap_adversarial_no=before | (rng.random(400) < 0.2))
    row = _gains(full, [better], ["swap"], np.random.default_rng(1))
    changed = better.correct["ood", "hans", "swap", "adversarial", "no"].astype(float) - before
    error = changed.std() / 20
    assert row["worst_group_gain"] == pytest.approx(changed.mean())
    assert row["worst_group_low"] == pytest.approx(changed.mean() - 1.96 * error, abs=0.006)
    assert row["worst_group_high"] == pytest.approx(changed.mean() + 1.96 * error, abs=0.006)
    same = _gains(full, [full], ["swap"], np.random.default_rng(1))
    assert same["worst_group_low"] == same["worst_group_high"] == 0


def test_what_blamed_units_gain_beyond_random_ones_has_both_errors():
    rng = np.random.default_rng(0)
    n = 400
    before = rng.random(n) < 0.3

    def mended(share):
        return answers(ood_hans_swap_adversarial_no=before | (rng.random(n) < share))

    blamed, random = mended(0.4), [mended(share) for share in (0.05, 0.1, 0.2, 0.3)]
    row = _beyond(blamed, random, ["swap"], np.random.default_rng(1))
    key = ("ood", "hans", "swap", "adversarial", "no")
    apart = np.stack([blamed.correct[key].astype(float) - one.correct[key] for one in random])
    assert row["worst_group"] == pytest.approx(apart.mean())
    # What the examples do to all differences alike is the covariance of two of them.
    shared = (np.cov(apart)[~np.eye(4, dtype=bool)] / n).mean()
    over = stats.t.ppf(0.975, 3) ** 2 * apart.mean(1).var(ddof=1) / 4
    half = (over + stats.norm.ppf(0.975) ** 2 * shared) ** 0.5
    assert row["worst_group_high"] == pytest.approx(apart.mean() + half, rel=0.02)
    assert row["worst_group_low"] == pytest.approx(apart.mean() - half, abs=0.005)
    assert np.isnan(_beyond(blamed, random[:1], ["swap"], rng)["worst_group_low"])
    gains = _gains(answers(ood_hans_swap_adversarial_no=before), random, ["swap"], rng)
    values = np.array([one.correct[key].mean() for one in random])
    assert gains["worst_group_gain"] == pytest.approx(values.mean() - before.mean())
    # Four choices say little of all: the interval is Student's, wider than the choices' own spread.
    least = stats.t.ppf(0.975, 3) * values.std(ddof=1) / 2
    assert gains["worst_group_high"] - gains["worst_group_gain"] > least


def test_balanced_accuracy_takes_adversarial_and_friendly_cases():
    """Either kind alone would reward a bias to one label; shifted cases do not count as either."""
    right, wrong = np.ones(4, bool), np.zeros(4, bool)
    hard, easy = "ood_hans_swap_adversarial_no", "ood_hans_f_friendly_yes"
    moved = "ood_x_s_shift_no"
    both = answers(**{hard: wrong, easy: right, moved: wrong}).measured(["swap"])
    assert (both["balanced"], both["held_out"], both["worst_group"]) == (0.5, 0.5, 0.0)
    for one in (hard, easy):
        assert np.isnan(answers(**{one: right, moved: right}).measured(["swap"])["balanced"])
    assert answers(**{moved: right}).measured(["s"])["balanced"] == 1.0


def test_suites_whose_cases_have_the_same_name_are_kept_apart(tiny_loaded):
    """In-domain accuracy is that of an evaluation, over two suites."""
    suites = [
        hc.Suite(name=name, role="id", examples=some_pairs(12, seed=seed))
        for seed, name in enumerate(("one", "two"))
    ]
    found = _Answers.of(tiny_loaded, suites)
    assert sum(map(len, found.correct.values())) == 24
    rows = hc.evaluate(tiny_loaded, suites)
    expected = rows["correct"].sum() / rows["n"].sum()
    assert found.measured([])["in_domain"] == pytest.approx(expected)


def test_a_task_without_a_suite_is_refused(tmp_path):
    from dataclasses import replace

    model = build(HEURISTIC_FIRST, tmp_path)
    toy = task()
    inner = replace(toy, suites=tuple(one for one in toy.suites if one.role == "id"))
    with pytest.raises(InputError, match="no such out-of-domain suite to mend with"):
        hc.ways_to_mend(model, inner, SHALLOW)
