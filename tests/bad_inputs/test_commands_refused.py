"""Commands, settings and study files that do not fit, told before anything is computed."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from refusal import HOSTILE, snapshot

import heuristic_core as hc
from command import hcore, mistake
from heuristic_core.search import methods
from heuristic_core.study.config import load_study
from tiny import LABELS, save_tiny

QUICK = ["--method", "random", "--sparsity", "0.5"]

COMMANDS: dict[str, tuple[str, str]] = {
    "run on meta": ("run smoke --device meta", "unknown device 'meta'; say auto, cpu, cuda or mps"),
    "run on nothing known": ("run smoke --device gpu9", "unknown device 'gpu9'"),
    "evaluate on meta": ("evaluate MODEL --device meta", "unknown device 'meta'"),
    "validate on meta": ("validate MODEL SUB --device meta", "unknown device 'meta'"),
    "validate nothing": ("validate MODEL none", "no subnetwork in none"),
    "validate with few draws": ("validate MODEL SUB --draws 3", "draws is 3, but must be a whole"),
    "a core that is not there": ("validate MODEL SUB --core L9H9", "there is no unit L9H9"),
    "hostile core": (f"validate MODEL SUB --core {HOSTILE}", "is no unit"),
    "prune on meta": ("prune MODEL --out x --device meta", "unknown device 'meta'"),
    "finetune on meta": ("finetune MODEL --out x --device meta", "unknown device 'meta'"),
    "analyze on meta": ("analyze RUN --device meta", "unknown device 'meta'"),
    "run on meta, finished": ("run smoke --out RUN --device meta", "unknown device 'meta'"),
    "plan on meta": ("run smoke --plan --device meta", "unknown device 'meta'"),
    "plan analyses on meta": ("analyze RUN --plan --device meta", "unknown device 'meta'"),
    "tables on meta": ("analyze RUN --tables-only --device meta", "unknown device 'meta'"),
    "evaluate a run on meta": ("evaluate RUN --device meta", "unknown device 'meta'"),
    "threads beyond all": (
        "run smoke --threads 99999999999",
        "'--threads': Input should be less than or equal to 1024",
    ),
    "plan of threads beyond all": (
        "run smoke --plan --threads 99999999999",
        "less than or equal to 1024",
    ),
    "analyses of threads beyond all": ("analyze RUN --threads 1025", "less than or equal to 1024"),
    "workers beyond all": (
        "run smoke --workers 1025",
        "'--workers': Input should be less than or equal to 1024",
    ),
    "plan on a cluster": (
        "run smoke --plan --workers 2 --ray local",
        "--plan cannot forecast a Ray cluster; leave --ray out, and say with --workers",
    ),
    "plan analyses on a cluster": ("analyze RUN --plan --ray", "--plan cannot forecast a Ray"),
    "tables on a cluster": (
        "analyze RUN --tables-only --ray local",
        "--ray is about running models, which --tables-only does not; leave it out",
    ),
    "tables with workers": ("analyze RUN --tables-only --workers 2", "--workers is about running"),
    "tables with threads": ("analyze RUN --tables-only --threads 2", "--threads is about running"),
    "removal in a run with workers": (
        "evaluate RUN --without L0H0 --workers 2",
        "--workers is for cells, and --without computes none; leave it out",
    ),
    "plan for no GPU": ("run smoke --plan --gpu=", "unknown GPU ''; known: V100"),
    "no dtype": ("run smoke --dtype=", "model.dtype"),
    "a precision under two names": (
        "run smoke --set finetune.bf16=true --set finetune.precision=float16",
        "study key finetune.bf16 is the earlier name of finetune.precision, which is given too",
    ),
    "a comparison of one run": ("compare RUN", "takes at least two runs, and 1 is given"),
    "a run compared with itself": ("compare RUN RUN", "is given twice; give each run"),
    "a run compared with none": ("compare RUN nowhere", "nowhere is no run folder"),
    "a comparison without runs": ("compare", "Missing argument"),
    "grid of no sparsity": (
        "run smoke --set analysis.grid.sparsities=[]",
        "study key analysis.grid.sparsities: name at least one, or leave the grid out",
    ),
    "grid of no seed": (
        "run smoke --set analysis.grid.seeds=[]",
        "study key analysis.grid.seeds: name at least one, or leave the grid out with grid = fal",
    ),
    "weighting twice": (
        "run smoke --set analysis.attention.weightings=['attention','attention']",
        "study key analysis.attention.weightings: attention is given twice",
    ),
    "path twice": (
        "run smoke --set analysis.dependency.margin_paths=['total','total']",
        "study key analysis.dependency.margin_paths: total is given twice",
    ),
    "no weighting": (
        "run smoke --set analysis.attention.weightings=[]",
        "study key analysis.attention.weightings: must not be empty",
    ),
    "per-case of no suite": ("evaluate MODEL --per-case 3", "--per-case is for --suite"),
    "per-case of a run": ("evaluate RUN --per-case 3", "--per-case is for --suite"),
    "per-case 0": ("evaluate RUN --suite hans --per-case 0", "neither a number from 1 nor all"),
    "task of a run": ("evaluate RUN --task hans-grammar", "--task is for a model; a run has its"),
    "dtype of a run": ("evaluate RUN --dtype float32", "--dtype is for a model; a run has its own"),
    "rounding twice": (
        "evaluate MODEL --precision bfloat16 --dtype bfloat16",
        "--precision bfloat16 is for weights in float32, these are in bfloat16; leave it out",
    ),
    "subnetwork of a run": ("evaluate RUN --subnetwork x", "--subnetwork is for a model"),
    "removal of no unit in a run": ("evaluate RUN --without L9H9", "there is no unit L9H9"),
    "out below a file": (
        "prune MODEL --out file/x",
        "cannot write into file/x/seed-1/",
    ),
    "out a file": ("prune MODEL --out file", "cannot write into file/seed-1/sparsity-0.5"),
    "out nowhere": ("prune MODEL --out /proc/none", "choose a folder you may write to"),
    "out too long": (f"prune MODEL --out {'o' * 300}", "File name too long"),
    "run too long": (f"show {'r' * 300}", "is no run folder"),
    "target too long": (f"evaluate {'m' * 300}", "unknown model"),
    "study too long": (f"run {'s' * 300}", "unknown study"),
    "subnetwork too long": (f"evaluate MODEL --subnetwork {'s' * 300}", "no subnetwork in"),
    "rate infinite": ("finetune MODEL --out x --learning-rate inf", "finetune.learning_rate"),
    "gate rate infinite": (
        "prune MODEL --out x --set learning_rate=inf",
        "must be a finite number",
    ),
    "rate not a number": ("run smoke --set search.options.learning_rate=nan", "finite number"),
    "none for a number": ("prune MODEL --out x --set batch_size=none", "search option batch_size"),
    "none for a name": ("run smoke --set name=none", "study key name"),
    "none for a table": ("run smoke --set search=none", "search is a table"),
    "option of the grid": (
        "run smoke --set analysis.grid.options={stps=2}",
        "option of the search",
    ),
    "length without end": ("run smoke --set model.max_length=10000000", "model.max_length"),
    "hostile study": (f"run {HOSTILE}", "unknown study"),
    "hostile key": (f"run smoke --set {HOSTILE}=1", "unknown study key"),
    "hostile task": (f"evaluate MODEL --task {HOSTILE}", "unknown task"),
    "hostile suite": (f"evaluate MODEL --suite {HOSTILE}", "unknown suite"),
    "hostile case": (f"evaluate MODEL --case {HOSTILE}", "unknown case"),
    "hostile unit": (f"evaluate MODEL --without {HOSTILE}", "is no unit"),
    "hostile run": (f"analyze {HOSTILE}", "is no run folder"),
}


@pytest.fixture(scope="module")
def found(tiny_loaded, tmp_path_factory):
    """The folder of a subnetwork of the tiny model."""
    sub = hc.removal(tiny_loaded, "L0H0", ablation="zero")
    return sub.save(tmp_path_factory.mktemp("found"))


@pytest.mark.parametrize(("arguments", "message"), COMMANDS.values(), ids=COMMANDS)
def test_commands(finished, tiny_folder, found, tmp_path, arguments, message):
    (tmp_path / "file").write_text("")
    names = {"MODEL": str(tiny_folder), "RUN": str(finished), "SUB": str(found)}
    before = snapshot(tmp_path), snapshot(finished)
    line = mistake(*(names.get(word, word) for word in arguments.split()), cwd=tmp_path)
    assert message in line
    assert line.isprintable()
    assert (snapshot(tmp_path), snapshot(finished)) == before


STUDIES: dict[str, tuple[bytes, str]] = {
    "utf-16": ('name = "a"'.encode("utf-16"), "is not UTF-8; convert it"),
    "latin-1": ('name = "\xe9"'.encode("latin-1"), "is not UTF-8"),
    "a key twice": (b'name = "a"\nname = "b"', "is no valid TOML"),
    "nested": (b"name = " + b"[" * 100_000, "is no valid TOML"),
    "endless number": (b'name = "a"\n[task]\nseed = ' + b"9" * 5000, "is no valid TOML"),
    "hostile name": (b'name = "\\u001b[31m<b>"', "study key name"),
    "options a number": (b'name = "a"\n[task]\noptions = 3', "study key task.options"),
    "a date": (b'name = "a"\n[task]\noptions = { per_case = 1979-05-27 }', "per_case"),
    "a zero byte": (b'name = "a"\n[model]\nsource = "a\\u0000b"', "unknown model 'a b'"),
    "an unknown home": (b'name = "a"\n[model]\nsource = "~nobody-x/y"', "not a model folder"),
    "seeds of texts": (b'name = "a"\n[search]\nseeds = ["1"]', "search.seeds.0"),
    "a seed too large": (b'name = "a"\n[search]\nseeds = [4294967296]', "below 4294967296"),
}


@pytest.mark.parametrize(("content", "message"), STUDIES.values(), ids=STUDIES)
def test_study_files(tmp_path, content, message):
    (tmp_path / "study.toml").write_bytes(content)
    before = snapshot(tmp_path)
    line = mistake("run", "study.toml", cwd=tmp_path)
    assert message in line
    assert line.isprintable()
    assert snapshot(tmp_path) == before


def test_none_stands_for_no_value():
    config = load_study("smoke", ["search.options.clip_norm=none", "finetune=none"])
    assert config.search.options["clip_norm"] is None
    assert config.finetune is None
    quoted = load_study("smoke", ["model.source='none'"])
    assert quoted.model.source == "none"


def test_finished_seeds_are_kept_when_a_search_is_stopped(tiny_folder, tmp_path, monkeypatch):
    method = methods.METHODS["random"]

    def stop(problem, options):
        if problem.seed == 2:
            raise KeyboardInterrupt
        return method.search(problem, options)

    stopped = methods.Method(stop, method.options, method.summary)
    monkeypatch.setitem(methods.METHODS, "random", stopped)
    seeds = ["--seed", 1, "--seed", 2]
    hcore("prune", tiny_folder, "--out", "subs", *QUICK, *seeds, cwd=tmp_path, code=130)
    kept = sorted(str(p.relative_to(tmp_path)) for p in tmp_path.rglob("*") if p.is_file())
    assert kept == [
        "subs/seed-1/sparsity-0.5/subnetwork.json",
        "subs/seed-1/sparsity-0.5/subnetwork.safetensors",
    ]
    monkeypatch.undo()
    before = snapshot(tmp_path / "subs" / "seed-1")
    again = ["prune", tiny_folder, "--out", "subs", *QUICK, *seeds, "--json"]
    done = hcore(*again, cwd=tmp_path)
    assert "seed 1 is finished already" in done.stderr
    assert "seed 2 is finished" not in done.stderr
    assert [row["seed"] for row in json.loads(done.stdout)["subnetworks"]] == [1, 2]
    assert snapshot(tmp_path / "subs" / "seed-1") == before
    whole = snapshot(tmp_path / "subs")
    rows = json.loads(hcore(*again, cwd=tmp_path).stdout)["subnetworks"]
    assert [(row["heads"] + row["mlps"]) for row in rows] == [5, 5]
    assert snapshot(tmp_path / "subs") == whole


OTHER = {
    "method": ["--method", "magnitude"],
    "option": ["--set", "layer_matched=true"],
    "units": ["--units", "heads"],
    "ablation": ["--ablation", "zero"],
    "dtype": ["--dtype", "bfloat16"],
    "another sparsity beside": ["--sparsity", "0.3"],
}


@pytest.fixture(scope="module")
def pruned(tiny_folder, tmp_path_factory):
    folder = tmp_path_factory.mktemp("pruned")
    hcore("prune", tiny_folder, "--out", "subs", *QUICK, cwd=folder)
    return folder


@pytest.mark.parametrize("other", OTHER.values(), ids=OTHER)
def test_subnetworks_of_other_settings_are_not_overwritten(tiny_folder, pruned, other):
    before = snapshot(pruned)
    line = mistake("prune", tiny_folder, "--out", "subs", *QUICK, *other, cwd=pruned)
    assert "subs/seed-1/sparsity-0.5 holds a subnetwork found with other settings" in line
    assert snapshot(pruned) == before


def test_subnetworks_of_other_weights_are_not_overwritten(tiny_folder, tmp_path):
    (tmp_path / "model").mkdir()
    model = save_tiny(tmp_path / "model")
    hcore("prune", model, "--out", "subs", *QUICK, cwd=tmp_path)
    save_tiny(model, seed=1)
    assert "other settings, data or weights" in mistake(
        "prune", model, "--out", "subs", *QUICK, cwd=tmp_path
    )


def test_a_run_is_not_evaluated_again_on_its_own_suites(run, tmp_path):
    cells = snapshot(run / "cells")
    done = hcore("evaluate", "runs/smoke", "--json", cwd=tmp_path)
    assert "nothing to compute" in done.stderr
    assert snapshot(run / "cells") == cells
    assert (tmp_path / json.loads(done.stdout)["table"]).name == "id-hans-grammar-own.parquet"
    hcore("show", "runs/smoke", cwd=tmp_path)  # no table of the run's own was overwritten


def test_cases_are_no_markup_and_no_names_of_folders(tmp_path):
    cases = ["[/nope]", "[bold]x", "../../up", "字" * 100]
    rows = "".join(f"The author slept,{LABELS[i % 2]},{case}\n" for case in cases for i in range(6))
    (tmp_path / "mine.csv").write_text("text,label,kind\n" + rows, encoding="utf-8")
    (tmp_path / "mine.toml").write_text(
        f"labels = {list(LABELS)}\noverlap = 'keep'\n"
        "columns = { text = 'text', label = 'label' }\ntrain = { file = 'mine.csv' }\n"
        "[[suites]]\nname = 'mine'\nrole = 'id'\nfile = 'mine.csv'\ncolumns = { case = 'kind' }\n",
        encoding="utf-8",
    )
    (tmp_path / "model").mkdir()
    model = save_tiny(tmp_path / "model")
    shown = hcore("evaluate", model, "--task", "mine.toml", cwd=tmp_path).stdout
    assert all(case in shown for case in cases[:3])
    study = ["--set", f"model.source={model}", "--set", "task.name=mine.toml"]
    study += ["--set", "task.options={}", "--set", "finetune=none", "--set", "analysis.grid=false"]
    study += ["--set", "search.method=random", "--set", "search.options={}"]
    hcore("run", "smoke", *study, cwd=tmp_path)
    for case in cases:
        hcore("evaluate", "runs/smoke", "--case", case, cwd=tmp_path)
    tables = sorted(path.name for path in (tmp_path / "runs/smoke/tables").glob("mine-*"))
    assert len(tables) == len(cases)
    assert not Path(tmp_path / "up").exists()
