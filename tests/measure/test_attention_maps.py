from __future__ import annotations

import json

import numpy as np
import pytest

import heuristic_core as hc
from heuristic_core.errors import InputError
from heuristic_core.measure.attention_maps import MOST_TOKENS, case_maps
from heuristic_core.tasks.task import Examples, Suite
from tiny import LABELS, save_tiny


def suite_of(**cases: list[int]) -> Suite:
    """One text of the given numbers of words after another, by case."""
    texts = [(case, " ".join(["judge"] * n)) for case, lengths in cases.items() for n in lengths]
    names, words = zip(*texts, strict=True)
    examples = Examples.build(list(words), None, [LABELS[1]] * len(words), list(names), LABELS)
    return Suite(name="lengths", role="ood", examples=examples)


@pytest.mark.parametrize(
    ("words", "chosen"),
    [
        ([7, 3, 9, 5, 1], 5),
        ([7, 3, 9, 5], 5),  # the lower of two
        ([4], 4),
        ([60, 3, 61, 62, 5], 3),  # of those that fit
        ([70, 90, 60], 60),  # none fits
    ],
)
def test_the_example_has_the_median_length(tiny_loaded, words, chosen):
    _, examples = case_maps(tiny_loaded, suite_of(one=words, other=[2, 2]))
    one, other = examples.to_dict("records")
    assert one["length"] == chosen + 2  # [CLS] and [SEP]
    assert one["n"] == len(json.loads(one["tokens"])) == min(chosen + 2, MOST_TOKENS)
    assert other["length"] == 4


def test_the_first_of_several_is_taken(tiny_loaded):
    texts = ["the judge .", "the doctor .", "the doctor and the judge ."]
    examples = Examples.build(texts, None, [LABELS[0]] * 3, "case", LABELS)
    _, chosen = case_maps(tiny_loaded, Suite(name="s", role="id", examples=examples))
    assert json.loads(chosen["tokens"][0]) == ["[CLS]", *texts[0].split(), "[SEP]"]


def test_a_cut_map_is_a_corner_of_the_whole(tiny_loaded):
    suite = suite_of(long=[55])
    maps, _ = case_maps(tiny_loaded, suite)
    (row,) = maps[maps["unit"] == "L1H2"].to_dict("records")
    kept = np.frombuffer(row["weights"], np.uint8).reshape(MOST_TOKENS, MOST_TOKENS)
    whole = hc.attention(tiny_loaded, "L1H2", suite.examples.table["text"][0]).array
    assert whole.shape == (57, 57)
    np.testing.assert_array_equal(kept, np.rint(255 * whole[:48, :48].astype(float)))


def test_the_answer_is_in_the_words_of_the_suite(tmp_path):
    model = hc.load_model(save_tiny(tmp_path, labels=("neutral", "contradiction", "entailment")))
    suite = suite_of(some=[3, 4, 5])
    _, examples = case_maps(model, suite)
    assert examples["length"][0] == 6  # of the second
    said = model.labels[int(model.logits(model.encode(suite.examples))[1].argmax())]
    assert examples["answer"][0] == (said if said == "entailment" else "non-entailment")
    assert examples["label"][0] == LABELS[1]


def test_what_is_no_number_is_refused(tiny):
    next(tiny.hf.parameters()).data.fill_(float("nan"))
    with pytest.raises(InputError, match="attention that is not a finite number"):
        case_maps(tiny, suite_of(some=[3]))
