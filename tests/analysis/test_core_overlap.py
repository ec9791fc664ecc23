from __future__ import annotations

from math import comb

import numpy as np
import pytest
from random_sets import best, table_of
from simulated import decisions

from heuristic_core.analysis.core import core
from heuristic_core.analysis.core_overlap import core_overlap
from heuristic_core.errors import InputError


def cores_of(*heads: set[int], n_seeds: int = 4, n_heads: int = 24, per_layer: int = 6):
    """Cores of one fine-tuning each: all searches keep these heads and one of their own."""
    kept = np.zeros((len(heads), 1, n_seeds, 1, n_heads), bool)
    for study, members in enumerate(heads):
        kept[study, :, :, :, list(members)] = True
        rest = [head for head in range(n_heads) if head not in members]
        for seed in range(n_seeds):
            kept[study, 0, seed, 0, rest[seed]] = True
    return core(table_of(kept, per_layer))


ONE = {0, 1, 6, 7, 12}
OTHER = {0, 1, 6, 8, 13}


def test_overlap_by_hand():
    (result,) = core_overlap(cores_of(ONE, OTHER))
    assert result.finetune_seeds == (0, 1)
    assert result.checkpoints == (300, 300)
    assert result.shared == ("L0H0", "L0H1", "L1H0")
    assert result.jaccard == pytest.approx(3 / 7)
    assert result.share.value == 0.6
    assert result.anywhere.expected == pytest.approx(25 / 24)
    ways = [comb(5, k) * comb(19, 5 - k) for k in (3, 4, 5)]
    assert result.anywhere.p_value == pytest.approx(sum(ways) / comb(24, 5))
    # Two of six twice, two of six twice, one of six twice.
    assert result.in_layers.expected == pytest.approx(4 / 6 + 4 / 6 + 1 / 6)
    two, one = np.array([6, 8, 1]) / 15, np.array([5, 1]) / 6
    layered = np.convolve(np.convolve(two, two), one)
    assert result.in_layers.p_value == pytest.approx(layered[3:].sum())
    assert result.p_value == max(result.anywhere.p_value, result.in_layers.p_value)


def test_same_cores_are_supported_and_others_contradict():
    (same,) = core_overlap(cores_of(ONE, ONE))
    assert same.verdict.decision == "supported"
    big = {0, 1, 6, 7, 12, 18, 19, 13}
    (apart,) = core_overlap(cores_of(big, {2, 3, 8, 9, 14, 20, 21, 15}))
    assert apart.verdict.decision == "contradicted"
    assert apart.jaccard == 0


def test_the_same_layers_are_not_the_same_heads():
    """Cores that fill one layer: shared for sure once the layer is."""
    layer = set(range(6))
    (result,) = core_overlap(cores_of(layer, layer))
    assert result.anywhere.p_value < 1e-4
    assert result.in_layers.p_value == pytest.approx(1)
    assert result.verdict.decision == "not decided by these data"


def test_p_values_are_corrected_over_pairs():
    found = core_overlap(cores_of(ONE, ONE, OTHER))
    assert [r.finetune_seeds for r in found] == [(0, 1), (0, 2), (1, 2)]
    raw = [max(r.anywhere.p_value, r.in_layers.p_value) for r in found]
    assert found[0].p_value == pytest.approx(3 * raw[0])
    assert found[1].p_value == found[2].p_value == pytest.approx(2 * raw[1])


def test_two_runs_are_compared_across():
    found = core_overlap(cores_of(ONE), cores_of(ONE, OTHER))
    assert [r.finetune_seeds for r in found] == [(0, 0), (0, 1)]
    assert len(found[0].shared) == 5


def test_different_units_are_refused():
    with pytest.raises(InputError, match=r"24 and 12"):
        core_overlap(cores_of(ONE), cores_of({0, 1}, n_heads=12))
    # As many heads, but in other layers.
    with pytest.raises(InputError, match="different heads"):
        core_overlap(cores_of(ONE), cores_of(ONE, per_layer=4))


def test_the_last_checkpoint_over_all_sparsities_counts():
    kept = np.zeros((2, 2, 3, 2, 24), bool)
    kept[:, 0, :, :, :3] = True
    kept[:, 1, :, :, 6:9] = True
    kept[:, 1, :, 1, 8] = False
    table = table_of(kept, 6, sparsities=(0.5, 0.7), checkpoints=(300, 100))
    (result,) = core_overlap(core(table))
    assert result.checkpoints == (300, 300)
    table = table_of(kept, 6, sparsities=(0.5, 0.7), checkpoints=(100, 300))
    (result,) = core_overlap(core(table.sample(frac=1, random_state=0)))
    assert result.cores == (("L1H0", "L1H1"), ("L1H0", "L1H1"))


def test_too_little_is_not_decided():
    assert core_overlap([]) == []
    assert core_overlap(cores_of(ONE)) == []
    assert core_overlap(cores_of(ONE), []) == []
    (empty,) = core_overlap(cores_of(set(), set()))
    assert (empty.jaccard, empty.share, empty.p_value) == (None, None, 1.0)
    assert empty.verdict.decision == "not decided by these data"
    # Of one search each, there is no telling whether they have a core at all.
    (single,) = core_overlap(cores_of(ONE, ONE, n_seeds=1))
    assert single.share.value == 1
    assert single.verdict.decision == "not decided by these data"
    methods = core(table_of(np.ones((1, 1, 2, 1, 6), bool), 6).assign(method="random"))
    assert core_overlap([*cores_of(ONE), *methods]) == []


def two_runs(rng, common: bool, liked: float, n: int = 100):
    """Two runs of many studies: six searches each, which may like five heads, the same or not."""
    liking = np.zeros((2, n, 1, 1, 1, 24))
    order = rng.random(liking.shape).argsort(-1)[..., :5]
    np.put_along_axis(liking, order[[0, 0]] if common else order, liked, axis=-1)
    scores = liking + rng.random((2, n, 1, 6, 1, 24))
    one, other = (core(table_of(best(some, 10), 6)) for some in scores)
    return [core_overlap([a], [b])[0] for a, b in zip(one, other, strict=True)]


def test_noise_decides_nothing():
    found = decisions(two_runs(np.random.default_rng(0), False, 0.0, n=200))
    assert sum(d != "not decided by these data" for d in found) <= 18


def test_verdicts_are_right_where_the_truth_is_known():
    apart = decisions(two_runs(np.random.default_rng(1), False, 2.0))
    assert apart.count("supported") <= 9
    # Of so small cores, only such that have nothing in common are clearly different ones.
    assert apart.count("contradicted") >= 25
    same = decisions(two_runs(np.random.default_rng(2), True, 0.9))
    assert same.count("contradicted") <= 9
    assert same.count("supported") >= 90
