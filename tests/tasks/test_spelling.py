"""Class names in any usual spelling, and models of other classes than a suite's."""

from __future__ import annotations

import numpy as np
import pytest

from heuristic_core.errors import InputError
from heuristic_core.tasks.hans import hans_suite
from heuristic_core.tasks.labels import (
    HANS_LABELS,
    NLI_LABELS,
    PARAPHRASE_LABELS,
    counterparts,
    label_names,
)
from heuristic_core.tasks.task import Examples, Suite


def nli_suite() -> Suite:
    labels = [*NLI_LABELS, "neutral"]
    return Suite(
        name="nli", role="id", examples=Examples.build("abcd", "wxyz", labels, "k", NLI_LABELS)
    )


def hans() -> Suite:
    examples = Examples.build(["a"], ["b"], ["non-entailment"], "ce_adverb", HANS_LABELS)
    return hans_suite(examples)


@pytest.mark.parametrize(
    ("names", "nli", "two"),
    [
        (("contradiction", "neutral", "entailment"), [2, 1, 0], [1, 1, 0]),
        (("CONTRADICTION", "NEUTRAL", "ENTAILMENT"), [2, 1, 0], [1, 1, 0]),
        (("Entailment", "Contradiction", "Neutral"), [0, 2, 1], [0, 1, 1]),
        (("contradictory", "entailment", "neutral"), [2, 0, 1], [1, 0, 1]),
        (("c", "e", "n"), [2, 0, 1], [1, 0, 1]),
        (("E", "N", "C"), [0, 1, 2], [0, 1, 1]),
        (("entails", "neutral", "contradicts"), [0, 1, 2], [0, 1, 1]),
        (("entailment", "not_entailment"), None, [0, 1]),
        (("not-entailment", "entailment"), None, [1, 0]),
        (("NOT ENTAILMENT", "ENTAILMENT"), None, [1, 0]),
        (("nonentailment", "entailed"), None, [1, 0]),
        (("LABEL_0", "LABEL_1", "LABEL_2"), None, None),
        (("0", "1", "2"), None, None),
        (("e", "n"), None, None),  # n may be neutral or non-entailment
        (("entailment", "ENTAILMENT", "neutral"), None, None),
    ],
)
def test_a_models_names(names, nli, two):
    for suite, expected in ((nli_suite(), nli), (hans(), two)):
        if expected is None:
            with pytest.raises(InputError, match=r"has no counterpart .* with --labels "):
                suite.class_map(names)
        else:
            assert suite.class_map(names).tolist() == expected


def test_the_example_of_a_label_map_is_complete():
    with pytest.raises(InputError) as caught:
        hans().class_map(("LABEL_0", "LABEL_1", "LABEL_2"))
    text = "--labels LABEL_0=entailment,LABEL_1=neutral,LABEL_2=contradiction (in Python"
    assert text in str(caught.value)
    with pytest.raises(InputError) as caught:
        nli_suite().class_map(("a", "contradictory", "b"))
    # By number, as the names may be those of a label map that is in use.
    assert "--labels 0=entailment,1=contradiction,2=neutral " in str(caught.value)
    with pytest.raises(InputError) as caught:
        hans().class_map(("entailment", "LABEL_1"))
    assert "--labels 0=entailment,1=non-entailment " in str(caught.value)


@pytest.mark.parametrize(
    "names", [("entailment", "not_entailment"), ("NON-ENTAILMENT", "Entailment")]
)
def test_two_classes_on_three(names):
    suite = nli_suite()
    fitted = suite.for_labels(names)
    entailed = [label == "entailment" for label in suite.examples.table["label"]]
    # By hand: the class that is called entailment, in any case, is right on entailed pairs alone.
    yes = [name.lower() for name in names].index("entailment")
    assert (fitted.examples.label_ids == yes).tolist() == entailed
    assert fitted.class_map(names).tolist() == [0, 1]
    assert fitted.examples.table["text"].tolist() == suite.examples.table["text"].tolist()
    assert suite.for_labels(NLI_LABELS) is suite
    assert hans().for_labels(("entailment", "not_entailment")).examples.labels == HANS_LABELS


def test_two_classes_that_are_not_each_others_negation_stay_refused():
    for names in (("entailment", "contradiction"), ("yes", "no"), ("neutral", "not_entailment")):
        fitted = nli_suite().for_labels(names)
        assert fitted.examples.labels == NLI_LABELS
    assert nli_suite().for_labels(("neutral", "not neutral")).class_map(
        ("neutral", "not neutral")
    ).tolist() == [0, 1]


def test_labels_of_files():
    assert label_names(["e", "n", "c", "e"], NLI_LABELS) == [
        "entailment",
        *NLI_LABELS[1:],
        "entailment",
    ]
    assert label_names(["not_entailment", "ENTAILMENT"], HANS_LABELS) == [*HANS_LABELS[::-1]]
    assert label_names(["contradictory"], NLI_LABELS) == ["contradiction"]
    assert label_names(["not_equivalent", "paraphrase"], PARAPHRASE_LABELS) == [*PARAPHRASE_LABELS]
    assert label_names(["e", "maybe"], NLI_LABELS) == [None, None]
    assert label_names(["n", "c"], HANS_LABELS) == [None, None]
    assert label_names(["neutral"], HANS_LABELS) == [None]
    assert label_names(["note", "nothing"], ("not e", "thing")) == [None, None]


def test_spellings_that_two_labels_share_are_not_guessed():
    assert counterparts(["a b", "A-B"], ["a_b", "c"]) == {}
    assert counterparts(["A b"], ["a_b", "a-b"]) == {}
    assert counterparts(["pos", "neg"], ["negative", "positive"]) == {
        "pos": "positive",
        "neg": "negative",
    }
    assert counterparts(["+", "-", "C++", "1-0"], ["C#", "10", "plus"]) == {}
    assert np.array_equal(nli_suite().class_map(NLI_LABELS), [0, 1, 2])
