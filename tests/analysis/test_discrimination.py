from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from simulated import decisions
from simulated_scores import scored
from tables_by_hand import FULL, evaluation, evaluations, found

from heuristic_core.analysis.discrimination import discrimination
from heuristic_core.analysis.separation import auc_interval, auc_variance, separation
from heuristic_core.tables import DISCRIMINATION, conform


def table(areas, **others):
    """From case to areas, one a subnetwork."""
    return table_of(rows_of(areas, **others))


def table_of(rows):
    return conform(pd.DataFrame(rows, columns=list(DISCRIMINATION)), DISCRIMINATION)


def rows_of(areas, n=100, biases=None, full=None, finetune_seed=1):
    rows = []
    for case, values in areas.items():
        systems = [(found(s), auc) for s, auc in enumerate(values)]
        if full is not None:
            systems.append((FULL, full))
        for system, auc in systems:
            seed = system["seed"]
            rows.append(
                {"finetune_seed": finetune_seed, "checkpoint": 300, "suite": "ood", "case": case}
                | system
                | {"group": "overlap", "n": n, "n_friendly": n, "auc": auc, "d_prime": 2 * auc - 1}
                | {"bias": biases[seed] if biases is not None and seed >= 0 else 0.0}
            )
    return rows


def test_subnetworks_that_tell_apart_differently_support():
    (result,) = discrimination(table({"aswap": [0.9, 0.6, 0.5], "aif": [0.8] * 3}, full=0.95))
    assert result.n_subnetworks == 3
    assert result.full == pytest.approx(0.95)
    assert result.auc.value == pytest.approx(np.mean([0.85, 0.7, 0.65]))
    widest, other = result.cases
    assert (widest.case, widest.low, widest.high) == ("aswap", 0.5, 0.9)
    assert widest.full == auc_interval(0.95, 100, 100)
    assert widest.full_d_prime == pytest.approx(0.9)
    assert widest.d_prime == pytest.approx(np.mean([0.8, 0.2, 0.0]))
    # Two cases: the smaller p-value counts twice.
    chi2 = np.square(np.array([0.9, 0.6, 0.5]) - 2 / 3).sum() / auc_variance(2 / 3, 100, 100)
    assert widest.p_value == pytest.approx(2 * np.exp(-chi2 / 2))
    assert (other.span, other.p_value) == (0, 1)
    assert result.verdict.decision == "supported"


def test_a_bias_alone_contradicts():
    """Adversarial accuracies from 10 to 90 %, and all areas alike."""
    rows = table({"aswap": [0.8, 0.81, 0.79, 0.8, 0.8]}, biases=[-2, -1, 0, 1, 2.0])
    right = evaluations(
        *[evaluation({"i": 99, "aswap": k}, **found(s)) for s, k in enumerate((10, 30, 50, 70, 90))]
    )
    (result,) = discrimination(rows, right)
    assert result.cases[0].bias_sd == pytest.approx(2.5**0.5)
    assert result.accuracy_with_bias.value == pytest.approx(1)
    assert result.accuracy_with_auc.low < 0 < result.accuracy_with_auc.high
    assert result.verdict.decision == "contradicted"
    assert "accuracy correlates with bias at +1.00" in result.verdict.reason


def test_too_little_is_not_decided():
    assert discrimination(table({})) == []
    assert discrimination(table({}), evaluations()) == []
    (single,) = discrimination(table({"aswap": [0.9]}))
    assert single.full is None
    assert single.cases[0].full is None
    assert single.cases[0].bias_sd == 0
    assert single.verdict.decision == "not decided by these data"
    (few_examples,) = discrimination(table({"aswap": [0.8, 0.8, 0.81]}, n=20))
    assert few_examples.verdict.decision == "not decided by these data"
    (perfect,) = discrimination(table({"aswap": [1.0, 1.0, 1.0]}))
    assert perfect.cases[0].p_value == 1
    assert perfect.verdict.decision == "contradicted"


@pytest.mark.parametrize("sure", [False, True])
@pytest.mark.parametrize(
    ("distances", "wrong"), [([1.0] * 6, "supported"), ([0.2, 1.0, 1.8] * 2, "contradicted")]
)
def test_verdicts_are_calibrated(distances, wrong, sure):
    """Whatever the biases, equal discrimination is not taken for different, nor the reverse."""
    rng = np.random.default_rng(0)
    lean = rng.normal(0, 3, size=(200, 6))
    distance = np.array(distances)[None, None, :, None, None]
    drawn = scored(
        rng, np.broadcast_to(distance, (200, 1, 6, 1, 1)), lean[:, None, :, None, None], sure=sure
    )
    results = discrimination(drawn[1])
    assert len(results) == 200
    assert decisions(results).count(wrong) <= 18


@pytest.mark.parametrize(("n", "n_friendly"), [(50, 250), (200, 1000), (50, 50)])
def test_sure_models_that_tell_apart_alike_are_not_taken_for_different(n, n_friendly):
    rng = np.random.default_rng(1)
    rows = []
    for study in range(100):
        areas, errors = [], []
        for _ in range(8):
            found = separation(
                np.where(rng.random(n) < 0.8, 6.0, -6.0), rng.normal(-3, 0.5, n_friendly)
            )
            areas.append(found.auc)
            errors.append(found.auc_se)
        some = rows_of({"a1": areas}, n=n, finetune_seed=study)
        rows += [
            row | {"n_friendly": n_friendly, "auc_se": error}
            for row, error in zip(some, errors, strict=True)
        ]
    results = discrimination(table_of(rows))
    assert len(results) == 100
    assert decisions(results).count("supported") <= 9
