"""Study files that cannot be run: ``--plan`` says so in one line, and nothing is started."""

from __future__ import annotations

import json
import re
import shutil

import pytest

from command import hcore, mistake
from tiny import save_tiny

TASK = "[task.options]\ntrain_size = 8\nsearch_size = 8\nid_size = 8\nper_case = 1\n"
A, B = "checkpoint-2", "checkpoint-4"

#: The part [model] and others of a study file, and what is said of it.
WRONG = {
    "a step that is no number": (
        f'[model]\ncheckpoints = {{ last = "run/{A}" }}',
        "study key model.checkpoints: 'last' is no step; write a whole number",
    ),
    "a step below 0": (
        f'[model]\ncheckpoints = {{ -2 = "run/{A}" }}',
        "model.checkpoints: '-2' is no step",
    ),
    "half a step": (f'[model]\ncheckpoints = {{ "2.5" = "run/{A}" }}', "'2.5' is no step"),
    "a step twice": (
        f'[model]\ncheckpoints = {{ 2 = "run/{A}", 2 = "run/{B}" }}',
        "is no valid TOML: ",
    ),
    "a step in two spellings": (
        f'[model]\ncheckpoints = {{ 2 = "run/{A}", 02 = "run/{B}" }}',
        "model.checkpoints: step 2 is given twice",
    ),
    "a model twice": (
        f'[model]\ncheckpoints = {{ 2 = "run/{A}", 4 = "run/{A}" }}',
        f"steps 2 and 4 are the same model, 'run/{A}'",
    ),
    "no step": ("[model]\ncheckpoints = {}", "name at least one step after 0"),
    "step 0 alone": ('[model]\ncheckpoints = { 0 = "raw" }', "name at least one step after 0"),
    "step 0 twice": (
        f'[model]\nsource = "raw"\ncheckpoints = {{ 0 = "raw", 2 = "run/{A}" }}',
        "step 0 is named, and source names it too",
    ),
    "a model that is a number": (
        "[model]\ncheckpoints = { 2 = 7 }",
        r"model\.checkpoints\.2: .*must be a text",
    ),
    "a model without a name": ('[model]\ncheckpoints = { 2 = " " }', "step 2 names no model"),
    "a missing folder": (
        f'[model]\ncheckpoints = {{ 2 = "run/{A}", 4 = "./run/none" }}',
        r"study key model\.checkpoints\.4: .*run/none is missing, not a model folder; .*\(as a "
        f"folder, it would be .*/s/run/none; .*/s/run holds {A}, {B}\\)$",
    ),
    "a missing folder of a seed": (
        '[model.seeds.3]\ncheckpoints = { 4 = "run/none" }',
        r"study key model\.seeds\.3\.checkpoints\.4: unknown model 'run/none'.*/s/run/none; ",
    ),
    "a missing folder in a missing one": (
        '[model]\ncheckpoints = { 4 = "./none/deep/checkpoint-4" }',
        r"would be .*/s/none/deep/checkpoint-4; .*/s holds no checkpoint-\*\)$",
    ),
    "a folder that may be on the hub": (
        '[model]\ncheckpoints = { 2 = "run/none" }',
        r"study key model\.checkpoints\.2: unknown model 'run/none': no such folder, and the hub "
        f"did not give it .*would be .*/s/run/none; .*/s/run holds {A}, {B}\\)$",
    ),
    "no revision": ('[model]\ncheckpoints = { 2 = "org/name@" }', "is no folder, and no revision"),
    "no Trainer's folder": ('[model]\ncheckpoints = "none"', "none is missing, not the output"),
    "a Trainer's folder without any": ('[model]\ncheckpoints = "raw"', "raw holds no checkpoint-*"),
    "a folder that is no model": (
        '[model]\ncheckpoints = { 2 = "empty" }',
        "empty is no model folder: it has no config.json",
    ),
    "a model without a head after step 0": (
        '[model]\ncheckpoints = { 2 = "raw" }',
        "is no sequence classifier",
    ),
    "another size": (
        f'[model]\ncheckpoints = {{ 2 = "run/{A}", 4 = "big" }}',
        f"the checkpoints are of different models: num_hidden_layers of step 2 .*run/{A}.* is 2, "
        "that of big 3",
    ),
    "another family before training": (
        f'[model]\nsource = "other"\ncheckpoints = {{ 2 = "run/{A}" }}',
        "different models: model_type of step 0 of fine-tuning 1 .other. is distilbert",
    ),
    "other classes": (
        f'[model]\ncheckpoints = {{ 2 = "named", 4 = "run/{B}" }}',
        r"step 2 of fine-tuning 1 \(named\) has the classes .*'yes'.*must have the same",
    ),
    "classes that are not there": (
        f'[model]\ncheckpoints = {{ 2 = "run/{A}" }}\nlabels = {{ LABEL_7 = "entailment" }}',
        "LABEL_7",
    ),
    "classes of another task": ('[model]\ncheckpoints = { 2 = "named" }', "yes"),
    "fine-tuned already": (
        f'[model]\ncheckpoints = {{ 2 = "run/{A}" }}\n[finetune]\nsteps = 1\ncheckpoints = [1]',
        r"\[finetune\] fine-tunes model.source, but \[model\] names checkpoints",
    ),
    "checkpoints and seeds": (
        '[model]\ncheckpoints = "run"\n[model.seeds.1]\ncheckpoints = "run"',
        "checkpoints are of one fine-tuning and seeds of several; give one",
    ),
    "a seed that is no number": (
        '[model.seeds.one]\ncheckpoints = "run"',
        "study key model.seeds: 'one' is no seed; write a whole number",
    ),
    "a seed that is too large": (
        '[model.seeds.99999999999]\ncheckpoints = "run"',
        r"model\.seeds\.99999999999.*below 4294967296",
    ),
    "no seeds": ("[model]\nseeds = {}", "name at least one fine-tuning"),
    "a seed that is no table": (
        '[model.seeds]\n1 = "run"',
        r"study key model\.seeds\.1 is a table: write \[model\.seeds\.1\]",
    ),
    "a misspelt key of a seed": (
        '[model.seeds.1]\ncheckpoint = "run"',
        r"unknown study key 'model\.seeds\.1\.checkpoint'; did you mean 'model.seeds.1.check",
    ),
    "fine-tunings with other steps": (
        '[model.seeds.1]\ncheckpoints = "run"\n[model.seeds.2]\ncheckpoints = { 2 = "big" }',
        "fine-tuning 1 has step 4 and fine-tuning 2 has not; give all the same steps",
    ),
    "fine-tunings of the same model": (
        '[model.seeds.1]\ncheckpoints = "run"\n[model.seeds.2]\ncheckpoints = "run"',
        f"fine-tunings 1 and 2 have the same model, 'run/{A}'",
    ),
    "a step to prune that is not there": (
        '[model]\ncheckpoints = "run"\n[search]\ncheckpoints = [3]',
        r"search\.checkpoints names 3, which is no step of \[model\], which has 2, 4",
    ),
    "no model": ('[model]\nsource = ""', "the model's name is empty"),
    "one of several": ('[model]\nsource = "run"', "holds some: give one of the models in it"),
    "a misspelt key": ('[model]\ncheckpoint = "run"', "did you mean 'model.checkpoints'"),
    "a misspelt method": (
        '[model]\ncheckpoints = "run"\n[search]\nmethod = "learnt"',
        "did you mean 'learned'",
    ),
    "a setting of no method": (
        '[model]\ncheckpoints = "run"\n[search.options]\nramp_step = 3',
        "did you mean 'ramp_steps'",
    ),
    "a grid's setting of no method": (
        '[model]\ncheckpoints = "run"\n[analysis.grid]\noptions = { ramp_step = 3 }',
        "did you mean 'ramp_steps'",
    ),
    "a unit that is not there": (
        '[model]\ncheckpoints = "run"\n[analysis.removal]\ngroups = { mine = ["L9H0"] }',
        "groups: 'mine': there is no unit L9H0",
    ),
    "a path from the working folder": (
        '[model]\nsource = "cwd/m"',
        r"cwd/m is in the working folder, but paths in a study file start .*; write \.\./cwd/m",
    ),
}  # fmt: skip


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    """A folder whose folder ``s`` holds studies and models, and ``cwd`` one more."""
    top = tmp_path_factory.mktemp("refused")
    folder = top / "s"
    for name in ("raw", "big", "named", "other", "run/checkpoint-2"):
        (folder / name).mkdir(parents=True)
    save_tiny(folder / "raw", classifier=False)
    save_tiny(folder / "big", n_layers=3)
    save_tiny(folder / "named", labels=("yes", "no"))
    save_tiny(folder / "other", family="distilbert")
    save_tiny(folder / "run" / A)
    shutil.copytree(folder / "run" / A, folder / "run" / B)
    (folder / "empty").mkdir()
    (top / "cwd").mkdir()
    shutil.copytree(folder / "big", top / "cwd/m")
    return top


def plan(place, text: str, *more: object, code: int = 2):
    (place / "s/study.toml").write_text(f'name = "x"\n{text}\n{TASK}')
    return hcore("run", "s/study.toml", "--plan", *more, cwd=place, code=code)


@pytest.mark.parametrize(("text", "said"), WRONG.values(), ids=WRONG)
def test_it_is_refused_in_one_line(place, text, said):
    done = plan(place, text)
    assert done.stdout == ""
    (line,) = done.stderr.strip().splitlines()
    assert line.startswith("hcore: error: ")
    assert re.search(said, line), line
    assert not (place / "runs").exists()


def test_paths_start_from_the_study_file_and_set_ones_from_the_working_folder(place):
    for more in ([], ["--set", "model.checkpoints.4=cwd/m"], ["--set", "model.checkpoints=s/run"]):
        text = f'[model]\nsource = "raw"\ncheckpoints = {{ 2 = "run/{A}", 4 = "run/{B}" }}'
        done = plan(place, text, *more, "--json", code=2 if "cwd/m" in str(more) else 0)
        if done.code:
            assert "that of" in done.stderr
            assert str(place / "cwd/m") in done.stderr
        else:
            assert len(json.loads(done.stdout)["cells"]) == 3 + 1 + 2


def test_a_plan_sees_what_the_run_folder_holds(place):
    text = '[model]\ncheckpoints = "run"'
    plan(place, text, code=0)
    (place / "held").mkdir(exist_ok=True)
    (place / "held/notes.txt").write_text("mine")
    done = plan(place, text, "--out", "held")
    assert "not empty and no run folder" in done.stderr


def test_other_ways_to_name_a_file(place):
    assert "is missing; give a TOML file" in mistake("run", "s/none.toml", "--plan", cwd=place)
    task = '[model]\nsource = "named"\n[task]\nname = "none.toml"'
    (place / "s/task.toml").write_text(f'name = "x"\n{task}\n')
    assert "there is no task file" in mistake("run", "s/task.toml", "--plan", cwd=place)
