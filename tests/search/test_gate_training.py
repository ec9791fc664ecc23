"""What makes the learned search steady: paired noise, and gates averaged over a target's steps."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from problems import problem_of

from heuristic_core.search.data import prepare
from heuristic_core.search.gate_training import GateOptions, train_gates
from heuristic_core.search.rows import noise


@pytest.mark.parametrize("n_rows", [1, 2, 7, 16])
def test_antithetic_noise_pairs_neighbours(n_rows):
    generator = torch.Generator().manual_seed(0)
    drawn = noise(n_rows, 5, generator, shared=False, antithetic=True)
    assert drawn.shape == (n_rows, 5)
    for first in range(0, n_rows - 1, 2):
        assert torch.allclose(drawn[first] + drawn[first + 1], torch.ones(5).double(), atol=1e-7)
    pairs = {tuple(row) for row in drawn[::2].tolist()}
    assert len(pairs) == (n_rows + 1) // 2  # every pair has a draw of its own


def test_other_noise_is_drawn_for_each_example_or_once():
    generator = torch.Generator().manual_seed(0)
    assert (
        len({tuple(r) for r in noise(6, 3, generator, shared=False, antithetic=False).tolist()})
        == 6
    )
    shared = noise(6, 3, generator, shared=True, antithetic=True)
    assert shared.shape == (1, 3)


def test_an_averaged_reading_is_the_mean_over_the_steps_at_its_target(tiny, pairs):
    data = prepare(tiny, pairs)
    targets = [0.1, 0.2, 0.3, 0.3, 0.3, 0.4, 0.5, 0.5]
    ends = (4, 7)
    problem = problem_of(tiny, data, seed=3)
    every = [(target, True) for target in targets]
    (steps,) = train_gates([problem], every, GateOptions(batch_size=8))
    at_ends = [(target, i in ends) for i, target in enumerate(targets)]
    (averaged,) = train_gates([problem], at_ends, GateOptions(batch_size=8, averaged=True))
    means = [torch.stack(steps[2:5]).mean(0), torch.stack(steps[6:8]).mean(0)]
    for reading, expected in zip(averaged, means, strict=True):
        assert torch.allclose(reading, expected, atol=1e-12)
    (last,) = train_gates([problem], at_ends, GateOptions(batch_size=8))
    assert torch.equal(last[0], steps[4])


def test_batches_of_similar_length_are_an_option(tiny, pairs):
    encoded = tiny.encode(pairs)
    lengths = encoded.lengths

    def spread(by_length: bool) -> float:
        batches = encoded.shuffled(8, 4, np.random.default_rng(0), by_length=by_length)
        return float(np.mean([np.ptp(lengths[rows]) for rows in batches]))

    assert spread(True) < spread(False)
    rows = np.concatenate(list(encoded.shuffled(8, 4, np.random.default_rng(0), by_length=False)))
    assert sorted(rows) == list(range(32))
