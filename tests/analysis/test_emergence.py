from __future__ import annotations

from math import comb

import numpy as np
import pandas as pd
import pytest
from random_sets import best, table_of

from heuristic_core.analysis.conclusions import conclude
from heuristic_core.analysis.emergence import QUESTION, emergence
from heuristic_core.analysis.evidence import Evidence
from heuristic_core.analysis.intervals import crossed_share
from tables_by_hand import areas, discriminations, evaluation, evaluations, subnetworks

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


def rising(**steps: int | None) -> dict[str, pd.DataFrame]:
    """A full model's tables; from a case to the step from which on its AUROC is high.

    A case that starts with a is adversarial.
    """
    cases = dict.fromkeys(steps, 50)
    tables = [
        (
            evaluation(cases, checkpoint=step),
            areas(
                {c: 0.95 if at and step >= at else 0.5 for c, at in steps.items()}, checkpoint=step
            ),
        )
        for step in (25, 50, 100, 200, 300)
    ]
    evaluated, separation = zip(*tables, strict=True)
    return {"evaluations": evaluations(*evaluated), "discrimination": discriminations(*separation)}


def evidence(main: pd.DataFrame, grid: pd.DataFrame, rise: int | None = None) -> Evidence:
    return Evidence({"subnetworks": main, "grid_subnetworks": grid, **rising(a=rise)})


def one(main: pd.DataFrame, grid: pd.DataFrame, rise: int | None = None):
    (answer,) = emergence(evidence(main, grid, rise))
    return answer


def final_core(answer) -> set[str]:
    return {row["unit"] for row in answer.rows["emergence-heads"]}


MAIN = subnetworks(
    {(s, 0.5): CORE | {f"L0H{s + 1}", f"L1H{s + 2}"} for s in range(4)}, n_heads=6
)  # at checkpoint 300
EARLY = {
    100: [{"L0H0", "L0H2"}, {"L0H0", "L1H3"}, {"L0H0", "L1H1"}],
    200: [CORE, CORE | {"L0H2"}, CORE | {"L0H3"}],
    300: [CORE, CORE | {"L0MLP"}, CORE | {"L0H4"}],
}


def test_emergence_by_hand():
    result = one(MAIN, grid_of(EARLY), 300)
    assert result.subject == {"finetune_seed": 1, "method": "learned", "sparsity": 0.5}
    assert final_core(result) == CORE
    first, second, last = result.rows["emergence"]
    assert last["checkpoint"] == 300
    assert (first["checkpoint"], first["n"]) == (100, 3)
    assert first["share"].value == pytest.approx((0.5 + 0.5 + 1) / 3)
    # In its layer, one of six heads is a given one.
    assert (first["shared"], first["final_size"]) == (1, 2)
    assert first["p_value"] == first["expected"] == pytest.approx(1 / 6)
    # Of each layer's six heads, subnetworks keep (2, 0), (1, 1) and (1, 1).
    assert first["share_by_chance"] == pytest.approx((2 / 6 + 2 / 6 + 2 / 6) / 6)
    assert second["shared"] == 2
    assert second["share"] == crossed_share(np.ones((2, 3), bool))
    # Of each layer's six heads, one is core: all three searches keep no other in its layer.
    assert second["share_p_value"] == pytest.approx(1 / 36)
    # L0H0 is kept three times; of the other layer two heads once each, one of them core.
    assert first["share_p_value"] == pytest.approx(1 / 6 * 2 / 6)
    heads = result.rows["emergence-heads"]
    assert [tuple(row.values()) for row in heads[:3]] == [
        ("L0H0", step, 3, 1.0, 100, 100, step < 300) for step in CHECKPOINTS
    ]
    assert tuple(heads[3].values()) == ("L1H1", 100, 3, pytest.approx(1 / 3), 200, 200, True)
    assert [row["share"] for row in heads[3:]] == pytest.approx([1 / 3, 1, 1])
    assert result.verdict.decision == "not decided by these data"
    assert "step 200" in result.verdict.reason
    assert "rises (step 300)" in result.verdict.reason
    assert (result.verdict.effect, result.verdict.p) == (second["share"], second["share_p_value"])


BIG = {f"L{layer}H{head}" for layer in range(2) for head in range(6)}


def test_a_core_that_is_there_before_supports():
    kept = {(s, 0.5): BIG | {f"L0H{s + 6}"} for s in range(4)}
    main = subnetworks(kept, n_heads=12)
    some = BIG - {"L0H0", "L0H1", "L0H2", "L1H0", "L1H1", "L1H2"}
    early = {
        100: [some | {f"L0H{i + 6}", f"L1H{i + 7}", "L0H9"} for i in range(3)],
        200: [BIG - {f"L0H{i}"} for i in range(3)],
        300: [BIG | {f"L0H{i + 6}"} for i in range(3)],
    }
    result = one(main, grid_of(early, n_heads=12), 300)
    assert result.verdict.decision == "supported"
    # At step 100 half of the core is there.
    half = one(main, grid_of(early, n_heads=12), 200)
    assert half.verdict.effect.value == 0.5
    assert half.verdict.decision == "not decided by these data"
    # What all searches keep alike is kept, whichever heads are core.
    alike = {step: [sets[0] | {"L0MLP"}, *sets[1:]] for step, sets in early.items()}
    assert one(main, grid_of(alike, n_heads=12), 300).verdict.effect == result.verdict.effect


@pytest.mark.parametrize("method", ["learned", "integrated"])
def test_searches_that_find_the_same_are_one(method):
    main = subnetworks({(s, 0.5): BIG | {f"L0H{s + 6}"} for s in range(4)}, n_heads=12)
    grid = grid_of({100: [BIG] * 3, 300: [BIG] * 3}, n_heads=12)
    verdict = one(main.assign(method=method), grid.assign(method=method), 300).verdict
    assert verdict.decision == "not decided by these data"
    assert verdict.reason == ("at step 100, all 3 searches gave one subnetwork, which counts once")


def test_shared_cores_against_chance_by_hand():
    both = {"L0H0", "L0H1", "L1H0"}
    main = subnetworks({(s, 0.5): both for s in range(2)}, n_heads=6)
    result = one(main, grid_of({100: [both, both | {"L1H1"}]}))
    (point,) = result.rows["emergence"]
    assert point["p_value"] == pytest.approx(1 / comb(6, 2) / 6)
    assert result.verdict.decision == "not decided by these data"


def test_most_means_four_of_five():
    own = [{"L0H2"}, {"L0H3"}, {"L1H4"}, {"L1H5"}]
    sets = {
        100: [CORE | more for more in own] + [set()],
        200: [CORE | more for more in own[:3]] + [set()],
        300: [CORE | more for more in own] + [{"L0H0"}],
    }
    result = one(MAIN, grid_of(sets))
    steps = {
        row["unit"]: (row["in_all_from"], row["in_most_from"])
        for row in result.rows["emergence-heads"]
    }
    assert steps == {"L0H0": (300, 300), "L1H1": (None, 300)}
    assert [row["unit"] for row in result.rows["emergence-heads"]] == ["L0H0"] * 3 + ["L1H1"] * 3


def test_where_the_core_comes_from():
    # Without a sparsity in common, the grid's last checkpoint has the core.
    own = one(MAIN, grid_of(EARLY, sparsity=0.4), 300)
    assert own.subject["sparsity"] == 0.4
    assert final_core(own) == CORE
    assert own.rows["emergence"][-1]["share"].value == 1
    assert own.rows["emergence"][-1]["checkpoint"] == 300
    # Checkpoints after that of the core are no part of its history; other sparsities neither.
    later = grid_of(EARLY | {400: [set()] * 3})
    result = one(MAIN, pd.concat([later, grid_of(EARLY, 0.7)]), 300)
    assert [point["checkpoint"] for point in result.rows["emergence"]] == [100, 200, 300]
    # Another fine-tuning's subnetworks are not mixed in.
    other = one(MAIN, grid_of(EARLY).assign(finetune_seed=2), 300)
    assert other.subject["finetune_seed"] == 2
    assert other.rows["emergence"][-1]["share"].value == 1


@pytest.mark.parametrize("rise", [None, 100, 50])
def test_nothing_before_the_rise_decides_nothing(rise):
    result = one(MAIN, grid_of(EARLY), rise)
    assert result.verdict.decision == "not decided by these data"
    assert (result.verdict.effect, result.verdict.p) == (None, None)
    before = {row["checkpoint"] for row in result.rows["emergence-heads"] if row["before_rise"]}
    assert before == set()


def test_the_untrained_model_is_not_before():
    untrained = grid_of({0: EARLY[200], 200: EARLY[300]})
    assert one(MAIN, untrained, 200).verdict.decision == "not decided by these data"


def test_a_core_that_comes_later_contradicts():
    main = subnetworks({(s, 0.5): BIG | {f"L0H{s + 6}"} for s in range(4)}, n_heads=12)
    others = {f"L{layer}H{head}" for layer in range(2) for head in range(6, 12)}
    late = {100: [others | {f"L0H{s}"} for s in range(3)], 300: [BIG] * 3}
    assert one(main, grid_of(late, n_heads=12), 300).verdict.decision == "contradicted"


def test_no_core_and_empty_tables():
    disjoint = subnetworks({(0, 0.5): {"L0H0"}, (1, 0.5): {"L1H1"}}, n_heads=6)
    result = one(disjoint, grid_of(EARLY), 300)
    assert list(result.rows.values()) == [[], []]
    assert result.verdict.decision == "not decided by these data"
    assert emergence(evidence(MAIN, MAIN[:0], 300)) == []
    assert final_core(one(MAIN[:0], grid_of(EARLY), 300)) == CORE


def test_the_first_adversarial_case_to_rise_counts():
    searches = {"subnetworks": MAIN, "grid_subnetworks": grid_of(EARLY)}
    (answer,) = emergence(Evidence(searches | rising(a1=300, a2=200, a3=None, f=100)))
    assert "rises (step 200)" in answer.verdict.reason


def test_tables_hold_every_row():
    tables = conclude(evidence(MAIN, grid_of(EARLY), 300), (QUESTION,)).tables
    assert {name: len(rows) for name, rows in tables.items()} == {
        "emergence": 3,
        "emergence-heads": 6,
    }
    assert tables["emergence"]["share"].tolist() == pytest.approx([2 / 3, 1, 1])
    assert tables["emergence"]["share_low"][0] < 2 / 3


def every_rise(n: int) -> dict[str, pd.DataFrame]:
    """Of n fine-tunings, in all of which the AUROC of a case rises at step 300."""
    return {
        name: pd.concat([table.assign(finetune_seed=seed) for seed in range(n)])
        for name, table in rising(a=300).items()
    }


def decisions(main: pd.DataFrame, grid: pd.DataFrame, n: int) -> list[str]:
    tables = {"subnetworks": main, "grid_subnetworks": grid, **every_rise(n)}
    return [answer.verdict.decision for answer in emergence(Evidence(tables))]


N_CORE = 12


def studies(rng, kept_early, n=200, agreement=0.5):
    """Six main searches at the last checkpoint that keep a core, and a grid with 3 seeds.

    Of six layers of twelve heads, 36 are kept. Up to the rise a search keeps a core head with the
    probability ``kept_early``; of such choices a share is common to all searches.
    """
    planted = np.zeros((n, 1, 1, 1, 72), bool)
    np.put_along_axis(planted, rng.random(planted.shape).argsort(-1)[..., :N_CORE], True, axis=-1)
    main = best(rng.random((n, 1, 6, 1, 72)) + planted, 36)
    common, own = rng.random((n, 3, 1, 1, 72)), rng.random((n, 3, 3, 1, 72))
    chosen = np.where(rng.random(common.shape) < agreement, common, own) < kept_early
    chosen[:, 2] = True
    grid = best(rng.random(own.shape) + np.where(planted, np.where(chosen, 1, -1), 0), 36)
    return decisions(table_of(main, 12), table_of(grid, 12, checkpoints=CHECKPOINTS), n)


@pytest.mark.slow
@pytest.mark.parametrize("agreement", [0.0, 0.5, 1.0])
def test_noise_is_hardly_ever_decided_wrongly(agreement):
    """Half of the core is kept, as many as of all heads, and no more than the claim excludes."""
    decided = studies(np.random.default_rng(0), 0.5, 1000, agreement)
    assert sum(d != "not decided by these data" for d in decided) <= 65


@pytest.mark.slow
def test_noise_decides_nothing_where_there_is_no_core():
    rng = np.random.default_rng(0)
    main, grid = rng.random((200, 1, 6, 1, 24)), rng.random((200, 3, 3, 1, 24))
    tables = table_of(best(main, 8), 6), table_of(best(grid, 8), 6, checkpoints=CHECKPOINTS)
    decided = decisions(*tables, 200)
    assert sum(d != "not decided by these data" for d in decided) <= 13


@pytest.mark.slow
def test_noise_decides_nothing_where_the_grid_has_the_core():
    rng = np.random.default_rng(1)
    grid = table_of(best(rng.random((200, 3, 3, 1, 24)), 12), 6, checkpoints=CHECKPOINTS)
    decided = decisions(grid[:0], grid, 200)
    assert sum(d != "not decided by these data" for d in decided) <= 13


@pytest.mark.slow
@pytest.mark.parametrize("agreement", [0.0, 0.5, 1.0])
def test_verdicts_are_right_where_the_truth_is_known(agreement):
    early = studies(np.random.default_rng(2), 0.9, 200, agreement)
    assert early.count("supported") >= 160
    assert early.count("contradicted") == 0
    # It takes a share far below one half to show that most of the core is absent.
    late = studies(np.random.default_rng(3), 0.1, 200, agreement)
    assert late.count("contradicted") >= 160
    assert late.count("supported") == 0
