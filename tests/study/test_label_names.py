"""Studies of a classifier whose classes have no names, or are fewer than the task's."""

from __future__ import annotations

import json

import pandas as pd
import pytest
from rich.console import Console

import heuristic_core as hc
from heuristic_core.errors import InputError
from heuristic_core.study.config import check_study
from heuristic_core.study.run import RunOptions, load_study_task, run_study
from heuristic_core.study.watch import Watch
from heuristic_core.tasks.labels import NLI_LABELS
from tiny import save_tiny, some_pairs

TASK = """
labels = ["entailment", "neutral", "contradiction"]
columns = { text = "premise", text_pair = "hypothesis", label = "label" }
[search]
file = "pairs.jsonl"
[[suites]]
name = "nli"
role = "id"
file = "pairs.jsonl"
"""
NAMES = dict(zip(("LABEL_0", "LABEL_1", "LABEL_2"), NLI_LABELS[::-1], strict=True))


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.delenv("HCORE_DATA", raising=False)
    monkeypatch.chdir(tmp_path)
    pairs = some_pairs(24).table
    rows = [
        {"premise": row.text, "hypothesis": row.text_pair, "label": NLI_LABELS[i % 3]}
        for i, row in enumerate(pairs.itertuples())
    ]
    (tmp_path / "pairs.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    (tmp_path / "t.toml").write_text('overlap = "keep"\n' + TASK)
    (tmp_path / "m").mkdir()
    return tmp_path


def study(**model):
    search = {"method": "magnitude", "sparsities": [0.5], "seeds": [1]}
    model = {"source": "m", **model}
    return check_study({"name": "s", "model": model, "task": {"name": "t.toml"}, "search": search})


def evaluated(config, folder) -> int:
    watch = Watch(Console(stderr=True, quiet=True))
    run_study(config, RunOptions(out=folder / "run", device="cpu"), watch)
    table = pd.read_parquet(folder / "run" / "tables" / "evaluations.parquet")
    return int(table.query("kind == 'full'")["correct"].sum())


def test_a_study_file_names_the_classes(folder):
    save_tiny(folder / "m", labels=tuple(NAMES))
    with pytest.raises(InputError, match=r"in a study labels below \[model\]"):
        evaluated(study(), folder)
    config = study(labels=NAMES)
    model = hc.load_model(folder / "m", labels=NAMES)
    examples = load_study_task(config, None).suites[0].examples
    answers = model.logits(model.encode(examples)).numpy().argmax(1)
    right = [tuple(NAMES.values())[a] for a in answers] == examples.table["label"]
    assert evaluated(config, folder) == right.sum()


def test_two_classes_on_three(folder):
    save_tiny(folder / "m", labels=("entailment", "non-entailment"))
    config = study()
    model = hc.load_model(folder / "m")
    examples = hc.load_task("t.toml").suites[0].examples
    answers = model.logits(model.encode(examples)).numpy().argmax(1)
    right = (answers == 0) == (examples.table["label"] == "entailment").to_numpy()
    assert evaluated(config, folder) == right.sum()


def test_labels_are_for_a_classifier_that_is_studied_as_it_is(folder):
    with pytest.raises(InputError, match=r"model\.labels is for a classifier"):
        check_study(
            {"name": "s", "model": {"labels": NAMES}, "finetune": {"steps": 1, "checkpoints": [1]}}
        )


def test_a_task_without_training_data_is_not_fine_tuned_on(folder):
    save_tiny(folder / "m", labels=NLI_LABELS)
    config = check_study(
        {"name": "s", "model": {"source": "m"}, "task": {"name": "t.toml"}}
        | {"finetune": {"steps": 1, "checkpoints": [1]}}
    )
    with pytest.raises(InputError, match="task 't' has nothing to fine-tune on; give it a"):
        evaluated(config, folder)
