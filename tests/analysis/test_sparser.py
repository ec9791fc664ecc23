from __future__ import annotations

import numpy as np
import pytest
from simulated import decisions, simulated
from tables_by_hand import evaluation, evaluations, found

from heuristic_core.analysis.evidence import Evidence
from heuristic_core.analysis.sparser import sparser
from heuristic_core.tables import DISCRIMINATION


def areas(values):
    """From (seed, sparsity) to the AUROCs of its cases."""
    rows = [
        {"finetune_seed": 1, "checkpoint": 300}
        | found(seed, sparsity)
        | {"suite": "ood", "case": f"a{i}", "case_group": "all", "n": 50, "n_friendly": 50}
        | {"auc": auc, "d_prime": 1.0, "bias": 0.0}
        for (seed, sparsity), some in values.items()
        for i, auc in enumerate(some)
    ]
    return DISCRIMINATION.frame(rows)


def answers(rows, measured=None):
    tables = {"evaluations": rows}
    return sparser(Evidence(tables if measured is None else tables | {"discrimination": measured}))


def changes(answer):
    """From what changes to the estimate of the change."""
    return {row["measure"]: row["change"] for row in answer.rows["sparser"]}


def test_sparser_is_paired_by_seed():
    rows = [
        evaluation({"in": 99, "aswap": 90 - 2 * seed}, **found(seed, 0.5)) for seed in range(4)
    ] + [evaluation({"in": 97, "aswap": 60 - 2 * seed}, **found(seed, 0.7)) for seed in range(4)]
    (answer,) = answers(evaluations(*rows))
    assert (answer.subject["other_sparsity"], answer.subject["sparsity"]) == (0.5, 0.7)
    assert [row["n"] for row in answer.rows["sparser"]] == [4, 4]
    change = changes(answer)
    assert list(change) == ["adversarial accuracy", "in-domain accuracy"]
    assert change["adversarial accuracy"].value == pytest.approx(-30)
    assert change["in-domain accuracy"].value == pytest.approx(-2)
    assert answer.verdict.decision == "supported"
    assert answer.verdict.effect == change["adversarial accuracy"]
    assert answer.verdict.measure == "adversarial accuracy, points"
    assert "In-domain accuracy changes by -2.0" in answer.caveat
    (few,) = answers(evaluations(*rows[:2], *rows[4:6]))
    assert few.verdict.decision == "not decided by these data"
    assert few.caveat == ""


def test_neighbouring_sparsities_of_one_model_are_compared():
    rows = [
        evaluation({"in": 99, "aswap": 90}, finetune_seed=model, **found(0, sparsity))
        for model in (1, 2)
        for sparsity in (0.7, 0.3, 0.5)
    ]
    pairs = [
        tuple(answer.subject[name] for name in ("finetune_seed", "other_sparsity", "sparsity"))
        for answer in answers(evaluations(*rows))
    ]
    assert pairs == [(1, 0.3, 0.5), (1, 0.5, 0.7), (2, 0.3, 0.5), (2, 0.5, 0.7)]


def test_label_bias_is_no_generalisation():
    """Adversarial accuracy that is bought with as much friendly accuracy decides nothing."""
    rows = [
        evaluation({"in": 99, "aswap": 30 + seed, "fpass": 90 + seed}, **found(seed, 0.5))
        for seed in range(4)
    ] + [
        evaluation({"in": 99, "aswap": 60 + seed, "fpass": 50 + seed}, **found(seed, 0.7))
        for seed in range(4)
    ]
    (answer,) = answers(evaluations(*rows))
    change = changes(answer)
    assert change["adversarial accuracy"].value == pytest.approx(30)
    assert change["friendly accuracy"].value == pytest.approx(-40)
    assert change["balanced accuracy"].value == pytest.approx(-5)
    assert answer.verdict.decision == "supported"
    assert "balanced accuracy changes by -5.0" in answer.verdict.reason
    assert answer.caveat == ""


def rows_of(changes, before=50):
    return evaluations(
        *[evaluation({"in": 99, "aswap": before}, **found(s, 0.5)) for s in range(len(changes))],
        *[
            evaluation({"in": 99, "aswap": before + change}, **found(s, 0.7))
            for s, change in enumerate(changes)
        ],
    )


def test_the_auroc_outweighs_accuracy():
    """Accuracy falls, but the cases are separated better than before: a shift of bias."""
    rows = rows_of([-20, -21, -22])
    table = areas(
        {(s, 0.5): (0.7, 0.8) for s in range(3)}
        | {(s, 0.7): (0.8 + s / 100, 0.9) for s in range(3)}
    )
    (answer,) = answers(rows, table)
    assert changes(answer)["AUROC x 100"].value == pytest.approx(10.5)
    assert changes(answer)["adversarial accuracy"].value == pytest.approx(-21)
    assert answer.verdict.decision == "contradicted"
    assert answer.verdict.reason.startswith("AUROC x 100 changes by +10.5")
    assert answer.verdict.measure == "AUROC x 100"
    (without,) = answers(rows, areas({}))
    assert "AUROC x 100" not in changes(without)
    assert without.verdict.decision == "supported"
    # AUROCs of two seeds only are too few, whatever accuracy says.
    (few,) = answers(rows, table[table["seed"] < 2])
    assert few.verdict.decision == "not decided by these data"
    assert [row["n"] for row in few.rows["sparser"]] == [2, 3, 3]


def test_the_interval_is_students():
    (answer,) = answers(rows_of([-10, -12, -14]))
    low = changes(answer)["adversarial accuracy"].low
    assert low == pytest.approx(-12 - 4.30265 * 2 / 3**0.5, abs=1e-3)
    assert answer.verdict.decision == "supported"
    (single,) = answers(rows_of([-10]))
    assert np.isnan(changes(single)["adversarial accuracy"].low)
    assert single.verdict.decision == "not decided by these data"


@pytest.mark.parametrize(("n_seeds", "n"), [(3, 50), (8, 1000)])
def test_noise_decides_nothing(n_seeds, n):
    rng = np.random.default_rng(n_seeds)
    right = rng.binomial(n, (0.9, 0.5, 0.8), size=(200, 1, n_seeds, 2, 3))
    results = answers(simulated(right, ["i", "a", "f"], [0.5, 0.7], n))
    assert len(results) == 200
    assert decisions(results).count("not decided by these data") >= 182
    truth = [changes(answer)["balanced accuracy"] for answer in results]
    assert 0.90 <= np.mean([e.low <= 0 <= e.high for e in truth]) <= 0.99
