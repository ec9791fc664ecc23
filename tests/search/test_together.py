"""Several seeds in one pass: each ends where it would alone."""

from __future__ import annotations

from dataclasses import replace
from functools import cache

import numpy as np
import pytest
import torch
from problems import problem_of

import heuristic_core as hc
from heuristic_core.errors import InputError
from heuristic_core.models.loading import load_model
from heuristic_core.search.data import prepare
from heuristic_core.search.exchange import exchange
from heuristic_core.search.find import find_subnetworks, find_subnetworks_together
from heuristic_core.search.gate_training import GateOptions, train_gates
from heuristic_core.search.learned import LearnedOptions
from heuristic_core.search.methods import METHODS
from heuristic_core.search.rows import passes
from tiny import plant_idle_units, save_tiny, some_pairs

SEEDS = [3, 1, 7]
EIGHT = [3, 1, 7, 2, 11, 5, 8, 4]
QUICK = {"ramp_steps": 16, "hold_steps": 4, "batch_size": 8, "exchange_examples": 16}
SETTINGS = {
    "exchanges": {},
    "none": {"exchange_rounds": 0},
    "clipped": {"clip_norm": 0.05, "accumulate": 2, "weight_decay": 0.01, "decay": True},
    "shared": {"shared_noise": True, "antithetic": False, "sampled_penalty": True},
    "at length": {"full_padding": True, "cached_reference": False, "by_length": False},
    "few rows": {"rows_per_pass": 5},
}
#: An encoder and a decoder with all settings; two more families with those that change most.
CELLS = [(family, name) for family in ("bert", "gpt2") for name in SETTINGS]
CELLS += [("roberta", "exchanges"), ("qwen2", "few rows")]


@pytest.fixture(scope="module")
def subjects(tmp_path_factory):
    """A model in float64 of any family, with its search data."""

    @cache
    def subject(family):
        model = load_model(save_tiny(tmp_path_factory.mktemp(family), family=family))
        model.hf.double()
        return model, prepare(model, some_pairs(48))

    return subject


@pytest.mark.parametrize(("family", "name"), CELLS)
def test_each_seed_ends_where_it_would_alone(subjects, family, name):
    model, data = subjects(family)
    settings = QUICK | SETTINGS[name]
    wanted, seeds = [0.6, 0.2], EIGHT if (family, name) == ("bert", "exchanges") else SEEDS
    together = find_subnetworks_together(model, data, wanted, seeds=seeds, **settings)
    assert list(together) == seeds
    exchanged = 0
    for seed, found in together.items():
        alone = find_subnetworks(model, data, wanted, seed=seed, **settings)
        for one, other in zip(found, alone, strict=True):
            assert np.abs(one.soft - other.soft).max() < 1e-6
            assert one.kept == other.kept
            assert one.provenance["exchanges"] == other.provenance["exchanges"]
            assert one.provenance["seed"] == seed
            assert one.provenance["seeds_of_pass"] == seeds
            assert other.provenance["seeds_of_pass"] == [seed]
            exchanged += len(one.provenance["exchanges"])
    assert (exchanged == 0) == (name == "none")
    assert len({subs[0].soft.tobytes() for subs in together.values()}) == len(seeds)


@pytest.mark.parametrize("family", ["bert", "gpt2"])
def test_the_published_procedure_takes_several_seeds_without_dropout(subjects, family):
    model, data = subjects(family)
    settings = {
        "method": "paper",
        "ramp_steps": 12,
        "hold_steps": 3,
        "batch_size": 8,
        "warmup_steps": 2,
        "learning_rate": 0.5,
        "dropout": False,
    }
    together = find_subnetworks_together(model, data, [0.5], seeds=SEEDS, **settings)
    for seed, (one,) in together.items():
        (other,) = find_subnetworks(model, data, [0.5], seed=seed, **settings)
        assert np.abs(one.soft - other.soft).max() < 1e-6
        assert one.kept == other.kept
    settings["dropout"] = True
    with pytest.raises(InputError, match="with dropout, seeds are searched one at a time"):
        find_subnetworks_together(model, data, [0.5], seeds=SEEDS, **settings)


def test_in_float32_the_first_steps_are_those_of_each_seed_alone(tiny, pairs):
    data = prepare(tiny, pairs)
    schedule = [(step / 40, True) for step in range(20)]
    problem = problem_of(tiny, data)
    problems = [replace(problem, seed=seed) for seed in SEEDS]
    options = GateOptions(batch_size=8, clip_norm=1.0)
    together = train_gates(problems, schedule, options)
    for one, mine in zip(problems, together, strict=True):
        (alone,) = train_gates([one], schedule, options)
        for a, b in zip(mine, alone, strict=True):
            assert torch.allclose(a, b, rtol=0, atol=1e-5)


def test_exchanges_of_seeds_that_take_other_numbers_of_trials_are_those_of_each_alone(tiny, pairs):
    plant_idle_units(tiny, pairs)
    tiny.hf.double()
    data = prepare(tiny, pairs)
    problem = problem_of(tiny, data)
    problems = [replace(problem, seed=seed) for seed in range(5)]
    # One keeps all and asks nothing; the others start from different units.
    kept = [np.arange(10) % (2 + seed) == 0 for seed in range(4)] + [np.ones(10, dtype=bool)]
    settings = {"rounds": 4, "examples": 12, "size": 4}
    together = exchange(problems, kept, **settings)
    for one, start, result in zip(problems, kept, together, strict=True):
        (alone,) = exchange([one], [start], **settings)
        assert np.array_equal(alone.kept, result.kept)
        assert alone.pairs == result.pairs
    assert len({len(result.pairs) for result in together}) > 2


def test_excluded_units_and_heads_alone(subjects):
    model, data = subjects("bert")
    settings = QUICK | {"units": "heads", "exclude": ["L0H1"], "ablation": None}
    together = find_subnetworks_together(model, data, [0.5], seeds=SEEDS, **settings)
    for seed, (one,) in together.items():
        (other,) = find_subnetworks(model, data, [0.5], seed=seed, **settings)
        assert one.kept == other.kept
        assert not one.kept & {hc.Unit.parse("L0H1")}


def test_examples_of_similar_length_run_together():
    lengths = np.array([9, 3, 7, 3, 5])
    for limit in (None, 5):
        (every,) = passes(lengths, limit)
        assert every.tolist() == [0, 1, 2, 3, 4]
    assert [some.tolist() for some in passes(lengths, 2)] == [[1, 3], [4, 2], [0]]


def test_all_seeds_run_in_one_pass_and_no_more_rows_than_asked(tiny, pairs, monkeypatch):
    data = prepare(tiny, pairs)
    sizes = []
    forward = tiny.hf.forward

    def counting(input_ids=None, **batch):
        sizes.append(len(input_ids))
        return forward(input_ids=input_ids, **batch)

    monkeypatch.setattr(tiny.hf, "forward", counting)
    problems = [replace(problem_of(tiny, data), seed=seed) for seed in SEEDS]
    for limit, expected in ((None, [24, 24]), (10, [10, 10, 4] * 2)):
        sizes.clear()
        options = LearnedOptions(batch_size=8, rows_per_pass=limit)
        train_gates(problems, [(0.1, False), (0.2, True)], options)
        assert sizes == expected


@pytest.mark.parametrize(
    ("seeds", "method", "message"),
    [
        ([1, 2], "fisher", "'fisher' takes one seed at a time; learned and paper search several"),
        ([], "learned", "name at least one seed, and each once"),
        ([1, 1], "learned", "name at least one seed, and each once"),
        ([True], "learned", "seed True is no whole number"),
    ],
)
def test_what_cannot_be_searched_together_is_refused(tiny, pairs, seeds, method, message):
    with pytest.raises(InputError, match=message):
        find_subnetworks_together(tiny, pairs, [0.5], seeds=seeds, method=method)


def test_one_seed_alone_is_for_every_method(tiny, pairs):
    data = prepare(tiny, pairs)
    for method in set(METHODS) - {"learned", "paper", "greedy", "subset", "two_sided"}:
        found = find_subnetworks_together(tiny, data, [0.5], seeds=[4], method=method)
        assert found[4] == find_subnetworks(tiny, data, [0.5], seed=4, method=method)
    with pytest.raises(InputError, match="several are for find_subnetworks_together"):
        find_subnetworks(tiny, data, [0.5], seeds=[1, 2])
