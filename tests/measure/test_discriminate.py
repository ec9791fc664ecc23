from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from heuristic_core.measure.discrimination import auc_changes, discriminate, matches
from heuristic_core.tasks.labels import HANS_LABELS, NLI_LABELS, NLI_TO_HANS
from heuristic_core.tasks.task import Examples, Suite

YES, NO = HANS_LABELS


def suite(rows: list[tuple[str, str]], **settings) -> Suite:
    """A suite of (case, label) rows; a case's first letter says its kind, its last its group."""
    cases, labels = zip(*rows, strict=True)
    examples = Examples.build(cases, cases, labels, list(cases), HANS_LABELS)
    kinds = {case: {"a": "adversarial", "f": "friendly"}[case[0]] for case in cases}
    return Suite(
        name="s",
        role="ood",
        examples=examples,
        kinds=kinds,
        groups={case: case[-1] for case in cases},
        **settings,
    )


def logits(no: list[float]) -> np.ndarray:
    """Two-way logits with these log-odds of the second label."""
    return np.stack([np.zeros(len(no)), np.array(no)], axis=1)


def test_by_hand():
    some = suite([("a1", NO), ("a1", NO), ("f1", YES), ("f1", YES)])
    table = discriminate(some, HANS_LABELS, logits([3.0, 1.0, 1.0, -1.0]))
    (row,) = table.to_dict("records")
    assert (row["suite"], row["case"], row["case_group"]) == ("s", "a1", "1")
    assert (row["n"], row["n_friendly"]) == (2, 2)
    # 3 beats both, 1 beats one and ties with the other.
    assert row["auc"] == pytest.approx(3.5 / 4)
    assert row["d_prime"] == pytest.approx((2 - 0) / 2**0.5)
    assert row["bias"] == pytest.approx((2 + 0) / 2)
    # Either side's shares are 1 and 3/4.
    assert row["auc_se"] == pytest.approx((2 * (1 / 32) / 2) ** 0.5)
    columns = ["suite", "case", "case_group", "n", "n_friendly", "auc", "auc_se", "d_prime", "bias"]
    assert list(table) == columns


def test_a_case_is_held_against_its_own_group_and_another_label():
    some = suite(
        [
            ("a1", NO),
            ("a2", NO),
            ("f1", YES),
            ("f2", YES),
            ("fx2", NO),
            ("amixed1", NO),
            ("amixed1", YES),
            ("alone3", NO),
        ]
    )
    counterparts = {m.case: (m.group, m.friendly.tolist()) for m in matches(some)}
    assert counterparts == {"a1": ("1", [2]), "a2": ("2", [3])}


def test_classes_are_mapped_to_the_suites_labels():
    some = suite([("a1", NO), ("f1", YES)], label_map=NLI_TO_HANS)
    p = np.array([[0.2, 0.3, 0.5], [0.6, 0.3, 0.1]])
    row = discriminate(some, NLI_LABELS, np.log(p)).iloc[0]
    assert row["bias"] == pytest.approx((np.log(0.8 / 0.2) + np.log(0.4 / 0.6)) / 2)


def test_labels_the_model_cannot_give_are_left_out():
    some = suite([("a1", NO), ("f1", YES)])
    table = discriminate(some, (YES,), np.zeros((2, 1)), np.zeros((2, 1)))
    assert len(table) == 0
    assert "auc_change_common_se" in table


@given(st.integers(-5, 5))
def test_a_shift_of_all_scores_changes_the_label_bias_alone(shift):
    rng = np.random.default_rng(0)
    some = suite([("a1", NO)] * 6 + [("f1", YES)] * 5)
    scores = rng.normal(size=11)
    one, other = (
        discriminate(some, HANS_LABELS, logits(list(scores + d))).iloc[0] for d in (0, shift)
    )
    assert other["auc"] == one["auc"]
    assert other["d_prime"] == pytest.approx(one["d_prime"])
    assert other["bias"] - one["bias"] == pytest.approx(shift)


def test_changes_by_hand():
    friendly = np.array([2.0, 0.0])
    after, before = (np.array([3.0, 1.0]), friendly), (np.array([3.0, -1.0]), friendly)
    change, se, common_se, *interaction = auc_changes(after, before).values()
    # Placements of adversarial examples: 1, 1/2 after and 1, 0 before; of friendly examples: 1/2, 1
    # after and 1/2, 1/2 before.
    assert change == pytest.approx(0.25)
    assert se == pytest.approx(np.std([0, 0.5], ddof=1) / 2**0.5)
    assert common_se == pytest.approx(np.std([0, 0.5], ddof=1) / 2**0.5)
    assert np.isnan(interaction).all()
    single = auc_changes((np.array([3.0]), friendly), (np.array([1.0]), friendly))
    assert single["auc_change"] == pytest.approx(0.5)
    assert np.isnan(single["auc_change_se"])


def test_changes_beyond_the_sum_by_hand():
    friendly = np.array([2.0, 0.0])
    before = (np.array([3.0, 3.0]), friendly)
    one, other = (np.array([1.0, 3.0]), friendly), (np.array([3.0, 1.0]), friendly)
    both = (np.array([-1.0, -1.0]), friendly)
    changes = auc_changes(both, before, one, other)
    # Placements fall by 1, 1 without both; by 1/2, 0 without one; by 0, 1/2 without the other.
    assert changes["auc_change"] == pytest.approx(-1)
    assert changes["auc_interaction"] == pytest.approx(-0.5)
    assert changes["auc_interaction_se"] == 0
    # Those of friendly examples fall by 1, 1; by 1/2, 0; and by 1/2, 0: interactions of 0 and -1.
    expected = np.std([0, -1], ddof=1) / 2**0.5
    assert changes["auc_interaction_common_se"] == pytest.approx(expected)


def test_changes_by_rounding_are_none():
    """Saturated scores change their order by less than the resolution."""
    some = suite([("a1", NO)] * 3 + [("f1", YES)] * 3)
    old = logits([8.00003, 8.00004, 8.00005, 8.0, 8.00001, 8.00002])
    new = logits([8.0, 8.00001, 8.00002, 8.00003, 8.00004, 8.00005])
    (row,) = discriminate(some, HANS_LABELS, new, old).to_dict("records")
    assert row["auc"] == 0.5
    assert (row["auc_change"], row["auc_change_se"], row["auc_change_common_se"]) == (0, 0, 0)
    assert abs(row["d_prime"]) < 0.1
    # A shift of all scores by two nats is label bias.
    (shifted,) = discriminate(some, HANS_LABELS, new + np.array([0.0, 2.0]), old).to_dict("records")
    assert shifted["auc_change"] == 0
    assert shifted["bias"] - row["bias"] == pytest.approx(2)


def test_changes_stand_beside_the_areas():
    rng = np.random.default_rng(1)
    some = suite([("a1", NO)] * 6 + [("f1", YES)] * 5)
    new, old = (logits(list(rng.normal(size=11))) for _ in range(2))
    table = discriminate(some, HANS_LABELS, new, old)
    areas = [discriminate(some, HANS_LABELS, x)["auc"].iloc[0] for x in (new, old)]
    assert table["auc_change"].iloc[0] == pytest.approx(areas[0] - areas[1])


def test_the_errors_of_changes_are_right_in_the_mean():
    """The standard error is as large as the spread of changes over many samples."""
    rng = np.random.default_rng(2)
    samples = []
    for _ in range(400):
        adversarial, friendly = rng.normal(1, 1, 30), rng.normal(0, 1, 40)
        after = adversarial + rng.normal(0, 0.7, 30), friendly + rng.normal(0, 0.7, 40)
        samples.append(auc_changes(after, (adversarial, friendly)))
    changes = pd.DataFrame(samples)
    variance = changes["auc_change_se"] ** 2 + changes["auc_change_common_se"] ** 2
    expected = variance.mean() ** 0.5
    assert changes["auc_change"].std() == pytest.approx(expected, rel=0.1)
