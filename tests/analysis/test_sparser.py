from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from simulated import decisions, simulated
from tables_by_hand import evaluation, evaluations, found

from heuristic_core.analysis.sparser import sparser
from heuristic_core.tables import DISCRIMINATION, conform


def areas(values):
    """From (seed, sparsity) to the areas under the curve of its cases."""
    rows = [
        {"finetune_seed": 1, "checkpoint": 300}
        | found(seed, sparsity)
        | {"suite": "ood", "case": f"a{i}", "group": "all", "n": 50, "n_friendly": 50}
        | {"auc": auc, "d_prime": 1.0, "bias": 0.0}
        for (seed, sparsity), some in values.items()
        for i, auc in enumerate(some)
    ]
    return conform(pd.DataFrame(rows, columns=list(DISCRIMINATION)), DISCRIMINATION)


def test_sparser_is_paired_by_seed():
    rows = [
        evaluation({"in": 99, "aswap": 90 - 2 * seed}, **found(seed, 0.5)) for seed in range(4)
    ] + [evaluation({"in": 97, "aswap": 60 - 2 * seed}, **found(seed, 0.7)) for seed in range(4)]
    (result,) = sparser(evaluations(*rows))
    assert (result.denser, result.sparser, result.n) == (0.5, 0.7, 4)
    assert result.adversarial_points.value == pytest.approx(-30)
    assert result.in_domain_points.value == pytest.approx(-2)
    assert result.verdict.decision == "supported"
    (few,) = sparser(evaluations(*rows[:2], *rows[4:6]))
    assert few.verdict.decision == "not decided by these data"


def test_a_bias_to_one_label_is_no_generalisation():
    """Adversarial accuracy that is bought with as much friendly accuracy decides nothing."""
    rows = [
        evaluation({"in": 99, "aswap": 30 + seed, "fpass": 90 + seed}, **found(seed, 0.5))
        for seed in range(4)
    ] + [
        evaluation({"in": 99, "aswap": 60 + seed, "fpass": 50 + seed}, **found(seed, 0.7))
        for seed in range(4)
    ]
    (result,) = sparser(evaluations(*rows))
    assert result.adversarial_points.value == pytest.approx(30)
    assert result.friendly_points.value == pytest.approx(-40)
    assert result.balanced_points.value == pytest.approx(-5)
    assert result.verdict.decision == "supported"
    assert "balanced accuracy changes by -5.0 points" in result.verdict.reason


def rows_of(changes, before=50):
    return evaluations(
        *[evaluation({"in": 99, "aswap": before}, **found(s, 0.5)) for s in range(len(changes))],
        *[
            evaluation({"in": 99, "aswap": before + change}, **found(s, 0.7))
            for s, change in enumerate(changes)
        ],
    )


def test_discrimination_outweighs_accuracy():
    """Accuracy falls, but the cases are told apart better than before: a shift of bias."""
    rows = rows_of([-20, -21, -22])
    table = areas(
        {(s, 0.5): (0.7, 0.8) for s in range(3)}
        | {(s, 0.7): (0.8 + s / 100, 0.9) for s in range(3)}
    )
    (result,) = sparser(rows, table)
    assert result.auc_points.value == pytest.approx(10.5)
    assert result.adversarial_points.value == pytest.approx(-21)
    assert result.verdict.decision == "contradicted"
    assert result.verdict.reason.startswith("AUC x 100 changes by +10.5 points")
    (without,) = sparser(rows, areas({}))
    assert without.auc_points is None
    assert without.verdict.decision == "supported"
    # Areas of two seeds only are too few, whatever accuracy says.
    (few,) = sparser(rows, table[table["seed"] < 2])
    assert few.verdict.decision == "not decided by these data"


def test_the_interval_is_students():
    (result,) = sparser(rows_of([-10, -12, -14]))
    assert result.adversarial_points.low == pytest.approx(-12 - 4.30265 * 2 / 3**0.5, abs=1e-3)
    assert result.verdict.decision == "supported"
    (single,) = sparser(rows_of([-10]))
    assert np.isnan(single.adversarial_points.low)
    assert single.verdict.decision == "not decided by these data"


@pytest.mark.parametrize(("n_seeds", "n"), [(3, 50), (8, 1000)])
def test_noise_decides_nothing(n_seeds, n):
    rng = np.random.default_rng(n_seeds)
    right = rng.binomial(n, (0.9, 0.5, 0.8), size=(200, 1, n_seeds, 2, 3))
    results = sparser(simulated(right, ["i", "a", "f"], [0.5, 0.7], n))
    assert len(results) == 200
    assert decisions(results).count("not decided by these data") >= 182
    truth = [result.balanced_points for result in results]
    assert 0.90 <= np.mean([e.low <= 0 <= e.high for e in truth]) <= 0.99
