"""Exchanges of units after the cut: the linear model, the choice of pairs, and what they do."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from problems import problem_of

from heuristic_core.measure.accuracy import predict
from heuristic_core.models.loading import load_model
from heuristic_core.search import exchange as exchanges
from heuristic_core.search.asked import parts, swapped
from heuristic_core.search.data import prepare
from heuristic_core.search.exchange import best_pairs, exchange
from heuristic_core.search.find import find_subnetwork
from heuristic_core.search.gate_gradients import logit_slopes
from heuristic_core.search.gate_training import kl_divergence
from heuristic_core.search.linear import LinearModel
from heuristic_core.subnetwork import Subnetwork
from tiny import IDLE, plant_idle_units, save_tiny, some_pairs


def made_up(seed: int, n_units: int = 7, n_labels: int = 3, scale: float = 1.0) -> LinearModel:
    """A linear model with random numbers."""
    generator = torch.Generator().manual_seed(seed)
    logits = torch.randn(20, n_labels, generator=generator)
    reference = torch.log_softmax(torch.randn(20, n_labels, generator=generator), -1)
    slopes = scale * torch.randn(20, n_labels, n_units, generator=generator)
    return LinearModel(reference, logits, slopes)


def divergence(model, data, kept) -> float:
    sub = Subnetwork(model.space, model.space.from_mask(kept), values=data.values.arrays())
    logits = torch.as_tensor(predict(model, data.encoded, subnetwork=sub))
    return float(kl_divergence(data.reference, logits).mean())


# --- the linear model -------------------------------------------------------------------------


def test_slopes_are_those_of_finite_differences(tmp_path):
    model = load_model(save_tiny(tmp_path, labels=("a", "b", "c")))
    data = prepare(model, some_pairs(9))
    model.hf.double()
    z = torch.tensor([1.0, 0, 1, 1, 0, 0, 1, 0, 1, 0], dtype=torch.float64)
    logits, slopes = logit_slopes(model, data, z, batch_size=4)
    rows = np.arange(len(data.encoded))
    with model.inference(), model.gated(data.values) as gates:

        def at(z):
            gates.z = z
            return model(**data.encoded.batch(rows, model.device)).logits

        assert torch.allclose(at(z), logits, atol=1e-12)
        for unit in range(len(model.space)):
            step = torch.zeros_like(z)
            step[unit] = 1e-5
            expected = (at(z + step) - at(z - step)) / 2e-5
            expected = expected - expected[:, :1]
            assert torch.allclose(slopes[..., unit], expected, atol=1e-6)


@pytest.mark.parametrize("out", [0, 3])
def test_the_predicted_divergence_is_that_of_the_moved_model(out):
    linear = made_up(0)
    backs = np.array([1, 5, 6])
    predicted = linear.predicted(out, backs)
    for value, back in zip(predicted, backs, strict=True):
        assert float(value) == pytest.approx(linear.moved([(out, int(back))]).value, rel=1e-5)


def test_the_linear_model_is_exact_where_the_model_is_linear_in_the_gates(tiny, pairs):
    """Without anything after it but the classifier, the last MLP's gate would move logits so."""
    data = prepare(tiny, pairs)
    last = tiny.hf.bert.encoder.layer[-1]
    last.output.LayerNorm = torch.nn.Identity()
    tiny.hf.bert.pooler.activation = torch.nn.Identity()
    kept = np.ones(len(tiny.space), dtype=bool)
    z = torch.ones(len(kept))
    logits, slopes = logit_slopes(tiny, data, z)
    kept[-1] = False
    without = torch.as_tensor(predict_masked(tiny, data, kept))
    change = (without - logits) - (without - logits)[:, :1]
    assert torch.allclose(change, -slopes[..., -1], atol=1e-5)


def predict_masked(model, data, kept):
    with model.gated(data.values) as gates:
        gates.z = torch.from_numpy(kept).float()
        return model.logits(data.encoded)


# --- the choice of pairs ----------------------------------------------------------------------


@given(st.integers(0, 10_000))
def test_the_first_pair_is_the_best_of_all(seed):
    linear = made_up(seed)
    kept = np.random.default_rng(seed).random(7) < 0.5
    pairs = best_pairs(linear, kept, np.ones(7, dtype=bool), 1)
    every = itertools.product(np.flatnonzero(kept).tolist(), np.flatnonzero(~kept).tolist())
    lowest = min((linear.moved([pair]).value for pair in every), default=np.inf)
    if pairs:
        assert linear.moved(pairs).value == pytest.approx(lowest, rel=1e-5)
    else:
        assert lowest >= linear.value * (1 - 1e-5)


@given(st.integers(0, 10_000), st.integers(1, 5))
def test_pairs_lower_the_divergence_and_no_unit_is_in_two(seed, size):
    linear = made_up(seed)
    rng = np.random.default_rng(seed)
    kept, movable = rng.random(7) < 0.5, rng.random(7) < 0.8
    pairs = best_pairs(linear, kept, movable, size)
    units = [unit for pair in pairs for unit in pair]
    assert len(pairs) <= size
    assert len(set(units)) == len(units)
    assert all(kept[out] and not kept[back] for out, back in pairs)
    assert movable[units].all()
    steps = [linear.moved(pairs[:n]).value for n in range(len(pairs) + 1)]
    assert all(after < before for before, after in itertools.pairwise(steps))
    assert swapped(kept, pairs).sum() == kept.sum()


# --- the exchange itself ----------------------------------------------------------------------


@pytest.mark.parametrize("size", [1, 7, 32, 100])
def test_parts_are_all_of_the_data_once(size):
    pieces = parts(32, size, seed=3)
    assert max(len(part) for part in pieces) <= size
    assert sorted(np.concatenate(pieces)) == list(range(32))
    assert all((np.diff(part) > 0).all() for part in pieces)


@pytest.mark.parametrize("wrong", [("L0H1", "L1H1"), ("L1MLP", "L0H0"), ("L1H0", "L0H3")])
def test_exchanges_bring_back_a_unit_that_matters(tiny, pairs, wrong):
    """An idle unit kept in place of one that matters is exchanged for it."""
    plant_idle_units(tiny, pairs)
    data = prepare(tiny, pairs)
    right = ~tiny.space.mask(IDLE)
    kept = right.copy()
    kept[[tiny.space.index(unit) for unit in wrong]] = [True, False]
    (result,) = exchange([problem_of(tiny, data)], [kept], rounds=6, examples=16, size=2)
    assert np.array_equal(result.kept, right)
    assert len(result.pairs) >= 1


@pytest.mark.parametrize("size", [1, 4])
def test_on_one_part_the_divergence_never_rises(tiny, pairs, size):
    plant_idle_units(tiny, pairs)
    data = prepare(tiny, pairs)
    kept = np.arange(10) % 2 == 0
    movable = np.ones(10, dtype=bool)
    movable[[0, 9]] = False
    problem = problem_of(tiny, data, prunable=movable)
    before = divergence(tiny, data, kept)
    for rounds in range(5):
        (result,) = exchange([problem], [kept], rounds=rounds, examples=32, size=size)
        after = divergence(tiny, data, result.kept)
        assert after <= before + 1e-7
        assert result.kept[0]
        assert not result.kept[9]
        before = after


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_rounds_end_with_the_first_that_changes_nothing(tiny, pairs, seed):
    """What is found is what as many rounds find as changed something."""
    plant_idle_units(tiny, pairs)
    problem = problem_of(tiny, prepare(tiny, pairs), seed=seed)
    kept = np.arange(10) % 2 == 0

    def after(rounds, **how):
        (result,) = exchange([problem], [kept], rounds=rounds, examples=16, size=2, **how)
        return result.pairs

    every = [after(rounds) for rounds in range(9)]
    changed = next(n for n in range(8) if every[n] == every[n + 1])
    assert changed > 0
    for rounds in range(9):
        assert after(rounds, until_unchanged=True) == every[min(rounds, changed)]


def test_nothing_is_run_where_nothing_can_be_exchanged(tiny, pairs):
    data = prepare(tiny, pairs)
    tiny.hf.forward = None  # any pass would fail
    for kept in (np.ones(10, dtype=bool), np.zeros(10, dtype=bool)):
        (result,) = exchange([problem_of(tiny, data)], [kept], rounds=3, examples=9, size=2)
        assert np.array_equal(result.kept, kept)
        assert not result.pairs


def test_soft_values_follow_the_exchanges(tiny, pairs):
    plant_idle_units(tiny, pairs)
    options = {"ramp_steps": 4, "hold_steps": 0, "seed": 5}
    plain = find_subnetwork(tiny, pairs, 0.5, exchange_rounds=0, **options)
    exchanged = find_subnetwork(tiny, pairs, 0.5, exchange_rounds=8, **options)
    assert plain.provenance["exchanges"] == []
    assert exchanged.provenance["exchanges"]
    assert sorted(exchanged.soft) == sorted(plain.soft)
    assert exchanged.soft[exchanged.mask].min() >= exchanged.soft[~exchanged.mask].max()
    encoded = tiny.encode(pairs)
    full = torch.log_softmax(torch.as_tensor(predict(tiny, encoded)), -1)
    kls = [
        kl_divergence(full, torch.as_tensor(predict(tiny, encoded, subnetwork=sub))).mean()
        for sub in (exchanged, plain)
    ]
    assert kls[0] < kls[1]


# --- what is done with a proposal: the model itself decides -----------------------------------


class Scripted:
    """Exchanges with a scripted model: the linear model proposes, ``accepts`` says what helps.

    Every round the slopes predict the same gains, largest for units 0 and 1 against 6 and 7. The
    model's own logits equal the reference (a perfect answer) where ``accepts`` returns true, and
    are far from it otherwise.
    """

    def __init__(self, monkeypatch, accepts) -> None:
        self.accepts = accepts
        self.tried: list[int] = []  # pairs of each trial, by how many
        self.rounds: list[tuple[int, np.ndarray]] = []  # examples looked at, and who may move
        self.seen: list[LinearModel] = []
        self.chosen: list[list[tuple[int, int]]] = []
        self.here: np.ndarray | None = None
        monkeypatch.setattr(exchanges, "logit_slopes", self.slopes)
        monkeypatch.setattr(exchanges, "_logits", self.answer)
        monkeypatch.setattr(exchanges, "best_pairs", self.choose)

    def slopes(self, model, part, z, *, batch_size):
        n = len(part.encoded)
        self.here = z[0].numpy().astype(bool)
        logits = part.reference + torch.tensor([0.0, 5.0])  # far off in the second class
        slopes = torch.zeros(n, 2, z.shape[1])
        slopes[:, 1] = torch.linspace(0.3, -0.3, z.shape[1])
        return logits, slopes

    def answer(self, model, part, z, batch_size):
        kept = z[0].numpy().astype(bool)
        self.tried.append(int((self.here & ~kept).sum()))
        good = self.accepts(self.here, kept)
        return part.reference + torch.tensor([0.0, 0.0 if good else 9.0])

    def choose(self, linear, kept, movable, size, costs):
        self.rounds.append((len(linear.logits), movable.copy()))
        self.seen.append(linear)
        self.chosen.append(best_pairs(linear, kept, movable, size, costs))
        return self.chosen[-1]


@pytest.fixture
def data(tiny, pairs):
    return prepare(tiny, pairs)


def run_scripted(tiny, data, rounds, examples=32):
    kept = np.arange(10) < 5
    problem = problem_of(tiny, data)
    (result,) = exchange([problem], [kept], rounds=rounds, examples=examples, size=4)
    return result


def test_what_the_model_does_not_agree_to_is_not_made(tiny, data, monkeypatch):
    script = Scripted(monkeypatch, lambda here, kept: False)
    result = run_scripted(tiny, data, rounds=2)
    assert result.pairs == []
    assert np.array_equal(result.kept, np.arange(10) < 5)
    assert script.tried[:3] == [4, 2, 1]  # the first half, and the first half of that
    # The unit whose loss alone was refused may not be dropped any more; the rest may.
    first, second = (movable for _, movable in script.rounds)
    assert first.all()
    assert np.flatnonzero(~second).tolist() == [0]


def test_the_first_half_is_made_where_the_whole_is_refused(tiny, data, monkeypatch):
    script = Scripted(monkeypatch, lambda here, kept: (here & ~kept).sum() <= 2)
    result = run_scripted(tiny, data, rounds=1)
    assert script.tried == [4, 2]
    # Slopes fall along the units, so the best to drop is the first and to keep the last.
    assert result.pairs == [(0, 9), (1, 8)]
    assert np.flatnonzero(~result.kept[:5]).tolist() == [0, 1]


def test_parts_seen_before_are_moved_along_and_seen_parts_are_looked_at_again(
    tiny, data, monkeypatch
):
    script = Scripted(monkeypatch, lambda here, kept: here[0])  # agrees in the first round alone
    run_scripted(tiny, data, rounds=3, examples=16)
    assert [n for n, _ in script.rounds] == [16, 32, 32]  # two parts, then the first again
    first, second, _ = script.seen
    # After the first round its part stands where the model's own answer was.
    assert torch.equal(second.logits[:16], first.reference[:16])
    assert torch.allclose(second.logits[16:], second.reference[16:] + torch.tensor([0.0, 5.0]))


def test_parts_seen_before_are_moved_by_the_exchanges_made_since(tiny, data, monkeypatch):
    script = Scripted(monkeypatch, lambda here, kept: True)
    run_scripted(tiny, data, rounds=3, examples=11)
    assert [n for n, _ in script.rounds] == [11, 22, 32]
    slopes = torch.linspace(0.3, -0.3, 10)
    made = script.chosen[1]  # what the second round proposed, and the model agreed to
    assert made
    shift = sum(float(slopes[back] - slopes[out]) for out, back in made)
    before, after = script.seen[1].logits[:11], script.seen[2].logits[:11]
    assert torch.allclose(after - before, torch.tensor([0.0, shift]), atol=1e-6)


def test_a_model_in_double_precision(tiny_folder, pairs):
    model = load_model(tiny_folder)
    plain = find_subnetwork(model, pairs, 0.5, ramp_steps=4, hold_steps=0)
    model.hf.double()
    double = find_subnetwork(model, pairs, 0.5, ramp_steps=4, hold_steps=0)
    assert double.provenance["exchanges"]
    assert len(double) == len(plain) == 5
