"""Every subnetwork of one size: all of them are there, in order, and none is missed."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

import heuristic_core as hc
from heuristic_core.faithful.enumeration import enumerate_subnetworks
from heuristic_core.measure.accuracy import predict
from heuristic_core.search.gate_training import kl_divergence
from known.models import DEEP, SHALLOW, TWO_WAYS
from known.sentences import task
from known.wiring import build
from tiny import some_pairs


@pytest.fixture(scope="module")
def prepared(tiny_loaded):
    """Search data of 24 pairs."""
    return hc.prepare(tiny_loaded, some_pairs(24))


@pytest.fixture(scope="module")
def enumerated(tiny_loaded, prepared):
    """All ways to keep five of ten units."""
    return enumerate_subnetworks(tiny_loaded, prepared, 0.5)


def test_all_are_there_from_the_best_to_the_worst(enumerated):
    assert len(enumerated) == math.comb(10, 5) == len({x.tobytes() for x in enumerated.choices})
    assert (enumerated.choices.sum(1) == 5).all()
    assert (np.diff(enumerated.kl) >= 0).all()
    assert enumerated.optimum == enumerated[0]
    assert enumerated[-1].provenance["place"] == 251
    assert str(len(enumerated)) in repr(enumerated)


def test_divergences_are_those_of_each_subnetwork_run_alone(enumerated, tiny_loaded, prepared):
    for place in (0, 100, -1):
        subnetwork = enumerated[place]
        logits = predict(tiny_loaded, prepared.encoded, subnetwork=subnetwork)
        kl = kl_divergence(prepared.reference, torch.from_numpy(logits)).mean()
        assert enumerated.kl[place] == pytest.approx(float(kl), abs=1e-6)
        assert subnetwork.provenance["kl"] == enumerated.kl[place]


def test_inclusion_counts_the_subnetworks_within_a_bound(enumerated):
    every = enumerated.inclusion(np.inf)
    # Of all sets of five of ten, each unit is in half.
    np.testing.assert_allclose(every["share"], 0.5)
    few = enumerated.inclusion(enumerated.kl[2])
    assert enumerated.count(enumerated.kl[2]) == 3
    by_hand = [sum(unit in enumerated[i] for i in range(3)) / 3 for unit in few["unit"]]
    np.testing.assert_allclose(few["share"], by_hand)
    with pytest.raises(hc.InputError, match="no subnetwork is within"):
        enumerated.inclusion(enumerated.kl[0] / 2)


def test_heads_alone(tiny_loaded, prepared):
    of_heads = enumerate_subnetworks(tiny_loaded, prepared, 0.5, units="heads", examples=8)
    assert len(of_heads) == math.comb(8, 4)
    assert all(of_heads[i].mlps == {hc.Unit(layer) for layer in (0, 1)} for i in (0, 40))
    assert set(of_heads.inclusion(1.0)["unit"]) == {str(u) for u in tiny_loaded.space if u.is_head}


def test_too_many_are_refused(tiny_loaded, prepared):
    with pytest.raises(hc.InputError, match="252 ways, more than the limit of 251"):
        enumerate_subnetworks(tiny_loaded, prepared, 0.5, limit=251)


def test_progress_ends_with_all(tiny_loaded, prepared):
    seen = []
    enumerate_subnetworks(
        tiny_loaded, prepared, 0.9, examples=4, progress=lambda done, of: seen.append((done, of))
    )
    assert seen == [(10, 10)]


def test_two_ways_are_the_two_that_match_the_model(tmp_path):
    model = build(TWO_WAYS, tmp_path)
    every = enumerate_subnetworks(model, task(), 0.87)
    assert every.count(1e-3) == 2
    ways = {frozenset(map(str, every[place].kept)) for place in range(2)}
    assert ways == {frozenset(SHALLOW), frozenset(DEEP)}
