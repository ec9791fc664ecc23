"""Mean AUROCs of groups of subnetworks, their differences and errors."""

from __future__ import annotations

import numpy as np
import pytest

from heuristic_core.faithful.generalisation import difference_of_aurocs, halves, scores_of
from heuristic_core.measure.discrimination import discriminate
from heuristic_core.tasks.labels import HANS_LABELS
from heuristic_core.tasks.task import Examples, Suite

YES, NO = HANS_LABELS
N = 40


def suite() -> Suite:
    """Two adversarial cases that share their friendly examples."""
    cases = ["a1"] * N + ["a2"] * N + ["f"] * N
    labels = [NO] * 2 * N + [YES] * N
    examples = Examples.build(cases, cases, labels, cases, HANS_LABELS)
    kinds = {"a1": "adversarial", "a2": "adversarial", "f": "friendly"}
    return Suite(name="s", role="ood", examples=examples, kinds=kinds)


def runs(n: int) -> list[np.ndarray]:
    """Logits of subnetworks that answer alike, each on all examples."""
    rng = np.random.default_rng(0)
    common = rng.normal(size=3 * N) + np.repeat([1.0, 0.5, 0.0], N)
    odds = common + 0.5 * rng.normal(size=(n, 3 * N))
    return [np.stack([np.zeros(3 * N), one], axis=1) for one in odds]


def test_the_mean_of_one_subnetwork_in_one_case_is_its_auroc():
    (one,) = runs(1)
    rows = discriminate(suite(), HANS_LABELS, one).set_index("case")
    for case in ("a1", "a2"):
        mean, se = difference_of_aurocs(suite(), HANS_LABELS, [case], [one], [])
        assert mean == pytest.approx(rows.loc[case, "auc"])
        assert se == pytest.approx(rows.loc[case, "auc_se"])


@pytest.mark.parametrize("n_others", [0, 2])
def test_means_and_errors_are_those_of_resampled_examples(n_others):
    several, cases = runs(3 + n_others), ["a1", "a2"]
    one, other = several[:3], several[3:]
    mean, se = difference_of_aurocs(suite(), HANS_LABELS, cases, one, other)

    def difference(groups: list[np.ndarray]) -> float:
        index = np.concatenate(groups)
        means = [
            np.mean([discriminate(suite(), HANS_LABELS, x[index])["auc"].mean() for x in some])
            for some in (one, other)
            if some
        ]
        return means[0] - sum(means[1:])

    parts = np.arange(3 * N).reshape(3, N)
    assert mean == pytest.approx(difference(list(parts)))
    rng = np.random.default_rng(1)
    drawn = [difference([rng.choice(part, N) for part in parts]) for _ in range(300)]
    assert se == pytest.approx(np.std(drawn), rel=0.15)


def test_searches_aim_at_every_second_adversarial_case_whatever_else_there_is():
    cases = [case for case in ("a", "s", "b", "f") for _ in range(4)]
    labels = [NO] * 12 + [YES] * 4
    examples = Examples.build(cases, cases, labels, cases, HANS_LABELS)
    kinds = {"a": "adversarial", "s": "shift", "b": "adversarial", "f": "friendly"}
    split = halves(Suite(name="s", role="ood", examples=examples, kinds=kinds))
    assert (split.aimed_cases, split.held_out_cases) == (("a",), ("b",))
    assert split.aimed.cases == ("a", "f")
    assert split.judging.examples.table["case"].value_counts().to_dict() == {
        "a": 2, "s": 4, "b": 4, "f": 2,
    }  # fmt: skip
    moved = halves(
        Suite(name="s", role="ood", examples=examples, kinds=dict.fromkeys(kinds, "shift"))
    )
    assert (moved.aimed_cases, moved.held_out_cases) == (("a", "b"), ("s", "f"))


def test_cases_whose_label_the_model_does_not_know_are_left_out():
    one = runs(1)[0]
    assert not scores_of(suite(), (NO, NO), [one]).cases
    assert np.isnan(difference_of_aurocs(suite(), (NO, NO), ["a1"], [one], [])).all()
