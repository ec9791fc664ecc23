from __future__ import annotations

import numpy as np
import pytest
from random_sets import best, table_of
from scipy import stats
from simulated import decisions

from heuristic_core.analysis.agreement import by_draws
from heuristic_core.analysis.conclusions import conclude
from heuristic_core.analysis.evidence import Evidence
from heuristic_core.analysis.nulls import Chance
from heuristic_core.analysis.overlap import QUESTION, overlap
from tables_by_hand import subnetworks

#: Two layers of four heads; three searches at two sparsities.
BY_HAND = {
    (1, 0.5): {"L0H0", "L0H1", "L1H0", "L1H1", "L0MLP"},
    (2, 0.5): {"L0H0", "L0H2", "L1H0", "L1H1", "L0MLP"},
    (3, 0.5): {"L0H0", "L0H1", "L1H2", "L1H3", "L0MLP"},
    (1, 0.7): {"L0H0", "L1H0"},
    (2, 0.7): {"L0H0", "L1H0", "L0MLP"},
    (3, 0.7): {"L0H0", "L1H2"},
}


def answers(table, n_draws, seed=0):
    return overlap(Evidence({"subnetworks": table}, seed=seed), n_draws)


def levels(answer):
    return answer.rows["overlap"]


def neighbours(answer):
    (row,) = answer.rows["overlap-neighbours"]
    return row


def test_levels_by_hand():
    (result,) = answers(subnetworks(BY_HAND), 500)
    half, sparse = levels(result)
    assert (half["sparsity"], half["n"]) == (0.5, 3)
    # 3 shared of 5, 2 of 6, 1 of 7.
    assert half["heads_jaccard"].value == pytest.approx((3 / 5 + 2 / 6 + 1 / 7) / 3)
    assert half["units_jaccard"].value == pytest.approx((4 / 6 + 3 / 7 + 2 / 8) / 3)
    assert half["least"] == pytest.approx(1 / 7)
    # One head of each layer: in layers, each is shared with probability 1/4.
    assert sparse["in_layers"] == pytest.approx((1 / 16) * 1 + 2 * (1 / 4) * (3 / 4) / 3)
    # Anywhere: two of eight heads.
    assert sparse["anywhere"] == pytest.approx(1 / 28 + (2 * 6 / 28) / 3)
    assert 0 < half["least_by_chance"] < half["in_layers"]
    assert result.verdict.effect == half["heads_jaccard"]


def test_exact_expectations_equal_the_draws():
    rng = np.random.default_rng(5)
    kept = best(rng.random((1, 1, 4, 1, 12)), 5)
    (result,) = answers(table_of(kept, 4), 4000)
    (level,) = levels(result)
    sets = [kept[0, 0, i, 0].reshape(3, 4).sum(-1) for i in range(4)]
    means = []
    for _ in range(4000):
        drawn = np.array(
            [
                np.concatenate([rng.permutation(np.arange(4) < n) for n in counts])
                for counts in sets[:2]
            ]
        )
        means.append(drawn.all(0).sum() / drawn.any(0).sum())
    # The two first sets alone, to have something to average by hand.
    (two,) = answers(table_of(kept[:, :, :2], 4), 10)
    assert levels(two)[0]["in_layers"] == pytest.approx(np.mean(means), abs=0.01)
    assert 0 < level["p_in_layers"] <= 1
    assert level["n"] == 4


def test_p_values_equal_counting():
    """Two searches that keep the same one of three heads: by chance in one of three."""
    (result,) = answers(subnetworks({(0, 0.5): {"L0H1"}, (1, 0.5): {"L0H1", "L0MLP"}}, 1, 3), 6000)
    assert levels(result)[0]["p_in_layers"] == pytest.approx(1 / 3, abs=0.03)
    assert result.verdict.p == pytest.approx(1 / 3, abs=0.03)
    assert "p = 1 for so much or less" in result.verdict.reason
    assert result.verdict.decision == "not decided by these data"


def test_both_directions_are_tested():
    """Two searches that keep the same one of 20 heads, p = 1/20: half of 5 % is for either."""
    (result,) = answers(subnetworks({(0, 0.5): {"L0H0"}, (1, 0.5): {"L0H0", "L0MLP"}}, 1, 20), 4000)
    assert result.verdict.p == pytest.approx(1 / 20, abs=0.015)
    assert result.verdict.decision == "not decided by these data"


def test_what_was_observed_counts_as_a_draw():
    assert by_draws(5.0, np.arange(9.0)) == Chance(4.0, 5 / 10)
    assert by_draws(9.0, np.arange(9.0)).p_value == 1 / 10


def test_neighbours_by_hand():
    (result,) = answers(subnetworks(BY_HAND), 200)
    pair = neighbours(result)
    dense = [3, 2, 1, 0, 2, 2, 1, 1]
    sparse = [3, 0, 0, 0, 2, 0, 1, 0]
    assert (pair["sparsity"], pair["other_sparsity"]) == (0.5, 0.7)
    assert pair["spearman"].value == pytest.approx(stats.spearmanr(dense, sparse).statistic)
    assert not {"halves", "halves_by_chance", "p_halves"} & pair.keys()
    fourth = {(4, 0.5): {"L0H0", "L0H1", "L1H0"}, (4, 0.7): {"L0H1", "L1H0"}}
    (result,) = answers(subnetworks(BY_HAND | fourth), 200)
    # Searches 1 and 3 at the denser level, 2 and 4 at the sparser.
    truth = stats.spearmanr([2, 2, 0, 0, 1, 1, 1, 1], [1, 1, 0, 0, 2, 0, 0, 0]).statistic
    assert neighbours(result)["halves"].value == pytest.approx(truth)


def test_one_searchs_sparsities_are_alike_by_themselves():
    """Nested sets of unrelated searches correlate, but not beyond the null that keeps them."""
    rng = np.random.default_rng(0)
    scores = rng.random((40, 1, 6, 1, 24))
    kept = np.concatenate([best(scores, 12), best(scores, 6)], axis=3)
    found = answers(table_of(kept, 6, (0.5, 0.7)), 200)
    pairs = [neighbours(result) for result in found]
    assert np.mean([pair["spearman"].value for pair in pairs]) > 0.4
    assert np.mean([pair["spearman_by_chance"] for pair in pairs]) > 0.4
    assert np.mean([pair["p_spearman"] < 0.05 for pair in pairs]) <= 0.15
    assert abs(np.mean([pair["halves"].value for pair in pairs])) < 0.1
    assert np.mean([pair["p_halves"] < 0.05 for pair in pairs]) <= 0.15


def preferred(rng, strength, studies=20):
    """Six searches that prefer the same heads, at two sparsities."""
    scores = strength * rng.normal(size=(studies, 1, 1, 1, 24))
    scores = scores + rng.normal(size=(studies, 1, 6, 1, 24))
    return np.concatenate([best(scores, 12), best(scores, 6)], axis=3)


def test_common_preferences_are_supported():
    table = table_of(preferred(np.random.default_rng(1), 2.0), 6, (0.5, 0.7))
    found = answers(table, 200)
    assert decisions(found).count("supported") == 20
    assert all(neighbours(result)["p_halves"] < 0.05 for result in found)


def test_avoiding_each_other_contradicts():
    """Two searches that share as little as they can."""
    one = np.zeros(24, bool)
    one.reshape(4, 6)[:, :3] = True
    (result,) = answers(table_of(np.stack([one, ~one])[None, None, :, None], 6), 400)
    assert result.verdict.decision == "contradicted"
    assert result.verdict.p == 1
    assert levels(result)[0]["least"] == 0
    assert levels(result)[0]["least_by_chance"] > 0.2


def test_a_preference_for_layers_alone_is_no_overlap():
    rng = np.random.default_rng(2)
    scores = rng.random((20, 1, 6, 1, 24)) + np.repeat([1.2, 0.4, 0.0, 0.0], 6)
    found = answers(table_of(best(scores, 9), 6), 200)
    assert np.mean([levels(answer)[0]["p_anywhere"] < 0.025 for answer in found]) > 0.9
    assert decisions(found).count("supported") <= 2


@pytest.mark.slow
@pytest.mark.parametrize(("n_seeds", "layers"), [(2, 0.0), (8, 0.5)])
def test_noise_decides_nothing(n_seeds, layers):
    rng = np.random.default_rng(n_seeds)
    scores = rng.random((200, 1, n_seeds, 1, 24)) + np.repeat([2, 1, 0, 0], 6) * layers
    kept = np.concatenate([best(scores, 12), best(scores, 6)], axis=3)
    found = answers(table_of(kept, 6, (0.5, 0.7)), 99)
    assert len(found) == 200
    assert sum(d != "not decided by these data" for d in decisions(found)) <= 18


def test_too_little_is_not_decided():
    assert answers(subnetworks({}), 50) == []
    (single,) = answers(subnetworks({(1, 0.5): {"L0H0"}, (1, 0.7): {"L0H0"}}), 50)
    assert single.rows == {"overlap": [], "overlap-neighbours": []}
    assert (single.verdict.effect, single.verdict.p) == (None, None)
    assert single.verdict.decision == "not decided by these data"
    # Everything kept, nothing kept: chance can do no different.
    every = {f"L{i}H{j}" for i in range(2) for j in range(4)}
    for heads in (every, set()):
        (whole,) = answers(subnetworks({(0, 0.0): heads, (1, 0.0): heads | {"L0MLP"}}), 50)
        assert levels(whole)[0]["heads_jaccard"].value == 1
        assert whole.verdict.p is None
        assert whole.verdict.decision == "not decided by these data"


@pytest.mark.parametrize("method", ["learned", "magnitude"])
def test_the_same_subnetwork_of_several_seeds_counts_once(method):
    kept = {(s, level): {"L0H0", "L1H3"} for s in range(8) for level in (0.5, 0.7)}
    (result,) = answers(subnetworks(kept).assign(method=method), 50)
    assert levels(result) == []
    assert result.verdict.decision == "not decided by these data"
    assert result.verdict.reason == "all 8 searches gave one subnetwork, which counts once"
    assert result.verdict.claim == QUESTION.claim
    # Of two that differ, each counts once, however often it was found.
    (result,) = answers(subnetworks(kept | {(8, 0.5): {"L0H0"}}).assign(method=method), 50)
    assert [level["n"] for level in levels(result)] == [2]


def test_one_ranking_on_other_examples_is_another_claim():
    (result,) = answers(subnetworks(BY_HAND).assign(method="gradient"), 50)
    assert result.verdict.claim == f"{QUESTION.claim} (one ranking, resampled examples)"


def test_searches_that_miss_a_level_and_the_order_of_rows():
    table = subnetworks(BY_HAND | {(4, 0.5): {"L0H3"}})
    one = answers(table, 200, seed=3)
    other = answers(table.sample(frac=1, random_state=0), 200, seed=3)
    assert one == other
    assert [level["n"] for level in levels(one[0])] == [4, 3]
    assert answers(table, 200, seed=4) != one


def test_tables():
    found = conclude(Evidence({"subnetworks": subnetworks(BY_HAND)}), (QUESTION,))
    assert found.tables["overlap"]["sparsity"].tolist() == [0.5, 0.7]
    assert found.tables["overlap-neighbours"]["halves"].isna().all()
    (p,) = found.verdicts["p"]
    assert 0 < p <= 1
