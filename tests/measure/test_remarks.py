"""Remarks on answers, and the accuracy of the most frequent label."""

from __future__ import annotations

import numpy as np
import pytest

from heuristic_core.measure.remarks import majorities, remarks
from heuristic_core.tasks.task import Examples, Suite

NAMES = ("a", "b", "c")


def suite(labels, role="id", names=NAMES, cases="x", **more) -> Suite:
    texts = [f"text {i}" for i in range(len(labels))]
    return Suite(
        name="s", role=role, examples=Examples.build(texts, None, labels, cases, names), **more
    )


def answering(labels, names=NAMES) -> np.ndarray:
    """Logits that answer so."""
    return np.eye(len(names), dtype=np.float32)[[names.index(label) for label in labels]]


def test_the_majority_is_that_of_a_count_by_hand():
    labels = ["a", "a", "b", "c", "c", "c", "b"]
    table = majorities(suite(labels, cases=["x", "x", "x", "y", "y", "y", "y"]))
    assert table.to_dict("list") == {
        "case": ["x", "y"],
        "majority": [2 / 3, 3 / 4],
        "majority_label": ["a", "c"],
    }


def test_one_label_always_given_is_remarked():
    labels = ["a"] * 19 + ["b"]
    (said,) = remarks(suite(labels), NAMES, answering(["a"] * 20))
    assert said == "s: all 20 answers are 'a', which is the label of 95.0% of the examples"
    assert remarks(suite(labels), NAMES, answering(["a"] * 18 + ["b", "b"])) == []
    # No other label occurs, or there are too few answers.
    assert remarks(suite(["a"] * 20), NAMES, answering(["a"] * 20)) == []
    assert remarks(suite(["a"] * 4 + ["b"]), NAMES, answering(["a"] * 5)) == []
    # Two classes that count as one label are one answer.
    two = suite(["a", "b"] * 10, names=("a", "b"), label_map={"c": "b"})
    assert "all 20 answers are 'b'" in remarks(two, NAMES, answering(["b", "c"] * 10))[0]


def test_labels_in_the_wrong_order_are_remarked_with_the_better_order():
    labels = list("abc" * 20)
    wrong = {"a": "b", "b": "c", "c": "a"}
    answers = [wrong[label] for label in labels]
    answers[0] = "a"
    (said,) = remarks(suite(labels), NAMES, answering(answers))
    assert "1.7% right in-domain is far below chance (33.3%): are the labels in order?" in said
    # Class a is given to what is c, class b to what is a, class c to what is b.
    assert said.endswith("With its classes in the order c, a, b, 98.3% would be right")
    # Out of domain it is what adversarial cases are made for.
    assert remarks(suite(labels, role="ood"), NAMES, answering(answers)) == []


@pytest.mark.parametrize("k", [2, 3])
def test_guessing_is_hardly_ever_remarked(k):
    """The remark's error rate: at most 0.1 % of 4000 sets of 60 random answers, and 2 s.e."""
    rng, names = np.random.default_rng(5), NAMES[:k]
    labels = [names[i % k] for i in range(60)]
    given = suite(labels, names=names)
    n = 4000
    said = sum(
        bool(remarks(given, names, np.eye(k, dtype=np.float32)[rng.integers(k, size=60)]))
        for _ in range(n)
    )
    assert said / n <= 0.001 + 2 * np.sqrt(0.001 / n)


@pytest.mark.parametrize(("n", "power"), [(30, 0.5), (60, 0.95)])
def test_swapped_labels_are_found(n, power):
    """The remark's power: a two-class model that is 85 % right, its labels swapped."""
    rng, names = np.random.default_rng(6), NAMES[:2]
    right = np.arange(n) % 2
    given = suite([names[i] for i in right], names=names)
    found = 0
    for _ in range(400):
        chosen = np.where(rng.random(n) < 0.85, 1 - right, right)
        found += bool(remarks(given, names, np.eye(2, dtype=np.float32)[chosen]))
    assert found / 400 >= power
