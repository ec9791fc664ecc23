from __future__ import annotations

import importlib
import inspect
import json
import os
import shutil
import signal
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from command import SMALL, hcore, mistake
from heuristic_core.cli import COMMANDS
from tiny import save_tiny


def test_run_prints_findings_and_writes_the_page(place, tiny_folder):
    done = hcore("run", "smoke", "--set", f"model.source={tiny_folder}", *SMALL, cwd=place)
    assert "Report:" in done.stdout
    assert "nothing to compute" in done.stderr
    manifest = json.loads((place / "runs" / "smoke" / "manifest.json").read_text())
    assert manifest["command"].startswith("hcore run smoke --set model.source=")
    assert manifest["command"] in (place / "runs/smoke/report/report.html").read_text().replace(
        "&#39;", "'"
    )


def test_show_analyze_and_report_run_no_model(place):
    shown = hcore("show", "runs/smoke", cwd=place).stdout
    assert "core" in shown
    everything = hcore("show", "runs/smoke", "--all", cwd=place).stdout
    assert everything.startswith(shown.partition("\nhcore show RUN --only")[0])
    asked = ["Do all subnetworks share a core", "Do subnetworks overlap more than chance?"]
    one = hcore("show", "runs/smoke", "--only", "core", cwd=place).stdout
    assert [text in one for text in asked] == [True, False]
    two = hcore("show", "runs/smoke", "--only", "overlap", "--only", "core", cwd=place).stdout
    assert [text in two for text in asked] == [text in everything for text in asked] == [True] * 2
    assert "adversarial" in hcore("show", "runs/smoke", "--case", "cn_adverb", cwd=place).stdout
    as_json = json.loads(hcore("show", "runs/smoke", "--json", cwd=place).stdout)
    verdicts = place / "runs/smoke/conclusions/verdicts.parquet"
    before = pd.read_parquet(verdicts)
    assert [row["decision"] for row in as_json["verdicts"]] == before["decision"].tolist()
    assert {"core", "by-sparsity"} <= as_json["tables"].keys()
    concluded = hcore("analyze", "runs/smoke", "--tables-only", cwd=place)
    assert pd.read_parquet(verdicts).equals(before)
    assert "cells of the analyses are not measured" in concluded.stderr
    # The conclusions end in the view of `hcore show`.
    assert concluded.stdout.startswith(shown)
    assert "report.html" in concluded.stdout[len(shown) :]
    hcore("report", "runs/smoke", "--out", "elsewhere", cwd=place)
    assert (place / "elsewhere" / "report.html").is_file()


def test_plan_starts_nothing(place, tiny_folder):
    arguments = ["run", "smoke", "--plan", "--set", f"model.source={tiny_folder}", *SMALL]
    done = hcore(*arguments, "--out", "planned", cwd=place)
    assert "10 of 10 cells to do" in done.stdout
    assert not (place / "planned").exists()
    plan = json.loads(hcore(*arguments, "--out", "planned", "--json", cwd=place).stdout)
    assert plan["missing_seconds"] > 0
    assert all(not row["finished"] for row in plan["cells"])
    # A question that it can hardly decide is named with the reason.
    reason = plan["hardly_decided"]["core"]
    assert "it takes 3 searches" in reason
    assert f"core can hardly be decided: {reason}" in done.stdout
    plan = json.loads(hcore(*arguments, "--json", cwd=place).stdout)
    assert all(row["finished"] for row in plan["cells"])
    assert plan["missing_seconds"] == 0


def test_a_plan_ends_where_the_run_would(place, tiny_folder):
    arguments = ["run", "smoke", "--plan", "--set", f"model.source={tiny_folder}", *SMALL]
    plan = json.loads(hcore(*arguments, "--until", "finetune", "--json", cwd=place).stdout)
    assert [row["cell"] for row in plan["cells"]] == ["finetune-f1"]
    plan = json.loads(hcore(*arguments, "--until", "search", "--json", cwd=place).stdout)
    kinds = {row["cell"].split("-")[0] for row in plan["cells"]}
    assert {"finetune", "search"} <= kinds
    assert "evaluate" not in kinds


def test_a_plan_of_a_damaged_run_has_the_cell_to_do(place, tiny_folder, tmp_path):
    run = shutil.copytree(place / "runs/smoke", tmp_path / "run")
    arguments = ["run", "smoke", "--plan", "--set", f"model.source={tiny_folder}", *SMALL]
    for in_run in ("false", "true"):
        asked = [*arguments, "--set", f"analysis.in_run={in_run}", "--update", "--out", run]
        for record in run.glob("cells/search-*/record.json"):
            record.write_text("{")
        plan = json.loads(hcore(*asked, "--json", cwd=place).stdout)
        to_do = {row["cell"] for row in plan["cells"] if not row["finished"]}
        assert any(cell.startswith("search-") for cell in to_do)


def test_the_command_that_finishes_joined_runs_can_be_pasted(place, tmp_path):
    done = hcore("merge", "runs/smoke", "--out", tmp_path / "whole", cwd=place)
    finish = done.stdout.splitlines()[-1]
    assert finish.startswith("Finish it with: hcore run STUDY --set ")
    assert "--set 'search.seeds=[1,2]' --set 'finetune.seeds=[1]' --out " in finish


def test_fine_tuning_that_the_device_cannot_do_is_refused_before(place, tiny_folder, tmp_path):
    study = ["run", "smoke", "--set", f"model.source={tiny_folder}", *SMALL, "--device", "cpu"]
    study += ["--set", "finetune.precision=float16"]
    line = "study key finetune.precision: float16 needs a CUDA device, this is cpu"
    assert line in mistake(*study, cwd=tmp_path)
    assert line in mistake(*study, "--plan", cwd=tmp_path)
    assert not list(tmp_path.iterdir())
    assert "on A100" in hcore(*study, "--plan", "--gpu", "A100", cwd=tmp_path).stdout


def test_the_plan_of_a_run_that_analyses_says_what_comes_on_top(place, tiny_folder):
    arguments = ["run", "smoke", "--plan", "--set", f"model.source={tiny_folder}", *SMALL]
    arguments += ["--set", "analysis.in_run=true"]
    said = "cells for analysis.removal and analysis.dependency come on top"
    done = hcore(*arguments, "--out", "planned", cwd=place)
    assert said in done.stdout
    plan = json.loads(hcore(*arguments, "--out", "planned", "--json", cwd=place).stdout)
    assert plan["planned_later"] == ["removal", "dependency"]
    names = {row["cell"] for row in plan["cells"]}
    assert {"grid-search-f1-s2-k1", "disjoint-f1-s2-k1"} <= names
    assert not (place / "planned").exists()
    # The searches of this run are finished, so that all is known.
    arguments.append("--update")
    plan = json.loads(hcore(*arguments, "--json", cwd=place).stdout)
    assert plan["planned_later"] == []
    assert names < {row["cell"] for row in plan["cells"]}
    assert said not in hcore(*arguments, cwd=place).stdout


def test_steps_on_a_model_of_ones_own(place, tiny_folder):
    task = ["--task", "hans-grammar"]
    done = hcore(
        "prune", tiny_folder, "--out", "subs", "--sparsity", 0.3, "--sparsity", 0.5,
        "--set", "ramp_steps=2", "--set", "hold_steps=0", *task, "--json", cwd=place,
    )  # fmt: skip
    rows = json.loads(done.stdout)["subnetworks"]
    assert [row["heads"] + row["mlps"] for row in rows] == [7, 5]
    evaluated = hcore(
        "evaluate", tiny_folder, "--suite", "hans-grammar", "--per-case", 2,
        "--case", "le_passive", "--subnetwork", rows[1]["folder"], "--json", cwd=place,
    )  # fmt: skip
    (row,) = json.loads(evaluated.stdout)["cases"]
    assert row["case"] == "le_passive"
    assert row["n"] == 2
    assert row["kl"] > 0
    removed = hcore(
        "evaluate", tiny_folder, "--suite", "hans-grammar", "--per-case", 2,
        "--without", "L0H1", "--json", cwd=place,
    )  # fmt: skip
    assert len(json.loads(removed.stdout)["cases"]) == 30


def test_finetune_keeps_checkpoints_that_can_be_loaded(place, tiny_folder):
    done = hcore(
        "finetune", tiny_folder, "--out", "tuned", "--steps", 2, "--batch-size", 4, "--json",
        cwd=place,
    )  # fmt: skip
    kept = json.loads(done.stdout)["checkpoints"]
    assert list(kept) == ["0", "2"]
    for folder in kept.values():
        assert (place / folder / "model.safetensors").is_file()


def test_a_run_is_evaluated_on_another_suite(place):
    arguments = ["evaluate", "runs/smoke", "--suite", "hans-grammar", "--per-case", 1]
    done = hcore(*arguments, cwd=place)
    assert "ln_subject/object_swap" in done.stdout
    assert (place / "runs/smoke/tables/hans-grammar-1.parquet").is_file()
    assert "nothing to compute" in hcore(*arguments, cwd=place).stderr


def test_a_run_is_evaluated_in_bfloat16_beside_what_it_was(place):
    arguments = ["evaluate", "runs/smoke", "--suite", "hans-grammar", "--per-case", 1]
    hcore(*arguments, cwd=place)
    exact = place / "runs/smoke/tables/hans-grammar-1.parquet"
    before = exact.read_bytes()
    hcore(*arguments, "--precision", "bfloat16", cwd=place)
    assert exact.read_bytes() == before
    rounded = pd.read_parquet(exact.with_name("hans-grammar-1-bfloat16.parquet"))
    off = np.abs(rounded["margin"] - pd.read_parquet(exact)["margin"])
    assert 0 < off.max() < 0.05
    for again in (
        [*arguments, "--precision", "bfloat16"],
        [*arguments, "--precision", "float32"],
        arguments,
    ):
        assert "nothing to compute" in hcore(*again, cwd=place).stderr


def test_a_model_is_evaluated_in_bfloat16(place, tiny_folder):
    arguments = ["evaluate", tiny_folder, "--suite", "hans-grammar", "--per-case", 2, "--json"]
    exact, rounded = (
        pd.DataFrame(json.loads(hcore(*arguments, *more, cwd=place).stdout)["cases"])
        for more in ([], ["--precision", "bfloat16"])
    )
    assert 0 < np.abs(rounded["margin"] - exact["margin"]).max() < 0.05


def test_lists(place):
    tasks = json.loads(hcore("tasks", "--json", cwd=place).stdout)
    assert {"hans-grammar", "mnli+hans", "snli+hans"} <= set(tasks["tasks"])
    assert "hans-grammar" in hcore("tasks", cwd=place).stdout
    assert "bert" in json.loads(hcore("models", "--json", cwd=place).stdout)["families"]
    assert "minilm" in hcore("models", cwd=place).stdout
    assert "run" in hcore("--help", cwd=place).stdout


def test_the_version():
    done = hcore("--version", cwd=Path.cwd())
    assert done.stdout == f"hcore {version('heuristic-core')}\n"
    assert done.stderr == ""


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ("run quickstrat", "did you mean 'quickstart'"),
        ("run none.toml", "study file none.toml is missing"),
        ("run smoke --set serch.seeds=[1]", "did you mean 'search'"),
        ("run smoke --set search.sparsities=[1.2]", "outside [0, 1)"),
        ("run smoke --set task.name=hans-gramar", "did you mean 'hans-grammar'"),
        ("run smoke --set task.options.percase=3", "did you mean 'per_case'"),
        ("run smoke --set search.method=learnt", "did you mean 'learned'"),
        ("run smoke --set search.options.batchsize=3", "did you mean 'batch_size'"),
        ("run smoke --set model.source=/nowhere/at/all", "missing, not a model folder"),
        ("run smoke --set model.source=.", "no config.json"),
        ("run smoke --device cuda:99", "CUDA"),
        ("run smoke --out /proc/none", "cannot make the run folder"),
        ("run smoke --until prune", "unknown step 'prune'"),
        ("run smoke --dtype float8", "model.dtype"),
        ("run smoke --out runs/smoke --set name=mine", "run of another study, 'smoke'"),
        ("run smoke --out runs/smoke", "other settings"),
        ("run --nonsense", "No such option"),
        ("frobnicate", "unknown command 'frobnicate'"),
        ("show nowhere", "no run folder"),
        ("show runs/smoke --only cores", "did you mean 'core'"),
        ("show runs/smoke --only dependency", "no verdict on dependency, which needs the tables"),
        ("show runs/smoke --case cn_advert", "did you mean 'cn_adverb'"),
        ("show runs/smoke --all --json", "give one of --only, --case, --all and --json"),
        ("report nowhere", "no run folder"),
        ("evaluate nowhere/at/all/there", "no such folder"),
        ("evaluate MODEL --suite hnas", "did you mean 'hans'"),
        ("evaluate MODEL --case le_pasive", "did you mean 'le_passive'"),
        ("evaluate MODEL --without L9H0", "there is no unit L9H0"),
        ("evaluate MODEL --without 4", "is no unit"),
        ("evaluate MODEL --per-case some", "neither a number"),
        ("evaluate MODEL --subnetwork nowhere", "no subnetwork in"),
        ("evaluate MODEL --subnetwork x --without L0H0", "not both"),
        ("evaluate MODEL --task none", "unknown task"),
        ("evaluate OTHER", "no counterpart"),
        ("prune OTHER --out x", "no counterpart"),
        ("evaluate ENCODER", "no sequence classifier"),
        ("evaluate runs/smoke --subnetwork x", "is for a model"),
        ("prune MODEL --out x --sparsity 1", "outside [0, 1)"),
        ("prune MODEL --out x --units mlps", "unit scope"),
        ("prune MODEL --out x --ablation median", "ablation kind"),
        ("prune MODEL --out x --method best", "search method"),
        ("prune MODEL", "Missing option"),
        ("finetune MODEL --out x --steps 0", "finetune.steps"),
        ("finetune MODEL --out x --checkpoint 9 --steps 3", "checkpoint 9 is no step"),
    ],
)
def test_mistakes_end_in_one_line(place, tiny_folder, others, arguments, message):
    words = [others.get(word, word) for word in arguments.split()]
    before = sorted(place.rglob("*"))
    assert message in mistake(*words, cwd=place)
    after = [path for path in sorted(place.rglob("*")) if path not in before]
    assert not after, f"left behind: {after}"


def test_the_installed_command_ends_in_one_line_too(tmp_path):
    done = subprocess.run(
        [sys.executable, "-m", "heuristic_core.cli", "show", "nowhere"],
        cwd=tmp_path,
        env=os.environ | {"COLUMNS": "200"},
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 2
    assert done.stdout == ""
    assert done.stderr.startswith("hcore: error: nowhere is no run folder")
    assert done.stderr.count("\n") == 1


@pytest.fixture(scope="module")
def others(tiny_folder, tmp_path_factory):
    """Model folders that stand behind names in upper case."""
    labels = ("yes", "no")
    return {
        "MODEL": str(tiny_folder),
        "OTHER": str(save_tiny(tmp_path_factory.mktemp("other"), labels=labels)),
        "ENCODER": str(save_tiny(tmp_path_factory.mktemp("encoder"), classifier=False)),
    }


def test_where_cells_are_computed(place, tiny_folder, monkeypatch):
    study = ["run", "smoke", "--set", f"model.source={tiny_folder}", *SMALL]
    assert "not both" in mistake(*study, "--workers", "2", "--ray", cwd=place)
    assert "--workers" in mistake(*study, "--workers", "0", cwd=place)
    refused = mistake("evaluate", str(tiny_folder), "--workers", "2", cwd=place)
    assert "--workers is for a run" in refused
    # Nothing is computed, so no process is started.
    done = hcore(*study, "--workers", "2", "--threads", "1", cwd=place)
    assert "nothing to compute" in done.stderr
    monkeypatch.setitem(sys.modules, "ray", None)
    for bare in (["--ray"], ["--ray", "--threads", "1"], ["--ray", "local"]):
        assert "pip install 'heuristic-core[cluster]'" in mistake(*study, *bare, cwd=place)


def test_status_needs_no_slow_library(place):
    code = (
        "import sys; from heuristic_core.cli import main\n"
        "sys.argv = ['hcore', 'status', 'runs/smoke', '--json']\n"
        "try: main()\n"
        "except SystemExit as stop: assert stop.code == 0\n"
        "print({'torch', 'transformers', 'pandas', 'numpy'} & set(sys.modules))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=place, capture_output=True, text=True, check=True
    )
    *found, loaded = done.stdout.splitlines()
    assert loaded == "set()"
    status = json.loads("\n".join(found))
    assert (status["planned"], status["done"], status["driver"]) == (10, 10, None)
    assert (
        "10 of 10 cells are finished; no program is writing"
        in hcore("status", "runs/smoke", cwd=place).stdout
    )
    assert "is no run folder" in mistake("status", ".", cwd=place)


@pytest.mark.parametrize("stop", [signal.SIGINT, signal.SIGTERM])
def test_a_stopped_run_says_how_to_go_on(tiny_folder, tmp_path, stop):
    arguments = ["run", "smoke", "--set", f"model.source={tiny_folder}", *SMALL]
    process = subprocess.Popen(
        [sys.executable, "-m", "heuristic_core.cli", *arguments],
        cwd=tmp_path,
        stderr=subprocess.PIPE,
        text=True,
        # Tests that run in a shell's background ignore Ctrl-C, and would hand that on.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )
    line = process.stderr.readline()  # the first cell has begun
    assert line.startswith("[1/10]")
    process.send_signal(stop)
    rest = process.communicate(timeout=120)[1]
    assert process.returncode == 130, rest
    assert "Traceback" not in rest
    last = rest.strip().splitlines()[-1]
    assert last.startswith("hcore: stopped; what is finished is kept. Go on with: hcore run smoke")
    assert not list((tmp_path / "runs" / "smoke" / "cells").glob(".partial-*"))


@pytest.mark.parametrize("name", COMMANDS)
def test_the_map_says_of_a_command_what_its_own_help_says(name):
    module, function = COMMANDS[name].home.split(":")
    home = importlib.import_module(f"heuristic_core.commands.{module}")
    assert inspect.getdoc(getattr(home, function)).splitlines()[0] == COMMANDS[name].help


@pytest.mark.parametrize(
    ("arguments", "usage"),
    [
        (["report", "runs/smoke", "--out"], "hcore report --help"),
        (["report", "runs/smoke", "--outt", "x"], "hcore report --help"),
        (["--nothing"], "hcore --help"),
    ],
)
def test_a_mistake_in_an_option_names_the_help_of_its_command(place, arguments, usage):
    assert mistake(*arguments, cwd=place).endswith(f"(try `{usage}`)")


def test_seeds_are_pruned_together_and_kept_as_such(tiny_folder, tmp_path):
    some = [
        "prune",
        tiny_folder,
        "--out",
        "subs",
        "--seed",
        1,
        "--seed",
        2,
        "--precision",
        "bfloat16",
    ]
    some += ["--task-option", "search_size=16", "--set", "ramp_steps=4", "--set", "hold_steps=1"]
    hcore(*some, "--together", cwd=tmp_path)
    for seed in (1, 2):
        path = tmp_path / f"subs/seed-{seed}/sparsity-0.5/subnetwork.json"
        said = json.loads(path.read_text())["provenance"]
        assert said["seeds_of_pass"] == [1, 2]
        assert said["seed"] == seed
        assert said["precision"] == "bfloat16"
    assert "seed 2 is finished already" in hcore(*some, "--together", cwd=tmp_path).stderr
    assert "found with other settings" in hcore(*some, cwd=tmp_path, code=2).stderr
