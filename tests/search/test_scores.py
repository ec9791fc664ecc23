"""The sums behind the search methods, against definitions, closed forms and brute force."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from problems import problem_of

from heuristic_core.errors import InputError
from heuristic_core.search.data import prepare
from heuristic_core.search.find import find_subnetwork, find_subnetworks
from heuristic_core.search.fisher import rearrange
from heuristic_core.search.gate_gradients import gate_gradients, log_probability, target_classes
from heuristic_core.search.gate_training import kl_divergence
from heuristic_core.search.gradient import normalise
from heuristic_core.search.greedy import removal_costs
from heuristic_core.search.integrated import IntegratedOptions, integrated_gradients
from heuristic_core.search.magnitude import mean_distances
from heuristic_core.search.random_units import keep_evenly
from heuristic_core.search.ranking import from_scores
from heuristic_core.search.subset import SubsetOptions, temperature
from heuristic_core.search.top_k import gumbel, hard_top_k, relaxed_top_k
from heuristic_core.search.two_sided import roles
from heuristic_core.units import UnitSpace, n_kept


@pytest.fixture
def double(tiny, pairs):
    """A tiny model in double precision with search data of twelve examples."""
    data = prepare(tiny, pairs.take(slice(12)))
    tiny.hf.double()
    return tiny, data


def logits_at(model, data, z):
    """The logits of all examples with the same gates, in the model's precision."""
    rows = np.arange(len(data.encoded))
    with model.inference(), model.gated(data.values) as gates:
        gates.z = z
        return model(**data.encoded.batch(rows, model.device)).logits


# --- samples of the data ----------------------------------------------------------------------


def test_a_sample_keeps_examples_and_what_belongs_to_them_together(tiny, pairs):
    data = prepare(tiny, pairs)
    assert data.sample(32, 0) is data
    some = data.sample(7, 0)
    all_ids = data.encoded.columns["input_ids"]
    rows = [all_ids.index(ids) for ids in some.encoded.columns["input_ids"]]
    assert len(set(rows)) == 7
    assert rows == sorted(rows)
    assert torch.equal(some.reference, data.reference[rows])
    assert torch.equal(some.labels, data.labels[rows])
    assert some.values is data.values
    assert data.sample(7, 1).encoded.columns != some.encoded.columns


# --- gradients of gates -----------------------------------------------------------------------


@pytest.mark.parametrize("level", [1.0, 0.4])
def test_gate_gradients_equal_finite_differences(double, level):
    model, data = double
    z = torch.full((10,), level, dtype=torch.float64)
    found = gate_gradients(model, data, data.labels, z, batch_size=5)
    step = 1e-4
    for unit in range(10):
        ends = []
        for sign in (1, -1):
            moved = z.clone()
            moved[unit] += sign * step
            ends.append(log_probability(logits_at(model, data, moved), data.labels))
        expected = (ends[0] - ends[1]) / (2 * step)
        assert torch.allclose(found[:, unit], expected, atol=1e-6)


def test_targets_are_labels_or_predictions(tiny, pairs):
    data = prepare(tiny, pairs)
    labels, kind = target_classes(data, "label")
    assert kind == "label"
    assert np.array_equal(labels.numpy(), pairs.label_ids)
    predicted, kind = target_classes(data, "prediction")
    assert kind == "prediction"
    assert torch.equal(predicted, data.reference.argmax(-1))
    other = find_subnetwork(tiny, data, 0.5, method="gradient", target="prediction")
    assert other.provenance["followed"] == "prediction"


def test_log_probability_in_half_precision_is_computed_in_single():
    logits = torch.tensor([[1.0, 0.5, -2.0]], dtype=torch.bfloat16)
    found = log_probability(logits, torch.tensor([1]))
    assert found.dtype == torch.float32
    assert torch.allclose(found, torch.log_softmax(logits.float(), -1)[:, 1])


def test_gradient_scores_are_mean_absolute_gradients_normalised(tiny, pairs):
    data = prepare(tiny, pairs)
    gradients = gate_gradients(tiny, data, data.labels, torch.ones(10)).abs().mean(0).numpy()
    plain = find_subnetwork(tiny, data, 0.5, method="gradient", normalise=False)
    assert list(plain.provenance["scores"].values()) == pytest.approx(gradients)
    scores = np.array(
        list(find_subnetwork(tiny, data, 0.5, method="gradient").provenance["scores"].values())
    )
    for group in ([0, 1, 2, 3], [5, 6, 7, 8], [4, 9]):
        assert scores[group] == pytest.approx(gradients[group] / np.linalg.norm(gradients[group]))


def test_normalising_zeros_gives_zeros():
    space = UnitSpace((2, 2))
    scores = normalise(np.array([0.0, 0.0, 3.0, 3.0, 4.0, 4.0]), space)
    assert scores == pytest.approx([0, 0, 0.6, 0.6, 0.8, 0.8])


@pytest.mark.parametrize("units", ["all", "heads"])
def test_integrated_gradients_are_complete(double, units):
    model, data = double
    prunable = model.space.prunable(units)
    opened = log_probability(logits_at(model, data, torch.ones(10)), data.labels)
    closed = torch.from_numpy(~prunable).double()
    gained = opened - log_probability(logits_at(model, data, closed), data.labels)
    errors = []
    for steps in (10, 30):
        options = IntegratedOptions(steps=steps)
        shares, _ = integrated_gradients(problem_of(model, data, prunable=prunable), options)
        assert (shares[:, ~prunable] == 0).all()
        errors.append((shares.sum(1) - gained).abs().max().item())
    assert errors[0] < 0.02
    # The midpoint rule is of second order: three times the points, a ninth of the error.
    assert errors[1] < errors[0] / 5


# --- Fisher information -----------------------------------------------------------------------


def cost(information, dropped):
    return float(dropped @ information @ dropped)


@pytest.mark.parametrize("n_dropped", [1, 2, 3, 4, 5])
def test_rearrangement_against_brute_force(n_dropped):
    rng = np.random.default_rng(n_dropped)
    found_best = 0
    for _ in range(40):
        factor = rng.normal(size=(4, 6))
        information = factor.T @ factor / 4
        kept = np.ones(6, dtype=bool)
        kept[np.argsort(np.diagonal(information))[:n_dropped]] = False
        after = rearrange(kept, information)
        costs = {
            combination: cost(information, np.isin(np.arange(6), combination).astype(float))
            for combination in itertools.combinations(range(6), n_dropped)
        }
        dropped = tuple(np.flatnonzero(~after))
        assert len(dropped) == n_dropped
        assert costs[dropped] <= costs[tuple(np.flatnonzero(~kept))] + 1e-12
        for out, back in itertools.product(np.flatnonzero(after), dropped):
            swapped = tuple(sorted({*dropped, out} - {back}))
            assert costs[swapped] >= costs[dropped] - 1e-9
        found_best += costs[dropped] <= min(costs.values()) + 1e-9
    # A single swap reaches everything where one unit is dropped or kept; elsewhere nearly so.
    assert found_best == 40 if n_dropped in (1, 5) else found_best >= 30


def test_rearrangement_of_units_that_cancel():
    # Dropped together the first two leave no trace, though each has the most information.
    information = np.array([[4.0, -4, 0, 0], [-4, 4, 0, 0], [0, 0, 1, 1], [0, 0, 1, 1]])
    kept = np.array([True, True, False, False])
    assert rearrange(kept, information).tolist() == kept.tolist()  # no single swap helps
    assert rearrange(np.array([False, True, False, True]), information).tolist() == [
        False,
        False,
        True,
        True,
    ]


def test_equal_units_are_not_swapped_for_ever():
    kept = np.array([True, False, True, False])
    assert rearrange(kept, np.full((4, 4), 0.1)).tolist() == kept.tolist()
    assert rearrange(kept, np.zeros((4, 4))).tolist() == kept.tolist()


def test_fisher_scores_are_mean_squared_gradients(tiny, pairs):
    data = prepare(tiny, pairs)
    squares = gate_gradients(tiny, data, data.labels, torch.ones(10)).square().mean(0)
    plain = find_subnetwork(tiny, data, 0.5, method="fisher", rearrange=False)
    assert list(plain.provenance["scores"].values()) == pytest.approx(squares.tolist())
    assert (~plain.mask).tolist() == (squares <= squares.sort().values[4]).tolist()


# --- magnitude and greedy removal -------------------------------------------------------------


def test_magnitude_against_a_count_by_hand(tiny, pairs):
    data = prepare(tiny, pairs.take(slice(6)))
    layers = tiny.hf.bert.encoder.layer
    seen = {}
    handles = []
    for i, layer in enumerate(layers):

        def heads(module, args, i=i):
            seen[i] = args[0]

        def mlp(module, args, output, i=i):
            seen["mlp", i] = output

        handles.append(layer.attention.output.dense.register_forward_pre_hook(heads))
        handles.append(layer.output.dropout.register_forward_hook(mlp))
    sums, n_tokens = np.zeros(10), 0
    with tiny.inference():
        for row in range(6):  # one by one, so that there is no padding
            tiny(**data.encoded.batch([row], tiny.device))
            n_tokens += seen[0].shape[1]
            for i, layer in enumerate(layers):
                weight = layer.attention.output.dense.weight
                for head in range(4):
                    part = slice(8 * head, 8 * head + 8)
                    moved = seen[i][0, :, part] - data.values.heads[i][head]
                    sums[5 * i + head] += (moved @ weight[:, part].T).norm(dim=1).sum()
                moved = seen["mlp", i][0] - data.values.mlps[i]
                sums[5 * i + 4] += moved.norm(dim=1).sum()
    for handle in handles:
        handle.remove()
    assert mean_distances(tiny, data, batch_size=4) == pytest.approx(sums / n_tokens, rel=1e-4)


def test_greedy_against_single_removals(tiny, pairs):
    data = prepare(tiny, pairs.take(slice(12)))

    def divergence(dropped):
        z = torch.ones(10)
        z[list(dropped)] = 0
        return kl_divergence(data.reference, logits_at(tiny, data, z)).double().mean().item()

    one = [divergence([unit]) for unit in range(10)]
    for batch_size in (1, 7, 12, 500):
        found = removal_costs(tiny, data, np.ones(10, bool), np.arange(10), batch_size=batch_size)
        assert found == pytest.approx(one, abs=1e-6)
    subnetwork = find_subnetwork(tiny, data, 0.3, method="greedy")
    dropped: list[int] = []
    for step in subnetwork.provenance["removals"]:
        costs = {u: divergence([*dropped, u]) for u in range(10) if u not in dropped}
        best = min(costs, key=costs.__getitem__)
        assert step["unit"] == str(tiny.space.units[best])
        assert step["divergence"] == pytest.approx(costs[best], abs=1e-6)
        dropped.append(best)
    assert np.flatnonzero(~subnetwork.mask).tolist() == sorted(dropped)


# --- the relaxed choice -----------------------------------------------------------------------


def test_a_choice_of_one_is_a_softmax():
    keys = torch.randn(3, 5, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    assert torch.allclose(relaxed_top_k(keys, 1, 0.7), torch.softmax(keys / 0.7, -1))
    assert (relaxed_top_k(keys, 0, 0.7) == 0).all()


@pytest.mark.parametrize("t", [0.5, 1.0, 2.0])
def test_a_choice_of_two_in_closed_form(t):
    a, b = 0.3, -0.5
    first = 1 / (1 + np.exp(-(a - b) / t))
    # What was chosen is taken out: log(1 - first) is added to one key, log(first) to the other.
    second = 1 / (1 + np.exp(-(a - b + np.log((1 - first) / first)) / t))
    found = relaxed_top_k(torch.tensor([a, b], dtype=torch.float64), 2, t)
    assert found.tolist() == pytest.approx([first + second, 2 - first - second])


@given(
    st.lists(st.floats(-8, 8), min_size=1, max_size=12),
    st.integers(0, 12),
    st.floats(0.02, 5),
)
def test_gates_sum_to_k(keys, k, t):
    k = min(k, len(keys))
    gates = relaxed_top_k(torch.tensor(keys, dtype=torch.float64), k, t)
    assert gates.sum().item() == pytest.approx(k)
    assert (gates >= 0).all()


@given(st.permutations(range(8)), st.integers(0, 8))
def test_a_cold_choice_is_the_hard_one(order, k):
    keys = torch.tensor(order, dtype=torch.float64) / 2
    hard = hard_top_k(keys, k)
    assert hard.sum() == k
    assert torch.equal(hard.bool(), torch.tensor(order) >= 8 - k)
    assert torch.allclose(relaxed_top_k(keys, k, 0.01), hard, atol=1e-9)


def test_the_choice_has_the_gradient_it_should():
    generator = torch.Generator().manual_seed(0)
    keys = torch.randn(2, 5, dtype=torch.float64, generator=generator).requires_grad_()
    for k, t in ((1, 0.5), (3, 1.0), (5, 0.8)):
        assert torch.autograd.gradcheck(lambda x, k=k, t=t: relaxed_top_k(x, k, t), keys)


def test_extreme_keys_give_finite_gates_and_gradients():
    keys = torch.tensor([80.0, 0.0, -80.0], requires_grad=True)
    (relaxed_top_k(keys, 2, 0.1) * torch.tensor([1.0, 2.0, 3.0])).sum().backward()
    assert torch.isfinite(keys.grad).all()
    assert torch.isfinite(gumbel(torch.tensor([0.0, 0.5, np.nextafter(np.float32(1), 0)]))).all()


def test_gumbel_noise_makes_choices_with_softmax_probabilities():
    weights = torch.tensor([0.0, 1.0, 2.0])
    uniform = torch.rand(40_000, 3, generator=torch.Generator().manual_seed(0))
    shares = hard_top_k(weights + gumbel(uniform), 1).mean(0)
    assert shares.tolist() == pytest.approx(torch.softmax(weights, 0).tolist(), abs=0.01)


def test_temperature_falls_geometrically():
    options = SubsetOptions(steps=5, temperature_start=1, temperature_end=0.0001)
    temperatures = [temperature(options, i) for i in range(5)]
    assert temperatures == pytest.approx([1, 0.1, 0.01, 0.001, 0.0001])


def test_subnetworks_of_a_sparsity_do_not_depend_on_the_others(tiny, pairs):
    data = prepare(tiny, pairs)
    both = find_subnetworks(tiny, data, [0.3, 0.6], method="subset", steps=4)
    alone = find_subnetwork(tiny, data, 0.6, method="subset", steps=4)
    assert np.array_equal(both[1].soft, alone.soft)
    hard = find_subnetwork(tiny, data, 0.6, method="subset", steps=4, straight_through=True)
    assert not np.array_equal(hard.soft, alone.soft)


# --- rankings, roles and the random baseline --------------------------------------------------


def test_scores_become_soft_values_from_0_to_1():
    prunable = np.array([True, True, False, True])
    scores = np.array([-2.0, 0.0, np.nan, 2.0])
    assert from_scores(scores, prunable).soft.tolist() == [0, 0.5, 1, 1]
    kept = np.array([True, False, True, False])
    assert from_scores(scores, prunable, kept=kept).soft.tolist() == [0.5, 0.25, 1, 0.5]
    assert from_scores(np.full(4, 7.0), prunable).soft.tolist() == [0.5, 0.5, 1, 0.5]
    with pytest.raises(InputError, match="not finite"):
        from_scores(np.array([1, np.inf, 0, 0]), prunable)


def test_roles_of_clear_cases():
    opened, shut = np.array([1.0, 0.0, 1.0]), np.array([1.0, 0.0, 0.0])
    found = roles(opened, shut)
    assert found["facilitation"].tolist() == [1, 0, 0]
    assert found["interference"].tolist() == [0, 1, 0]
    assert found["irrelevance"].tolist() == [0, 0, 1]


@given(
    st.lists(st.integers(1, 6), min_size=1, max_size=8),
    st.floats(0, 1, exclude_max=True),
    st.integers(0, 99),
    st.sampled_from(["all", "heads"]),
)
def test_evenly_kept_units(heads, sparsity, seed, units):
    space = UnitSpace(tuple(heads))
    prunable = space.prunable(units)
    scores = np.random.default_rng(seed).permutation(len(space)).astype(float)
    total = n_kept(int(prunable.sum()), sparsity)
    kept = keep_evenly(space, scores, prunable, total)
    assert kept[prunable].sum() == total
    assert kept[~prunable].all()
    n_heads = int(kept[space.is_head].sum())
    assert abs(n_heads - total * space.n_heads / prunable.sum()) < 1
    for start, n in zip(space.offsets, heads, strict=True):
        assert abs(kept[start : start + n].sum() - n_heads * n / space.n_heads) < 1


def test_random_orders_are_uniform_over_units(tiny, pairs):
    data = prepare(tiny, pairs.take(slice(2)))
    for options in ({}, {"layer_matched": True}):
        kept = np.mean(
            [
                find_subnetwork(tiny, data, 0.5, seed=seed, method="random", **options).mask
                for seed in range(400)
            ],
            axis=0,
        )
        assert kept == pytest.approx(np.full(10, 0.5), abs=0.1)
