"""What mending gains: full repair of a planted heuristic, and intervals by hand."""

from __future__ import annotations

import numpy as np
import pytest

import heuristic_core as hc
from heuristic_core.errors import InputError
from heuristic_core.faithful.ways_to_mend import OF_ALL, OF_UNITS, _Answers, _gains, ways_to_mend
from known.models import HEURISTIC_FIRST, SHALLOW
from known.sentences import task
from known.wiring import build


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
    assert "worst group 0.0% before, at best 100.0%" in repr(found)


def answers(**groups):
    """Answers from names such as ood_swap_adversarial_no to what is right."""
    return _Answers(
        {tuple(name.split("_")): np.array(own, dtype=bool) for name, own in groups.items()}
    )


def test_measures_are_those_of_groups():
    one = answers(
        id_all_id_yes=[1, 1, 1, 0],
        ood_swap_adversarial_no=[1, 0, 0, 0],
        ood_prep_adversarial_no=[1, 1, 0, 0],
        ood_swap_friendly_yes=[1, 1, 1, 1],
    )
    measured = one.measured(["prep"])
    assert measured == {
        "in_domain": 0.75,
        "balanced": (0.375 + 1) / 2,
        "worst_group": 0.25,
        "held_out": (0.5 + 1) / 2,
    }


def test_gains_have_paired_intervals():
    rng = np.random.default_rng(0)
    before = rng.random(400) < 0.4
    full = answers(ood_swap_adversarial_no=before)
    better = answers(ood_swap_adversarial_no=before | (rng.random(400) < 0.2))
    row = _gains(full, [better], ["swap"], np.random.default_rng(1))
    changed = better.correct["ood", "swap", "adversarial", "no"].astype(float) - before
    error = changed.std() / 20
    assert row["worst_group_gain"] == pytest.approx(changed.mean())
    assert row["worst_group_low"] == pytest.approx(changed.mean() - 1.96 * error, abs=0.006)
    assert row["worst_group_high"] == pytest.approx(changed.mean() + 1.96 * error, abs=0.006)
    same = _gains(full, [full], ["swap"], np.random.default_rng(1))
    assert same["worst_group_low"] == same["worst_group_high"] == 0


def test_a_task_without_a_suite_is_refused(tmp_path):
    from dataclasses import replace

    model = build(HEURISTIC_FIRST, tmp_path)
    toy = task()
    inner = replace(toy, suites=tuple(one for one in toy.suites if one.role == "id"))
    with pytest.raises(InputError, match="no such out-of-domain suite to mend with"):
        hc.ways_to_mend(model, inner, SHALLOW)
