from __future__ import annotations

from math import comb

import numpy as np
import pandas as pd
import pytest
from random_sets import best, table_of
from simulated import decisions
from tables_by_hand import subnetworks

from heuristic_core.analysis.curves import Curve, Curves
from heuristic_core.analysis.emergence import emergence, rises
from heuristic_core.analysis.intervals import UNDECIDED, Verdict

CORE = {"L0H0", "L1H1"}
CHECKPOINTS = (100, 200, 300)


def grid_of(
    kept: dict[int, list[set[str]]], sparsity: float = 0.5, n_heads: int = 6
) -> pd.DataFrame:
    """From checkpoint to the heads of each seed's subnetwork."""
    tables = [
        subnetworks(
            {(seed, sparsity): heads for seed, heads in enumerate(sets)}, n_heads=n_heads
        ).assign(checkpoint=checkpoint)
        for checkpoint, sets in kept.items()
    ]
    return pd.concat(tables, ignore_index=True)


MAIN = subnetworks(
    {(s, 0.5): CORE | {f"L0H{s + 1}", f"L1H{s + 2}"} for s in range(4)}, n_heads=6
)  # at checkpoint 300
EARLY = {
    100: [{"L0H0", "L0H2"}, {"L0H0", "L1H3"}, {"L0H0", "L1H1"}],
    200: [CORE, CORE | {"L0H2"}, CORE | {"L0H3"}],
    300: [CORE, CORE, CORE | {"L0H4"}],
}


def test_emergence_by_hand():
    (result,) = emergence(MAIN, grid_of(EARLY), {1: 300})
    assert (result.finetune_seed, result.method, result.sparsity) == (1, "learned", 0.5)
    assert (result.final_checkpoint, result.from_grid, result.rises_at) == (300, False, 300)
    assert set(result.core) == CORE
    first, second, _ = result.checkpoints
    assert (first.checkpoint, first.n_subnetworks, first.core) == (100, 3, ("L0H0",))
    assert first.share.value == pytest.approx((0.5 + 0.5 + 1) / 3)
    # One of 12 heads is one of two given ones; in layers, one of six is a given one.
    assert first.shared == 1
    assert first.anywhere.expected == first.anywhere.p_value == pytest.approx(2 / 12)
    assert first.in_layers.p_value == pytest.approx(1 / 6)
    # Of each layer's six heads, subnetworks keep (2, 0), (1, 1) and (1, 1).
    assert first.share_by_chance.expected == pytest.approx((2 / 6 + 2 / 6 + 2 / 6) / 6)
    assert second.core == ("L0H0", "L1H1")
    assert second.share.value == second.share.low == 1
    assert second.share_by_chance.p_value == pytest.approx((1 / 6) ** 3 * 1 / 6 * 2 / 6 * 2 / 6)
    steps = {m.unit: (m.kept, m.in_all_from, m.in_most_from) for m in result.members}
    assert steps == {"L0H0": ((3, 3, 3), 100, 100), "L1H1": ((1, 3, 3), 200, 200)}
    # Each search alone keeps both heads with probability 1/36, 2/36 and 2/36.
    assert second.p_if_alike == pytest.approx(2 * 5 / 36 / 3)
    assert result.verdict.decision == "not decided by these data"
    assert "step 200" in result.verdict.reason


def test_a_core_that_is_there_before_supports():
    kept = {(s, 0.5): CORE | {f"L0H{s + 1}", f"L1H{s + 2}"} for s in range(4)}
    main = subnetworks(kept, n_heads=12)
    (result,) = emergence(main, grid_of(EARLY, n_heads=12), {1: 300})
    assert result.checkpoints[1].p_if_alike == pytest.approx(2 * 5 / 144 / 3)
    assert result.verdict.decision == "supported"
    # At step 100 half of the core is there, no more than chance might bring.
    (early,) = emergence(main, grid_of(EARLY, n_heads=12), {1: 200})
    assert early.verdict.decision == "not decided by these data"


def test_shared_cores_against_chance_by_hand():
    both = {"L0H0", "L0H1", "L1H0"}
    main = subnetworks({(s, 0.5): both for s in range(2)}, n_heads=6)
    (result,) = emergence(main, grid_of({100: [both, both | {"L1H1"}]}), {})
    (point,) = result.checkpoints
    assert point.anywhere.p_value == pytest.approx(1 / comb(12, 3))
    assert point.in_layers.p_value == pytest.approx(1 / comb(6, 2) / 6)
    assert result.verdict.decision == "not decided by these data"


def test_most_means_four_of_five():
    sets = {
        100: [CORE] * 4 + [set()],
        200: [CORE] * 3 + [set()],
        300: [CORE] * 4 + [{"L0H0"}],
    }
    (result,) = emergence(MAIN, grid_of(sets), {1: None})
    steps = {m.unit: (m.in_all_from, m.in_most_from) for m in result.members}
    assert steps == {"L0H0": (300, 300), "L1H1": (None, 300)}


def test_where_the_core_comes_from():
    # Without a sparsity in common, the grid's last checkpoint has the core.
    (own,) = emergence(MAIN, grid_of(EARLY, sparsity=0.4), {1: 300})
    assert (own.from_grid, own.final_checkpoint, own.sparsity) == (True, 300, 0.4)
    assert set(own.core) == CORE
    assert own.checkpoints[-1].share.value == 1
    # Checkpoints after that of the core are no part of its history; other sparsities neither.
    later = grid_of(EARLY | {400: [set()] * 3})
    (result,) = emergence(MAIN, pd.concat([later, grid_of(EARLY, 0.7)]), {1: 300})
    assert [point.checkpoint for point in result.checkpoints] == [100, 200, 300]
    # Another fine-tuning's subnetworks are not mixed in.
    other = grid_of(EARLY).assign(finetune_seed=2)
    assert [r.from_grid for r in emergence(MAIN, other, {2: 300})] == [True]


@pytest.mark.parametrize("rise", [None, 100, 50])
def test_nothing_before_the_rise_decides_nothing(rise):
    (result,) = emergence(MAIN, grid_of(EARLY), {1: rise})
    assert result.verdict.decision == "not decided by these data"


def test_the_untrained_model_is_not_before():
    untrained = grid_of({0: EARLY[200], 200: EARLY[300]})
    (result,) = emergence(MAIN, untrained, {1: 200})
    assert result.verdict.decision == "not decided by these data"


def test_a_core_that_comes_later_contradicts():
    late = {100: [{"L0H1", "L1H2"}, {"L0H2", "L1H3"}, {"L0H3", "L1H4"}], 300: EARLY[300]}
    (result,) = emergence(MAIN, grid_of(late), {1: 300})
    assert result.verdict.decision == "contradicted"


def test_no_core_and_empty_tables():
    apart = subnetworks({(0, 0.5): {"L0H0"}, (1, 0.5): {"L1H1"}}, n_heads=6)
    (result,) = emergence(apart, grid_of(EARLY), {1: 300})
    assert (result.core, result.checkpoints, result.members) == ((), (), ())
    assert result.verdict.decision == "not decided by these data"
    assert emergence(MAIN, MAIN[:0], {1: 300}) == []
    (own,) = emergence(MAIN[:0], grid_of(EARLY), {1: 300})
    assert own.from_grid


def test_the_first_adversarial_case_to_rise_counts():
    def curve(kind, step):
        return Curve("ood", "ood", f"{kind}{step}", kind, (), (), step)

    entries = [
        Curves(
            1,
            100,
            (curve("adversarial", 300), curve("adversarial", 200), curve("friendly", 100)),
            Verdict("", UNDECIDED, ""),
        ),
        Curves(2, 100, (curve("adversarial", None),), Verdict("", UNDECIDED, "")),
    ]
    assert rises(entries) == {1: 200, 2: None}


def studies(rng, planted_from, n=200, n_core=5):
    """Main searches (6 seeds) at the last checkpoint, and a grid of three checkpoints, 3 seeds.

    From a checkpoint on (its index), all searches like the same heads.
    """
    liking = np.zeros((n, 1, 1, 1, 24))
    np.put_along_axis(liking, rng.random(liking.shape).argsort(-1)[..., :n_core], 2.0, axis=-1)
    main = rng.random((n, 1, 6, 1, 24)) + (liking if planted_from < 3 else 0)
    grid = rng.random((n, 3, 3, 1, 24))
    grid[:, planted_from:] += liking
    rise = dict.fromkeys(range(n), 300)
    return emergence(
        table_of(best(main, 8), 6), table_of(best(grid, 8), 6, checkpoints=CHECKPOINTS), rise
    )


def test_noise_decides_nothing():
    found = decisions(studies(np.random.default_rng(0), 3))
    assert len(found) == 200
    assert sum(d != "not decided by these data" for d in found) <= 18


def test_noise_decides_nothing_where_the_grid_has_the_core():
    rng = np.random.default_rng(1)
    grid = table_of(best(rng.random((200, 3, 3, 1, 24)), 12), 6, checkpoints=CHECKPOINTS)
    found = decisions(emergence(grid[:0], grid, dict.fromkeys(range(200), 300)))
    assert sum(d != "not decided by these data" for d in found) <= 18


def test_verdicts_are_right_where_the_truth_is_known():
    early = decisions(studies(np.random.default_rng(2), 0, n=60))
    assert early.count("supported") >= 54
    assert early.count("contradicted") == 0
    # Three searches before the rise are few to show that something is absent.
    late = decisions(studies(np.random.default_rng(3), 2, n=60))
    assert late.count("contradicted") >= 30
    assert late.count("supported") <= 3
