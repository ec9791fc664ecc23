from __future__ import annotations

import numpy as np
import pytest
from simulated import decisions
from simulated_scores import by_example

from heuristic_core.analysis.evidence import Evidence
from heuristic_core.analysis.sparser import sparser
from heuristic_core.tables import DISCRIMINATION
from tables_by_hand import evaluation, evaluations, found


def areas(values):
    """From (seed, sparsity) to the AUROCs of its cases."""
    rows = [
        {"finetune_seed": 1, "checkpoint": 300}
        | found(seed, sparsity)
        | {"suite": "ood", "case": f"a{i}", "case_group": "all", "n": 500, "n_friendly": 500}
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
    ] + [evaluation({"in": 90, "aswap": 60 - 2 * seed}, **found(seed, 0.7)) for seed in range(4)]
    (answer,) = answers(evaluations(*rows))
    assert (answer.subject["other_sparsity"], answer.subject["sparsity"]) == (0.5, 0.7)
    assert [row["n"] for row in answer.rows["sparser"]] == [4, 4]
    change = changes(answer)
    assert list(change) == ["adversarial accuracy", "in-domain accuracy"]
    assert change["adversarial accuracy"].value == pytest.approx(-30)
    assert change["in-domain accuracy"].value == pytest.approx(-9)
    assert answer.verdict.decision == "supported"
    assert answer.verdict.effect == change["adversarial accuracy"]
    assert answer.verdict.measure == "adversarial accuracy, points"
    assert "In-domain accuracy changes by -9.0" in answer.caveat
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
    assert answer.verdict.decision == "not decided by these data"
    assert "balanced accuracy changes by -5.0" in answer.verdict.reason
    assert "examples taken as different at either sparsity" in answer.verdict.reason
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


def test_the_interval_without_single_predictions_by_hand():
    """Student's variance over seeds and that of both accuracies, as if all seeds answered alike."""
    (answer,) = answers(rows_of([-20, -22, -24]))
    before, after = 0.25 / 99, np.mean([p * (1 - p) for p in (0.3, 0.28, 0.26)]) / 99
    half = (4.302653**2 * 4 / 3 + 1.959964**2 * 1e4 * (before + after)) ** 0.5
    change = changes(answer)["adversarial accuracy"]
    assert (change.low, change.high) == pytest.approx((-22 - half, -22 + half), abs=1e-4)
    assert answer.verdict.decision == "supported"
    (single,) = answers(rows_of([-10]))
    assert np.isnan(changes(single)["adversarial accuracy"].low)
    assert single.verdict.decision == "not decided by these data"


def studies(n_studies, n_seeds, alike, across, effect=0.0, spread=0.0, n=80, **without):
    """Answers on models of two sparsities, between which two cases lose some distance."""
    rng = np.random.default_rng(n_seeds)
    of_seeds = spread * rng.standard_normal((n_studies, 1, n_seeds, 2, 1))
    distance = 1 + of_seeds - effect * np.array([0, 1])[:, None] + np.zeros(2)
    lean, levels = np.full((1,) * 5, -0.5), (0.5, 0.7)
    tables = by_example(
        rng, distance, lean, n=n, n_friendly=300, alike=alike, across=across, sparsities=levels
    )
    found = sparser(Evidence({k: v for k, v in tables.items() if k not in without}))
    assert len(found) == n_studies
    return found


def test_the_paired_interval_by_hand():
    """The covariance of two seeds' changes is that of their differences, example by example."""
    rng = np.random.default_rng(0)
    levels, n = (0.5, 0.7), 40
    tables = by_example(
        rng, np.ones((1, 1, 3, 2, 1)), np.zeros((1,) * 5), n=n, alike=0.6, sparsities=levels
    )
    rows = tables["predictions"]
    bits = {
        (row.case, row.sparsity, row.seed): np.unpackbits(
            np.frombuffer(row.correct, np.uint8), count=n
        ).astype(float)
        for row in rows.itertuples()
    }
    shared = {}
    for case in ("a0", "f"):
        differences = [bits[case, 0.7, seed] - bits[case, 0.5, seed] for seed in range(3)]
        pairs = [np.cov(differences[i], differences[j])[0, 1] for i, j in ((0, 1), (0, 2), (1, 2))]
        shared[case] = np.mean(pairs) / n
    (answer,) = sparser(Evidence(tables))
    for name, case in (("adversarial accuracy", "a0"), ("friendly accuracy", "f")):
        by_seed = [
            100 * (bits[case, 0.7, seed] - bits[case, 0.5, seed]).mean() for seed in range(3)
        ]
        squared = 4.302653**2 * np.var(by_seed, ddof=1) / 3
        squared += 1.959964**2 * 1e4 * max(0, shared[case])
        change = changes(answer)[name]
        assert change.value == pytest.approx(np.mean(by_seed))
        assert change.high - change.value == pytest.approx(squared**0.5, rel=1e-5)
    # The simulation keeps no predictions in-domain.
    assert [row["paired"] for row in answer.rows["sparser"]] == [True] * 4 + [False]
    assert "over 3 pairs, on the same examples" in answer.verdict.reason


@pytest.mark.slow
@pytest.mark.parametrize(
    ("n_seeds", "alike", "across", "spread"),
    [(3, 0.9, 0.6, 0.0), (3, 0.95, 0.9, 0.15), (8, 0.5, 0.3, 0.0)],
)
def test_noise_decides_nothing(n_seeds, alike, across, spread):
    results = studies(1000, n_seeds, alike, across, spread=spread)
    # A true 5 % passes 98 times in 100.
    bar = 0.065
    assert decisions(results).count("not decided by these data") >= (1 - bar) * 1000
    truth = [changes(answer)["AUROC x 100"] for answer in results]
    assert 1 - bar <= np.mean([e.low <= 0 <= e.high for e in truth]) <= 1


@pytest.mark.slow
def test_a_true_fall_is_found_if_examples_are_paired():
    paired = studies(40, 3, 0.9, 0.6, effect=0.35)
    assert decisions(paired).count("supported") >= 34
    alone = studies(40, 3, 0.9, 0.6, effect=0.35, predictions=False)
    assert decisions(alone).count("supported") <= 20
