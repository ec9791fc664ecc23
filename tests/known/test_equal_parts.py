"""Cards of planted subnetworks: eight heads of which each does a part, chains, and two ways."""

from __future__ import annotations

import pytest

import heuristic_core as hc
from known.models import DEEP, EQUAL_PARTS, QUARTERS, SHALLOW, TWO_WAYS
from known.sentences import task
from known.wiring import build

CIRCUIT = EQUAL_PARTS
#: By gates: models this small take longer to make smaller than to run.
GATES = {"compact": False}


@pytest.fixture(scope="module")
def small_task():
    """Eight examples a case: what the heads do is the same for all."""
    return task(8)


def keeping(model, data, units):
    """The subnetwork of some units."""
    kept = frozenset(map(hc.Unit.parse, units))
    return hc.Subnetwork(model.space, kept, values=data.values.arrays())


@pytest.mark.slow
def test_the_planted_heads_pass_every_test(model, data, small_task):
    sub = keeping(model, data, QUARTERS)
    card = sub.validate(model, small_task, core=QUARTERS, **GATES)
    assert all(map(card.passed, ("sufficiency", "necessity", "core alone")))
    assert card.n_needed == len(QUARTERS)
    assert card.left_out == pytest.approx(0, abs=1e-6)
    assert card.cases["kl"].max() < 1e-6


@pytest.mark.slow
def test_idle_heads_beside_them_are_not_needed(model, data, small_task):
    sub = keeping(model, data, [*QUARTERS, "L0H0", "L2H5", "L1MLP"])
    card = sub.validate(model, small_task, core=QUARTERS, draws=199, **GATES)
    needed = set(card.units.loc[card.units["needed"], "unit"])
    assert needed == set(QUARTERS)
    assert card.passed("core alone")
    # The same heads without one of them are not enough.
    less = keeping(model, data, [*QUARTERS[1:], "L0H0"])
    card = less.validate(model, small_task, core=QUARTERS[:4], draws=199, **GATES)
    assert not card.passed("core alone")
    assert card.left_out > 0


def test_either_of_two_ways_is_enough_and_neither_is_needed(tmp_path, small_task):
    model = build(TWO_WAYS, tmp_path)
    data = hc.prepare(model, small_task)
    for heads in (SHALLOW, DEEP):
        card = keeping(model, data, heads).validate(model, small_task, draws=199, **GATES)
        enough = card.tests[card.tests["test"] == "sufficiency"]
        missed = card.tests[card.tests["test"] == "necessity"]
        assert enough["value"].max() < 0.01 < enough["none"].min()
        # Of the 105 pairs of units only these two do.
        assert enough["p"][enough["drawn"] == "anywhere"].item() <= 0.05
        assert missed["value"].max() < 0.01
        assert (missed["p"] > 0.05).all()
        assert not card.passed("necessity")
        assert card.n_needed == 2
    both = keeping(model, data, (*SHALLOW, *DEEP)).validate(model, small_task, draws=199, **GATES)
    missed = both.tests[both.tests["test"] == "necessity"]
    assert missed["value"].min() > 0.1
    assert both.n_needed == 0
