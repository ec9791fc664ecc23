"""Exchanges by measured effects: the candidates, and where they end."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from problems import problem_of
from test_exchange import divergence, made_up

import heuristic_core as hc
from heuristic_core.models.classifier import Classifier
from heuristic_core.search import measured
from heuristic_core.search.asked import Question, swapped
from heuristic_core.search.data import prepare
from heuristic_core.search.exchange import exchange
from heuristic_core.search.find import find_subnetworks, find_subnetworks_together
from heuristic_core.search.learned import LearnedOptions

NOTHING = np.zeros(7)


@given(st.integers(0, 10**6), st.integers(1, 5))
def test_the_likely_exchanges_are_the_best_of_all(seed, n_outs):
    linear = made_up(seed)
    order = np.random.default_rng(seed).permutation(7).tolist()
    outs, backs = order[:n_outs], order[n_outs:]
    found = measured.likely_exchanges(linear, outs, backs, NOTHING)
    for size in (1, 2):
        every = {
            (frozenset(some), frozenset(others)): linear.moved(list(zip(some, others, strict=True)))
            for some in itertools.combinations(outs, size)
            for others in itertools.combinations(backs, size)
        }
        own = [pairs for pairs in found if len(pairs) == size]
        named = [tuple(map(frozenset, zip(*pairs, strict=True))) for pairs in own]
        assert len(set(named)) == len(named) == min(measured.N_TRIED, len(every))
        values = sorted(model.value for model in every.values())
        assert [every[name].value for name in named] == pytest.approx(values[: len(own)], rel=1e-4)


def test_costs_decide_where_the_model_does_not():
    linear = made_up(0, scale=0.0)
    costs = np.array([3.0, 1.0, 2.0, 5.0, 4.0, 0.5, 6.0])
    single, *_ = measured.likely_exchanges(linear, [0, 1, 2], [3, 4, 5, 6], costs)
    assert single == [(0, 5)]
    double = measured.likely_exchanges(linear, [0, 1, 2], [3, 4, 5, 6], costs)[measured.N_TRIED]
    assert {out for out, _ in double} == {0, 2}
    assert {back for _, back in double} == {4, 5}


@pytest.mark.parametrize("start", range(2))
def test_no_exchange_of_one_or_two_is_better_in_the_end(start, tiny, pairs, monkeypatch):
    """Where all are tried; slopes have no part in it."""
    monkeypatch.setattr(measured, "N_TRIED", 1000)
    data = prepare(tiny, pairs)
    kept = np.zeros(10, dtype=bool)
    kept[np.random.default_rng(start).permutation(10)[:5]] = True
    before = divergence(tiny, data, kept)
    (result,) = exchange(
        [problem_of(tiny, data)], [kept], rounds=0, examples=32, size=1, measured=20, units=10
    )
    after = divergence(tiny, data, result.kept)
    assert after <= before
    assert np.array_equal(swapped(kept, result.pairs), result.kept)
    outs, backs = (np.flatnonzero(some).tolist() for some in (result.kept, ~result.kept))
    for size in (1, 2):
        for some in itertools.combinations(outs, size):
            for others in itertools.combinations(backs, size):
                other = swapped(result.kept, list(zip(some, others, strict=True)))
                assert divergence(tiny, data, other) >= after - 2e-6


def test_effects_are_those_of_units_alone(tiny, pairs, monkeypatch):
    """What candidates are chosen by: the logits with a unit flipped, minus those as it is."""
    data = prepare(tiny, pairs)
    kept = np.arange(10) % 2 == 0
    seen = []
    monkeypatch.setattr(
        measured, "likely_exchanges", lambda linear, *rest: seen.append((linear, rest)) or []
    )
    exchange([problem_of(tiny, data)], [kept], rounds=0, examples=32, size=1, measured=1, units=4)
    ((linear, (outs, backs, _)),) = seen
    assert len(outs) == len(backs) == 2
    values = data.values.arrays()

    def logits(mask):
        sub = hc.Subnetwork(tiny.space, tiny.space.from_mask(mask), values=values)
        return torch.as_tensor(hc.predict(tiny, data.encoded, subnetwork=sub))

    rows = np.arange(len(data.encoded))
    for unit in (*outs, *backs):
        other = kept.copy()
        other[unit] = not kept[unit]
        change = (logits(other) - logits(kept))[rows] * (-1 if kept[unit] else 1)
        assert torch.allclose(linear.slopes[..., unit], change, atol=1e-6)


def test_the_examples_run_are_no_more_than_forecast(tiny, pairs):
    data = prepare(tiny, pairs)
    options = LearnedOptions(
        ramp_steps=2, hold_steps=0, exchange_rounds=0, measured_rounds=2, measured_units=4,
        exchange_examples=32,
    )  # fmt: skip
    n_before = Classifier.n_examples_run
    find_subnetworks(tiny, data, [0.5], **options.model_dump())
    run = Classifier.n_examples_run - n_before
    # A pass forward alone counts half in the forecast, and each example once here.
    assert 32 * (1 + 4) < run <= 2 * options.n_examples([0.5])
    none = options.model_copy(update={"measured_rounds": 0})
    assert none.n_examples([0.5]) == options.n_examples([0.5]) - 2 * 32 * (1 + 2 + measured.N_TRIED)


def test_seeds_together_find_what_each_finds_alone(tiny, pairs):
    data = prepare(tiny, pairs)
    quick = {"ramp_steps": 4, "hold_steps": 0, "exchange_rounds": 1, "measured_rounds": 2}
    together = find_subnetworks_together(tiny, data, [0.5], seeds=[1, 2], **quick)
    for seed, (one,) in together.items():
        (alone,) = find_subnetworks(tiny, data, [0.5], seed=seed, **quick)
        assert alone.kept == one.kept
        assert alone.provenance["exchanges"] == one.provenance["exchanges"]


def test_nothing_is_asked_where_nothing_can_be_exchanged(tiny, pairs):
    data = prepare(tiny, pairs)
    kept = np.arange(10) % 2 == 0
    fixed = problem_of(tiny, data, prunable=kept)  # every unit that may be moved is kept
    asked = measured.measured_rounds(
        fixed, kept, rounds=3, examples=32, units=4, costs=lambda: np.zeros(10)
    )
    assert isinstance(next(asked), Question)
    logits, slopes = torch.zeros(32, 2), torch.zeros(32, 2, 10)
    with pytest.raises(StopIteration) as ended:
        asked.send((logits, slopes))
    assert ended.value.value == []


def test_aims_and_repelling_hold_for_them_too(tiny):
    task = hc.load_task("hans-grammar", train_size=16, search_size=24, id_size=12, per_case=2)
    few = {"ramp_steps": 4, "hold_steps": 0, "exchange_rounds": 0, "exchange_examples": 16}
    few |= {"measured_rounds": 1, "measured_units": 4}
    data = prepare(tiny, task)
    exchanges_made = []
    found = hc.generalisation_range(tiny, task, 0.5, seeds=[1, 2], data=data, examples=16, **few)
    for several in found.subnetworks.values():
        exchanges_made += [one.provenance["exchanges"] for one in several]
        assert all(len(one) == 5 for one in several)
    assert any(exchanges_made)
    repelled = find_subnetworks_together(tiny, data, [0.5], seeds=[1, 2, 3], repel=1.0, **few)
    assert all(len(one) == 5 for (one,) in repelled.values())
