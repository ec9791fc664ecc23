"""Studies without adversarial and friendly cases, and one meaning for a removal everywhere."""

from __future__ import annotations

import json
from pathlib import Path

import pandas as pd
import pytest

import heuristic_core as hc
from command import hcore, mistake
from heuristic_core.tables import EVALUATIONS
from tiny import save_tiny, some_pairs

TASK = """
labels = ["entailment", "non-entailment"]
[columns]
text = "premise"
text_pair = "hypothesis"
label = "label"
[train]
file = "train.csv"
[search]
file = "search.csv"
[[suites]]
name = "near"
role = "id"
file = "near.csv"
[[suites]]
name = "far"
role = "ood"
file = "far.csv"
kind = "shift"
"""
STUDY = """
name = "domains"
model = { source = "tiny" }
task = { name = "domains.toml" }
finetune = { steps = 4, checkpoints = [0, 2, 4], batch_size = 4 }
[search]
seeds = [1, 2, 3]
sparsities = [0.3, 0.5]
options = { ramp_steps = 2, hold_steps = 0, batch_size = 4 }
[analysis]
id_size = 100
per_case = 100
grid = { sparsities = [0.2, 0.3, 0.4, 0.5, 0.6], seeds = [1, 2] }
removal = { controls = 1, pairs = 1, groups = { four = ["L0H0", "L0H1", "L1H2", "L1H3"] } }
"""
FOUR = ("L0H0", "L0H1", "L1H2", "L1H3")
WITHOUT = [word for unit in FOUR for word in ("--without", unit)]


@pytest.fixture(scope="module")
def place(tmp_path_factory) -> Path:
    """A folder with a finished study of a plain shift of domain."""
    folder = tmp_path_factory.mktemp("shift")
    splits = {"train": "train", "search": "search", "near": "test", "far": "test"}
    for seed, (name, split) in enumerate(splits.items()):
        table = some_pairs(24, seed=seed, split=split).table
        columns = {"text": "premise", "text_pair": "hypothesis"}
        table = table.rename(columns=columns)[["premise", "hypothesis", "label"]]
        if name == "train":
            near = some_pairs(24, seed=2, split="test").table.rename(columns=columns)
            table = pd.concat([table, near[table.columns].iloc[:2]])
        table.to_csv(folder / f"{name}.csv", index=False)
    (folder / "domains.toml").write_text(TASK)
    (folder / "study.toml").write_text(STUDY)
    (folder / "tiny").mkdir()
    save_tiny(folder / "tiny")
    return folder


@pytest.fixture(scope="module")
def ran(place):
    return hcore("run", "study.toml", cwd=place)


@pytest.fixture(scope="module")
def analyzed(place, ran):
    return hcore("analyze", "runs/domains", cwd=place)


@pytest.mark.slow
def test_a_plain_shift_of_domain(place, ran, analyzed):
    assert ran.stderr.count("training examples dropped that are test examples too (near 2)") == 1
    shown = hcore("show", "runs/domains", cwd=place).stdout
    page = (place / "runs/domains/report/report.html").read_text(encoding="utf-8")
    for text in (shown, page):
        words = " ".join(text.split())
        assert "Shifted cases show how far accuracy spreads out of domain at equal in-" in words
        assert "They cannot show whether label bias or generalisation moves an accuracy" in words
        assert "worst OOD group" in words
    found = json.loads(hcore("show", "runs/domains", "--json", cwd=place).stdout)
    answered = {row["question"] for row in found["verdicts"]}
    assert {"spread", "sparsity", "smoothness", "core", "overlap", "effective_size"} & answered
    assert {"spread", "effective_size", "smoothness"} <= answered
    data = {row["data"] for row in found["verdicts"] if row["question"] == "effective_size"}
    assert data == {"in-domain", "shift"}
    means = {row["mean_over"] for row in found["tables"]["by-sparsity"]}
    assert means == {"in-domain", "shift", "worst OOD group"}
    spread = next(row for row in found["verdicts"] if row["question"] == "spread")
    assert spread["claim"].endswith("differ from each other in accuracy on shifted cases")


@pytest.mark.slow
def test_worst_groups_computed_a_second_way(place, ran):
    table = pd.read_parquet(place / "runs/domains/tables/evaluations.parquet")
    row = table[(table["kind"] == "full") & (table["checkpoint"] == 4) & (table["suite"] == "far")]
    printed = hcore("evaluate", "runs/domains", "--json", cwd=place).stdout
    models = {m["checkpoint"]: m["path"] for m in json.loads(printed)["models"]}
    model = hc.load_model(place / models[4])
    suite = hc.load_task(place / "domains.toml").suite("far")
    logits = model.logits(model.encode(suite.examples)).numpy()
    right = pd.Series(suite.class_map(model.labels)[logits.argmax(1)] == suite.examples.label_ids)
    groups = right.groupby(suite.examples.table["label"]).agg(["mean", "size", "sum"])
    worst = groups.loc[groups["mean"].idxmin()]
    assert (row["worst_label"].item(), row["worst_n"].item(), row["worst_correct"].item()) == (
        groups["mean"].idxmin(), worst["size"], worst["sum"],
    )  # fmt: skip
    said = hcore("evaluate", models[4], "--task", "domains.toml", cwd=place).stdout
    assert f"Worst group of far: far, {row['worst_label'].item()}: {worst['mean']:.1%}" in said
    assert "(Sagawa et al. 2020)" in said


@pytest.mark.slow
def test_four_heads_removed_by_command_api_and_study(place, ran, analyzed):
    """The same number to the last digit, whichever way it is asked for."""
    rows = pd.read_parquet(place / "runs/domains/tables/removal.parquet")
    study = rows[(rows["group"] == "four") & (rows["readout"] == "model")].set_index("case")
    names = ["n", "correct", "kl", "margin"]
    of_run = json.loads(
        hcore("evaluate", "runs/domains", *WITHOUT, "--checkpoint", 4, "--json", cwd=place).stdout
    )
    (model,) = of_run["models"]
    assert of_run["ablation"] == "means over 24 mask-learning examples of domains"
    by_path = json.loads(
        hcore(
            "evaluate", model["path"], *WITHOUT, "--task", "domains.toml", "--json", cwd=place
        ).stdout
    )
    for cases in (of_run["cases"], by_path["cases"]):
        found = pd.DataFrame(cases).set_index("case")
        assert found[names].to_dict() == study[names].loc[found.index].to_dict()
    task = hc.load_task(place / "domains.toml")
    loaded = hc.load_model(place / model["path"])
    with hc.without(loaded, *FOUR, task=task):
        by_api = hc.evaluate(loaded, task).set_index("case")
    assert by_api[["n", "correct", "margin"]].to_dict() == (
        study[["n", "correct", "margin"]].loc[by_api.index].to_dict()
    )
    every = json.loads(hcore("evaluate", "runs/domains", *WITHOUT, "--json", cwd=place).stdout)
    assert [m["checkpoint"] for m in every["models"]] == [0, 2, 4]
    said = mistake("evaluate", "runs/domains", *WITHOUT, "--checkpoint", 3, cwd=place)
    assert "unknown checkpoint '3'" in said
    said = mistake("evaluate", "runs/domains", "--checkpoint", 4, cwd=place)
    assert "--checkpoint is for --without" in said


def test_tables_of_earlier_versions_have_no_worst_groups():
    old = EVALUATIONS.empty().drop(columns=["worst_label", "worst_n", "worst_correct"])
    assert EVALUATIONS.conform(old).columns.tolist() == EVALUATIONS.names


def test_settings_of_the_task_as_options(tiny_folder, tmp_path):
    few = [w for k in ("train", "search", "id") for w in ("--task-option", f"{k}_size=8")]
    few += ["--task-option", "per_case=2"]
    shown = hcore("tasks", "hans-grammar", *few, "--json", cwd=tmp_path).stdout
    assert {row["n"] for row in json.loads(shown)["cases"][:3]} == {8}
    found = json.loads(hcore("evaluate", tiny_folder, *few, "--json", cwd=tmp_path).stdout)
    assert {row["n"] for row in found["cases"]} == {8, 2}
    hcore("prune", tiny_folder, *few, "--method", "magnitude", "--out", "subs", cwd=tmp_path)
    done = hcore(
        "finetune", tiny_folder, *few, "--steps", 1, "--batch-size", 2, "--out", "f", "--json",
        cwd=tmp_path,
    )  # fmt: skip
    assert set(json.loads(done.stdout)["checkpoints"]) == {"0", "1"}
    for command in (("evaluate",), ("prune", "--out", "x"), ("finetune", "--out", "y")):
        arguments = (command[0], tiny_folder, *command[1:], "--task-option", "per_caes=2")
        assert "did you mean 'per_case'" in mistake(*arguments, cwd=tmp_path)
    assert "--task-option 'x' is not of the form" in mistake(
        "prune", tiny_folder, "--out", "x", "--task-option", "x", cwd=tmp_path
    )
