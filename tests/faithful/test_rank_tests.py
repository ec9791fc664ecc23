"""Sufficiency and necessity by rank: uniform where nothing is planted, small where something is."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

import heuristic_core as hc
from heuristic_core.analysis.intervals import holm
from heuristic_core.faithful.divergence import Divergences
from heuristic_core.faithful.rank_tests import comparisons, drawn_from, rank_rows
from heuristic_core.faithful.remembered import Remembered
from heuristic_core.search.data import prepare
from heuristic_core.search.problem import no_progress

NO_CORE = np.zeros(10, dtype=bool)


@pytest.fixture(scope="module")
def kl(tiny_loaded, pairs):
    """The divergences of a tiny model, of which no choice is run twice."""
    data = prepare(tiny_loaded, pairs.take(slice(8)))
    return Remembered(Divergences(tiny_loaded, data), no_progress).of


@pytest.fixture(scope="module")
def null(tiny_loaded, kl):
    """The p-values of 200 subnetworks drawn at random: by subnetwork and row."""
    space, rng = tiny_loaded.space, np.random.default_rng(0)
    found = []
    for number in range(200):
        mask = np.isin(np.arange(10), rng.permutation(10)[:5])
        sub = hc.Subnetwork(space, space.from_mask(mask))
        rows = rank_rows(comparisons(sub, NO_CORE), space, kl, 999, number)
        found.append([row["p"] for row in rows])
    return rows, np.array(found)


def test_p_is_uniform_if_the_subnetwork_is_one_more_random_set(null):
    rows, p = null
    kinds = [(row["test"], row["drawn"]) for row in rows]
    assert kinds == [
        (test, drawn)
        for test in ("sufficiency", "necessity")
        for drawn in ("anywhere", "in layers")
    ]
    for kind, column in zip(kinds, p.T, strict=True):
        assert stats.kstest(column, "uniform").pvalue > 0.01, kind


def test_random_subnetworks_fail_and_corrected_p_values_are_valid(null):
    _, p = null
    assert ((p > 0.05).mean(0) >= 0.91).all()
    corrected = np.array([holm(row) for row in p])
    assert ((corrected <= 0.05).any(1)).mean() <= 0.08


def test_numbers_are_those_of_the_sets(tiny_loaded, kl):
    """Beside all sets of one size, counted one by one."""
    space = tiny_loaded.space
    sub = hc.Subnetwork(space, frozenset(space.units[:5]))
    enough, missed = (
        row
        for row in rank_rows(comparisons(sub, NO_CORE), space, kl, 999, 0)
        if row["drawn"] == "anywhere"
    )
    every = np.array([np.binary_repr(n, 10).count("1") == 5 for n in range(1024)]).nonzero()[0]
    sets = (every[:, None] >> np.arange(10)) % 2 == 1
    values = kl(sets)
    assert enough["value"] == kl(sub.mask[None])[0]
    assert missed["value"] == kl(~sub.mask[None])[0]
    for row, share in (
        (enough, (values <= enough["value"]).mean()),
        (missed, (values >= missed["value"]).mean()),
    ):
        assert row["p"] == pytest.approx(share, abs=0.05)
        assert row["random"] == pytest.approx(np.median(values), rel=0.1)
        assert row["none"] == kl(np.zeros((1, 10), dtype=bool))[0]
        assert row["n"] == 999


def planted(masks):
    """A divergence that grows with each of four planted units that is dropped."""
    return np.array([1.0, 2, 3, 4]) @ ~masks[:, [1, 6, 11, 16]].T


def test_planted_units_pass_and_half_of_them_with_idle_ones_do_not():
    space = hc.UnitSpace((4, 4, 4, 4))
    good = hc.Subnetwork(space, frozenset(space.units[i] for i in (1, 6, 11, 16)))
    core = space.mask([space.units[1]])
    rows = rank_rows(comparisons(good, core), space, planted, 999, 0)
    assert len(rows) == 6
    for row in rows:
        # A core that is one of four units is not shown to be enough.
        assert (row["p"] <= 0.01) == (row["test"] != "core alone"), row
    bad = hc.Subnetwork(space, frozenset(space.units[i] for i in (0, 2, 12, 17)))
    rows = rank_rows(comparisons(bad, np.zeros(20, dtype=bool)), space, planted, 999, 0)
    assert min(row["p"] for row in rows) > 0.05


def test_random_sets_are_drawn_from_what_the_search_chose_from():
    space = hc.UnitSpace((3, 3))
    record = {"units": "heads", "excluded": ["L1H0"]}
    kept = frozenset(map(hc.Unit.parse, ("L0H0", "L1H2", "L0MLP", "L1MLP")))
    sub = hc.Subnetwork(space, kept, provenance=record)
    free = space.mask(["L0H0", "L0H1", "L0H2", "L1H1", "L1H2"])
    np.testing.assert_array_equal(drawn_from(sub), free)
    seen = []

    def kl(masks):
        seen.append(masks)
        return np.zeros(len(masks))

    rank_rows(comparisons(sub, space.mask(["L0H0"])), space, kl, 30, 0)
    blocks = np.split(seen[0], 6)
    mlps, excluded = ~space.is_head, space.index("L1H0")
    for enough in (*blocks[:2], *blocks[4:]):
        assert enough[:, mlps].all()
        assert not enough[:, excluded].any()
    for without in blocks[2:4]:
        assert without[:, mlps].all()
        assert without[:, excluded].all()
    assert [set(block[2:, free].sum(1)) for block in blocks] == [{2}, {2}, {3}, {3}, {1}, {1}]
    # As it is not as its record says, all units count.
    other = hc.Subnetwork(space, frozenset(map(hc.Unit.parse, ("L0H0",))), provenance=record)
    assert drawn_from(other).all()
    assert drawn_from(sub.complement()).all()


def test_a_core_with_mlps_is_exactly_what_is_kept():
    space = hc.UnitSpace((3, 3))
    sub = hc.Subnetwork(space, frozenset(space))
    (*_, with_mlps) = comparisons(sub, space.mask(["L0H0", "L0MLP"]))
    (*_, of_heads) = comparisons(sub, space.mask(["L0H0"]))
    assert space.from_mask(with_mlps.own) == {hc.Unit(0, 0), hc.Unit(0)}
    assert space.from_mask(of_heads.own) == {hc.Unit(0, 0), hc.Unit(0), hc.Unit(1)}
    assert not with_mlps.none.any()
    assert space.from_mask(of_heads.none) == {hc.Unit(0), hc.Unit(1)}


def test_cards_of_one_seed_break_their_ties_apart(tiny_loaded):
    """In a model whose units are all idle everything ties, and p is chance alone."""
    space, rng = tiny_loaded.space, np.random.default_rng(0)
    found = []
    for _ in range(100):
        sub = hc.Subnetwork(space, space.from_mask(np.isin(np.arange(10), rng.permutation(10)[:5])))
        rows = rank_rows(comparisons(sub, NO_CORE), space, lambda m: np.zeros(len(m)), 99, 0)
        found.append([row["p"] for row in rows])
    for column in np.array(found).T:
        assert stats.kstest(column, "uniform").pvalue > 0.01
