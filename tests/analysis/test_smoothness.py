from __future__ import annotations

import numpy as np
import pytest
from simulated import simulated
from tables_by_hand import evaluations

from heuristic_core.analysis.accuracies import KINDS
from heuristic_core.analysis.conclusions import conclude
from heuristic_core.analysis.evidence import Evidence
from heuristic_core.analysis.smoothness import QUESTION, change_point_rss, gentle_rss, smoothness

LEVELS = np.round(np.linspace(0.1, 0.7, 7), 2)
SHAPES = {
    "flat": np.full(7, 0.4),
    "line": np.linspace(0.8, 0.1, 7),
    "step": np.array([0.8, 0.8, 0.8, 0.8, 0.1, 0.1, 0.1]),
}


def studies(shape, rng, n_studies=1, n_seeds=3, n=1000, noise=0.03):
    """Curves of adversarial accuracy with noise of seeds, drawn on n examples."""
    p = SHAPES[shape][:, None] + rng.normal(0, noise, size=(n_studies, 1, n_seeds, 7, 1))
    return simulated(rng.binomial(n, p.clip(0, 1)), ["a"], LEVELS, n)


def shapes(table):
    """The row and the verdict of each answer."""
    answers = smoothness(Evidence({"grid": table}))
    return [(*answer.rows["smoothness"], answer.verdict) for answer in answers]


def exact(curve, cases=("a",)):
    right = np.broadcast_to(np.array(curve)[:, None], (1, 1, 3, len(curve), len(cases)))
    return simulated(right, cases, LEVELS[: len(curve)], 100)


def test_errors_by_hand():
    x = np.array([1.0, 2, 3, 4])
    assert change_point_rss(x, np.array([5.0, 5, 1, 1])) == 0
    # The best cut is in the middle: all four points are half a unit from their level.
    assert change_point_rss(x, np.array([4.0, 3, 2, 1])) == pytest.approx(1)
    line = np.linspace(0.9, 0.2, 8)
    assert gentle_rss(np.arange(8.0), line) < 0.001 * np.square(line - line.mean()).sum()
    # A rise is not fitted at all.
    assert gentle_rss(x, x) == pytest.approx(np.square(x - 2.5).sum())
    # A fall over the middle third of the range is within reach, a sudden one is not.
    wide = 1 / (1 + np.exp((np.linspace(0, 1, 31) - 0.5) / (1 / 3 / 4.3944)))
    assert gentle_rss(np.linspace(0, 1, 31), wide) < 1e-3
    assert gentle_rss(np.arange(8.0), np.repeat([1.0, 0.0], 4)) > 0.1


def test_a_single_step_is_distinguished_from_a_line():
    ((step, verdict),) = shapes(exact([80, 80, 80, 20, 20, 20]))
    assert step["largest_share"].value == pytest.approx(1)
    assert (step["steepest_from"], step["steepest_to"]) == (0.3, 0.4)
    assert step["evidence"] < -6
    assert verdict.decision == "contradicted"
    ((line, verdict),) = shapes(exact([80, 70, 60, 50, 40, 30]))
    assert line["largest_share"].value == pytest.approx(0.2)
    assert line["fall_points"].value == pytest.approx(50)
    assert (verdict.decision, verdict.claim) == (
        "supported",
        "adversarial accuracy falls smoothly with sparsity",
    )
    assert (line["largest_share"].low, line["largest_share"].high) == pytest.approx((0.2, 0.2))
    assert "20% of it in one step; a gentle fall fits better by" in verdict.reason
    assert (verdict.effect.value, verdict.p) == (line["evidence"], None)
    assert np.isnan(verdict.effect.low)


def test_seeds_that_differ_leave_the_shape_open():
    right = np.array([80, 70, 60, 50, 40, 30])[:, None] + np.array([-15, 0, 15])[:, None, None]
    ((row, verdict),) = shapes(simulated(right[None, None], ["a"], LEVELS[:6], 100))
    assert row["fall_points"].low == pytest.approx(50)
    # 18 points. The seeds' squared distances are 12 x 225 = 2700 whatever the shape; two levels
    # miss each of the three curves by another 4 x 100.
    assert row["evidence"] == pytest.approx(18 * np.log(3900 / 2700) - np.log(18), abs=0.2)
    assert verdict.decision == "not decided by these data"


def test_a_fall_with_more_than_half_in_one_step_is_not_smooth():
    ((row, verdict),) = shapes(exact([75, 72, 64, 28, 16, 12]))
    assert row["evidence"] > 6
    assert row["largest_share"].value == pytest.approx(36 / 63)
    assert verdict.decision == "not decided by these data"


def test_a_dip_is_no_fall():
    (answer,) = smoothness(Evidence({"grid": exact([20, 60, 55, 45, 35, 25])}))
    # The falling curve nearest to it starts with the mean of the first three, 45.
    assert answer.rows["smoothness"][0]["largest_share"].value == pytest.approx(0.5)
    first = answer.rows["accuracy-by-sparsity"][0]
    assert (first["cases"], first["accuracy"]) == ("adversarial", pytest.approx(0.2))


def test_balanced_accuracy_is_judged_where_there_is_one():
    right = np.stack([np.linspace(80, 20, 6), np.linspace(20, 80, 6)], axis=1).round().astype(int)
    table = simulated(np.broadcast_to(right, (1, 1, 3, 6, 2)), ["a", "f"], LEVELS[:6], 100)
    ((row, verdict),) = shapes(table)
    assert row["data"] == "balanced"
    assert row["fall_points"].value == pytest.approx(0, abs=1e-9)
    assert row["largest_share"] is None
    assert verdict.decision == "not decided by these data"


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
    assert table["cases"].drop_duplicates().tolist() == list(KINDS.values())
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
    assert verdict.decision == "not decided by these data"
    # A cell that is missing leaves the other cells of its curve.
    ((gap, verdict),) = shapes(table[(table["seed"] > 0) | (table["sparsity"] != 0.3)])
    assert (gap["n_seeds"], verdict.decision) == (3, "supported")


@pytest.mark.parametrize(
    ("shape", "right"),
    [("flat", "not decided by these data"), ("line", "supported"), ("step", "contradicted")],
)
def test_verdicts_are_calibrated(shape, right):
    rng = np.random.default_rng(0)
    results = shapes(studies(shape, rng, 200))
    decided = [verdict.decision for _, verdict in results]
    wrong = sum(d not in {right, "not decided by these data"} for d in decided)
    assert wrong <= 18
    assert decided.count(right) >= 160
    if shape != "step":
        truth = 100 * (SHAPES[shape][0] - SHAPES[shape][-1])
        falls = [row["fall_points"] for row, _ in results]
        covered = np.mean([fall.low <= truth <= fall.high for fall in falls])
        assert 0.90 <= covered <= 0.99
