from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from problems import problem_of

from heuristic_core.models.loading import load_model
from heuristic_core.search.data import prepare
from heuristic_core.search.find import find_subnetwork, find_subnetworks
from heuristic_core.search.gate_training import train_gates
from heuristic_core.search.methods import search_effort
from heuristic_core.search.paper import (
    PaperOptions,
    deterministic_gates,
    paper_schedule,
    published_cut,
)
from heuristic_core.units import UnitSpace

SHORT = {"ramp_steps": 6, "hold_steps": 2, "batch_size": 4, "accumulate": 2, "warmup_steps": 2}


def test_the_published_schedule():
    steps = paper_schedule(0.5, PaperOptions())
    assert len(steps) == 9300
    assert steps[0][0] == 0
    assert steps[4500][0] == pytest.approx(0.25)
    assert steps[9000][0] == 0.5
    assert [i for i, (_, read) in enumerate(steps) if read] == [9299]
    assert len(paper_schedule(0.3, PaperOptions())) == 8000 + 180
    assert len(paper_schedule(0.7, PaperOptions())) == 10000 + 420
    assert search_effort("paper", {}, [0.5]) == 9300 * 128


def test_every_sparsity_is_a_search_of_its_own(tiny_loaded, pairs):
    """So a study that runs them apart finds what one run of all finds."""
    data = prepare(tiny_loaded, pairs)
    for seed in (1, 2):
        options = {"method": "paper", "seed": seed, **SHORT}
        both = find_subnetworks(tiny_loaded, data, [0.3, 0.6], **options)
        alone = [find_subnetwork(tiny_loaded, data, s, **options) for s in (0.3, 0.6)]
        for one, other in zip(both, alone, strict=True):
            assert one.kept == other.kept
            np.testing.assert_array_equal(one.soft, other.soft)


def test_the_published_defaults():
    assert PaperOptions().model_dump() == {
        "batch_size": 32,
        "accumulate": 4,
        "rows_per_pass": None,
        "learning_rate": 0.1,
        "multiplier_rate": 1.0,
        "warmup_steps": 200,
        "decay": True,
        "second_beta": 0.999,
        "weight_decay": 0.01,
        "clip_norm": 1.0,
        "start": 10.0,
        "start_spread": 0.01,
        "shared_noise": True,
        "antithetic": False,
        "sampled_penalty": True,
        "averaged": False,
        "dropout": True,
        "by_length": False,
        "full_padding": True,
        "cached_reference": False,
        "ramp_steps": None,
        "hold_steps": None,
        "cut": "exact",
        "threshold": None,
    }


def adamw(value, gradient, state, rate, beta2, decay, sign):
    """One AdamW step, written from its formulas."""
    first, second, t = state
    t += 1
    first = 0.9 * first + 0.1 * sign * gradient
    second = beta2 * second + (1 - beta2) * gradient**2
    value = value * (1 - rate * decay)
    step = (first / (1 - 0.9**t)) / (np.sqrt(second / (1 - beta2**t)) + 1e-8)
    return value - rate * step, (first, second, t)


def by_the_formulas(model, data, options, targets, seed, dropout):
    """Paper mode written out: noise, gates, loss, joint clipping, AdamW, warm-up and decay."""
    generator = torch.Generator().manual_seed(seed)
    n = len(model.space)
    start = torch.randn(n, generator=generator).double().numpy()
    alpha = options.start + options.start_spread * start
    lambdas = np.zeros(2)
    states = [(0.0, 0.0, 0), (0.0, 0.0, 0)]
    clipped = []
    rows_of = data.encoded.shuffled(
        options.batch_size,
        len(targets) * options.accumulate,
        np.random.default_rng(seed),
        by_length=False,
    )
    for step, target in enumerate(targets):
        g_alpha, g_lambdas = np.zeros(n), np.zeros(2)
        for _ in range(options.accumulate):
            rows = next(rows_of)
            batch = data.encoded.batch(rows, model.device, model.max_length)
            assert batch["input_ids"].shape[1] == model.max_length
            u = torch.rand(1, n, generator=generator)[0].double().clamp(1e-6, 1 - 1e-6)
            a = torch.tensor(alpha, requires_grad=True)
            s = torch.sigmoid((u.log() - (1 - u).log() + a) / (2 / 3))
            z = (s * 1.2 - 0.1).clamp(0, 1)
            with torch.no_grad():
                p = torch.log_softmax(model(**batch).logits, -1)
            with model.frozen(dropout=dropout), model.gated(data.values) as gates:
                gates.z = z.to(p.dtype)
                q = torch.log_softmax(model(**batch).logits, -1)
            kl = (p.exp() * (p - q)).sum(-1).mean()
            sparsity = 1 - z.sum() / n
            gap = target - sparsity
            loss = kl + lambdas[0] * gap + lambdas[1] * gap**2
            g_alpha += torch.autograd.grad(loss, a)[0].numpy() / options.accumulate
            g_lambdas += np.array([gap.item(), gap.item() ** 2]) / options.accumulate
        norm = math.sqrt((g_alpha**2).sum() + (g_lambdas**2).sum())
        factor = min(1.0, options.clip_norm / (norm + 1e-6))
        clipped.append(factor < 1)
        rise, fall = step / options.warmup_steps, len(targets) - options.warmup_steps
        rate = rise if step < options.warmup_steps else (len(targets) - step) / fall
        alpha, states[0] = adamw(
            alpha, factor * g_alpha, states[0], rate * 0.1, 0.999, options.weight_decay, 1
        )
        lambdas, states[1] = adamw(
            lambdas, factor * g_lambdas, states[1], rate * 1.0, 0.999, options.weight_decay, -1
        )
    assert any(clipped) == (options.clip_norm < 0.5)  # so that the joint norm is put to the test
    return alpha


@pytest.mark.parametrize(("dropout", "clip_norm"), [(False, 1.0), (False, 0.2), (True, 1.0)])
def test_training_equals_the_formulas(tiny_folder, pairs, dropout, clip_norm):
    model = load_model(tiny_folder, max_length=32)
    model.hf.double()
    data = prepare(model, pairs)
    # Gates near the middle, where all of them move at once; the published start is far open.
    options = PaperOptions(**SHORT, start=0.5, start_spread=1.0, clip_norm=clip_norm)
    schedule = paper_schedule(0.5, options)
    if dropout:
        # The reference is computed between two passes of the gated model, without dropout.
        with torch.random.fork_rng():
            torch.manual_seed(3)
            expected = by_the_formulas(model, data, options, [t for t, _ in schedule], 3, True)
    else:
        options = options.model_copy(update={"dropout": False})
        expected = by_the_formulas(model, data, options, [t for t, _ in schedule], 3, False)
    ((trained,),) = train_gates([problem_of(model, data, seed=3)], schedule, options)
    assert np.abs(trained.numpy() - expected).max() < 1e-6
    assert np.abs(expected - trained.numpy().mean()).max() > 0.1


def test_deterministic_gates_close_the_expected_number_of_each_group():
    space = UnitSpace((3, 2))
    log_alpha = torch.tensor([-9.0, 9.0, -8.0, 9.0, 9.0, -9.0, -9.0], dtype=torch.float64)
    gates = deterministic_gates(log_alpha, space, space.prunable())
    assert (gates == 0).tolist() == [True, False, True, False, False, True, True]
    assert gates[1] == pytest.approx(1 / (1 + math.exp(-9 * 1.5 * 0.8)))
    # Two gates closed with probability 1/2 each: one is expected to be, the lower one.
    even = (2 / 3) * math.log(0.1 / 1.1)
    half = torch.tensor([9.0, even, even - 0.01, 9.0, 9.0, 9.0, 9.0], dtype=torch.float64)
    gates = deterministic_gates(half, space, space.prunable())
    assert (gates == 0).tolist() == [False, False, True, False, False, False, False]
    heads = space.prunable("heads")
    gates = deterministic_gates(log_alpha[torch.from_numpy(heads)], space, heads)
    assert gates[3] == gates[6] == 1


def test_the_published_cut_lands_near_and_takes_a_threshold():
    space = UnitSpace((4,))
    log_alpha = torch.tensor([3.0, 2.0, 1.0, -9.0, 4.0], dtype=torch.float64)
    keep = published_cut(log_alpha, 3, space, space.prunable())
    assert keep.tolist() == [True, True, False, False, True]
    # No threshold brings back what the group rule closed, so the sparsity is not always reached.
    keep = published_cut(log_alpha, 5, space, space.prunable())
    assert keep.tolist() == [True, True, True, False, True]
    keep = published_cut(log_alpha, 3, space, space.prunable(), threshold=0.95)
    assert keep.tolist() == [True, False, False, False, True]


def test_both_cuts_from_the_method(tiny, pairs):
    data = prepare(tiny, pairs)
    exact = find_subnetwork(tiny, data, 0.5, method="paper", seed=1, **SHORT)
    assert len(exact) == 5
    published = find_subnetwork(
        tiny, data, 0.5, method="paper", seed=1, cut="published", threshold=0.0, **SHORT
    )
    assert np.array_equal(published.soft, exact.soft)
    assert len(published) == 10  # eight steps from an open start close nothing


def test_dropout_leaves_the_global_generator_alone(tiny, pairs):
    data = prepare(tiny, pairs)
    torch.manual_seed(5)
    expected = torch.rand(3)
    torch.manual_seed(5)
    find_subnetwork(tiny, data, 0.5, method="paper", **SHORT)
    assert torch.equal(torch.rand(3), expected)
    assert not tiny.hf.training


#: A start near the middle, from which a few steps change much.
MIDDLE = SHORT | {"start": 1.0}


@pytest.fixture(scope="module")
def with_all_quirks(tiny_loaded, pairs):
    data = prepare(tiny_loaded, pairs)
    return data, find_subnetwork(tiny_loaded, data, 0.5, method="paper", seed=2, **MIDDLE)


@pytest.mark.parametrize(
    "quirk",
    [
        {"shared_noise": False},
        {"sampled_penalty": False},
        {"dropout": False},
        {"weight_decay": 0.0},
        {"clip_norm": 1e-3},
        {"decay": False},
        {"by_length": True},
        {"start_spread": 0.5},
        {"antithetic": True, "shared_noise": False},
    ],
    ids=str,
)
def test_every_quirk_is_an_option_that_changes_the_result(tiny, with_all_quirks, quirk):
    data, base = with_all_quirks
    other = find_subnetwork(tiny, data, 0.5, method="paper", seed=2, **MIDDLE | quirk)
    assert not np.array_equal(base.soft, other.soft)


def test_what_saves_time_only_changes_nothing(tiny, pairs):
    data = prepare(tiny, pairs)
    base = find_subnetwork(tiny, data, 0.5, method="paper", seed=2, dropout=False, **SHORT)
    for option in ({"cached_reference": True}, {"full_padding": False}):
        other = find_subnetwork(
            tiny, data, 0.5, method="paper", seed=2, dropout=False, **SHORT | option
        )
        assert np.allclose(base.soft, other.soft, atol=1e-6)
