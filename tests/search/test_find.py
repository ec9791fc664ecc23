from __future__ import annotations

import inspect
import json
from dataclasses import replace

import numpy as np
import pytest
import torch
from problems import QUICK

from heuristic_core.analysis.core import core
from heuristic_core.analysis.evidence import Evidence
from heuristic_core.analysis.overlap import overlap
from heuristic_core.errors import InputError
from heuristic_core.measure.accuracy import predict
from heuristic_core.models.loading import load_model
from heuristic_core.search.data import means, prepare
from heuristic_core.search.find import find_subnetwork, find_subnetworks, find_subnetworks_together
from heuristic_core.search.gate_training import kl_divergence
from heuristic_core.search.learned import target_schedule
from heuristic_core.search.methods import METHODS, search_effort
from heuristic_core.search.options import DeterministicOptions as Fixed
from heuristic_core.tables import DETERMINISTIC, UNDECIDED
from heuristic_core.units import n_kept
from tables_by_hand import subnetworks
from tiny import IDLE, plant_idle_units, save_tiny

#: What draws nothing gives every seed the same subnetwork.
NOTHING_DRAWN = {"fisher", "gim", "gradient", "integrated", "greedy", "magnitude"}


@pytest.fixture
def data(tiny, pairs):
    """Prepared search data."""
    return prepare(tiny, pairs)


def test_schedule_rises_rests_and_cuts():
    steps = list(target_schedule([0.5, 0.75], ramp_steps=8, hold_steps=2))
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
        tiny, data, wanted, seed=4, method=method, units=units, provenance={"x": 1}, **QUICK[method]
    )
    n = 10 if units == "all" else 8
    for sparsity, sub in zip(wanted, found, strict=True):
        dropped = len(tiny.space) - len(sub)
        assert dropped == n - n_kept(n, sparsity)
        assert units == "all" or len(sub.mlps) == 2
        assert sub.provenance["target"] == sparsity
        assert sub.provenance["seed"] == 4
        assert sub.provenance["x"] == 1
        assert sub.provenance["options"].items() >= QUICK[method].items()
        json.dumps(sub.provenance)
        assert ((sub.soft >= 0) & (sub.soft <= 1)).all()
        assert units == "all" or (sub.soft[~tiny.space.is_head] == 1).all()
        kept = sub.soft[sub.mask]
        assert not (~sub.mask).any() or kept.min() >= sub.soft[~sub.mask].max()


@pytest.mark.parametrize("method", list(METHODS))
def test_same_seed_same_bits_whatever_the_global_generator(tiny, data, method):
    torch.manual_seed(0)
    one = find_subnetwork(tiny, data, 0.5, seed=1, method=method, **QUICK[method])
    torch.manual_seed(1)
    np.random.seed(3)
    before = torch.get_rng_state(), np.random.get_state()[1].copy()
    two = find_subnetwork(tiny, data, 0.5, seed=1, method=method, **QUICK[method])
    assert torch.equal(before[0], torch.get_rng_state())
    assert np.array_equal(before[1], np.random.get_state()[1])
    other = find_subnetwork(tiny, data, 0.5, seed=2, method=method, **QUICK[method])
    assert one == two
    assert np.array_equal(one.soft, two.soft)
    assert np.array_equal(one.soft, other.soft) == (method in NOTHING_DRAWN)


@pytest.mark.parametrize("method", list(METHODS))
def test_a_seed_finds_the_same_whatever_the_default_dtype(tiny, data, method):
    one = find_subnetwork(tiny, data, 0.5, seed=1, method=method, **QUICK[method])
    torch.set_default_dtype(torch.float64)
    try:
        two = find_subnetwork(tiny, data, 0.5, seed=1, method=method, **QUICK[method])
    finally:
        torch.set_default_dtype(torch.float32)
    assert one == two
    assert np.array_equal(one.soft, two.soft)


@pytest.mark.parametrize("resample", [False, True])
@pytest.mark.parametrize("method", sorted(NOTHING_DRAWN))
def test_the_seed_draws_the_examples_only_if_asked(tiny, data, method, resample):
    options = QUICK[method] | {"examples": 8, "resample": resample}
    one, two, other = (
        find_subnetwork(tiny, data, 0.5, seed=seed, method=method, **options).provenance
        for seed in (1, 1, 2)
    )
    found = "removals" if method == "greedy" else "scores"
    assert one[found] == two[found]
    assert (one[found] != other[found]) == resample


def test_the_methods_of_which_nothing_is_random_are_those_that_analyses_know():
    options = {name for name, method in METHODS.items() if issubclass(method.options, Fixed)}
    assert options == set(DETERMINISTIC) == NOTHING_DRAWN


@pytest.mark.parametrize("method", sorted(NOTHING_DRAWN))
def test_eight_seeds_of_such_a_method_are_one_subnetwork_and_decide_nothing(tiny, data, method):
    options = QUICK[method] | {"examples": 8}
    found = [find_subnetwork(tiny, data, 0.5, seed=s, method=method, **options) for s in range(8)]
    assert all(one == found[0] for one in found)
    kept = {(s, 0.5): {str(unit) for unit in one.kept} for s, one in enumerate(found)}
    table = subnetworks(kept, len(tiny.space.heads), tiny.space.heads[0]).assign(method=method)
    evidence = Evidence({"subnetworks": table})
    for question in (core, overlap):
        (answer,) = question(evidence)
        assert answer.verdict.decision == UNDECIDED
        assert answer.verdict.reason == "all 8 searches gave one subnetwork, which counts once"


@pytest.mark.parametrize("method", list(METHODS))
def test_model_and_data_are_left_as_found(tiny, data, method):
    tiny.hf.train()
    weights = {name: w.clone() for name, w in tiny.hf.state_dict().items()}
    columns = {name: [list(row) for row in rows] for name, rows in data.encoded.columns.items()}
    reference, labels, means = data.reference.clone(), data.labels.clone(), data.values.arrays()
    means = {name: value.copy() for name, value in means.items()}
    find_subnetwork(tiny, data, 0.5, method=method, **QUICK[method])
    for module in tiny.hf.modules():
        assert module.training
        assert not module._forward_hooks
        assert not module._forward_pre_hooks
    for parameter in tiny.hf.parameters():
        assert parameter.requires_grad
        assert parameter.grad is None
    assert all(torch.equal(w, weights[name]) for name, w in tiny.hf.state_dict().items())
    assert data.encoded.columns == columns
    assert torch.equal(data.reference, reference)
    assert torch.equal(data.labels, labels)
    assert all(np.array_equal(v, means[name]) for name, v in data.values.arrays().items())


@pytest.mark.parametrize("method", list(METHODS))
def test_hooks_go_when_a_search_breaks_off(tiny, data, method):
    def stop(done, of):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        find_subnetwork(tiny, data, 0.5, method=method, progress=stop, **QUICK[method])
    modules = list(tiny.hf.modules())
    assert not any(module._forward_hooks or module._forward_pre_hooks for module in modules)
    assert all(parameter.requires_grad for parameter in tiny.hf.parameters())


@pytest.fixture(scope="module")
def one_layer_folder(tmp_path_factory):
    """A folder with a classifier of one layer."""
    return save_tiny(tmp_path_factory.mktemp("one-layer"), n_layers=1)


@pytest.mark.parametrize("method", list(METHODS))
@pytest.mark.parametrize("units", ["all", "heads"])
def test_one_layer_that_always_says_the_same_and_extreme_sparsities(
    one_layer_folder, pairs, method, units
):
    model = load_model(one_layer_folder)
    with torch.no_grad():
        model.hf.classifier.weight.zero_()
    wanted = [0.0, 0.5, 0.99]
    data = replace(prepare(model, pairs.take(slice(9))), labels=None)
    found = find_subnetworks(model, data, wanted, method=method, units=units, **QUICK[method])
    n = 5 if units == "all" else 4
    for sparsity, sub in zip(wanted, found, strict=True):
        assert len(model.space) - len(sub) == n - n_kept(n, sparsity)
        assert np.isfinite(sub.soft).all()
        assert sub.provenance.get("followed", "prediction") == "prediction"


#: Settings with which each method must find what does nothing.
ENOUGH = {
    "learned": {"ramp_steps": 240, "hold_steps": 30},
    "subset": {},
    "fisher": {},
    "gradient": {},
    "gim": {},
    "greedy": {},
    "magnitude": {},
}


@pytest.mark.parametrize(
    ("method", "seed"),
    [(method, seed) for method in ENOUGH for seed in (0, 1)[: 1 if method in NOTHING_DRAWN else 2]],
)
def test_the_search_finds_units_that_do_nothing(tiny, pairs, method, seed):
    """Units with constant output are their own mean: dropping them costs nothing."""
    plant_idle_units(tiny, pairs)
    found = find_subnetwork(tiny, pairs, 0.5, seed=seed, method=method, **ENOUGH[method])
    assert {str(u) for u in tiny.space if u not in found.kept} == set(IDLE)
    encoded = tiny.encode(pairs)
    assert np.allclose(predict(tiny, encoded, subnetwork=found), predict(tiny, encoded), atol=1e-4)


def test_signed_scores_are_zero_for_units_that_do_nothing(tiny, pairs):
    """Not the units dropped first: a unit that speaks against the label scores below zero."""
    plant_idle_units(tiny, pairs)
    found = find_subnetwork(tiny, pairs, 0.5, method="integrated")
    scores = found.provenance["scores"]
    assert all(abs(scores[label]) < 1e-5 for label in IDLE)
    assert all(abs(scores[label]) > 1e-2 for label in set(scores) - set(IDLE))
    dropped = [str(unit) for unit in tiny.space if unit not in found.kept]
    assert set(dropped) - set(IDLE) == {label for label in scores if scores[label] < -1e-2}


def test_gates_of_units_that_do_nothing_go_where_they_are_pushed(tiny, pairs):
    """Not the units dropped first: irrelevant ones score one half, interfering ones near zero."""
    plant_idle_units(tiny, pairs)
    found = find_subnetwork(tiny, pairs, 0.5, method="two_sided", steps=60)
    irrelevance = {
        label: roles["irrelevance"] for label, roles in found.provenance["roles"].items()
    }
    assert min(irrelevance[label] for label in IDLE) > 0.95
    assert max(irrelevance[label] for label in set(irrelevance) - set(IDLE)) < 0.6
    assert all(abs(found.soft[tiny.space.index(label)] - 0.5) < 0.01 for label in IDLE)


def test_zero_ablation_and_shared_means(tiny, pairs, data):
    zero = find_subnetwork(tiny, pairs, 0.3, ablation="zero", **QUICK["learned"])
    assert zero.ablation == "zero"
    assert not zero.values
    mean = find_subnetwork(tiny, data, 0.3, **QUICK["learned"])
    assert set(mean.values) == {"L0.heads", "L1.heads", "L0.mlp", "L1.mlp"}
    values = means(tiny, pairs)
    assert torch.equal(values.heads[0], data.values.heads[0])
    again = prepare(tiny, pairs, values=values)
    assert again.values is values


@pytest.mark.parametrize("method", list(METHODS))
def test_progress_is_reported_to_the_end(tiny, data, method):
    seen = []
    find_subnetworks(
        tiny,
        data,
        [0.3, 0.5],
        method=method,
        progress=lambda done, of: seen.append((done, of)),
        **QUICK[method],
    )
    done = [d for d, _ in seen]
    assert done == sorted(set(done))
    assert {of for _, of in seen} == {done[-1]}


def test_effort():
    effort = {method: search_effort(method, QUICK[method], [0.5]) for method in METHODS}
    # Twelve steps to 100 % and three of rest; then exchanges of which three trials a round fail.
    assert effort["learned"] == (6 + 3) * 8 + 6 * 500 * 2.5
    assert effort["subset"] == 6 * 8
    assert search_effort("subset", QUICK["subset"], [0.3, 0.5]) == 2 * 6 * 8
    assert effort["two_sided"] == 3 * 4 * 8
    assert effort["fisher"] == effort["gradient"] == 2000
    assert effort["integrated"] == 10 * 300
    assert effort["magnitude"] == 1000
    assert effort["random"] == 0
    # Four units: all four are tried, then three; forward alone counts half.
    assert search_effort("greedy", {"max_units": 4, "examples": 10}, [0.5]) == 35


def test_bad_arguments_are_refused(tiny, data, pairs):
    with pytest.raises(InputError, match="did you mean 'learned'"):
        find_subnetwork(tiny, data, 0.5, method="learnt")
    with pytest.raises(InputError, match="did you mean 'batch_size'"):
        find_subnetwork(tiny, data, 0.5, batchsize=3)
    with pytest.raises(InputError, match=r"batch_size: must be a whole number"):
        find_subnetwork(tiny, data, 0.5, batch_size=True)
    with pytest.raises(InputError, match="learning_rate is inf, but must be a finite number"):
        find_subnetwork(tiny, data, 0.5, learning_rate=float("inf"))
    with pytest.raises(InputError, match=r"batch_size: must be at least 1, not"):
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
    with pytest.raises(InputError, match=r"10 units .* max_units = 9; raise max_units"):
        find_subnetwork(tiny, data, 0.5, method="greedy", max_units=9)
    with pytest.raises(InputError, match="target: "):
        find_subnetwork(tiny, data, 0.5, method="gradient", target="truth")


@pytest.mark.parametrize("method", METHODS)
def test_excluded_units_are_dropped_and_the_rest_chosen_as_in_the_model_without_them(
    tiny, data, method
):
    shut = ["L0H0", "L1H2", "L1MLP"]
    found = find_subnetworks(
        tiny, data, [0.5, 0.75], seed=3, method=method, exclude=shut, **QUICK[method]
    )
    for sub, sparsity in zip(found, [0.5, 0.75], strict=True):
        assert len(sub) == n_kept(10, sparsity)
        assert not any(label in sub for label in shut)
        assert all(sub.soft[tiny.space.index(label)] == 0 for label in shut)
        assert sub.provenance["excluded"] == shut


@pytest.mark.parametrize(
    ("exclude", "keep", "targets"),
    [
        ((), (7, 5, 5, 0), (0.3, 0.45, 0.5, 0.99)),
        (("L0H0",), (7, 5, 0), (1 - 7 / 9, 1 - 5 / 9, 1.0)),
        (("L0H0", "L1MLP", "L1H1"), (7, 5, 0), (0.0, 1 - 5 / 7, 1.0)),
    ],
)
def test_a_method_is_told_exact_numbers_of_units(tiny, data, monkeypatch, exclude, keep, targets):
    problems = []

    def search(problem, options):
        problems.append(problem)
        return METHODS["magnitude"].search(problem, options)

    monkeypatch.setitem(METHODS, "random", replace(METHODS["magnitude"], search=search))
    wanted = [0.5, 0.99, 0.3, 0.45]
    subs = find_subnetworks(tiny, data, wanted, seed=7, method="random", exclude=exclude)
    (problem,) = problems
    assert problem.keep == keep
    assert problem.targets == targets
    assert problem.seed == 7
    assert np.array_equal(~problem.prunable, tiny.space.mask(exclude))
    assert [len(sub) for sub in subs] == [5, 0, 7, 5]


def test_what_excluded_units_did_is_not_seen(tiny, pairs):
    """Scores are those of a model in which the excluded units were removed beforehand."""
    data = prepare(tiny, pairs)
    found = find_subnetwork(tiny, data, 0.5, method="gradient", exclude=["L0H0"], batch_size=16)
    with torch.no_grad():  # the head's output becomes its mean for good
        value = data.values.heads[0][0]
        attention = tiny.anatomy.layers[0].attention
        dense = attention.output.dense
        dense.bias += dense.weight[:, :8] @ value
        dense.weight[:, :8] = 0
    # The data are those of the weights before the change, which is refused unless they forget it.
    with pytest.raises(InputError, match="search data are of other weights than those of"):
        find_subnetwork(tiny, data, 0.5, method="gradient", batch_size=16)
    data = replace(data, values=replace(data.values, source={}))
    without = find_subnetwork(tiny, data, 0.5, method="gradient", batch_size=16)
    # One more unit is left to be dropped there: the one that now does nothing.
    assert without.provenance["scores"]["L0H0"] == 0
    for label, score in found.provenance["scores"].items():
        assert score == pytest.approx(without.provenance["scores"][label], rel=1e-4)


def test_what_cannot_be_excluded_is_refused(tiny, data):
    with pytest.raises(InputError, match="keeps 9 of 10 units, but only 7 are not excluded"):
        find_subnetwork(tiny, data, 0.1, method="random", exclude=["L0H0", "L0H1", "L0H2"])
    with pytest.raises(InputError, match="not among those that may be pruned"):
        find_subnetwork(tiny, data, 0.1, method="random", units="heads", exclude=["L0MLP"])
    with pytest.raises(InputError, match="no unit L9H0"):
        find_subnetwork(tiny, data, 0.1, method="random", exclude=["L9H0"])
    every = [str(unit) for unit in tiny.space]
    with pytest.raises(InputError, match="every unit"):
        find_subnetwork(tiny, data, 0.9999, method="random", exclude=every)
    assert len(find_subnetwork(tiny, data, 0.9999, method="random", exclude=["L0H0"])) == 0
    nothing_left = [f"L{i}H{j}" for i in range(2) for j in range(4)]
    found = find_subnetwork(tiny, data, 0.8, method="random", exclude=nothing_left)
    assert sorted(str(unit) for unit in found.kept) == ["L0MLP", "L1MLP"]


@pytest.mark.parametrize("method", ["learned", "magnitude", "random"])
def test_search_data_of_another_model_are_refused(tiny, pairs, tmp_path, method):
    folders = [tmp_path / "labels", tmp_path / "width"]
    for folder in folders:
        folder.mkdir()
    three = load_model(save_tiny(folders[0], labels=("a", "b", "c")))
    wide = load_model(save_tiny(folders[1], width=64))
    with pytest.raises(InputError, match="predictions of 3 classes, but the model has 2"):
        find_subnetwork(tiny, prepare(three, pairs), 0.5, method=method)
    with pytest.raises(InputError, match="another model's"):
        find_subnetwork(tiny, prepare(wide, pairs), 0.5, method=method)


@pytest.mark.parametrize(
    ("sparsities", "seed", "message"),
    [
        (0.5, 0, "sparsities are a list"),
        ("0.5", 0, "sparsities are a list"),
        (["0.5"], 0, "sparsity '0.5' is outside"),
        ([None], 0, "sparsity None is outside"),
        ([True], 0, "sparsity True is outside"),
        ([float("nan")], 0, "sparsity nan is outside"),
        ([0.5], "1", "seed '1' is no whole number"),
        ([0.5], 1.5, "seed 1.5 is no whole number"),
        ([0.5], None, "seed None is no whole number"),
    ],
)
def test_values_of_the_wrong_type_are_refused(tiny, data, sparsities, seed, message):
    with pytest.raises(InputError, match=message):
        undecorated(find_subnetworks_together)(
            tiny, data, sparsities, seeds=[seed], method="random"
        )


def test_data_of_the_wrong_type_are_refused(tiny):
    with pytest.raises(InputError, match="not on a list"):
        undecorated(find_subnetworks_together)(tiny, [], [0.5], seeds=[0], method="random")


def undecorated(function):
    """What a user calls: without the tests' own check of types."""
    return inspect.unwrap(function)


@pytest.mark.parametrize("turned_off", [torch.no_grad, torch.inference_mode])
def test_gates_are_trained_whatever_the_caller_has_turned_off(tiny, pairs, turned_off):
    options = QUICK["learned"]
    expected = find_subnetwork(tiny, pairs, 0.5, **options)
    with turned_off():
        found = find_subnetwork(tiny, pairs, 0.5, **options)
    assert found == expected
    np.testing.assert_array_equal(found.soft, expected.soft)
