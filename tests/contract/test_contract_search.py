"""Every search method on every family keeps exactly as many units as it is asked to."""

from __future__ import annotations

import math

import pytest
from family_matrix import CELLS, NAMES, pairs

from heuristic_core.checks.state import state_of
from heuristic_core.search.data import prepare
from heuristic_core.search.find import find_subnetworks
from heuristic_core.search.methods import METHODS

#: Settings with which each method is done in a moment.
QUICK = {
    "learned": {"ramp_steps": 4, "hold_steps": 1, "batch_size": 5},
    "paper": {"ramp_steps": 4, "hold_steps": 1, "batch_size": 5, "accumulate": 1},
    "subset": {"steps": 2, "batch_size": 5},
    "two_sided": {"steps": 2, "batch_size": 5},
    "fisher": {"batch_size": 10},
    "gradient": {"batch_size": 10},
    "gim": {"batch_size": 10},
    "integrated": {"steps": 10, "batch_size": 10},
    "greedy": {"examples": 6, "batch_size": 10},
    "magnitude": {"batch_size": 10},
    "random": {},
}

_ALL = [(family, method) for family in NAMES for method in METHODS]
#: Each family with one method and each method with some families; the rest is slow.
_FAST = {(family, list(METHODS)[i % len(METHODS)]) for i, family in enumerate(NAMES)}

CELLS["test_every_method_keeps_exactly_as_many_units"] = len(_ALL)


@pytest.mark.parametrize(
    ("subject", "method"),
    [pytest.param(*cell, marks=() if cell in _FAST else pytest.mark.slow) for cell in _ALL],
    indirect=["subject"],
)
def test_every_method_keeps_exactly_as_many_units(subject, method):
    model = subject.copy()
    data = prepare(model, pairs())
    before = state_of(model)
    wanted = [0.3, 0.7]
    found = find_subnetworks(model, data, wanted, seed=1, method=method, **QUICK[method])
    n = len(model.space)
    assert [len(s) for s in found] == [n - math.floor(share * n + 0.5) for share in wanted]
    assert all(s.soft.min() >= 0 and s.soft.max() <= 1 for s in found)
    assert state_of(model) == before
    assert len({s.kept for s in found}) == 2


def test_the_fast_cells_show_every_method_and_family():
    assert {method for _, method in _FAST} == set(METHODS) == set(QUICK)
    assert {family for family, _ in _FAST} == set(NAMES)
