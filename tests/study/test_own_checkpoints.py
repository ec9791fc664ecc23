"""Checkpoints of another program: a study of them is that of the program's own fine-tuning."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pandas as pd
import pytest
from huggingface_hub import constants

from command import hcore, mistake
from heuristic_core.errors import InputError
from heuristic_core.models.loading import load_model
from heuristic_core.study.config import StudyConfig, check_study, load_study
from heuristic_core.study.differences import models_of, start_of
from heuristic_core.study.given_losses import given_losses
from heuristic_core.study.results import read_results
from heuristic_core.study.run import RunOptions, load_study_task, run_study
from tiny import save_tiny, some_pairs
from tiny_studies import cells, quiet

STEPS = (0, 2, 4)
TASK = """
labels = ["entailment", "non-entailment"]
overlap = "keep"
columns = { text = "text", text_pair = "text_pair", label = "label", case = "case" }
[train]
file = "train.jsonl"
[search]
file = "train.jsonl"
size = 16
[[suites]]
name = "id"
role = "id"
file = "train.jsonl"
columns = { case = "role" }
size = 10
[[suites]]
name = "ood"
role = "ood"
file = "test.jsonl"
kinds = { one = "adversarial", two = "friendly" }
"""
REST = {
    "task": {"name": "task.toml"},
    "search": {
        "sparsities": [0.5],
        "seeds": [1, 2],
        "options": {"ramp_steps": 3, "hold_steps": 1, "batch_size": 8, "exchange_rounds": 0},
    },
    "analysis": {
        "in_run": True,
        "id_size": 8,
        "per_case": 1,
        "grid": {"sparsities": [0.5], "seeds": [1]},
        "disjoint": {"seeds": 1, "forbidden": [1.0], "sparsity": 0.5},
        "removal": {"controls": 1, "pairs": 1},
        "dependency": {"senders": 1, "controls": 1, "per_case": 1, "receivers": 2},
    },
}
SEEDS = """
[model]
source = "raw"
[model.seeds.1]
checkpoints = { 2 = "own-1/checkpoint-2", 4 = "own-1/checkpoint-4" }
[model.seeds.2.checkpoints]
2 = "own-2/checkpoint-2"
4 = "own-2/checkpoint-4"
"""


def run(config: StudyConfig, folder: Path):
    return run_study(config, RunOptions(folder, device="cpu"), quiet())


def toml(value: object) -> str:
    if isinstance(value, dict):
        return "{ " + ", ".join(f"{json.dumps(k)} = {toml(v)}" for k, v in value.items()) + " }"
    return json.dumps(value)


def study_file(folder: Path, model: str, name: str = "given", rest: dict | None = None) -> Path:
    """Write a study file with a ``[model]`` and the settings that all studies here share."""
    lines = [f'name = "{name}"', model]
    for table, keys in (REST if rest is None else rest).items():
        lines += [f"[{table}]", *(f"{key} = {toml(value)}" for key, value in keys.items())]
    path = folder / f"{name}.toml"
    path.write_text("\n".join(lines))
    return path


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """A pretrained model, the run of a study that fine-tunes it twice, and its checkpoints."""
    folder = tmp_path_factory.mktemp("own")
    (folder / "task.toml").write_text(TASK)
    for file, n in (("train", 40), ("test", 12)):
        table = some_pairs(n, seed=n).table
        table = table.assign(case=[("one", "two")[i // 2 % 2] for i in range(n)], role="all")
        table.to_json(folder / f"{file}.jsonl", orient="records", lines=True)
    (folder / "raw").mkdir()
    save_tiny(folder / "raw", classifier=False)
    finetune = {"steps": 4, "checkpoints": list(STEPS), "seeds": [1, 2], "batch_size": 8}
    model = {"source": str(folder / "raw")}
    config = check_study({"name": "tuned", "model": model, "finetune": finetune, **REST}, folder)
    run(config, folder / "t")
    for seed in (1, 2):
        (cell,) = folder.glob(f"t/cells/finetune-f{seed}-*")
        for step in STEPS:
            shutil.copytree(cell / f"step-{step:06d}", folder / f"own-{seed}/checkpoint-{step}")
    return folder


@pytest.fixture(scope="module")
def given(made):
    """The run of a study that is given these checkpoints, and the model without a head."""
    results = run(load_study(study_file(made, SEEDS)), made / "g")
    assert results is not None
    return results


def test_the_same_numbers_as_the_programs_own_fine_tuning(made, given):
    """Step 0 has no head: it gets the one that fine-tuning began with."""
    own = read_results(made / "t").measured
    assert len(given.measured["finetuning"]) == 0
    filled = {name for name, table in own.items() if len(table)}
    assert filled >= {"grid", "disjoint", "removal", "attention"}
    for name in own.keys() - {"finetuning"}:
        pd.testing.assert_frame_equal(own[name], given.measured[name], check_exact=True)
    assert set(own["removal"]["readout"]) == {"model", "probe"}
    assert set(own["attention"]["checkpoint"]) == {0, 4}
    assert set(own["grid"]["finetune_seed"]) == {1, 2}
    assert {path.name.split("-")[0] for path in (made / "g/cells").iterdir()} >= {"probe", "grid"}
    assert not list((made / "g/cells").glob("finetune-*"))


def test_losses_that_a_trainer_logged_are_those_of_the_programs_own(made, given, tmp_path):
    """The log of the last checkpoint is read; one that is damaged counts as none."""
    own = read_results(made / "t").measured["finetuning"]
    place = shutil.copytree(made, tmp_path / "made")
    log = [
        {"loss": 0.7, "learning_rate": 5e-05, "epoch": 0.2, "step": 1},
        {"eval_loss": 0.1, "step": 2},
        {"loss": 0.5, "learning_rate": 2e-05, "step": 4},
        {"loss": 0.4, "learning_rate": 0, "step": 6},
        {"train_loss": 0.6, "step": 4},
    ]
    states = {1: {"log_history": log}, 2: {"log_history": [*log, {"loss": "low", "step": 4}]}}
    for seed, state in states.items():
        (place / f"own-{seed}/checkpoint-4/trainer_state.json").write_text(json.dumps(state))
    config = load_study(study_file(place, SEEDS, rest={**REST, "analysis": {"in_run": False}}))
    read = run(config, tmp_path / "run")
    losses = read.measured["finetuning"]
    assert losses.to_dict("records") == [
        {"finetune_seed": 1, "step": 1, "loss": 0.7, "learning_rate": 5e-05},
        {"finetune_seed": 1, "step": 4, "loss": 0.5, "learning_rate": 2e-05},
    ]
    pd.testing.assert_series_equal(losses.dtypes, own.dtypes)
    shown = read.conclusions.tables["full-model"]
    mine = shown[shown["finetune_seed"] == 1].set_index("checkpoint")["training_loss"]
    assert mine.dropna().to_dict() == {2: 0.7, 4: 0.5}
    assert shown[shown["finetune_seed"] == 2]["training_loss"].isna().all()


@pytest.mark.parametrize(
    "text",
    ["", "[]", "{", '{"log_history": 3}', '{"log_history": [7]}', '{"log_history": [{"loss": 1}]}',
     '{"log_history": [{"loss": NaN, "learning_rate": 1, "step": 1}]}',
     '{"log_history": [{"loss": 1, "learning_rate": 1, "step": true}]}'],
)  # fmt: skip
def test_a_damaged_log_is_none(tmp_path, text):
    save_tiny(tmp_path)
    (tmp_path / "trainer_state.json").write_text(text)
    config = check_study({"name": "a", "model": {"checkpoints": {"5": str(tmp_path)}}})
    assert len(given_losses(config)) == 0


def test_the_same_verdicts_and_a_report_that_says_what_was_given(made, given):
    own = read_results(made / "t").conclusions.verdicts
    pd.testing.assert_frame_equal(own, given.conclusions.verdicts, check_exact=True)
    shown = " ".join(hcore("show", "g", cwd=made).stdout.split())
    assert "was studied at 3 checkpoints of 2 fine-tunings that were there already" in shown
    page = (made / "g/report/report.html").read_text(encoding="utf-8")
    assert "fine-tuning 2, step 4: own-2/checkpoint-4 (" in page
    assert "fine-tuning 1, step 0: raw (" in page
    assert given.manifest["seeds"]["finetune"] == [1, 2]
    # To `hcore compare` they are two fine-tunings of the pretrained model.
    assert len(set(models_of(given).values())) == 2
    assert start_of(given) == start_of(read_results(made / "t")) != ""


def test_nothing_is_computed_again_and_runs_are_used_from_elsewhere(made, given, tmp_path):
    before = cells(made / "g")
    for cwd in (made, tmp_path):
        done = hcore("run", made / "given.toml", "--out", made / "g", cwd=cwd)
        assert "nothing to compute" in done.stderr
    plan = json.loads(hcore("analyze", made / "g", "--plan", "--json", cwd=tmp_path).stdout)
    assert all(cell["finished"] for cell in plan["cells"])
    assert cells(made / "g") == before
    hcore("evaluate", made / "g", cwd=tmp_path)


def test_a_model_that_got_a_new_head_is_told_from_those_that_can_be_evaluated_alone(made, given):
    removed = ("evaluate", "g", "--without", "L0H1", "--ablation", "zero", "--json")
    models = json.loads(hcore(*removed, cwd=made).stdout)["models"]
    assert {(m["checkpoint"], m["new_head"]) for m in models} == {(0, True), (2, False), (4, False)}
    shown = hcore("evaluate", "g", cwd=made).stdout
    assert "step 0: raw (pretrained; the run drew a classifier for it)\n" in shown
    assert "step 4: own-1/checkpoint-4\n" in shown


def test_a_missing_task_file_is_looked_for_beside_the_study(made, tmp_path):
    study = {"name": "x", "task": {"name": "nothing.toml"}, "model": {"source": str(made / "raw")}}
    with pytest.raises(
        InputError, match=r"no task file nothing\.toml .* the study file's folder\)"
    ):
        load_study_task(check_study(study, tmp_path), None)


@pytest.fixture
def copy(made, given, tmp_path):
    """A copy of the models, the study and its run, to be changed."""
    shutil.copytree(made, tmp_path / "copy", ignore=shutil.ignore_patterns("t"))
    (tmp_path / "copy/g/origin.json").write_text(json.dumps({"folder": str(tmp_path / "copy")}))
    return tmp_path / "copy"


def test_other_weights_under_the_same_path_compute_their_own_cells_anew(copy):
    before = set(cells(copy / "g"))
    new = load_model(copy / "own-2/checkpoint-2")
    new.hf.classifier.weight.data *= 2
    new.hf.save_pretrained(copy / "own-2/checkpoint-2")
    hcore("show", "g", cwd=copy)
    hcore("analyze", "g", "--tables-only", cwd=copy)
    hcore("evaluate", "g", "--case", "one", cwd=copy)  # at the last step, which has not changed
    shutil.move(copy / "own-2/checkpoint-4", copy / "elsewhere")
    done = hcore("evaluate", "g", "--case", "two", cwd=copy, code=2)
    assert "the model 'own-2/checkpoint-4' with which the run in g was made is not" in done.stderr
    shutil.move(copy / "elsewhere", copy / "own-2/checkpoint-4")
    before |= set(cells(copy / "g"))
    hcore("run", "given.toml", "--out", "g", "--until", "evaluate", cwd=copy)
    added = set(cells(copy / "g")) - before
    assert added
    assert all("f2-s2" in name for name in added), added


def test_a_trainers_folder_is_all_its_checkpoints_at_the_start(copy):
    shutil.rmtree(copy / "own-1/checkpoint-0")
    whole = study_file(copy, '[model]\nsource = "raw"\ncheckpoints = "own-1"', "whole")
    config = load_study(whole)
    assert config.checkpoints == [0, 2, 4]
    assert config.finetune_seeds == [1]
    assert config.sources[1, 4] == "own-1/checkpoint-4"
    one = {"source": "raw", "checkpoints": {"2": "own-1/checkpoint-2", "4": "own-1/checkpoint-4"}}
    assert config.model == check_study({"name": "x", "model": one}).model
    cell = json.loads(hcore("run", whole, "--plan", "--json", cwd=copy).stdout)["cells"][0]
    assert cell["cell"] == "evaluate-f1-s0"
    # The names of cells are those of the study of two fine-tunings: nothing here is new.
    quick = ("--set", "search.sparsities=[]", "--set", "analysis.disjoint=false")
    hcore("run", whole, "--out", "g2", *quick, cwd=copy)
    assert cells(copy / "g2").keys() <= cells(copy / "g").keys()
    shutil.copytree(copy / "own-1/checkpoint-4", copy / "own-1/checkpoint-10")
    assert load_study(whole).checkpoints == [0, 2, 4, 10]
    said = mistake("run", whole, "--out", "g2", *quick, cwd=copy)
    assert "with other settings (model.checkpoints.10)" in said
    # Alone, it is no model: which of its checkpoints is meant?
    (copy / "alone.toml").write_text('name = "a"\n[model]\nsource = "own-1"')
    said = mistake("run", "alone.toml", "--plan", cwd=copy)
    assert "holds some: give one of the models in it" in said
    assert 'in a study file all of them with checkpoints = "FOLDER"' in said


def test_revisions_on_the_hub_and_renamed_classes(made, tmp_path, monkeypatch):
    """They are loaded by the hub's own client, from its cache."""
    cache = tmp_path / "cache"
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(cache))
    model = cache / "models--org--name"
    (model / "refs").mkdir(parents=True)
    for i, step in enumerate((2, 4)):
        commit = f"{i}" * 40
        shutil.copytree(made / f"own-1/checkpoint-{step}", model / "snapshots" / commit)
        (model / "refs" / f"step{step}").write_text(commit)
    config = load_study(
        study_file(
            tmp_path,
            '[model]\ncheckpoints = { 2 = "org/name@step2", 4 = "org/name@step4" }\n'
            'labels = { 0 = "entailment", 1 = "non-entailment" }',
            rest={**REST, "analysis": {"in_run": False}},
        )
    )
    config = config.within(made)
    results = run(config, tmp_path / "run")
    own = read_results(made / "t").measured["evaluations"]
    own = own[(own["finetune_seed"] == 1) & (own["checkpoint"] > 0)].reset_index(drop=True)
    pd.testing.assert_frame_equal(results.measured["evaluations"], own, check_exact=True)
    assert results.manifest["checkpoints"][1]["hub"] == "org/name@step4"
    with pytest.raises(InputError, match=r"unknown model 'org/name@none'.*the hub did not give"):
        load_model("org/name@none")
