"""What `hcore evaluate` replaces units by, on which weights, and what it says of both."""

from __future__ import annotations

import json

import pandas as pd
import pytest

import heuristic_core as hc
from command import hcore, mistake
from heuristic_core.measure.accuracy import score
from heuristic_core.tasks.registry import SUITES, TASKS, TASKS_OF
from tiny import save_tiny

FEW = ("--suite", "hans-grammar", "--per-case", 1)


def rows(*arguments, cwd) -> pd.DataFrame:
    printed = json.loads(hcore("evaluate", *arguments, "--json", cwd=cwd).stdout)
    return pd.DataFrame(printed["cases"]).assign(ablation=printed["ablation"])


def removed(folder, suite, unit, **values) -> pd.DataFrame:
    """The same in another way: the model is run within a with block."""
    model = hc.load_model(folder)
    encoded = model.encode(suite.examples)
    reference = model.logits(encoded).numpy()
    with hc.without(model, unit, **values):
        logits = model.logits(encoded).numpy()
    return score(suite, model.labels, logits, reference)


def same(one: pd.DataFrame, other: pd.DataFrame) -> bool:
    return one["correct"].tolist() == other["correct"].tolist() and one["margin"].tolist() == (
        pytest.approx(other["margin"].tolist(), abs=1e-4)
    )


@pytest.fixture(scope="module")
def suite():
    return hc.load_suite("hans-grammar", per_case=1)


@pytest.fixture(scope="module")
def own_task(tmp_path_factory):
    """A task file whose means are others than those of the grammar."""
    folder = tmp_path_factory.mktemp("own")
    texts = [
        f"the doctor {word} .,{label}"
        for label in ("entailment", "non-entailment")
        for word in ("ran", "danced", "slept", "shouted", "waited", "arrived")
    ]
    (folder / "rows.csv").write_text("text,label\n" + "\n".join(texts))
    (folder / "own.toml").write_text(
        'labels = ["entailment", "non-entailment"]\noverlap = "keep"\n'
        '[columns]\ntext = "text"\nlabel = "label"\n[train]\nfile = "rows.csv"\n'
        '[search]\nfile = "rows.csv"\n'
        '[[suites]]\nname = "test"\nrole = "id"\nfile = "rows.csv"\n'
    )
    return folder / "own.toml"


def test_without_takes_the_suites_own_task_or_the_one_named(tiny_folder, tmp_path, suite, own_task):
    args = (tiny_folder, *FEW, "--without", "L0H1")
    own = rows(*args, cwd=tmp_path)
    assert set(own["ablation"]) == {"means over 2000 mask-learning examples of hans-grammar"}
    assert same(own, removed(tiny_folder, suite, "L0H1", task=hc.load_task("hans-grammar")))
    named = rows(*args, "--task", own_task, cwd=tmp_path)
    assert set(named["ablation"]) == {"means over 12 mask-learning examples of own"}
    assert same(named, removed(tiny_folder, suite, "L0H1", task=hc.load_task(own_task)))
    zero = rows(*args, "--ablation", "zero", cwd=tmp_path)
    assert set(zero["ablation"]) == {"zero"}
    assert same(zero, removed(tiny_folder, suite, "L0H1", ablation="zero"))
    assert not same(own, zero)
    assert not same(own, named)
    # A task's own suites: means over that task.
    alone = rows(tiny_folder, "--task", own_task, "--without", "L0H1", cwd=tmp_path)
    task = hc.load_task(own_task)
    assert same(alone, removed(tiny_folder, task.suites[0], "L0H1", task=task))
    printed = hcore("evaluate", *args, "--ablation", "zero", cwd=tmp_path).stdout
    assert printed.splitlines()[-1] == "Output of L0H1: zero."


def test_a_suite_of_several_tasks_asks_for_one(tiny_folder, tmp_path, suite, monkeypatch):
    monkeypatch.setitem(SUITES, "hans", lambda *given: suite)
    said = mistake("evaluate", tiny_folder, "--suite", "hans", "--without", "L0H1", cwd=tmp_path)
    assert "the suite hans is of mnli+hans and snli+hans; name one with --task" in said
    rows(
        tiny_folder, "--suite", "hans", "--without", "L0H1", "--task", "hans-grammar", cwd=tmp_path
    )
    rows(tiny_folder, "--suite", "hans", "--without", "L0H1", "--ablation", "zero", cwd=tmp_path)


def test_every_suite_has_its_tasks():
    assert TASKS_OF.keys() == SUITES.keys()
    assert {task for tasks in TASKS_OF.values() for task in tasks} == TASKS.keys()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--ablation", "zero"], "--ablation is for --without"),
        (["--other-model"], "--other-model is for --subnetwork"),
        (["--without", "L0H1", "--ablation", "none"], "unknown ablation kind 'none'"),
    ],
)
def test_what_says_nothing_is_refused(tiny_folder, tmp_path, arguments, message):
    assert message in mistake("evaluate", tiny_folder, *FEW, *arguments, cwd=tmp_path)


def test_a_subnetwork_is_run_on_its_own_weights_unless_asked(tiny_folder, tmp_path, own_task):
    other = tmp_path / "other"
    other.mkdir()
    save_tiny(other, seed=1)
    found = hcore(
        "prune", tiny_folder, "--task", own_task, "--method", "magnitude", "--out", "subs",
        cwd=tmp_path,
    )  # fmt: skip
    means = "Output of dropped units: means over 12 mask-learning examples of own."
    assert found.stdout.splitlines()[-1] == means
    sub = ("--subnetwork", "subs/seed-1/sparsity-0.5")
    own = hcore("evaluate", tiny_folder, *FEW, *sub, cwd=tmp_path)
    assert "means over 12 mask-learning examples of own" in own.stdout
    assert "the subnetwork was found" not in own.stderr
    # Another task is named, whose means these are not.
    said = hcore("evaluate", tiny_folder, *FEW, *sub, "--task", "hans-grammar", cwd=tmp_path).stderr
    assert "hcore: note: the subnetwork was found on the mask-learning examples of own" in said
    said = mistake("evaluate", other, *FEW, *sub, cwd=tmp_path)
    assert "was found in other weights" in said
    assert "--other-model" in said
    done = hcore("evaluate", other, *FEW, *sub, "--other-model", cwd=tmp_path)
    assert "hcore: note: the subnetwork was found in other weights" in done.stderr


def test_majorities_and_remarks_are_printed(tiny_folder, tmp_path, own_task):
    lines = ["text,label", *["the doctor ran .,entailment"] * 17, *["a b .,non-entailment"] * 3]
    lines += ["the lawyer ran .,"] * 4
    (tmp_path / "rows.csv").write_text("\n".join(lines))
    text = own_task.read_text().replace(
        'file = "rows.csv"', 'file = "rows.csv"\ndrop_incomplete = true'
    )
    (tmp_path / "t.toml").write_text(text)
    done = hcore("evaluate", tiny_folder, "--task", "t.toml", cwd=tmp_path)
    assert "85.0% entailment" in done.stdout
    assert "4 incomplete rows dropped" in done.stderr
    printed = json.loads(
        hcore("evaluate", tiny_folder, "--task", "t.toml", "--json", cwd=tmp_path).stdout
    )
    (row,) = printed["cases"]
    assert row["majority"] == 17 / 20
    assert row["majority_label"] == "entailment"
    assert printed["ablation"] is None
