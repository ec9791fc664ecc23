from __future__ import annotations

import numpy as np
import pytest
from scipy import stats
from simulated import decisions
from simulated_scores import by_example, scored

from heuristic_core.analysis.conclusions import conclude
from heuristic_core.analysis.discrimination import QUESTION, discrimination
from heuristic_core.analysis.evidence import Evidence
from heuristic_core.analysis.separation import auc_interval, auc_variance, separation
from heuristic_core.tables import DISCRIMINATION
from tables_by_hand import FULL, evaluation, evaluations, found


def table(aurocs, **others):
    """From case to AUROCs, one a subnetwork."""
    return DISCRIMINATION.frame(rows_of(aurocs, **others))


def answers(measured, right=None):
    tables = {"discrimination": measured}
    return discrimination(Evidence(tables if right is None else tables | {"evaluations": right}))


def rows_of(aurocs, n=100, biases=None, full=None, finetune_seed=1):
    rows = []
    for case, values in aurocs.items():
        systems = [(found(s), auc) for s, auc in enumerate(values)]
        if full is not None:
            systems.append((FULL, full))
        for system, auc in systems:
            seed = system["seed"]
            rows.append(
                {"finetune_seed": finetune_seed, "checkpoint": 300, "suite": "ood", "case": case}
                | system
                | {"case_group": "overlap", "n": n, "n_friendly": n}
                | {"auc": auc, "d_prime": 2 * auc - 1}
                | {"bias": biases[seed] if biases is not None and seed >= 0 else 0.0}
            )
    return rows


def test_different_aurocs_support():
    (answer,) = answers(table({"aswap": [0.9, 0.6, 0.5], "aif": [0.8] * 3}, full=0.95))
    (overall,) = answer.rows["separation"]
    assert overall["n"] == 3
    assert overall["full"] == pytest.approx(0.95)
    assert overall["auc"].value == pytest.approx(np.mean([0.85, 0.7, 0.65]))
    widest, other = answer.rows["separation-cases"]
    assert (widest["case"], widest["lowest"], widest["highest"]) == ("aswap", 0.5, 0.9)
    assert widest["full"] == auc_interval(0.95, 100, 100)
    assert widest["d_prime"] == pytest.approx(np.mean([0.8, 0.2, 0.0]))
    # Two cases: the smaller p-value counts twice.
    chi2 = np.square(np.array([0.9, 0.6, 0.5]) - 2 / 3).sum() / auc_variance(2 / 3, 100, 100)
    assert widest["p"] == pytest.approx(2 * np.exp(-chi2 / 2))
    assert (other["span"], other["p"]) == (0, 1)
    assert answer.verdict.decision == "supported"
    h = 2 * np.arcsin(0.9**0.5) - 2 * np.arcsin(0.5**0.5)
    assert (answer.verdict.effect.value, widest["h"]) == pytest.approx((h, h))
    assert "as if on different examples" in answer.verdict.reason
    assert not widest["paired"]
    assert answer.verdict.p == widest["p"]


def test_label_bias_alone_contradicts():
    """Adversarial accuracies from 10 to 90 %, and all AUROCs alike."""
    rows = table({"aswap": [0.8, 0.81, 0.79, 0.8, 0.8]}, n=900, biases=[-2, -1, 0, 1, 2.0])
    right = evaluations(
        *[evaluation({"i": 99, "aswap": k}, **found(s)) for s, k in enumerate((10, 30, 50, 70, 90))]
    )
    (answer,) = answers(rows, right)
    assert answer.rows["separation-cases"][0]["bias_sd"] == pytest.approx(2.5**0.5)
    (overall,) = answer.rows["separation"]
    assert overall["r_bias"].value == pytest.approx(1)
    assert overall["r_auc"].low < 0 < overall["r_auc"].high
    assert answer.verdict.decision == "contradicted"


def test_the_figures_marks_are_the_full_model_and_each_subnetwork():
    aurocs = {f"a{i:02}": [0.6, 0.6 + i / 100] for i in range(12)}
    (answer,) = answers(table(aurocs, full=0.9, biases=[-1.0, 1.0]))
    marks = answer.rows["separation-marks"]
    assert list(dict.fromkeys(row["measure"] for row in marks)) == ["AUROC", "label bias, nats"]
    strips = list(dict.fromkeys(row["mean_or_case"] for row in marks))
    assert strips == ["mean over cases", *(f"a{i:02}" for i in range(11, 1, -1))]
    drawn = [
        (row["series"], row["seed"], pytest.approx(row["score"]))
        for row in marks
        if row["mean_or_case"] == "a11" and row["measure"] == "AUROC"
    ]
    assert drawn == [("full model", -1, 0.9), ("subnetwork", 0, 0.6), ("subnetwork", 1, 0.71)]
    biases = [
        row["score"]
        for row in marks
        if (row["mean_or_case"], row["measure"]) == ("mean over cases", "label bias, nats")
    ]
    assert biases == [0, -1, 1]


def test_too_little_is_not_decided():
    assert answers(table({})) == []
    assert answers(table({}), evaluations()) == []
    (single,) = answers(table({"aswap": [0.9]}))
    (case,) = single.rows["separation-cases"]
    assert single.rows["separation"][0]["full"] is None
    assert case["full"] is None
    assert np.isnan(case["bias_sd"])
    assert single.verdict.decision == "not decided by these data"
    assert (single.verdict.effect, single.verdict.p) == (None, None)
    frame = conclude(Evidence({"discrimination": table({"aswap": [0.9]})}), (QUESTION,)).tables
    assert frame["separation-cases"]["full_low"].isna().all()
    assert frame["separation"]["r_bias"].isna().all()
    (few_examples,) = answers(table({"aswap": [0.8, 0.8, 0.81]}, n=20))
    assert few_examples.verdict.decision == "not decided by these data"
    (perfect,) = answers(table({"aswap": [1.0, 1.0, 1.0]}))
    assert perfect.rows["separation-cases"][0]["p"] == 1
    assert perfect.verdict.decision == "not decided by these data"


@pytest.mark.slow
@pytest.mark.parametrize("sure", [False, True])
def test_different_label_biases_are_no_different_separation(sure):
    rng = np.random.default_rng(3)
    bias = np.linspace(-1.5, 1.5, 6)[None, None, :, None, None]
    distance = np.full((200, 1, 6, 2, 3), 0.8)
    _, measured = scored(rng, distance, bias, sparsities=(0.0, 0.5), sure=sure)
    results = decisions(answers(measured))
    assert len(results) == 200
    assert results.count("supported") <= 18


@pytest.mark.slow
@pytest.mark.parametrize("sure", [False, True])
def test_different_distances_are(sure):
    rng = np.random.default_rng(4)
    distance = np.broadcast_to(np.linspace(0, 2, 6)[:, None, None], (200, 1, 6, 2, 3))
    no_bias = np.zeros((1, 1, 1, 1, 1))
    _, measured = scored(rng, distance, no_bias, sparsities=(0.0, 0.5), sure=sure)
    assert decisions(answers(measured)).count("supported") >= 180


@pytest.mark.slow
@pytest.mark.parametrize("sure", [False, True])
@pytest.mark.parametrize(
    ("distances", "wrong"), [([1.0] * 6, "supported"), ([0.2, 1.0, 1.8] * 2, "contradicted")]
)
def test_verdicts_are_calibrated(distances, wrong, sure):
    """Whatever the biases, equal separation is not taken for different, nor the reverse."""
    rng = np.random.default_rng(0)
    bias = rng.normal(0, 3, size=(200, 6))
    distance = np.array(distances)[None, None, :, None, None]
    drawn = scored(
        rng, np.broadcast_to(distance, (200, 1, 6, 1, 1)), bias[:, None, :, None, None], sure=sure
    )
    results = answers(drawn[1])
    assert len(results) == 200
    assert decisions(results).count(wrong) <= 18


@pytest.mark.slow
@pytest.mark.parametrize(("n", "n_friendly"), [(50, 250), (200, 1000), (50, 50)])
def test_saturated_models_of_equal_separation_are_not_taken_for_different(n, n_friendly):
    rng = np.random.default_rng(1)
    rows = []
    for study in range(100):
        aurocs, errors = [], []
        for _ in range(8):
            one = separation(
                np.where(rng.random(n) < 0.8, 6.0, -6.0), rng.normal(-3, 0.5, n_friendly)
            )
            aurocs.append(one.auc)
            errors.append(one.auc_se)
        some = rows_of({"a1": aurocs}, n=n, finetune_seed=study)
        rows += [
            row | {"n_friendly": n_friendly, "auc_se": error}
            for row, error in zip(some, errors, strict=True)
        ]
    results = answers(DISCRIMINATION.frame(rows))
    assert len(results) == 100
    assert decisions(results).count("supported") <= 9


def test_a_ceiling_leaves_no_room():
    """Accuracies from 24 to 65 % at AUROCs of 1.00 show no equality."""
    rows = table({"aswap": [0.999, 1.0, 0.998, 1.0], "aif": [0.8] * 4}, n=5000)
    (answer,) = answers(rows)
    assert answer.verdict.decision == "not decided by these data"
    assert "in 1 of 2 cases the mean AUROC is within 0.2 of the end" in answer.verdict.reason
    (with_room,) = answers(rows[rows["case"] == "aif"])
    assert with_room.verdict.decision == "contradicted"


def test_equality_asks_for_enough_examples():
    for n, decision in ((60, "not decided by these data"), (900, "contradicted")):
        (answer,) = answers(table({"aswap": [0.8, 0.8, 0.81]}, n=n))
        assert answer.verdict.decision == decision


@pytest.mark.slow
@pytest.mark.parametrize("sure", [False, True])
@pytest.mark.parametrize("alike", [0.5, 0.9])
def test_the_same_examples_are_known(sure, alike):
    """Equal systems are not told to differ, and those at the bar not to be equal."""
    rng, studies = np.random.default_rng(11), 1000
    bias = rng.normal(0, 2, size=(studies, 1, 4, 1, 1))
    # An AUROC of 0.8, or of 0.874, which is 0.2 more in h.
    scale = 1.0 if sure else 2**0.5
    low, high = scale * stats.norm.ppf([0.8, np.sin(np.arcsin(0.8**0.5) + 0.1) ** 2])
    for values, wrong in (([low] * 4, "supported"), ([low, high, low, low], "contradicted")):
        distance = np.broadcast_to(np.array(values)[:, None, None], (studies, 1, 4, 1, 1))
        drawn = by_example(rng, distance, bias, n=80, n_friendly=300, alike=alike, sure=sure)
        results = discrimination(Evidence(drawn))
        assert all(answer.rows["separation-cases"][0]["paired"] for answer in results)
        assert decisions(results).count(wrong) <= 0.065 * studies
        if alike == 0.9 and not sure:
            right = "contradicted" if wrong == "supported" else "supported"
            assert decisions(results).count(right) >= 0.55 * studies
