"""Samples of faithful subnetworks beside all of them."""

from __future__ import annotations

import numpy as np
import pytest

import heuristic_core as hc
from heuristic_core.errors import Remark
from heuristic_core.faithful.enumeration import enumerate_subnetworks
from heuristic_core.faithful.sampling import sample_subnetworks
from known import models
from known.sentences import task
from known.wiring import build
from tiny import save_tiny, some_pairs

#: Settings of the learned search that are enough to start from.
QUICK = {"ramp_steps": 12, "hold_steps": 2, "exchange_rounds": 1, "exchange_examples": 16}


@pytest.fixture(scope="module")
def prepared(tiny_loaded):
    """Search data of 24 pairs."""
    return hc.prepare(tiny_loaded, some_pairs(24))


@pytest.fixture(scope="module")
def enumerated(tiny_loaded, prepared):
    """All ways to keep five of ten units."""
    return enumerate_subnetworks(tiny_loaded, prepared, 0.5)


@pytest.fixture(scope="module")
def bound(enumerated):
    """What 60 of 252 subnetworks are within."""
    return float(enumerated.kl[59])


@pytest.fixture(scope="module")
def sample(tiny_loaded, prepared, bound):
    """A sample of these."""
    return sample_subnetworks(tiny_loaded, prepared, 0.5, bound=bound, n=150, seed=1, **QUICK)


def test_all_are_of_one_size_and_within_the_bound(sample, bound, prepared, tiny_loaded):
    assert len(sample) == 150
    assert (sample.choices.sum(1) == 5).all()
    assert (sample.kl <= bound).all()
    first, *_, last = sample
    assert first.provenance["kl"] == sample.kl[0]
    assert last.provenance["draw"] == 149
    np.testing.assert_allclose(sample.of.kl(sample.choices), sample.kl, atol=1e-7)
    # Chains take turns, so that any number has them all.
    assert np.bincount(sample.chain).tolist() == [38, 38, 37, 37]


def test_shares_are_those_of_all_subnetworks_within_the_bound(sample, enumerated, bound):
    exact = enumerated.inclusion(bound)["share"]
    table = sample.inclusion
    assert np.abs(table["share"] - exact).max() < 0.05
    inside = (table["low"] <= exact) & (exact <= table["high"])
    assert inside.mean() >= 0.8
    assert sample.diagnostics["worst_rhat"] < 1.05
    assert sample.diagnostics["least_ess"] > 100
    assert sample.diagnostics["runs"] <= 252
    said = repr(sample)
    assert "R-hat 1.0" in said
    assert said.startswith("SubnetworkSample(150 of 5 of 10 units of ")


def test_a_seed_says_what_is_drawn(sample, tiny_loaded, prepared, bound):
    again = sample_subnetworks(tiny_loaded, prepared, 0.5, bound=bound, n=150, seed=1, **QUICK)
    np.testing.assert_array_equal(again.choices, sample.choices)
    assert again.diagnostics == sample.diagnostics
    with pytest.warns(Remark):
        other = sample_subnetworks(
            tiny_loaded, prepared, 0.5, bound=bound, n=16, steps=1, seed=2, starts=list(sample)[:2]
        )
    assert (other.kl <= bound).all()


def test_draws_that_are_too_few_are_remarked_on(tiny_loaded, prepared, sample, bound):
    with pytest.warns(Remark, match="worth .* independent ones .*below 100.*raise steps or n"):
        sample_subnetworks(
            tiny_loaded, prepared, 0.5, bound=bound, n=16, steps=1, starts=list(sample)[:1]
        )


def test_without_a_bound_it_is_a_quarter_above_the_worst_start(tiny_loaded, prepared, enumerated):
    starts = [enumerated[3], enumerated[10]]
    with pytest.warns(Remark):
        some = sample_subnetworks(tiny_loaded, prepared, 0.5, n=8, steps=1, starts=starts)
    assert some.bound == pytest.approx(max(1.25 * enumerated.kl[10], 1e-3))


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"bound": 1e-9}, "within 1e-09 nats was found; the best has"),
        ({"bound": 0.0}, "bound is 0.0, but must be a number above 0"),
        ({"bound": float("nan")}, "bound is nan"),
        ({"bound": 1.0, "chains": 1}, "chains is 1, but must be a whole number from 2"),
        ({"bound": 1.0, "n": 0}, "n is 0"),
        ({"bound": 1.0, "ramp_steps": 3}, "settings of the search are of no use with starts"),
    ],
)
def test_what_does_not_fit_is_refused(tiny_loaded, prepared, enumerated, settings, message):
    with pytest.raises(hc.InputError, match=message):
        sample_subnetworks(
            tiny_loaded,
            prepared,
            0.5,
            **{"n": 8, "steps": 1, "starts": [enumerated[0]], **settings},
        )


def test_starts_must_be_of_the_size(tiny_loaded, prepared, enumerated):
    with pytest.raises(hc.InputError, match="keeps 5 of 10 units, not 7"):
        sample_subnetworks(tiny_loaded, prepared, 0.3, bound=1.0, starts=[enumerated[0]])
    with pytest.raises(hc.InputError, match="there is one subnetwork of 10 of 10 units"):
        sample_subnetworks(tiny_loaded, prepared, 0.0, bound=1.0)
    lacking = next(sub for sub in enumerated if len(sub.mlps) < 2)
    with pytest.raises(hc.InputError, match="drops units that are not to be chosen among"):
        sample_subnetworks(tiny_loaded, prepared, 0.5, bound=1.0, units="heads", starts=[lacking])


#: Models small enough to enumerate, a sparsity, and the share of subnetworks that are faithful.
SMALL = {
    "random, 15 units": (("tiny", {"n_layers": 3, "seed": 1}), 0.6, 0.03),
    "random, 18 units": (("tiny", {"n_layers": 3, "n_heads": 5, "width": 40}), 0.7, 0.01),
    "two ways": (("known", models.TWO_WAYS), 0.8, 0.1),
    "two ways, two units": (("known", models.TWO_WAYS), 0.87, 0.015),
    "overlap, then order": (("known", models.OVERLAP_THEN_ORDER), 0.6, 0.02),
    "no core": (("known", models.NO_CORE), 0.85, 0.2),
}


@pytest.mark.slow
@pytest.mark.parametrize("name", SMALL)
def test_shares_are_exact_to_5_points(name, tmp_path):
    (kind, made), sparsity, share = SMALL[name]
    if kind == "tiny":
        model = hc.load_model(save_tiny(tmp_path, **made))
        data = hc.prepare(model, some_pairs(32))
    else:
        model = build(made, tmp_path)
        data = hc.prepare(model, task())
    every = enumerate_subnetworks(model, data, sparsity)
    # A tie is within or beyond as a whole, and rounding decides nothing.
    bound = 1.001 * float(every.kl[int(share * len(every))]) + 1e-5
    exact = every.inclusion(bound)["share"]
    sample = sample_subnetworks(model, data, sparsity, bound=bound, n=400, steps=25, **QUICK)
    assert np.abs(sample.inclusion["share"] - exact).max() < 0.05
    assert sample.diagnostics["worst_rhat"] < 1.05
