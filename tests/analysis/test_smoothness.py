from __future__ import annotations

import numpy as np
import pytest
from scipy import stats
from simulated import decisions, simulated
from simulated_falls import ARMS, PAPER, falls

from heuristic_core.analysis.accuracies import KINDS, means_by_kind
from heuristic_core.analysis.conclusions import conclude
from heuristic_core.analysis.evidence import Evidence
from heuristic_core.analysis.falling_curves import steepest
from heuristic_core.analysis.smoothness import QUESTION, smoothness
from tables_by_hand import evaluations

LEVELS = np.round(np.linspace(0.1, 0.7, 7), 2)
UNDECIDED = "not decided by these data"


def shapes(table):
    """The row and the verdict of each answer."""
    answers = smoothness(Evidence({"grid": table}))
    return [(*answer.rows["smoothness"], answer.verdict) for answer in answers]


def exact(curve, cases=("a",)):
    """Curves of three seeds that go around the given one by an answer of a hundred."""
    answers = np.array([1, -1, 0])[:, None] * (-1) ** np.arange(len(curve))
    right = np.broadcast_to((np.array(curve) + answers)[..., None], (1, 1, *answers.shape, 1))
    return simulated(right.repeat(len(cases), -1), cases, LEVELS[: len(curve)], 100)


def test_the_steepest_window_by_hand():
    levels = np.array([0.0, 1, 2, 3, 4])
    window = steepest(levels, np.array([[10.0, 9, 9, 5, 2]]), 1.5, 0.5)
    # The step of 4 and half of the next one, 3: 5.5 of 8.
    assert (window.share, window.start, window.end) == (pytest.approx(5.5 / 8), 2, 3.5)
    assert np.isnan([window.p_sharp, window.p_smooth]).all()
    flat = steepest(levels, np.zeros((2, 5)), 1, 0.5)
    assert np.isnan(flat.share)


def test_a_share_is_at_most_1_whatever_rounding_does():
    rng = np.random.default_rng(0)
    levels = np.round(np.arange(1, 17) * 0.05, 2)
    curves = np.where(levels < 0.5, *rng.uniform(0, 1, (2, 200, 1))).round(4)
    falling = [curve for curve in curves if curve[0] > curve[-1]]
    shares = [steepest(levels, np.array([curve]), 0.75 / 8, 0.5).share for curve in falling]
    assert max(shares) <= 1
    assert min(shares) == pytest.approx(1)


def test_distances_by_hand():
    # Both seeds differ by 1 at one level, beyond a constant: 4 x 1/4 squared over 3 degrees.
    levels = np.arange(4.0)
    noise = np.array([[0.5, -0.5, 0, 0], [-0.5, 0.5, 0, 0]])
    line = steepest(levels, np.array([3.0, 2, 1, 0]) * 4 + noise, 1, 0.5)
    assert line.share == pytest.approx(1 / 3)
    # The nearest falls with half in one step: the middle one, 12 - 8 x against 4 x at the sides.
    # By symmetry it has falls s, 2s, s; values are -2s, -s, s, 2s around the mean.
    values = np.array([2.0, 1, -1, -2])
    truth = np.array([6.0, 2, -2, -6])
    s = values @ truth / (values @ values)
    variance = 4 * 0.25 / 3 / 2
    t2 = np.square(truth - s * values).sum() / variance
    assert line.p_sharp == pytest.approx(stats.t.sf(t2**0.5, 3))
    assert line.p_smooth == 0.5
    step = steepest(levels, np.array([3.0, 3, 0, 0]) * 4 + noise, 1, 0.5)
    # The nearest without more than half in a step is that very family.
    truth = np.array([6.0, 6, -6, -6])
    s = values @ truth / (values @ values)
    t2 = np.square(truth - s * values).sum() / variance
    assert step.p_smooth == pytest.approx(stats.t.sf(t2**0.5, 3))
    assert (step.share, step.p_sharp) == (1, 0.5)


def test_tests_do_not_depend_on_units_nor_on_what_is_constant_in_a_seed():
    rng = np.random.default_rng(0)
    curves = np.linspace(0.8, 0.3, 13) + rng.normal(0, 0.03, (3, 13))
    one = steepest(PAPER, curves, 0.075, 0.5)
    moved = steepest(100 * PAPER, 7 * curves + np.array([[0], [3], [-2]]), 7.5, 0.5)
    for name in ("share", "p_sharp", "p_smooth"):
        assert getattr(moved, name) == pytest.approx(getattr(one, name), rel=1e-6)


def test_a_single_step_is_distinguished_from_a_line():
    ((step, verdict),) = shapes(exact([80, 80, 80, 20, 20, 20]))
    assert step["largest_share"] == pytest.approx(1, abs=0.02)
    assert (step["steepest_from"], step["steepest_to"]) == pytest.approx((0.3, 0.4))
    assert (step["p_smooth"] < 0.001, step["p_sharp"]) == (True, 0.5)
    assert verdict.decision == "contradicted"
    ((line, verdict),) = shapes(exact([80, 70, 60, 50, 40, 30]))
    assert line["largest_share"] == pytest.approx(0.2)
    assert line["fall_points"].value == pytest.approx(50)
    assert (verdict.decision, verdict.claim) == (
        "supported",
        "adversarial accuracy falls smoothly with sparsity",
    )
    assert "20% of it between sparsity" in verdict.reason
    assert (verdict.effect.value, verdict.p) == (line["largest_share"], line["p_sharp"])
    assert np.isnan(verdict.effect.low)


def test_half_of_the_fall_in_one_step_is_neither():
    ((row, verdict),) = shapes(exact([80, 75, 70, 40, 30, 20]))
    assert row["largest_share"] == pytest.approx(0.5)
    assert verdict.decision == UNDECIDED
    ((_, verdict),) = shapes(exact([80, 80, 50, 50, 50, 20, 20]))
    assert verdict.decision == UNDECIDED


def test_seeds_that_change_nothing_count_once():
    right = np.broadcast_to(np.array([80, 70, 60, 50, 40, 30])[:, None], (1, 1, 3, 6, 1))
    ((row, verdict),) = shapes(simulated(right, ["a"], LEVELS[:6], 100))
    assert row["n_seeds"] == 1
    assert verdict.decision == UNDECIDED
    assert "seeds whose curves differ" in verdict.reason


def test_a_dip_is_no_fall():
    (answer,) = smoothness(Evidence({"grid": exact([20, 60, 55, 45, 35, 25])}))
    # The falling curve nearest to it starts with the mean of the first three, 45.
    assert answer.rows["smoothness"][0]["largest_share"] == pytest.approx(0.5)
    first = answer.rows["accuracy-by-sparsity"][0]
    assert (first["cases"], first["accuracy"]) == ("adversarial", pytest.approx(0.2))


def test_balanced_accuracy_is_judged_where_there_is_one():
    right = np.stack([np.linspace(80, 20, 6), np.linspace(20, 80, 6)], axis=1).round().astype(int)
    table = simulated(np.broadcast_to(right, (1, 1, 3, 6, 2)), ["a", "f"], LEVELS[:6], 100)
    ((row, verdict),) = shapes(table)
    assert row["data"] == "balanced"
    assert row["fall_points"].value == pytest.approx(0, abs=1e-9)
    assert row["largest_share"] is None
    assert verdict.decision == UNDECIDED


def test_accuracies_by_hand():
    levels = (0.0, *LEVELS[:5])
    right = np.zeros((1, 1, 2, 6, 3), int)
    right[..., 0] = [95, 90, 90, 90, 90, 90]
    right[..., 1] = np.array([[90, 80, 70, 60, 50, 40], [90, 60, 50, 40, 30, 20]])
    right[..., 2] = 50
    result = conclude(Evidence({"grid": simulated(right, [*"iaf"], levels, 100)}), (QUESTION,))
    table = result.tables["accuracy-by-sparsity"]
    mean = table["seed"].isna()
    means = table[mean].pivot(index="sparsity", columns="cases", values="accuracy")
    assert means.loc[0.0, ["in-domain", "adversarial"]].tolist() == [0.95, 0.9]
    n = table[mean].drop_duplicates("sparsity").set_index("sparsity")["n"]
    assert n.isna().tolist() == [True] + [False] * 5
    assert n[0.1] == 2
    assert means["adversarial"].tolist() == pytest.approx([0.9, 0.7, 0.6, 0.5, 0.4, 0.3])
    assert means["balanced OOD"].tolist() == pytest.approx([0.7, 0.6, 0.55, 0.5, 0.45, 0.4])
    assert table["cases"].drop_duplicates().tolist() == [
        name for name in KINDS.values() if name != "shift"
    ]
    one = table[(table["seed"] == 1) & (table["cases"] == "balanced OOD")]
    assert one["accuracy"].tolist() == pytest.approx([0.55, 0.5, 0.45, 0.4, 0.35])
    # Single seeds: in-domain and the judged accuracy.
    assert set(table["cases"][~mean]) == {"in-domain", "balanced OOD"}


def test_too_little_is_not_decided():
    assert shapes(evaluations()) == []
    assert shapes(exact([80, 60, 40, 20])) == []
    assert shapes(exact([80, 60, 40, 20, 10], cases=("i",))) == []
    table = exact([80, 70, 60, 50, 40, 30])
    ((_, verdict),) = shapes(table[table["seed"] < 2])
    assert verdict.decision == UNDECIDED
    # A cell that is missing leaves the other cells of its curve.
    ((gap, verdict),) = shapes(table[(table["seed"] > 0) | (table["sparsity"] != 0.3)])
    assert (gap["n_seeds"], verdict.decision) == (3, "supported")


def share(shape, decision, n_studies, **design):
    table = falls(np.random.default_rng(0), shape, n_studies, **design)
    return decisions(smoothness(Evidence({"grid": table}))).count(decision) / n_studies


#: No spread of searches, one as in the arms, and one as in the paper's grid.
DESIGNS = [{}, {"spread": 2, "alike": 0.5}, {"spread": 4, "alike": 0.3}]


def test_shapes_are_told_apart():
    assert share("line", "supported", 20, spread=2, alike=0.5) >= 0.8
    assert share("step", "contradicted", 20, spread=2, alike=0.5) >= 0.8
    assert share("two equal steps", "supported", 30, spread=2, alike=0.5) <= 0.1
    assert share("flat", UNDECIDED, 10, spread=2, alike=0.5) == 1


def rejected(shape, hypothesis, **design):
    """The share of 1,000 data sets that reject a hypothesis, whether the fall is clear or not."""
    table = falls(np.random.default_rng(0), shape, 1000, **design)
    means = means_by_kind(table, ["finetune_seed", "seed", "sparsity"])["balanced"]
    levels = means.index.unique("sparsity").to_numpy()
    curves = means.to_numpy().reshape(1000, -1, len(levels))
    tests = [steepest(levels, each, np.ptp(levels) / 8, 0.5) for each in curves]
    return np.mean([getattr(test, hypothesis) < 0.025 for test in tests])


@pytest.mark.slow
@pytest.mark.parametrize("sparsities", [PAPER, ARMS], ids=["paper", "arms"])
@pytest.mark.parametrize("design", DESIGNS, ids=str)
def test_error_and_power_over_shapes(design, sparsities):
    design = {"sparsities": sparsities, **design}
    for shape in ("two equal steps", "logistic in a fifth", "half in an eighth", "step"):
        assert rejected(shape, "p_sharp", **design) <= 0.065
    assert rejected("line", "p_sharp", **design) >= 0.8
    assert rejected("line", "p_smooth", **design) <= 0.065
    assert rejected("step", "p_smooth", **design) >= 0.8
