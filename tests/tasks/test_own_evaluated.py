"""Task files without anything to train on, for models that are there already."""

from __future__ import annotations

import json

import pandas as pd
import pytest

import heuristic_core as hc
from command import hcore, mistake
from heuristic_core.errors import InputError
from heuristic_core.tasks.labels import NLI_LABELS
from tiny import save_tiny, some_pairs

TASK = """
labels = ["entailment", "neutral", "contradiction"]
[columns]
text = "premise"
text_pair = "hypothesis"
label = "label"
[[suites]]
name = "rte"
role = "%s"
file = "rte.csv"
labels = ["entailment", "not_entailment"]
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("rte")
    pairs = some_pairs(20).table
    rows = {
        "premise": [f"{text} {text} {text}" for text in pairs["text"]],
        "hypothesis": pairs["text_pair"],
        "label": ["entailment", "not_entailment"] * 10,
    }
    pd.DataFrame(rows).to_csv(folder / "rte.csv", index=False)
    for role in ("id", "ood"):
        (folder / f"{role}.toml").write_text(TASK % role, encoding="utf-8")
    (folder / "m").mkdir()
    save_tiny(folder / "m", labels=("LABEL_0", "LABEL_1", "LABEL_2"))
    return folder


@pytest.mark.parametrize("role", ["id", "ood"])
def test_a_test_file_alone_evaluates_a_model(folder, role):
    task = hc.load_task(folder / f"{role}.toml")
    assert len(task.train) == len(task.search) == 0
    assert "nothing to fine-tune on: the task evaluates models" in task.notes
    labels = dict(zip(("LABEL_0", "LABEL_1", "LABEL_2"), NLI_LABELS, strict=True))
    model = hc.load_model(folder / "m", labels=labels)
    examples = task.suites[0].examples
    answers = model.logits(model.encode(examples)).numpy().argmax(1)
    right = [
        (a == 0) == (gold == "entailment")
        for a, gold in zip(answers, examples.table["label"], strict=True)
    ]
    assert hc.evaluate(model, task)["correct"].sum() == sum(right)


def test_what_trains_or_searches_says_what_is_missing(folder):
    task = hc.load_task(folder / "id.toml")
    labels = dict(zip(("LABEL_0", "LABEL_1", "LABEL_2"), NLI_LABELS, strict=True))
    model = hc.load_model(folder / "m", labels=labels)
    message = r"task 'id' has nothing to learn masks or take means on; give it a \[search\] table"
    with pytest.raises(InputError, match=message):
        hc.means(model, task)
    with pytest.raises(InputError, match=message):
        hc.find_subnetwork(model, task, sparsity=0.5)


def test_a_search_table_of_its_own_is_enough_to_search(folder):
    text = (folder / "id.toml").read_text() + '[search]\nfile = "rte.csv"\n'
    text += 'label_map = { entailment = "entailment", not_entailment = "neutral" }\n'
    (folder / "s.toml").write_text('overlap = "keep"\n' + text, encoding="utf-8")
    task = hc.load_task(folder / "s.toml")
    assert len(task.search) == 20
    assert len(task.train) == 0
    (folder / "h.toml").write_text((folder / "id.toml").read_text() + "[search]\nsize = 5\n")
    with pytest.raises(InputError, match="search is held out of train, which is missing"):
        hc.load_task(folder / "h.toml")


def test_commands_take_label_maps_and_lengths(folder):
    args = ("evaluate", "m", "--task", "id.toml", "--json")
    given = ("--labels", "LABEL_0=entailment,LABEL_1=neutral,LABEL_2=contradiction")
    refusal = mistake(*args, cwd=folder)
    assert given[1] in refusal
    assert "As a hint, on 20 in-domain examples (rte): " in refusal
    short = hcore(*args, *given, "--max-length", "12", cwd=folder)
    assert "20 of 20 examples of rte were cut to 12 tokens; --max-length sets" in short.stderr
    long = hcore(*args, *given, "--max-length", "60", cwd=folder)
    assert "cut to" not in long.stderr
    task = hc.load_task(folder / "id.toml")
    labels = dict(pair.split("=") for pair in given[1].split(","))
    for done, length in ((short, 12), (long, 60)):
        model = hc.load_model(folder / "m", labels=labels, max_length=length)
        (row,) = json.loads(done.stdout)["cases"]
        assert row["margin"] == pytest.approx(hc.evaluate(model, task)["margin"].item(), abs=1e-5)
