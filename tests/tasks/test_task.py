from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from heuristic_core.errors import InputError
from heuristic_core.tasks.labels import HANS_LABELS, NLI_LABELS, NLI_TO_HANS
from heuristic_core.tasks.task import Examples, Suite, Task, adversarial_only

LABELS = ("yes", "no")


def examples(sizes: dict[str, int]) -> Examples:
    """Examples of some cases, those of each case numbered."""
    cases = [case for case, n in sizes.items() for _ in range(n)]
    text = [f"{case} {i}" for case, n in sizes.items() for i in range(n)]
    label = [LABELS[i % 2] for i in range(len(text))]
    return Examples.build(text, text, label, cases, LABELS)


def texts(some: Examples, case: str) -> list[str]:
    return some.table["text"][some.table["case"] == case].tolist()


def test_columns_and_class_numbers():
    some = examples({"a": 2, "b": 1})
    assert len(some) == 3
    assert some.is_pair
    assert some.label_ids.tolist() == [0, 1, 0]
    single = Examples.build(["x"], None, ["no"], "all", LABELS)
    assert not single.is_pair
    assert single.label_ids.tolist() == [1]


def test_an_unknown_label_is_refused():
    with pytest.raises(InputError, match="unknown label 'maybe'; known: yes, no"):
        Examples.build(["x"], None, ["maybe"], "all", LABELS)


def test_the_digest_tells_everything_apart():
    first = Examples.build(["x", "y"], ["u", "v"], ["yes", "no"], "a", LABELS)
    others = [
        Examples.build(["x", "z"], ["u", "v"], ["yes", "no"], "a", LABELS),
        Examples.build(["x", "y"], ["u", "z"], ["yes", "no"], "a", LABELS),
        Examples.build(["x", "y"], ["u", "v"], ["yes", "yes"], "a", LABELS),
        Examples.build(["x", "y"], ["u", "v"], ["yes", "no"], "b", LABELS),
        Examples.build(["x", "y"], ["u", "v"], ["yes", "no"], "a", LABELS[::-1]),
        Examples.build(["x", "y"], None, ["yes", "no"], "a", LABELS),
        first.take(np.array([1, 0])),
        first.take(slice(1)),
    ]
    assert len({first.digest, *(other.digest for other in others)}) == 9
    assert first.take(slice(None)).digest == first.digest


@given(st.integers(0, 12), st.integers(0, 2**40))
def test_a_sample_is_a_part_in_order(n, seed):
    some = examples({"a": 10})
    rows = [int(text.split()[1]) for text in some.sample(n, seed).table["text"]]
    assert len(rows) == min(n, 10)
    assert rows == sorted(set(rows))
    assert rows == [int(text.split()[1]) for text in some.sample(n, seed).table["text"]]


@given(st.integers(0, 6), st.integers(0, 2**40), st.integers(1, 20))
def test_the_sample_of_a_case_does_not_depend_on_the_others(n, seed, size):
    sampled = examples({"a": 10, "b": 5, "c": 2}).sample_per_case(n, seed)
    other = examples({"a": size, "b": 5, "c": size}).sample_per_case(n, seed)
    assert texts(sampled, "b") == texts(other, "b")
    assert [len(texts(sampled, case)) for case in "abc"] == [min(n, m) for m in (10, 5, 2)]
    rows = [int(text.split()[1]) for text in texts(sampled, "a")]
    assert rows == sorted(set(rows))


def test_a_suite_knows_its_cases():
    suite = Suite(
        name="s", role="ood", examples=examples({"b": 2, "a": 3}), kinds={"a": "friendly"}
    )
    assert suite.cases == ("b", "a")
    assert [suite.kind(case) for case in suite.cases] == ["adversarial", "friendly"]
    assert [suite.group(case) for case in suite.cases] == ["all", "all"]
    grouped = Suite(
        name="s", role="ood", examples=suite.examples, kinds=suite.kinds, groups={"a": "overlap"}
    )
    assert [grouped.group(case) for case in grouped.cases] == ["all", "overlap"]
    assert grouped.only(["a"]).group("a") == "overlap"
    assert grouped.examples.digest == suite.examples.digest
    assert Suite(name="s", role="id", examples=suite.examples).kind("a") == "id"
    assert suite.only(["a"]).cases == ("a",)
    assert len(suite.only(["a"]).examples) == 3
    with pytest.raises(InputError, match="unknown case 'c'; known: b, a"):
        suite.only(["c"])


def test_three_way_answers_count_on_hans():
    hans = Suite(
        name="s",
        role="ood",
        examples=Examples.build(["x"], None, ["entailment"], "a", HANS_LABELS),
        kinds={},
        label_map=NLI_TO_HANS,
    )
    assert hans.class_map(NLI_LABELS).tolist() == [0, 1, 1]
    assert hans.class_map(NLI_LABELS[::-1]).tolist() == [1, 1, 0]
    assert hans.class_map(HANS_LABELS).tolist() == [0, 1]
    with pytest.raises(InputError, match="label 'LABEL_0' has no counterpart"):
        hans.class_map(["LABEL_0", "LABEL_1"])


def test_a_task_has_an_in_domain_suite():
    some = examples({"a": 2})
    ood, in_domain = (
        Suite(name="o", role="ood", examples=some),
        Suite(name="i", role="id", examples=some.take(slice(1))),
    )
    with pytest.raises(InputError, match="task 't' has no in-domain suite"):
        Task(name="t", labels=LABELS, train=some, search=some, suites=(ood,))
    task = Task(name="t", labels=LABELS, train=some, search=some, suites=(ood, in_domain))
    assert task.suite("i") is in_domain
    assert list(task.digests) == ["train", "search", "suite/o", "suite/i"]
    assert task.digests["suite/o"] == some.digest != task.digests["suite/i"]
    with pytest.raises(InputError, match="unknown suite 'x'; known: o, i"):
        task.suite("x")


def test_adversarial_cases_alone_and_few_of_each():
    examples = Examples.build(["a"] * 9, None, ["x"] * 9, list("pqqrrrqqp"), ("x",))
    kinds = {"p": "friendly", "q": "adversarial", "r": "adversarial"}
    suite, friendly = (
        Suite(name="s", role="ood", examples=examples, kinds=kinds),
        Suite(name="f", role="ood", examples=examples, kinds={}),
    )
    (some,) = adversarial_only([suite], 2, seed=0)
    assert sorted(some.examples.table["case"]) == ["q", "q", "r", "r"]
    assert some.kind("q") == "adversarial"
    assert some.examples.digest == adversarial_only([suite], 2, seed=0)[0].examples.digest
    only_friendly = replace(friendly, kinds=dict.fromkeys("pqr", "friendly"))
    assert adversarial_only([only_friendly], 2, seed=0) == []


@pytest.mark.parametrize(
    ("text", "pair", "message"),
    [
        (["a"], ["b", "c"], "1 texts, 2 second ones, 1 labels and 1 cases; give as many of each"),
        ([None], ["b"], "a text is None, but must be text"),
        (["a"], [5], "a text is 5, but must be text"),
    ],
)
def test_columns_that_do_not_go_together(text, pair, message):
    with pytest.raises(InputError, match=message):
        Examples.build(text, pair, ["x"], "all", ("x", "y"))
