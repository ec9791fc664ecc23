"""Chains on divergences that are given: every choice within the bound is as likely as any other."""

from __future__ import annotations

import numpy as np
import pytest

from faithful.toy_subjects import every_choice, polynomial, two_ways
from heuristic_core.faithful import surrogate
from heuristic_core.faithful.chains import Chains
from heuristic_core.faithful.surrogate import Surrogate

CHOICES = every_choice(8, 4)
EXCHANGES = {"n_levels": 1, "free": False, "guided": False}
GUIDED = {"n_levels": 1, "free": False, "guided": True}
LADDER = {"n_levels": 3, "free": True, "guided": False}


def drawn(subject, bound, n, settings, *, starts=None):
    """The shares of draws at each choice of four of eight units, by chain, and the chains."""
    rng = np.random.default_rng(0)
    within = CHOICES[subject.kl(CHOICES) <= bound]
    starts = within[rng.integers(len(within), size=4)] if starts is None else starts
    chains = Chains(subject, starts, bound, rng=rng, **settings)
    chains.warm_up(300, lambda done, of: None)
    assert chains.gather() == 0
    at = {choice.tobytes(): i for i, choice in enumerate(CHOICES)}
    counts = np.zeros((4, len(CHOICES)))
    for _ in range(n):
        chains.step()
        for chain, choice in enumerate(chains.choices[:, 0]):
            counts[chain, at[choice.tobytes()]] += 1
    return counts / n, chains


@pytest.mark.parametrize(
    ("settings", "n"),
    [(EXCHANGES, 4000), (GUIDED, 4000), (LADDER, 2500)],
    ids=["exchanges", "guided", "ladder"],
)
def test_all_choices_within_the_bound_are_equally_likely(settings, n, monkeypatch):
    # Shorter, as there are few units; the surrogate guides the last three.
    monkeypatch.setattr("heuristic_core.faithful.chains.LENGTHS", (1, 2, 4, 1, 2, 6))
    subject = polynomial(8, seed=3, threes=0.08)
    kl = subject.kl(CHOICES)
    bound = float(np.quantile(kl, 0.4))
    shares, chains = drawn(subject, bound, n, settings)
    within = kl <= bound
    assert shares[:, ~within].sum() == 0
    np.testing.assert_allclose(shares.mean(0)[within], 1 / within.sum(), rtol=0.35)
    assert (chains.surrogate is not None) == settings["guided"]
    # Nothing is run twice.
    assert subject.n_runs == len(chains.known) <= len(CHOICES)


def test_the_ladder_connects_what_no_exchange_does():
    """Two ways without a unit in common: chains that start at one find the other."""
    subject = two_ways((0, 1, 2, 3), (4, 5, 6, 7))
    start = np.tile(CHOICES[:1], (4, 1))
    shares, _ = drawn(subject, 0.1, 6000, LADDER, starts=start)
    assert shares[:, 1:-1].sum() == 0
    np.testing.assert_allclose(shares.mean(0)[[0, -1]], 0.5, atol=0.1)


def test_chains_go_down_to_the_bound_while_warming_up():
    subject = polynomial(8, seed=3)
    kl = subject.kl(CHOICES)
    bound = float(np.quantile(kl, 0.2))
    worst = np.tile(CHOICES[kl.argmax()], (4, 1))
    shares, _ = drawn(subject, bound, 50, EXCHANGES, starts=worst)
    assert shares[:, kl > bound].sum() == 0


def test_chains_that_find_nothing_go_on_where_others_are():
    subject = two_ways((0, 1, 2, 3), (4, 5, 6, 7))
    starts = CHOICES[[0, 0, -1, 20]]
    rng = np.random.default_rng(0)
    chains = Chains(subject, starts, 0.1, rng=rng, **EXCHANGES)
    assert chains.gather() == 1
    assert (chains.kl[:, 0] <= 0.1).all()
    assert chains.known.least == pytest.approx(np.exp(-3))
    nowhere = Chains(subject, starts[3:], 0.1, rng=rng, **EXCHANGES)
    assert nowhere.gather() == 1
    assert (nowhere.choices[0, 0] == starts[3]).all()


def test_a_surrogate_learns_single_units_and_pairs():
    """Where no three units interact, 60 of the 70 choices tell the others."""
    subject = polynomial(8, seed=0)
    order = np.random.default_rng(0).permutation(len(CHOICES))
    known, new = CHOICES[order[:60]], CHOICES[order[60:]]
    kl = subject.kl(CHOICES)
    fit = Surrogate.fit(known, subject.outputs(known), subject.divergence, float(np.median(kl)))
    errors = fit.predict(new) - np.log(subject.kl(new))
    assert np.square(errors).mean() < 0.1 * np.log(kl).var()
    # At its own prediction, the probability of being within is one half.
    halves = np.exp(fit.log_within(new, np.exp(fit.predict(new))))
    np.testing.assert_allclose(halves, 0.5)


def test_the_error_of_a_surrogate_is_that_of_refitting_without_each_choice():
    subject = polynomial(6, seed=0, threes=0.1)
    choices = every_choice(6, 3)
    outputs, mean = subject.outputs(choices), subject.outputs(choices).mean(0)
    true = np.log(subject.kl(choices))
    fit = Surrogate.fit(choices, outputs, subject.divergence, 1.0)
    x = choices - choices.mean(0)
    found = []
    for pairs in surrogate._PAIRS:
        matrix = surrogate._kernel(x, x, pairs)
        for noise in surrogate._NOISE:
            ridged = matrix + noise * np.trace(matrix) / len(x) * np.eye(len(x))
            left_out = np.empty_like(outputs)
            for i in range(len(x)):
                rest = np.arange(len(x)) != i
                weights = np.linalg.solve(ridged[np.ix_(rest, rest)], (outputs - mean)[rest])
                left_out[i] = matrix[i, rest] @ weights + mean
            errors = true - np.log(subject.divergence(left_out))
            near = np.abs(true) < 0.5
            found.append((errors[near] if near.sum() >= 20 else errors).std())
    assert fit.error == pytest.approx(min(found), rel=1e-6)
