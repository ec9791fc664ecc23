from __future__ import annotations

from math import comb

import numpy as np
import pytest
from random_sets import best, table_of

from heuristic_core.analysis.core_overlap import compare_cores, core_overlap, overlaps
from heuristic_core.analysis.cores import cores_of
from heuristic_core.analysis.evidence import Evidence


def row_of(answer):
    (row,) = answer.rows["core-overlap"]
    return row


def seeds(answer):
    return answer.subject["finetune_seed"], answer.subject["other_finetune_seed"]


def checkpoints(answer):
    return answer.subject["checkpoint"], answer.subject["other_checkpoint"]


def planted(*heads: set[int], n_seeds: int = 4, n_heads: int = 24, per_layer: int = 6):
    """Cores of one fine-tuning each: all searches keep these heads and one of their own."""
    kept = np.zeros((len(heads), 1, n_seeds, 1, n_heads), bool)
    for study, members in enumerate(heads):
        kept[study, :, :, :, list(members)] = True
        rest = [head for head in range(n_heads) if head not in members]
        for seed in range(n_seeds):
            kept[study, 0, seed, 0, rest[seed]] = True
    return cores_of(table_of(kept, per_layer))


ONE = {0, 1, 6, 7, 12}
OTHER = {0, 1, 6, 8, 13}


def test_overlap_by_hand():
    (result,) = compare_cores(planted(ONE, OTHER))
    assert seeds(result) == (0, 1)
    assert checkpoints(result) == (300, 300)
    row = row_of(result)
    assert (row["members"], row["shared"]) == ("L0H0 L0H1 L1H0", 3)
    assert (row["size"], row["other_size"]) == (5, 5)
    assert row["heads_jaccard"] == pytest.approx(3 / 7)
    assert row["share"].value == 0.6
    assert row["anywhere"] == pytest.approx(25 / 24)
    ways = [comb(5, k) * comb(19, 5 - k) for k in (3, 4, 5)]
    assert row["p_anywhere"] == pytest.approx(sum(ways) / comb(24, 5))
    # Two of six twice, two of six twice, one of six twice.
    assert row["in_layers"] == pytest.approx(4 / 6 + 4 / 6 + 1 / 6)
    two, one = np.array([6, 8, 1]) / 15, np.array([5, 1]) / 6
    layered = np.convolve(np.convolve(two, two), one)
    assert row["p_in_layers"] == pytest.approx(layered[3:].sum())
    assert row["p"] == max(row["p_anywhere"], row["p_in_layers"])
    assert (result.verdict.effect, result.verdict.p) == (row["share"], row["p"])


def test_same_cores_are_supported_and_others_contradict():
    (same,) = compare_cores(planted(ONE, ONE))
    assert same.verdict.decision == "supported"
    big = {0, 1, 6, 7, 12, 18, 19, 13}
    (apart,) = compare_cores(planted(big, {2, 3, 8, 9, 14, 20, 21, 15}))
    assert apart.verdict.decision == "contradicted"
    assert row_of(apart)["heads_jaccard"] == 0


def test_the_same_layers_are_not_the_same_heads():
    """Cores that fill one layer: shared for sure once the layer is."""
    layer = set(range(6))
    (result,) = compare_cores(planted(layer, layer))
    assert row_of(result)["p_anywhere"] < 1e-4
    assert row_of(result)["p_in_layers"] == pytest.approx(1)
    assert result.verdict.decision == "not decided by these data"


def test_p_values_are_corrected_over_pairs():
    found = compare_cores(planted(ONE, ONE, OTHER))
    assert [seeds(answer) for answer in found] == [(0, 1), (0, 2), (1, 2)]
    rows = [row_of(answer) for answer in found]
    raw = [max(row["p_anywhere"], row["p_in_layers"]) for row in rows]
    assert rows[0]["p"] == pytest.approx(3 * raw[0])
    assert rows[1]["p"] == rows[2]["p"] == pytest.approx(2 * raw[1])


def test_the_last_checkpoint_over_all_sparsities_counts():
    kept = np.zeros((2, 2, 3, 2, 24), bool)
    kept[:, 0, :, :, :3] = True
    kept[:, 1, :, :, 6:9] = True
    kept[:, 1, :, 1, 8] = False
    table = table_of(kept, 6, sparsities=(0.5, 0.7), checkpoints=(300, 100))
    (result,) = core_overlap(Evidence({"subnetworks": table}))
    assert checkpoints(result) == (300, 300)
    table = table_of(kept, 6, sparsities=(0.5, 0.7), checkpoints=(100, 300))
    (result,) = core_overlap(Evidence({"subnetworks": table.sample(frac=1, random_state=0)}))
    row = row_of(result)
    assert (row["members"], row["size"], row["other_size"]) == ("L1H0 L1H1", 2, 2)


def test_too_little_is_not_decided():
    assert compare_cores([]) == []
    assert compare_cores(planted(ONE)) == []
    (empty,) = compare_cores(planted(set(), set()))
    row = row_of(empty)
    assert (row["heads_jaccard"], row["share"], row["p"]) == (None, None, 1.0)
    assert empty.verdict.decision == "not decided by these data"
    assert (empty.verdict.effect, empty.verdict.p) == (None, None)
    # Of one search each, there is no telling whether they have a core at all.
    (single,) = compare_cores(planted(ONE, ONE, n_seeds=1))
    assert row_of(single)["share"].value == 1
    assert single.verdict.decision == "not decided by these data"
    methods = cores_of(table_of(np.ones((1, 1, 2, 1, 6), bool), 6).assign(method="random"))
    assert compare_cores([*planted(ONE), *methods]) == []


def two_runs(rng, common: bool, preferred: float, n: int = 100):
    """Two runs of many studies: six searches each, which may prefer five heads, the same or not."""
    preference = np.zeros((2, n, 1, 1, 1, 24))
    order = rng.random(preference.shape).argsort(-1)[..., :5]
    np.put_along_axis(preference, order[[0, 0]] if common else order, preferred, axis=-1)
    scores = preference + rng.random((2, n, 1, 6, 1, 24))
    one, other = (cores_of(table_of(best(some, 10), 6)) for some in scores)
    pairs = list(zip(one, other, strict=True))
    return [overlaps([pair], "")[0][1] for pair in pairs]


def decided(verdicts):
    return [verdict.decision for verdict in verdicts]


@pytest.mark.parametrize("n", [200, pytest.param(1000, marks=pytest.mark.slow)])
def test_noise_decides_nothing(n):
    found = decided(two_runs(np.random.default_rng(0), False, 0.0, n=n))
    assert sum(d != "not decided by these data" for d in found) <= 0.065 * n


def test_half_of_the_heads_is_not_most_of_them():
    """Nine of sixteen heads are shared, far beyond chance: 56 % [33, 77]."""
    one = {0, 1, 2, 3, 12, 13, 14, 15, 24, 25, 26, 27, 36, 37, 38, 39}
    other = {0, 1, 2, 12, 13, 24, 25, 36, 37, 48, 49, 50, 51, 60, 61, 62}
    (result,) = compare_cores(planted(one, other, n_heads=72, per_layer=12))
    assert result.verdict.p < 0.05
    assert result.verdict.effect.value == 9 / 16
    assert result.verdict.decision == "not decided by these data"
    (same,) = compare_cores(planted(one, one, n_heads=72, per_layer=12))
    assert same.verdict.decision == "supported"


def test_verdicts_are_right_where_the_truth_is_known():
    apart = decided(two_runs(np.random.default_rng(1), False, 2.0))
    assert apart.count("supported") <= 9
    # Of so small cores, only such that have nothing in common are clearly different ones.
    assert apart.count("contradicted") >= 25
    same = decided(two_runs(np.random.default_rng(2), True, 0.9))
    assert same.count("contradicted") <= 9
    assert same.count("supported") >= 90
