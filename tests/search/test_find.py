from __future__ import annotations

import numpy as np
import pytest
import torch

from heuristic_core.errors import InputError
from heuristic_core.measure.accuracy import predict
from heuristic_core.search.data import means, prepare
from heuristic_core.search.find import (
    METHODS,
    find_subnetwork,
    find_subnetworks,
    search_effort,
)
from heuristic_core.search.gate_training import kl_divergence
from heuristic_core.search.learned import target_schedule
from heuristic_core.units import n_kept

QUICK = {"ramp_steps": 12, "hold_steps": 3, "batch_size": 8}


@pytest.fixture
def data(tiny, pairs):
    """Prepared search data."""
    return prepare(tiny, pairs)


def test_schedule_rises_rests_and_cuts():
    steps = list(target_schedule([0.5, 0.75], ramp_steps=4, hold_steps=2))
    targets = [t for t, _ in steps]
    assert targets == pytest.approx([0.125, 0.25, 0.375, 0.5, 0.5, 0.5, 0.625, 0.75, 0.75, 0.75])
    assert [i for i, (_, cut) in enumerate(steps) if cut] == [5, 9]
    assert [c for _, c in target_schedule([0.0, 0.3], 3, 0)].count(True) == 2
    assert list(target_schedule([0.0], 5, 0)) == [(0.0, True)]


def test_kl_divergence_against_its_definition():
    generator = torch.Generator().manual_seed(0)
    p = torch.log_softmax(torch.randn(5, 3, generator=generator), -1)
    logits = torch.randn(5, 3, generator=generator)
    expected = torch.nn.functional.kl_div(
        torch.log_softmax(logits, -1), p, log_target=True, reduction="none"
    ).sum(-1)
    assert torch.allclose(kl_divergence(p, logits), expected, atol=1e-6)
    assert torch.allclose(kl_divergence(p, p + 3), torch.zeros(5), atol=1e-6)


@pytest.mark.parametrize("method", list(METHODS))
@pytest.mark.parametrize("units", ["all", "heads"])
def test_exact_sparsity_and_provenance(tiny, data, method, units):
    wanted = [0.6, 0.0, 0.3]
    found = find_subnetworks(
        tiny, data, wanted, seed=4, method=method, units=units, provenance={"x": 1}, **QUICK
    )
    n = 10 if units == "all" else 8
    for sparsity, sub in zip(wanted, found, strict=True):
        dropped = len(tiny.space) - len(sub)
        assert dropped == n - n_kept(n, sparsity)
        assert units == "all" or len(sub.mlps) == 2
        assert sub.provenance["target"] == sparsity
        assert sub.provenance["seed"] == 4
        assert sub.provenance["x"] == 1
        assert sub.provenance["options"]["ramp_steps"] == 12
        kept = sub.soft[sub.mask]
        assert not (~sub.mask).any() or kept.min() >= sub.soft[~sub.mask].max()


@pytest.mark.parametrize("method", list(METHODS))
def test_same_seed_same_bits_whatever_the_global_generator(tiny, data, method):
    torch.manual_seed(0)
    one = find_subnetwork(tiny, data, 0.5, seed=1, method=method, **QUICK)
    torch.manual_seed(1)
    np.random.seed(3)
    two = find_subnetwork(tiny, data, 0.5, seed=1, method=method, **QUICK)
    other = find_subnetwork(tiny, data, 0.5, seed=2, method=method, **QUICK)
    assert one == two
    assert np.array_equal(one.soft, two.soft)
    assert not np.array_equal(one.soft, other.soft)


@pytest.mark.parametrize("seed", [0, 1])
def test_the_search_finds_units_that_do_nothing(tiny, pairs, seed):
    """Units with constant output are their own mean: dropping them costs nothing."""
    idle = ["L0H1", "L0H2", "L1H0", "L1H3", "L1MLP"]
    with torch.no_grad():
        for layer in tiny.hf.bert.encoder.layer:
            # Sharper attention and larger values, so that the other units matter.
            layer.attention.self.query.weight *= 4
            layer.attention.self.value.weight *= 3
        for label in idle:
            layer = tiny.hf.bert.encoder.layer[int(label[1])]
            if label.endswith("MLP"):
                layer.output.dense.weight.zero_()
            else:
                head = int(label[-1])
                layer.attention.self.value.weight[8 * head : 8 * head + 8] = 0
        tiny.hf.classifier.weight *= 10
        tiny.hf.classifier.bias -= tiny.logits(tiny.encode(pairs)).mean(0)
    found = find_subnetwork(tiny, pairs, 0.5, seed=seed, ramp_steps=120, hold_steps=30)
    assert {str(u) for u in tiny.space if u not in found.kept} == set(idle)
    encoded = tiny.encode(pairs)
    assert np.allclose(predict(tiny, encoded, subnetwork=found), predict(tiny, encoded), atol=1e-4)


def test_zero_ablation_and_shared_means(tiny, pairs, data):
    zero = find_subnetwork(tiny, pairs, 0.3, ablation="zero", **QUICK)
    assert zero.ablation == "zero"
    assert not zero.values
    mean = find_subnetwork(tiny, data, 0.3, **QUICK)
    assert set(mean.values) == {"L0.heads", "L1.heads", "L0.mlp", "L1.mlp"}
    values = means(tiny, pairs)
    assert torch.equal(values.heads[0], data.values.heads[0])
    again = prepare(tiny, pairs, values=values)
    assert again.values is values


def test_progress_is_told_to_the_end(tiny, data):
    seen = []
    find_subnetwork(tiny, data, 0.5, progress=lambda done, of: seen.append((done, of)), **QUICK)
    assert seen == [(i, 15) for i in range(1, 16)]
    assert search_effort("learned", QUICK, [0.5]) == 15 * 8


def test_bad_arguments_are_told(tiny, data, pairs):
    with pytest.raises(InputError, match="did you mean 'learned'"):
        find_subnetwork(tiny, data, 0.5, method="learnt")
    with pytest.raises(InputError, match="did you mean 'batch_size'"):
        find_subnetwork(tiny, data, 0.5, batchsize=3)
    with pytest.raises(InputError, match=r"batch_size: .* greater than or equal to 1"):
        find_subnetwork(tiny, data, 0.5, batch_size=0)
    with pytest.raises(InputError, match=r"outside \[0, 1\)"):
        find_subnetwork(tiny, data, 1.0)
    with pytest.raises(InputError, match="at least one sparsity"):
        find_subnetworks(tiny, data, [])
    with pytest.raises(InputError, match="unit scope"):
        find_subnetwork(tiny, data, 0.5, units="head")
    with pytest.raises(InputError, match="prepared with mean"):
        find_subnetwork(tiny, data, 0.5, ablation="zero")
    with pytest.raises(InputError, match="ablation kind"):
        find_subnetwork(tiny, pairs, 0.5, ablation="median")
    with pytest.raises(InputError, match="at least one example"):
        prepare(tiny, pairs.take(slice(0)))
