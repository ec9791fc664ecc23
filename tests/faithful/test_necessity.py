"""The best subnetwork without each unit beside all subnetworks without it."""

from __future__ import annotations

import numpy as np
import pytest

import heuristic_core as hc
from heuristic_core.faithful.enumeration import enumerate_subnetworks
from heuristic_core.tasks.task import Examples, Task
from tiny import some_pairs


@pytest.fixture(scope="module")
def data(tiny_loaded):
    """Search data of 24 pairs."""
    return hc.prepare(tiny_loaded, some_pairs(24))


@pytest.fixture(scope="module")
def all_of_size(tiny_loaded, data):
    """All ways to keep five of ten units, the best first."""
    return enumerate_subnetworks(tiny_loaded, data, 0.5)


def test_without_most_units_the_best_of_all_is_found(tiny_loaded, data, all_of_size):
    """From the best subnetwork and from worse ones; never anything below the best of all."""
    pairs = some_pairs(24)
    none = Examples.none(pairs.labels)
    task = Task(name="pairs", labels=pairs.labels, train=none, search=pairs, suites=())
    choices, kl = all_of_size.choices, all_of_size.kl
    exact = np.array([kl[~choices[:, unit]].min() for unit in range(10)])
    n_exact = 0
    for start in (0, 3, 40):
        first = all_of_size[start]
        found = hc.necessity(
            tiny_loaded, task, first, judge=pairs, data=data, examples=24, rounds=4
        )
        measured = found.table["divergence"].to_numpy()
        assert (measured > exact - 1e-7).all()
        assert kl[0] - 1e-7 <= found.divergence <= kl[start] + 1e-7
        assert all(unit not in other for unit, other in found.without.items())
        n_exact += int(np.isclose(measured, exact, atol=1e-7).sum())
    assert n_exact >= 20


def test_searches_without_a_unit_begin_with_what_is_known(tiny_loaded, data, all_of_size):
    """Where the best of all without each unit is given, no round is needed to find it."""
    pairs = some_pairs(24)
    none = Examples.none(pairs.labels)
    task = Task(name="pairs", labels=pairs.labels, train=none, search=pairs, suites=())
    best = [int(np.flatnonzero(~all_of_size.choices[:, unit])[0]) for unit in range(10)]
    found = hc.necessity(
        tiny_loaded,
        task,
        all_of_size[0],
        others=[all_of_size[place] for place in best],
        judge=pairs,
        data=data,
        examples=24,
        rounds=0,
    )
    np.testing.assert_allclose(found.table["divergence"], all_of_size.kl[best], atol=1e-7)
