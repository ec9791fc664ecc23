from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from simulated import decisions
from simulated_learning import at_random, fine_tunings
from simulated_scores import by_example, scored

from heuristic_core.analysis.conclusions import conclude
from heuristic_core.analysis.evidence import Evidence
from heuristic_core.analysis.learning_order import QUESTION, learning_order, rises
from heuristic_core.analysis.learning_times import above_learned, order_of_rise
from heuristic_core.tables import FINETUNING
from tables_by_hand import areas, discriminations, evaluation, evaluations

STEPS = (0, 100, 200, 300)
NOTHING = discriminations()


def over_training(**cases):
    return evaluations(
        *[
            evaluation({case: values[i] for case, values in cases.items()}, checkpoint=step)
            for i, step in enumerate(STEPS)
        ]
    )


def areas_over_training(**cases):
    return discriminations(
        *[
            areas({case: values[i] for case, values in cases.items()}, checkpoint=step)
            for i, step in enumerate(STEPS)
        ]
    )


def measured(table, areas_):
    return Evidence({"evaluations": table, "discrimination": areas_})


def one(table, areas_):
    (answer,) = learning_order(measured(table, areas_))
    return answer


def rises_at(answer):
    return {row["case"]: row["rises_at"] for row in answer.rows["learning-order"]}


TABLE = over_training(
    i=(50, 95, 98, 99), aswap=(90, 2, 40, 98), aflat=(95, 0, 1, 0), feasy=(10, 99, 100, 100)
)


def test_heuristic_first_generalisation_later():
    separation = areas_over_training(aswap=(0.5, 0.4, 0.8, 0.98), aflat=(0.9, 0.5, 0.55, 0.5))
    answer = one(TABLE, separation)
    assert {row["learned_at"] for row in answer.rows["learning-order"]} == {100}
    assert rises_at(answer) == {"aswap": 200, "aflat": None}
    swap, easy = (
        [row for row in answer.rows["learning-cases"] if row.get("case") == case]
        for case in ("aswap", "feasy")
    )
    assert [row["accuracy"].value for row in swap] == [0.9, 0.02, 0.4, 0.98]
    assert [row["auc"].value for row in swap] == [0.5, 0.4, 0.8, 0.98]
    assert swap[2]["auc"].low < 0.8 < swap[2]["auc"].high
    assert swap[1]["accuracy"].low < 0.02 < swap[1]["accuracy"].high
    assert [row["auc"] for row in easy] == [None] * 4
    verdict = answer.verdict
    decision = "not decided by these data"  # in a random order one case may well rise later
    assert (verdict.decision, verdict.effect.value, verdict.p) == (decision, 1, None)
    assert verdict.reason.endswith("this takes 4 cases that rise")
    assert "in 1 of 2 adversarial cases: in 0 clearly earlier, in 1 clearly later" in verdict.reason
    assert rises(measured(TABLE, separation)) == {
        1: {("ood", "aswap"): 200, ("ood", "aflat"): None}
    }


@pytest.mark.parametrize(
    ("later", "unclear", "decision"),
    [(4, 0, "supported"), (4, 1, "not decided by these data"), (5, 1, "supported")],
)
def test_more_than_four_fifths_of_at_least_four_cases(later, unclear, decision):
    cases = {f"a{i}": (0.5, 0.4, 0.5, 0.98) for i in range(later)}
    cases |= {f"b{i}": (0.5, 0.4, 0.72, 0.98) for i in range(unclear)}
    table = over_training(i=(50, 60, 98, 99), **{f"a{name}": (9, 1, 2, 9) for name in cases})
    answer = one(table, areas_over_training(**{f"a{name}": x for name, x in cases.items()}))
    assert f"in {later + unclear} of {later + unclear} adversarial" in answer.verdict.reason
    assert answer.verdict.decision == decision


def test_tables_by_hand():
    separation = areas_over_training(aswap=(0.5, 0.4, 0.8, 0.98), aflat=(0.9, 0.5, 0.55, 0.5))
    logged = [
        {"finetune_seed": 1, "step": s, "loss": s / 1000, "learning_rate": 0.1}
        for s in (50, 150, 250)
    ]
    logged.append({"finetune_seed": 2, "step": 90, "loss": 9.0, "learning_rate": 0.1})
    tables = {
        "evaluations": TABLE,
        "discrimination": separation,
        "finetuning": FINETUNING.frame(logged),
    }
    result = conclude(Evidence(tables), (QUESTION,)).tables
    full = result["full-model"].set_index("checkpoint")
    assert full["in_domain"].tolist() == pytest.approx([0.5, 0.95, 0.98, 0.99])
    assert full["adversarial"].tolist() == pytest.approx([0.925, 0.01, 0.205, 0.49])
    assert full["friendly"].tolist() == pytest.approx([0.1, 0.99, 1, 1])
    # The loss logged last at or before each checkpoint.
    assert full["training_loss"].tolist() == pytest.approx([np.nan, 0.05, 0.15, 0.25], nan_ok=True)
    rows = result["learning-cases"]
    mean = rows["case"].isna()
    means = rows[mean].pivot(index="checkpoint", columns="cases", values="accuracy")
    assert means["in-domain"].tolist() == pytest.approx(full["in_domain"].tolist())
    assert means["adversarial"].tolist() == pytest.approx(full["adversarial"].tolist())
    # The mean comes first, then the cases of the kind, the best at the end first.
    assert rows["cases"].drop_duplicates().tolist() == ["in-domain", "adversarial", "friendly"]
    assert mean[~rows.duplicated("cases")].all()
    cases = rows[~mean]
    assert cases["case"].drop_duplicates().tolist() == ["i", "aswap", "aflat", "feasy"]
    assert cases["checkpoint"].tolist() == list(STEPS) * 4
    # Means are drawn, and cases whose AUROC rises.
    assert rows["drawn"][mean].all()
    assert set(cases["case"][cases["drawn"]]) == {"aswap"}


def test_accuracy_that_rises_where_the_area_does_not_is_no_rise():
    separation = areas_over_training(aswap=(0.5, 0.6, 0.61, 0.6), aflat=(0.5, 0.5, 0.5, 0.5))
    answer = one(TABLE, separation)
    assert rises_at(answer) == {"aswap": None, "aflat": None}
    assert (answer.verdict.decision, answer.verdict.effect) == ("not decided by these data", None)


def test_without_friendly_counterparts_nothing_is_decided():
    answer = one(TABLE, NOTHING)
    assert answer.rows["learning-order"] == []
    assert answer.verdict.decision == "not decided by these data"
    assert "no rise can be separated from label bias" in answer.verdict.reason


def test_a_case_that_falls_again_has_not_risen():
    separation = areas_over_training(aswap=(0.5, 0.5, 0.9, 0.5))
    answer = one(over_training(i=(50, 95, 98, 99), aswap=(90, 2, 60, 5)), separation)
    assert rises_at(answer) == {"aswap": None}
    assert answer.verdict.decision == "not decided by these data"


def test_a_rise_to_guessing_is_none():
    separation = areas_over_training(aswap=(0.5, 0.1, 0.5, 0.5))
    answer = one(over_training(i=(50, 95, 98, 99), aswap=(90, 2, 60, 5)), separation)
    assert rises_at(answer) == {"aswap": None}


def test_generalising_at_once_contradicts():
    cases = ("a1", "a2", "a3", "a4")
    separation = areas_over_training(**dict.fromkeys(cases, (0.5, 0.5, 0.9, 0.95)))
    right = dict.fromkeys(cases, (90, 2, 60, 70))
    answer = one(over_training(i=(50, 60, 80, 99), **right), separation)
    row = answer.rows["learning-order"][0]
    assert (row["not_learned_at"], row["learned_at"], row["order"]) == (200, 300, "earlier")
    assert (answer.verdict.decision, answer.verdict.effect.value) == ("contradicted", 0)


@pytest.mark.parametrize("keep", [[0], [0, 300], [300]])
def test_too_few_checkpoints_do_not_decide(keep):
    separation = areas_over_training(aswap=(0.5, 0.4, 0.8, 0.98))
    some, of_them = (table[table["checkpoint"].isin(keep)] for table in (TABLE, separation))
    assert one(some, of_them).verdict.decision == "not decided by these data"


def studies(distance, bias, seed, sure=False):
    """The decisions on 200 models of four checkpoints and two cases."""
    shape = (200, 4, 1, 1, 2)
    drawn = scored(
        np.random.default_rng(seed),
        np.broadcast_to(np.reshape(distance, (1, 4, 1, 1, 1)), shape),
        np.reshape(bias, (1, 4, 1, 1, 1)),
        learned=(30, 46, 48, 49),
        checkpoints=(100, 200, 300, 400),
        sparsities=(0.0,),
        sure=sure,
    )
    decided = [answer.verdict.decision for answer in learning_order(measured(*drawn))]
    assert len(decided) == 200
    return decided


def accuracies(*right, n=10_000):
    """Rows in-domain: numbers correct at each trained checkpoint."""
    groups = [
        evaluation({"i": k}, n, checkpoint=step) for k, step in zip(right, STEPS[1:], strict=False)
    ]
    return evaluations(*groups)


def test_what_is_learned_has_an_error():
    # 90 % of 8,000 are 7,200.
    above = above_learned(accuracies(7_200, 7_400, 8_000))
    assert above.index.tolist() == [100, 200, 300]
    assert above[100] == pytest.approx(0, abs=1e-9)
    error = 100 * (0.74 * 0.26 + 0.81 * 0.8 * 0.2) ** 0.5
    assert above[200] == pytest.approx(200 / error, rel=1e-3)
    assert above_learned(accuracies()).empty


def risen(auc, before, after, n=1000):
    rows = [areas({"a": x}, n, checkpoint=s) for x, s in zip(auc, STEPS[1:], strict=True)]
    return order_of_rise(discriminations(*rows), before, after)


def test_an_order_needs_a_clear_half_of_the_rise():
    # Half of the rise from 0.5 to 0.9 is at 0.7.
    assert risen((0.5, 0.8, 0.9), 200, 300) == "earlier"
    assert risen((0.5, 0.71, 0.9), 200, 300) is None
    assert risen((0.5, 0.6, 0.9), 200, 200) == "later"
    assert risen((0.5, 0.69, 0.9), 100, 200) is None
    # What lies below guessing does not count, and a rise that starts above it does.
    assert risen((0.2, 0.6, 0.9), 100, 200) == "later"
    assert risen((0.7, 0.74, 0.9), 100, 200) == "later"
    assert risen((0.7, 0.86, 0.9), 200, 300) == "earlier"
    # Few examples make nothing clear, and neither does an unknown time.
    assert risen((0.5, 0.6, 0.9), 100, 200, n=20) is None
    assert risen((0.5, 0.8, 0.9), None, None) is None


def test_aurocs_on_the_same_examples_show_a_smaller_rise():
    drawn = by_example(
        np.random.default_rng(0),
        np.reshape([0.3, 0.3, 0.8], (1, 3, 1, 1, 1)),
        np.zeros((1,) * 5),
        checkpoints=(100, 200, 300),
        sparsities=(0.0,),
        n=60,
        alike=0.95,
    )
    (paired,) = learning_order(Evidence(drawn))
    (alone,) = learning_order(measured(drawn["evaluations"], drawn["discrimination"]))
    assert (rises_at(paired), rises_at(alone)) == ({"a0": 300}, {"a0": None})


def test_three_right_answers_do_not_turn_a_verdict():
    folder = Path(__file__).parents[2] / "docs" / "results" / "minilm-mnli-hans" / "natural"
    names = ("evaluations", "discrimination", "finetuning")
    tables = {name: pd.read_parquet(folder / "tables" / f"{name}.parquet") for name in names}
    rows = tables["evaluations"]
    found = []
    for right in (-3, 0, 3):
        at = (rows["kind"] == "full") & (rows["checkpoint"] == 1000) & (rows["role"] == "id")
        changed = rows.assign(correct=rows["correct"] + right * at)
        (answer,) = learning_order(Evidence(tables | {"evaluations": changed}))
        found.append((answer.verdict, rises_at(answer), answer.rows["learning-order"]))
    assert found[0] == found[1] == found[2]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("distance", "bias", "sure"),
    [
        (0.0, [0.0] * 4, False),
        (1.0, [0.0] * 4, False),
        (1.0, [-2.0, -1.0, 0.5, 1.0], False),
        (1.0, [-2.0, -1.0, 0.5, 1.0], True),
    ],
)
def test_neither_noise_nor_growing_label_bias_decides(distance, bias, sure):
    decided = studies([distance] * 4, bias, 0, sure)
    assert sum(d != "not decided by these data" for d in decided) <= 18


#: In-domain accuracy that jumps between steps 1,000 and 2,000, and AUROCs that do.
JUMP = np.array([0.6, 0.62, 0.64, 0.72, 0.74, 0.745])
#: In-domain accuracy that reaches 90 % of its end before step 1,000, and after step 2,000.
EARLY = np.array([0.56, 0.66, 0.71, 0.73, 0.74, 0.745])
LATE = np.array([0.45, 0.5, 0.55, 0.6, 0.7, 0.745])


def orders(accuracy, auc, n_studies, n_cases=8, **examples):
    """The decisions on fine-tunings with the checkpoints and examples of the arms."""
    auc = np.asarray(auc, dtype=float)
    if auc.ndim == 1:
        auc = np.broadcast_to(auc[:, None], (n_studies, len(auc), n_cases))
    drawn = fine_tunings(np.random.default_rng(1), accuracy, auc, **examples)
    return decisions(learning_order(measured(*drawn)))


@pytest.mark.parametrize(
    ("accuracy", "auc", "right"),
    [
        (EARLY, [0.5, 0.5, 0.5, 0.5, 0.7, 0.7], "supported"),
        (LATE, [0.5, 0.7, 0.7, 0.7, 0.7, 0.7], "contradicted"),
        (JUMP, [0.5, 0.5, 0.5, 0.7, 0.7, 0.7], "not decided by these data"),
    ],
)
def test_a_clear_order_is_found_and_a_tie_is_none(accuracy, auc, right):
    assert orders(accuracy, auc, 10, n_cases=4).count(right) == 10


@pytest.mark.slow
@pytest.mark.parametrize("n_cases", [4, 8])
@pytest.mark.parametrize(
    ("accuracy", "auc"),
    [
        (JUMP, [0.5, 0.5, 0.5, 0.8, 0.8, 0.8]),
        # Half of the rise is made at the very checkpoint at which the task is first learned.
        (JUMP, [0.5, 0.5, 0.5, 0.65, 0.8, 0.8]),
        (JUMP, [0.5, 0.5, 0.5, 0.55, 0.6, 0.6]),
        (np.where(np.arange(6) == 2, 0.9 * 0.745, EARLY), [0.5, 0.5, 0.65, 0.8, 0.8, 0.8]),
        (JUMP, [0.5] * 6),
    ],
)
def test_ties_are_seldom_decided(accuracy, auc, n_cases):
    decided = orders(accuracy, auc, 1000, n_cases)
    assert 1000 - decided.count("not decided by these data") <= 65


@pytest.mark.slow
@pytest.mark.parametrize("n_cases", [4, 5, 8])
def test_random_orders_are_seldom_decided(n_cases):
    auc = at_random(np.random.default_rng(0), 1000, n_cases)
    assert orders(JUMP, auc, 1000, n_cases).count("not decided by these data") >= 935


@pytest.mark.slow
@pytest.mark.parametrize("end", [0.6, 0.8])
def test_power_at_the_arms_design(end):
    late, early = [0.5] * 4 + [end] * 2, [0.5] + [end] * 5
    assert orders(EARLY, late, 200).count("supported") >= 190
    assert orders(LATE, early, 200).count("contradicted") >= 190
