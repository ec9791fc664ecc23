from __future__ import annotations

import itertools

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats
from simulated import simulated
from simulated_sizes import fine_tunings, power, slope

from heuristic_core.analysis.conclusions import conclude
from heuristic_core.analysis.counterparts import compared
from heuristic_core.analysis.effective_size import QUESTION, SPANS, effective_size
from heuristic_core.analysis.evidence import Evidence
from heuristic_core.analysis.intervals import student
from heuristic_core.analysis.paired import drawn_aurocs, drawn_means
from heuristic_core.analysis.size_rule import mean_change, mean_size, sizes, variance_parts
from heuristic_core.measure.discrimination import discriminate
from heuristic_core.measure.predictions import predictions
from heuristic_core.tables import EVALUATIONS, GRID_PREDICTIONS
from heuristic_core.tasks.task import Examples, Suite
from tables_by_hand import evaluation, evaluations

LEVELS = (0.0, 0.2, 0.4, 0.6, 0.8)
STEPS = (0, 100, 200, 300)


def grid(adversarial, friendly=None, full=(50, 52, 70, 90), n_seeds=3, n=10_000):
    """Per cent correct of each checkpoint, by sparsity; the same for all seeds; ID always 90."""
    cases = ["i", "a"] + (["f"] if friendly is not None else [])
    right = np.full((1, len(STEPS), n_seeds, len(LEVELS), len(cases)), 90)
    right[0, :, :, 0, 1] = np.array(full)[:, None]
    right[0, :, :, 1:, 1] = np.array(adversarial)[:, None, :]
    if friendly is not None:
        right[0, :, :, :, 2] = np.array(friendly)[:, None, None]
    return simulated(right * n // 100, cases, LEVELS, n, STEPS)


def by_data(table, margin=3.0):
    answers = effective_size(Evidence({"grid": table}, margin_points=margin))
    return {answer.subject["data"]: answer for answer in answers}


def sizes_at(answer):
    return answer.rows["effective-size"]


def values(answer):
    return [row["size"].value for row in sizes_at(answer)]


def changes(answer):
    """The changes by span."""
    return {row["over"]: row for row in answer.rows["effective-size-changes"]}


def at_margins(answer, step):
    """By margin, the row of one checkpoint."""
    rows = answer.rows["effective-size-margins"]
    return {row["margin_points"]: row for row in rows if row["checkpoint"] == step}


def steps(change):
    return change["before"], change["after"]


def test_the_rule_by_hand():
    levels = np.array([0.05, 0.1, 0.5])
    accuracy = np.array([[0.9, 0.9, 0.9], [0.9, 0.8, 0.7], [0.7, 0.9, 0.7], [0.7, 0.7, 0.7]])
    assert sizes(accuracy, levels, 0.8) == pytest.approx([50, 95, 90, 100])
    # Strictly above: as good as the bar is not enough, whatever rounding does to it.
    assert sizes(np.full((1, 3), 0.1 + 0.2), levels, 0.3) == [100]
    assert sizes(np.array([[np.nan, 0.9, np.nan]]), levels, 0.8) == pytest.approx([90])


@given(st.lists(st.integers(0, 20), min_size=3, max_size=3), st.integers(0, 20), st.integers(0, 20))
def test_a_higher_bar_never_makes_it_smaller(accuracy, one, other):
    levels = np.array([0.1, 0.5, 0.7])
    shares = np.array([accuracy]) / 20
    low, high = sorted((one / 20, other / 20))
    assert sizes(shares, levels, low) <= sizes(shares, levels, high)


FALLING = [[50, 50, 50, 50], [52, 40, 30, 20], [70, 69, 50, 20], [90, 90, 89, 20]]
RISING = [[50, 50, 50, 50], [52, 52, 51, 30], [70, 69, 50, 30], [90, 70, 50, 30]]


def test_sizes_over_fine_tuning():
    result = by_data(grid(RISING))["adversarial"]
    rows = sizes_at(result)
    assert result.subject == {"finetune_seed": 0, "method": "learned", "data": "adversarial"}
    assert [row["checkpoint"] for row in rows] == list(STEPS)
    assert values(result) == pytest.approx([20, 40, 60, 80])
    assert [row["accuracy"] for row in rows] == pytest.approx([0.5, 0.52, 0.7, 0.9])
    assert [row["at_most"] for row in rows] == [True, False, False, False]
    # At 70 %: 69 is above 70 - 2 but not above 70 - 1, where 70 itself remains.
    by_margin = {
        step: {m: row["size"].value for m, row in at_margins(result, step).items()}
        for step in STEPS
    }
    assert by_margin[200] == pytest.approx({1: 80, 2: 60, None: 60, 4: 60, 5: 60})
    some = [row for row in result.rows["effective-size-margins"] if not np.isnan(row["size"].low)]
    assert {row["margin_points"] for row in some} == {None}
    # Every second sparsity from the sparsest: 0.8 and 0.4.
    coarse = [at_margins(result, step)[None]["coarse"] for step in STEPS]
    assert coarse == pytest.approx([20, 60, 60, 100])
    change = changes(result)
    assert steps(change[SPANS[0]]) == (100, 300)
    assert change[SPANS[0]]["points"].value == pytest.approx(40)
    # The full model gains 18 points up to 200, then 20.
    assert steps(change[SPANS[2]]) == (200, 300)
    assert change[SPANS[2]]["points"].value == pytest.approx(20)
    at_margin = {m: by_margin[300][m] - size for m, size in by_margin[200].items()}
    assert at_margin == pytest.approx({1: 0, 2: 20, None: 20, 4: 20, 5: 20})
    assert change[SPANS[0]]["ood_points"] == pytest.approx(38)
    verdict = result.verdict
    assert (verdict.decision, verdict.p) == ("contradicted", None)
    assert verdict.effect == change[SPANS[0]]["points"]
    assert "from step 100 to 300 the size changes by +40.0 " in verdict.reason
    assert "adversarial accuracy by +38.0 points" in verdict.reason


def test_tables_hold_all_margins():
    table = grid(RISING)
    result = conclude(Evidence({"grid": table}, margin_points=2.5), (QUESTION,)).tables
    sizes_by_margin = result["effective-size-margins"]
    assert len(sizes_by_margin) == 3 * len(STEPS) * 6
    own = result["effective-size"]
    assert set(own["margin_points"]) == {2.5}
    main = sizes_by_margin[sizes_by_margin["margin_points"].isna()]
    assert sorted(main["size"]) == pytest.approx(sorted(own["size"]))
    last = sizes_by_margin.query("data == 'mixed' and checkpoint == 300")
    assert last["margin_points"].fillna(0).tolist() == [0, 1, 2, 3, 4, 5]
    assert last["size_low"].notna().tolist() == [True] + [False] * 5
    change = result["effective-size-changes"].query("data == 'mixed'")
    assert change["over"].tolist() == list(SPANS)
    assert change["points_low"].notna().all()


def test_mixed_data_are_the_cases_alike():
    table = grid(RISING)
    at = sizes_at(by_data(table)["mixed"])[-1]
    assert at["accuracy"] == pytest.approx(0.9)
    # (90 + 70) / 2 is below 87, so that only the densest will do; ID alone is always kept.
    assert at["size"].value == pytest.approx(80)
    assert values(by_data(table)["in-domain"])[-1] == pytest.approx(20)
    assert by_data(table)["in-domain"].verdict.decision == "not decided by these data"
    assert set(by_data(table)) == {"in-domain", "adversarial", "mixed"}


def test_a_falling_size_supports():
    results = by_data(grid(FALLING, friendly=[90, 90, 90, 90]))
    assert values(results["balanced"])[1:] == pytest.approx([80, 60, 40])
    assert results["balanced"].verdict.decision == "supported"
    assert results["adversarial"].verdict.decision == "supported"


def test_one_step_between_sparsities_is_no_change():
    """The sparsest that passes keeps 60 % at first and 40 % at last: one step of the grid."""
    passing = [[49, 49, 10, 10], [52, 52, 10, 10], [70, 70, 70, 10], [90, 90, 90, 10]]
    (one, two) = (
        by_data(grid([*passing[:1], first, *passing[2:]], n=1_000_000))["adversarial"]
        for first in ([52, 52, 10, 10], [52, 10, 10, 10])
    )
    for answer, points in ((one, -20), (two, -40)):
        change = changes(answer)[SPANS[0]]["points"]
        assert change.value == pytest.approx(points)
        assert change.high < 0
    assert one.verdict.decision == "not decided by these data"
    assert two.verdict.decision == "supported"


def test_label_bias_is_no_small_size():
    """In the end the sparsest subnetworks get everything adversarial right."""
    biased = [*FALLING[:3], [90, 90, 90, 100]]
    results = by_data(grid(biased))
    assert sizes_at(results["adversarial"])[-1]["at_most"]
    assert results["adversarial"].verdict.decision == "not decided by these data"
    assert "label bias can cause" in results["adversarial"].verdict.reason


def test_where_the_margin_is_not_meaningful():
    nothing = [[50] * 4, [0, 0, 0, 0], RISING[2], RISING[3]]
    result = by_data(grid(nothing, full=(50, 1, 70, 90)))["adversarial"]
    assert [row["meaningful"] for row in sizes_at(result)] == [True, False, True, True]
    assert values(result)[1] == pytest.approx(20)
    change = changes(result)
    assert change[SPANS[0]]["points"].low > 0
    assert steps(change[SPANS[1]]) == (200, 300)
    assert change[SPANS[1]]["points"].value == pytest.approx(20)
    assert result.verdict.decision == "not decided by these data"
    assert "the margin is not meaningful at one of these steps" in result.verdict.reason
    # Balanced accuracy at chance: a constant answer is good enough.
    chance = by_data(grid(RISING, friendly=[50, 50, 90, 90]))["balanced"]
    assert [row["meaningful"] for row in sizes_at(chance)] == [False, False, True, True]
    assert chance.verdict.decision == "not decided by these data"


def test_too_little_is_not_decided():
    assert by_data(evaluations()) == {}
    assert by_data(evaluations(evaluation({"i": 9, "a": 5}))) == {}
    table = grid(RISING)
    assert by_data(table[table["kind"] == "subnetwork"]) == {}
    single = by_data(table[table["seed"] < 1])["adversarial"]
    assert np.isnan(sizes_at(single)[-1]["size"].low)
    assert single.verdict.decision == "not decided by these data"
    one = by_data(table[table["checkpoint"] == 300])["adversarial"]
    assert (changes(one), one.verdict.effect) == ({}, None)
    assert one.verdict.decision == "not decided by these data"
    flat = by_data(grid(RISING, full=(50, 52, 53, 54)))["adversarial"]
    assert "a rise of at least 10 points is needed" in flat.verdict.reason
    # In binary, 0.5 - 0.4 is a little less than 0.1.
    exact = by_data(grid(RISING, full=(30, 40, 45, 50)))["adversarial"]
    assert changes(exact)["first to last"]["ood_points"] < 10
    assert "is needed" not in exact.verdict.reason


def test_a_missing_cell_is_passed_over():
    table = grid(RISING)
    some = table[(table["seed"] != 0) | (table["checkpoint"] != 300) | (table["sparsity"] != 0.2)]
    at = sizes_at(by_data(some)["adversarial"])[-1]
    assert (at["n_seeds"], at["n_failed"]) == (3, 1)
    assert at["size"].value == pytest.approx((100 + 80 + 80) / 3)


def test_intervals_include_the_error_of_the_threshold():
    """Three seeds that agree say nothing of the examples that they all answer."""
    few = by_data(grid(FALLING, n=100))["adversarial"]
    many = by_data(grid(FALLING))["adversarial"]
    of_few, of_many = (changes(result)[SPANS[0]]["points"] for result in (few, many))
    assert of_few.value == of_many.value == pytest.approx(-40)
    assert many.verdict.decision == "supported"
    assert few.verdict.decision == "not decided by these data"
    assert of_many.high < 0 < of_few.high


def test_without_errors_over_examples_intervals_are_students():
    by_seed = pd.Series([20.0, 40.0, 70.0])
    expected = student(by_seed.to_numpy())
    same = pd.DataFrame(np.tile(by_seed, (1000, 1)))
    made = mean_change(by_seed, same)
    assert made.value == expected.value
    assert (made.low, made.high) == pytest.approx((expected.low, 100))
    assert np.isnan(mean_size(by_seed, None, 0.0).low)
    assert np.isnan(mean_change(by_seed[:1], same).low)


def test_the_variance_over_draws_of_the_examples_is_added():
    by_seed = pd.Series([20.0, 40.0, 70.0])
    over_seeds = by_seed.var() / 3
    shared = np.repeat([-20.0, 20.0], 500)[:, None]
    made = mean_change(by_seed, pd.DataFrame(by_seed.to_numpy() + shared))
    over_draws = 400 * 1000 / 999
    half = (
        stats.t.ppf(0.975, 2) ** 2 * over_seeds + stats.norm.ppf(0.975) ** 2 * over_draws
    ) ** 0.5
    assert made.value - made.low == pytest.approx(half)


def crossed_draws(by_seed, shared, own):
    """Draws of three seeds: what all of them share, and what each has to itself, uncorrelated."""
    signs = np.array(list(itertools.product([-1.0, 1.0], repeat=4)))
    return pd.DataFrame(by_seed.to_numpy() + shared * signs[:, :1] + own * signs[:, 1:])


def test_what_examples_do_to_each_seed_alone_is_not_counted_twice():
    by_seed = pd.Series([20.0, 40.0, 70.0])
    seeds, examples = variance_parts(by_seed, crossed_draws(by_seed, 5.0, 12.0))
    more = 16 / 15  # the draws are all that there are, and their variance is a sample's
    assert examples == pytest.approx(more * (5**2 + 12**2 / 3))
    assert seeds == pytest.approx((by_seed.var() - more * 12**2) / 3)
    # Seeds that differ by less than examples make them differ do not differ by themselves.
    assert variance_parts(by_seed, crossed_draws(by_seed, 5.0, 40.0))[0] == 0


def test_the_interval_of_a_change_lies_about_the_mean_of_the_draws():
    by_seed = pd.Series([20.0, 40.0, 30.0])
    drawn = crossed_draws(by_seed, 2.0, 1.0)
    plain, moved = mean_change(by_seed, drawn), mean_change(by_seed, drawn - 4)
    assert (plain.low + plain.high) / 2 == pytest.approx(30)
    assert moved.value == plain.value == 30
    assert (moved.low, moved.high) == pytest.approx((plain.low - 4, plain.high - 4))
    # The change that is measured is never outside.
    assert mean_change(by_seed, drawn - 60).high == 30


def test_the_interval_of_a_size_reaches_up_as_far_as_on_the_logit_scale():
    """A tenth above the smallest size, at a half width of 5: the odds change by a factor."""
    by_seed = pd.Series([25.0, 30.0, 29.0])
    same = pd.DataFrame(np.tile(by_seed, (1000, 1)))
    half = student(by_seed.to_numpy()).high - 28
    made = mean_size(by_seed, same, 20.0)
    share = (28 - 20) / 80
    odds = share / (1 - share) * np.exp(half / 80 / (share * (1 - share)))
    assert made.high == pytest.approx(20 + 80 * odds / (1 + odds))
    assert made.high > 28 + half
    assert made.low == pytest.approx(max(20, 28 - half))


def test_draws_take_the_same_examples_for_all_systems():
    """Systems that answer alike never differ in a draw, and every mean is right on average."""
    tables = fine_tunings(np.random.default_rng(3), 1, 2, 0.2, (0.5, 0.5), [power(2)] * 2)
    predictions = tables["grid_predictions"]
    twin = predictions[predictions["checkpoint"] == 100].assign(checkpoint=300)
    alike = pd.concat([predictions[predictions["checkpoint"] == 100], twin])
    kinds = {("ood", "a"): "adversarial", ("ood", "f"): "friendly", ("id", "i"): "id"}
    drawn = drawn_means(alike, kinds, [0])
    assert set(drawn) == {"in-domain", "adversarial", "friendly", "balanced", "mixed"}
    for means in drawn.values():
        assert np.array_equal(means[100].to_numpy(), means[300].to_numpy())
        assert (means.std() > 0).all()
    counted = tables["grid"].query("checkpoint == 100 and case == 'a'")
    share = (counted["correct"] / counted["n"]).to_numpy()
    assert drawn["adversarial"][100].mean().to_numpy() == pytest.approx(share, abs=0.005)


def test_systems_of_other_examples_are_not_paired():
    tables = fine_tunings(np.random.default_rng(3), 1, 2, 0.2, (0.5, 0.5), [power(2)] * 2)
    rows = tables["grid_predictions"].copy()
    rows.loc[rows.index[0], "n"] -= 1
    assert (
        drawn_means(rows, dict.fromkeys([("ood", "a"), ("ood", "f"), ("id", "i")], "id"), [0]) == {}
    )


def with_scores(distance, n=200, n_friendly=300, seed=0):
    """A grid of one adversarial and one friendly case, by distance of (step, seed, sparsity).

    The first sparsity is 0, the full model's, and the same for all seeds.
    """
    rng = np.random.default_rng(seed)
    hard, friendly = rng.standard_normal(n), rng.standard_normal(n_friendly)
    evaluated, answered = [], []
    for step, of_step in zip((100, 300), distance, strict=True):
        for search, of_search in enumerate(of_step, 1):
            for sparsity, apart in zip((0.0, *LEVELS[1:]), of_search, strict=True):
                if sparsity == 0 and search > 1:
                    continue
                full = sparsity == 0
                system = {
                    "finetune_seed": 0,
                    "checkpoint": step,
                    "kind": "full" if full else "subnetwork",
                    "method": "" if full else "learned",
                    "sparsity": sparsity,
                    "seed": -1 if full else search,
                }
                scores = {"a": hard + apart, "f": friendly}
                for case, some in scores.items():
                    kind = {"a": "adversarial", "f": "friendly"}[case]
                    right = some > 0 if case == "a" else some < 0
                    row = {**system, "suite": "ood", "case": case, "n": len(some)}
                    evaluated.append(
                        row
                        | {"role": "ood", "case_kind": kind, "correct": right.sum()}
                        | {"kl": 0.0, "margin": 0.0}
                    )
                    answered.append(
                        row
                        | {"label": "no", "case_group": "all"}
                        | {"correct": np.packbits(right).tobytes()}
                        | {"scores": some.astype("<f2").tobytes()}
                    )
    return {
        "grid": EVALUATIONS.frame(evaluated),
        "grid_predictions": GRID_PREDICTIONS.frame(answered),
    }, (hard, friendly)


def falling(*at):
    """Distances over sparsities, 2 up to one of them and then 0, by step and seed."""
    return [[[2.0, *(2.0 * (level <= a) for level in LEVELS[1:])]] * 3 for a in at]


def test_areas_have_a_size_of_their_own():
    tables, (hard, friendly) = with_scores(falling(0.4, 0.8))
    answer = {a.subject["data"]: a for a in effective_size(Evidence(tables))}["balanced AUROC"]
    scores = [x.astype("<f2").astype(float) for x in (hard + 2, friendly)]
    by_hand = stats.mannwhitneyu(*scores).statistic
    full = by_hand / (len(hard) * len(friendly))
    assert [row["accuracy"] for row in sizes_at(answer)] == pytest.approx([full] * 2, abs=1e-4)
    assert values(answer) == pytest.approx([60, 20])
    assert answer.verdict.claim.startswith("the model's effective size by AUROC")


def test_label_bias_moves_no_area():
    distance = falling(0.8, 0.8)
    tables, _ = with_scores(distance)
    shifted = tables["grid_predictions"].copy()
    of_subnetworks = shifted["kind"] == "subnetwork"
    shifted.loc[of_subnetworks, "scores"] = [
        (np.frombuffer(x, "<f2") + np.float16(4)).astype("<f2").tobytes()
        for x in shifted.loc[of_subnetworks, "scores"]
    ]
    one, other = (
        {a.subject["data"]: values(a) for a in effective_size(Evidence(some))}["balanced AUROC"]
        for some in (tables, tables | {"grid_predictions": shifted})
    )
    assert one == other == pytest.approx([20, 20])


def test_errors_of_areas_are_those_of_a_bootstrap_of_single_examples():
    tables, (hard, friendly) = with_scores(falling(0.4, 0.8), n=60, n_friendly=80)
    kinds = {("ood", "a"): "adversarial", ("ood", "f"): "friendly"}
    areas, drawn = drawn_aurocs(tables["grid_predictions"], kinds, [0])
    rng = np.random.default_rng(1)
    by_hand = []
    for _ in range(2000):
        one, other = rng.choice(hard, len(hard)), rng.choice(friendly, len(friendly))
        by_hand.append([np.mean(one[:, None] + apart > other) for apart in (2.0, 0.0)])
    systems = [(100, 1, 0.2), (100, 1, 0.8)]
    expected = np.cov(np.array(by_hand).T)
    assert areas[systems].to_numpy() == pytest.approx(np.mean(by_hand, axis=0), abs=0.01)
    assert drawn[systems].cov().to_numpy() == pytest.approx(expected, rel=0.12)
    # Subnetworks that score alike have one error.
    same = drawn[[(100, 1, 0.2), (300, 3, 0.8)]].to_numpy()
    assert np.ptp(same, axis=1).max() < 1e-12


def test_without_scores_there_is_no_size_by_area():
    tables, _ = with_scores(falling(0.4, 0.8))
    without = tables["grid_predictions"].assign(scores=None)
    data = {
        a.subject["data"] for a in effective_size(Evidence({**tables, "grid_predictions": without}))
    }
    assert data == {"adversarial", "balanced"}


def test_changes_end_at_all_units():
    split = grid(RISING, n_seeds=2)
    split.loc[(split["seed"] == 1) & (split["checkpoint"] == 300), "correct"] = 10_000
    points = changes(by_data(split)["adversarial"])[SPANS[0]]["points"]
    assert (points.low, points.high) == (-100, 100)


def share_decided(tables, data, *wanted):
    ood = {name: table[table["suite"] == "ood"] for name, table in tables.items()}
    answers = effective_size(Evidence(ood))
    of_data = [answer for answer in answers if answer.subject["data"] == data]
    return np.mean([answer.verdict.decision in wanted for answer in of_data])


@pytest.mark.slow
@pytest.mark.parametrize(
    ("n_seeds", "step", "at", "falls", "more"),
    [
        # Searches differ, which makes the sparsest that passes sparser the flatter the fall is:
        # with these numbers true sizes are 57 to 58 % on average at both checkpoints.
        (3, 0.05, (0.45, 0.44), [power(5), power(2.2)], {}),
        (3, 0.1, (0.45, 0.45), [power(3)] * 2, {"spread": 0.04}),
        (8, 0.1, (0.45, 0.45), [slope(0.05)] * 2, {"alike": (0.0, 0.0)}),
        (12, 0.05, (0.45, 0.45), [power(3)] * 2, {"alike": (0.3, 0.8)}),
    ],
)
def test_a_constant_true_size_is_rarely_decided(n_seeds, step, at, falls, more):
    rng = np.random.default_rng(n_seeds)
    tables = fine_tunings(rng, 100, n_seeds, step, at, falls, **more)
    for data in ("adversarial", "balanced"):
        assert share_decided(tables, data, "supported", "contradicted") <= 0.09


@pytest.mark.slow
@pytest.mark.parametrize(("n_seeds", "least"), [(3, 0.5), (6, 0.5)])
def test_a_size_that_falls_by_three_steps_is_mostly_detected(n_seeds, least):
    rng = np.random.default_rng(n_seeds)
    falling = fine_tunings(rng, 15, n_seeds, 0.1, (0.25, 0.55), [slope(0.04)] * 2)
    assert share_decided(falling, "balanced", "supported") >= least
    assert share_decided(falling, "balanced", "contradicted") == 0
    rising = fine_tunings(rng, 15, n_seeds, 0.1, (0.55, 0.25), [slope(0.04)] * 2)
    assert share_decided(rising, "balanced", "contradicted") >= least


def test_seeds_of_one_subnetwork_count_once():
    """One ranking under several seeds is one search, whatever its effective sizes are."""
    every = grid(FALLING, friendly=[90] * 4)
    assert by_data(every)["balanced"].verdict.decision == "supported"
    alike = every.assign(
        kl=every["kl"].where(every["kind"] == "full", 0.1),
        method=every["method"].where(every["kind"] == "full", "magnitude"),
    )
    # Independent searches may agree.
    searched = by_data(alike.replace({"method": {"magnitude": "learned"}}))["balanced"]
    assert {row["n_seeds"] for row in sizes_at(searched)} == {3}
    answer = by_data(alike)["balanced"]
    assert {row["n_seeds"] for row in sizes_at(answer)} == {1}
    assert answer.verdict.decision == "not decided by these data"
    assert "fewer than 3 seeds whose searches differ" in answer.verdict.reason
    # A single number that differs makes two searches.
    first = alike.index[(alike["seed"] == 1) & (alike["kind"] == "subnetwork")][0]
    alike.loc[first, "correct"] -= 1
    assert {row["n_seeds"] for row in sizes_at(by_data(alike)["balanced"])} == {2}


@pytest.mark.parametrize(
    ("levels", "before", "after", "decision"),
    [
        # From none that is good enough to the densest of the grid is one step.
        ((0.3, 0.4, 0.5), 0.0, 0.3, "not decided by these data"),
        ((0.3, 0.4, 0.5), 0.0, 0.4, "supported"),
        # Of an uneven grid every step counts once.
        ((0.3, 0.35, 0.4, 0.7), 0.4, 0.7, "not decided by these data"),
        ((0.3, 0.35, 0.4, 0.7), 0.35, 0.7, "supported"),
    ],
)
def test_steps_are_counted_and_not_measured(levels, before, after, decision):
    n, groups = 100_000, []
    for step, right, passes in ((100, 50, before), (1000, 80, after)):
        correct = {"i": 90_000, "a1": right * 1000, "f1": 95_000}
        groups.append(evaluation(correct, n=n, checkpoint=step))
        for seed, level in itertools.product((1, 2, 3), levels):
            lost = 0 if level <= passes else 30_000
            system = {"kind": "subnetwork", "method": "learned", "sparsity": level, "seed": seed}
            worse = correct | {"a1": correct["a1"] - lost + seed}
            groups.append(evaluation(worse, n=n, checkpoint=step, **system))
    verdict = by_data(evaluations(*groups))["balanced"].verdict
    assert verdict.decision == decision


def test_answers_that_were_not_all_kept_are_not_paired():
    tables = fine_tunings(np.random.default_rng(0), 1, 3, 0.05, (0.6, 0.3), (power(2), power(2)))
    kept = tables["grid_predictions"]
    nothing = effective_size(Evidence({"grid": tables["grid"]}))
    for missing in (
        (kept["kind"] == "full") & (kept["checkpoint"] == 100),
        kept["seed"] == 1,
        kept["checkpoint"] == 100,
    ):
        some = effective_size(Evidence(tables | {"grid_predictions": kept[~missing]}))
        assert [one.verdict for one in some] == [one.verdict for one in nothing]


def test_friendly_examples_of_the_adversarial_label_are_not_compared():
    """Aurocs from kept scores are those that the evaluation measures, whatever else was scored."""
    rng = np.random.default_rng(0)
    labels = ["no"] * 100 + ["yes"] * 100 + ["no"] * 100 + ["no"] * 50
    cases = ["adv"] * 100 + ["both"] * 200 + ["alone"] * 50
    texts = [f"text {i}" for i in range(len(labels))]
    examples = Examples.build(texts, None, labels, cases, ("no", "yes"))
    suite = Suite(
        name="ood",
        role="ood",
        examples=examples,
        kinds={"adv": "adversarial", "both": "friendly", "alone": "adversarial"},
        groups={"adv": "g", "both": "g", "alone": "h"},
    )
    rows, measured = [], {}
    for seed, distance in ((-1, 1.5), (1, 1.2), (2, 1.0)):
        margin = distance * np.where(np.array(labels) == "no", 1, -1)
        margin = margin + rng.normal(0, 1.5, len(labels))
        logits = np.stack([margin / 2, -margin / 2], 1)
        system = {"checkpoint": 100, "seed": seed, "sparsity": 0.0 if seed < 0 else 0.5}
        rows.append(predictions(suite, ("no", "yes"), logits).assign(**system))
        measured[seed] = discriminate(suite, ("no", "yes"), logits)["auc"].item()
    kinds = {("ood", case): suite.kind(case) for case in suite.cases}
    aurocs, drawn = drawn_aurocs(compared(pd.concat(rows), kinds), kinds, [0])
    for (_, seed, _), auc in aurocs.items():
        assert auc == pytest.approx(measured[seed], abs=1e-3)
    assert drawn.mean().to_numpy() == pytest.approx(aurocs.to_numpy(), abs=5e-3)


def without(table, **system):
    """The rows of a table but those of one system."""
    gone = np.logical_and.reduce([table[name] == value for name, value in system.items()])
    return table[~gone]


@pytest.mark.parametrize(
    "gone",
    [
        {"seed": 1, "checkpoint": 300, "sparsity": 0.2},
        {"seed": 1, "checkpoint": 100},
        {"kind": "full", "checkpoint": 100},
        {"kind": "full"},
        {"checkpoint": 300},
    ],
    ids=["a cell", "a search", "the full model once", "the full models", "a checkpoint"],
)
@pytest.mark.parametrize("whole", [True, False], ids=["evaluated", "not evaluated"])
def test_what_is_missing_costs_itself_alone(gone, whole):
    """Of systems that were not evaluated at all, or whose answers were not kept."""
    tables, _ = with_scores(falling(0.4, 0.8))
    some = {name: without(table, **gone) for name, table in tables.items()}
    if whole:
        some["grid"] = tables["grid"]
    answers = {a.subject["data"]: a for a in effective_size(Evidence(some))}
    if gone == {"seed": 1, "checkpoint": 300, "sparsity": 0.2} and not whole:
        # All others are compared on the examples that they share, as if it had not been planned.
        grids = {a.subject["data"]: a for a in effective_size(Evidence(tables))}
        assert changes(answers["balanced"])[SPANS[0]]["points"] == pytest.approx(
            changes(grids["balanced"])[SPANS[0]]["points"]
        )
    full_is_known = "kind" not in gone and gone != {"checkpoint": 300}
    if not whole and full_is_known:
        assert set(answers) >= {"balanced", "balanced AUROC"}


def test_sparsities_that_were_not_measured_at_both_steps_are_no_change():
    """At the end only the densest subnetworks were evaluated, all of them as good as the model."""
    same = [[90, 90, 90, 90]] * 4
    table = grid(same, full=(50, 60, 75, 90))
    last = (table["checkpoint"] == 300) & (table["sparsity"] > 0.2)
    cut = table[~last]
    assert values(by_data(cut)["in-domain"]) == pytest.approx([20, 20, 20, 80])
    change = changes(by_data(cut)["in-domain"])[SPANS[0]]
    assert change["points"].value == 0
    assert by_data(cut)["in-domain"].verdict.decision == "not decided by these data"


def test_what_would_decide_takes_the_seeds_and_steps_that_a_verdict_takes(monkeypatch):
    # Between these sparsities a fall of 20 % is one step.
    three = by_data(grid(RISING))["in-domain"].verdict
    assert "more sparsities, as a fall of 20 % of the units crosses no two of these" in three.power
    monkeypatch.setattr("heuristic_core.analysis.effective_size.PLANNED_FALL", 40.0)
    two = by_data(grid(FALLING, n_seeds=2))["adversarial"].verdict
    assert "fewer than 3 seeds" in two.reason
    assert two.power.startswith("with 3 search seeds instead of 2")
    one = by_data(grid(FALLING, n_seeds=1))["adversarial"].verdict
    assert one.power == "1 cannot tell how much search seeds differ: it takes 3"


def test_seeds_are_told_apart_by_what_they_keep_where_that_is_known():
    """The same masks give divergences that differ by rounding; other masks may answer alike."""
    every = grid(FALLING, friendly=[90] * 4)
    is_full = every["kind"] == "full"
    noise = np.random.default_rng(0).normal(scale=1e-8, size=len(every))
    alike = every.assign(
        kl=every["kl"].where(is_full, 0.1 + noise),
        method=every["method"].where(is_full, "magnitude"),
    )

    def n_seeds(masks=None):
        tables = {"grid": alike} | ({} if masks is None else {"grid_subnetworks": masks})
        answers = {a.subject["data"]: a for a in effective_size(Evidence(tables))}
        return {row["n_seeds"] for row in sizes_at(answers["balanced"])}

    assert n_seeds() == {1}
    columns = ["finetune_seed", "checkpoint", "method", "sparsity", "seed"]
    systems = alike.loc[~is_full, columns].drop_duplicates()
    masks = pd.concat([systems.assign(unit=unit, kept=unit == "L0H0") for unit in ("L0H0", "L0H1")])
    assert n_seeds(masks) == {1}
    other = masks.assign(kept=masks["kept"] ^ (masks["seed"] == 1))
    assert n_seeds(other) == {2}
    # Masks of some subnetworks alone do not tell.
    assert n_seeds(other[other["checkpoint"] < 300]) == {1}


def test_draws_in_parts_are_those_of_one_piece(monkeypatch):
    """Where all draws of the examples would not fit into memory at once."""
    tables, _ = with_scores(falling(0.4, 0.8))
    kinds = {("ood", "a"): "adversarial", ("ood", "f"): "friendly"}
    rows = tables["grid_predictions"]

    def drawn():
        return {**drawn_means(rows, kinds, [0]), "area": drawn_aurocs(rows, kinds, [0])[1]}

    whole = drawn()
    monkeypatch.setattr("heuristic_core.analysis.paired._NUMBERS", 70 * rows["n"].max())
    for name, table in drawn().items():
        pd.testing.assert_frame_equal(table, whole[name], rtol=1e-12)
