"""A classifier's class names from its configuration, or from the user."""

from __future__ import annotations

import json

import pytest
import torch
from transformers import AutoModelForSequenceClassification, AutoTokenizer

import heuristic_core as hc
from heuristic_core.errors import InputError
from heuristic_core.measure.assignments import assignments, check_labels
from heuristic_core.models.labels import read_label_map
from heuristic_core.tasks.labels import NLI_LABELS
from heuristic_core.tasks.task import Examples, Suite
from tiny import save_tiny, some_pairs

DEFAULT = {str(i): f"LABEL_{i}" for i in range(3)}
NAMED = {name: i for i, name in enumerate(NLI_LABELS)}


@pytest.fixture(scope="module")
def saved(tmp_path_factory):
    return save_tiny(tmp_path_factory.mktemp("model"), labels=NLI_LABELS)


@pytest.fixture
def change(saved, tmp_path):
    """A function that gives the model with another configuration."""
    for path in saved.iterdir():
        if path.name != "config.json":
            (tmp_path / path.name).symlink_to(path)

    def changed(**values):
        raw = json.loads((saved / "config.json").read_text()) | values
        raw = {key: value for key, value in raw.items() if value is not ...}
        (tmp_path / "config.json").write_text(json.dumps(raw))
        return tmp_path

    return changed


@pytest.mark.parametrize(
    ("values", "labels"),
    [
        ({}, NLI_LABELS),
        ({"id2label": DEFAULT, "label2id": NAMED}, NLI_LABELS),
        ({"id2label": ..., "label2id": NAMED}, NLI_LABELS),
        ({"label2id": {name: str(i) for name, i in NAMED.items()}}, NLI_LABELS),
        ({"label2id": ...}, NLI_LABELS),
        ({"id2label": {"0": 0, "1": 1, "2": 2}, "label2id": ...}, ("0", "1", "2")),
        ({"id2label": ..., "label2id": ..., "num_labels": 3}, tuple(DEFAULT.values())),
    ],
)  # fmt: skip
def test_names_of_a_configuration(change, values, labels):
    model = hc.load_model(change(**values))
    assert model.labels == labels
    assert model.hf.config.num_labels == len(labels)
    assert model.hf.config.label2id == {name: i for i, name in enumerate(labels)}


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"label2id": {"entailment": 2, "neutral": 1, "contradiction": 0}}, "do not agree about"),
        ({"id2label": {"0": 0, "1": True, "2": 2}}, "id2label in config.json is"),
        ({"label2id": {"entailment": "one"}}, "label2id in config.json is"),
    ],
)
def test_names_that_contradict_each_other(change, values, message):
    with pytest.raises(InputError, match=message):
        hc.load_model(change(**values))


def test_a_label_map_names_the_classes(change):
    folder = change(id2label=DEFAULT, label2id={name: int(i) for i, name in DEFAULT.items()})
    given = {"LABEL_0": "contradiction", "1": "neutral", "LABEL_2": "entailment"}
    model = hc.load_model(folder, labels=given)
    assert model.labels == NLI_LABELS[::-1]
    back = hc.load_model(model.hf.save_pretrained(folder / "copy") or folder, labels=given)
    assert back.labels == model.labels
    for labels, message in (
        ({"LABEL_3": "neutral"}, "unknown class of .* in labels: 'LABEL_3'"),
        ({"LABEL_0": "entailment", "LABEL_1": "entailment"}, "names two classes"),
        ({"LABEL_0": 1}, "but a name is text"),
        (["entailment"], "labels must be of the type Mapping"),
    ):
        with pytest.raises(InputError, match=message):
            hc.load_model(folder, labels=labels)


def test_label_maps_of_the_command_line():
    assert read_label_map("LABEL_0 = a b, 1=c") == {"LABEL_0": "a b", "1": "c"}
    for text in ("", "a", "a=", "=b", "a=b,", "a=b=c", "a=b,a=c"):
        with pytest.raises(InputError, match="must give classes of the model their names, as in"):
            read_label_map(text)


def test_accuracy_of_each_assignment(change, saved):
    """The hint's accuracies, computed with transformers alone."""
    folder = change(id2label=DEFAULT, label2id=...)
    pairs = some_pairs(40)
    examples = Examples.build(
        pairs.table["text"], pairs.table["text_pair"], [NLI_LABELS[i % 3] for i in range(40)], "k",
        NLI_LABELS,
    )  # fmt: skip
    suite = Suite(name="nli", role="id", examples=examples)
    tokenizer = AutoTokenizer.from_pretrained(saved)
    plain = AutoModelForSequenceClassification.from_pretrained(saved).eval()
    with torch.inference_mode():
        answers = [
            int(plain(**tokenizer(a, b, return_tensors="pt")).logits.argmax())
            for a, b in zip(pairs.table["text"], pairs.table["text_pair"], strict=True)
        ]
    ranked = assignments(hc.load_model(folder), suite)
    assert len(ranked) == 6
    for names, accuracy in ranked:
        right = [names[a] == gold for a, gold in zip(answers, examples.table["label"], strict=True)]
        assert accuracy == pytest.approx(sum(right) / 40)
    assert [accuracy for _, accuracy in ranked] == sorted((a for _, a in ranked), reverse=True)
    model = hc.load_model(folder)
    with pytest.raises(InputError) as caught:
        check_labels(model, [suite], [suite])
    best = ",".join(f"LABEL_{i}={name}" for i, name in enumerate(ranked[0][0]))
    assert f"As a hint, on 40 in-domain examples (nli): {best} is right on" in str(caught.value)
    named = hc.load_model(folder, labels=dict(zip(DEFAULT.values(), ranked[0][0], strict=True)))
    assert hc.evaluate(named, suite)["correct"].sum() == round(ranked[0][1] * 40)


def test_two_classes_are_evaluated_on_three(tmp_path):
    model = hc.load_model(save_tiny(tmp_path, labels=("not_entailment", "Entailment")))
    pairs = some_pairs(30)
    labels = [NLI_LABELS[i % 3] for i in range(30)]
    examples = Examples.build(
        pairs.table["text"], pairs.table["text_pair"], labels, "k", NLI_LABELS
    )
    logits = model.logits(model.encode(examples)).numpy()
    right = [
        (a == 1) == (label == "entailment")
        for a, label in zip(logits.argmax(1), labels, strict=True)
    ]
    table = hc.evaluate(model, Suite(name="nli", role="id", examples=examples))
    assert table["correct"].sum() == sum(right)
