from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from heuristic_core.errors import InputError
from heuristic_core.measure.counterfactual import check_counterparts, counterfactual_pairs
from heuristic_core.measure.dependency import dependencies
from heuristic_core.measure.discrimination import matches
from heuristic_core.models.means import mean_values
from heuristic_core.tasks.task import Examples, Suite, adversarial_only
from tiny import LABELS, some_pairs, words

YES, NO = LABELS
A, B, C, D, E, F = words()[10:16]


def suite(rows: list[tuple[str, str, str]], name: str = "s") -> Suite:
    """A suite of (case, text, label); a case's first letter says its kind, its last its group."""
    cases, texts, labels = zip(*rows, strict=True)
    examples = Examples.build(texts, [A] * len(texts), labels, list(cases), LABELS)
    kinds = {case: {"a": "adversarial", "f": "friendly"}[case[0]] for case in cases}
    return Suite(
        name=name,
        role="ood",
        examples=examples,
        kinds=kinds,
        groups={case: case[-1] for case in cases},
    )


ROWS = [
    ("a1", f"{A} {B} {C} {D}", NO),
    ("f1", f"{A} {E} {E} {E}", YES),  # one word in its place
    ("f1", f"{D} {A} {B} {C}", YES),  # the same words, none in its place
    ("f1", f"{A} {E} {F} {D}", YES),  # two in their places
    ("f1", f"{A} {F} {E} {D}", YES),  # as many, but later
    ("f1", f"{A} {B} {C} {D} {E}", YES),  # too long
    ("f2", f"{A} {B} {C} {D}", YES),  # of another group
    ("fs1", f"{A} {B} {C} {D}", NO),  # of the same label
    ("a1", f"{A} {B} {C}", NO),  # none is as short
    ("a3", f"{A} {B} {C} {D}", NO),  # alone in its group
    ("a2", f"{E} {F} {A} {B}", NO),
]


def test_the_most_alike_friendly_example_of_the_group(tiny):
    whole = suite(ROWS)
    paired, others = counterfactual_pairs(tiny, adversarial_only([whole], 9, 0), [whole])
    (some,) = paired
    assert list(some.examples.table["text"]) == [ROWS[0][1], ROWS[10][1]]
    assert list(others.table["text"]) == [ROWS[3][1], ROWS[6][1]]
    assert list(others.table["case"]) == ["f1", "f2"]


def test_suites_are_paired_within_themselves(tiny):
    one = suite([ROWS[0], ROWS[1]], "one")
    two = suite([ROWS[0], ROWS[2]], "two")
    without = suite([ROWS[9]], "without")
    suites = [one, without, two]
    paired, others = counterfactual_pairs(tiny, adversarial_only(suites, 9, 0), suites)
    assert [some.name for some in paired] == ["one", "two"]
    assert list(others.table["text"]) == [ROWS[1][1], ROWS[2][1]]


def test_generated_cases_have_pairs_that_dependency_takes(tiny):
    pairs = some_pairs(300, seed=4)
    labels = dict(zip(pairs.table["case"], pairs.table["label"], strict=True))
    kinds = {case: "friendly" if labels[case] == YES else "adversarial" for case in labels}
    whole = Suite(name="pairs", role="ood", examples=pairs, kinds=kinds)
    paired, others = counterfactual_pairs(tiny, adversarial_only([whole], 3, 0), [whole])
    (some,) = paired
    assert len(some.examples) == len(others) > 10
    own, theirs = (tiny.encode(examples).lengths for examples in (some.examples, others))
    assert (own == theirs).all()
    assert set(some.examples.table["case"]) <= {match.case for match in matches(whole)}
    heads = {"senders": {"L0H0": "core", "L0H1": "control"}, "receivers": {"L1H1": "added"}}
    values = mean_values(tiny, tiny.encode(pairs.take(slice(20))))
    table = dependencies(tiny, paired, **heads, values=values, counterfactual=others)
    assert (table["n"] == len(others)).all()
    by_mean = dependencies(tiny, paired, **heads, values=values)
    assert not np.isclose(table["change"], by_mean["change"], rtol=1e-3).any()


def test_tasks_without_pairs_are_told(tiny):
    lengths = suite([ROWS[0], ROWS[5]])
    check_counterparts([lengths])
    with pytest.raises(InputError, match="no adversarial example has a friendly counterpart"):
        counterfactual_pairs(tiny, adversarial_only([lengths], 9, 0), [lengths])
    for rows in ([ROWS[0]], [ROWS[1]], [ROWS[0], ROWS[6]], [ROWS[0], ROWS[7]]):
        with pytest.raises(InputError, match="the task has no matched pairs"):
            check_counterparts([suite(rows)])
    check_counterparts([replace(suite([ROWS[0]]), name="t"), lengths])
