"""A finished run whose model has a relative path, used from other folders, moved, and changed."""

from __future__ import annotations

import json
import shutil

import pandas as pd
import pytest

from command import hcore, mistake
from heuristic_core.study.place import origins
from tiny import save_tiny
from tiny_studies import cells

STUDY = """
name = "x"
[model]
source = "m"
[task]
name = "t.toml"
[search]
method = "magnitude"
sparsities = [0.5]
seeds = [1, 2]
[analysis.removal]
controls = 1
"""
TASK = """
labels = ["entailment", "non-entailment"]
overlap = "keep"
[columns]
text = "text"
label = "label"
[train]
file = "train.csv"
[[suites]]
name = "test"
role = "id"
file = "train.csv"
"""


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """A folder ``a`` with a model, a task and a study, run from there, and one run elsewhere."""
    folder = tmp_path_factory.mktemp("folders")
    a = folder / "a"
    (a / "m").mkdir(parents=True)
    save_tiny(a / "m")
    rows = [f"the doctor {i},{('entailment', 'non-entailment')[i % 2]}" for i in range(20)]
    (a / "train.csv").write_text("text,label\n" + "\n".join(rows))
    (a / "t.toml").write_text(TASK)
    (a / "s.toml").write_text(STUDY)
    hcore("run", "s.toml", "--out", "run", cwd=a)
    hcore("run", "s.toml", "--out", folder / "scratch" / "run", cwd=a)
    (folder / "b").mkdir()
    return folder


@pytest.fixture
def place(made, tmp_path):
    """A copy for one test, which finds nothing of the original."""
    shutil.copytree(made, tmp_path / "copy")
    for origin in (tmp_path / "copy").glob("**/origin.json"):
        origin.write_text(json.dumps({"folder": str(tmp_path / "copy" / "a")}))
    return tmp_path / "copy"


def evaluated(run, cwd) -> pd.DataFrame:
    done = hcore("evaluate", run, "--suite", "hans-grammar", "--per-case", 1, "--json", cwd=cwd)
    return pd.DataFrame(json.loads(done.stdout)["cases"])


@pytest.mark.parametrize("run", ["a/run", "scratch/run"])
def test_a_run_is_used_from_another_folder(place, run):
    run, b, before = place / run, place / "b", cells(place / run)
    hcore("show", run, cwd=b)
    hcore("analyze", run, "--plan", cwd=b)
    hcore("analyze", run, "--tables-only", cwd=b)
    there = evaluated(run, b)
    assert there.equals(evaluated(run, place / "a"))  # nothing is computed again
    hcore("analyze", run, cwd=b)
    assert cells(run).items() >= before.items()
    assert "means over 2 mask-learning examples of t" in hcore("evaluate", run, cwd=b).stdout


def test_a_folder_that_was_moved_with_all_in_it(place, tmp_path):
    place.rename(tmp_path / "moved")
    moved = tmp_path / "moved"
    (moved / "a/run/origin.json").unlink()  # as in runs of earlier versions
    assert next(origins(moved / "a/run")) == moved / "a"
    evaluated(moved / "a/run", moved / "b")


def test_another_model_of_that_name_in_the_working_folder_is_not_taken(place):
    (place / "b/m").mkdir()
    save_tiny(place / "b/m", seed=9)
    assert evaluated(place / "a/run", place / "b").equals(evaluated(place / "a/run", place / "a"))


def test_without_its_model_a_run_is_shown_and_concluded(place):
    shutil.move(place / "a/m", place / "a/m2")
    for cwd, run in ((place / "a", "run"), (place / "b", place / "a/run")):
        hcore("show", run, cwd=cwd)
        hcore("report", run, cwd=cwd)
        assert "not finished" not in hcore("analyze", run, "--tables-only", cwd=cwd).stderr
        said = mistake_of("evaluate", run, "--suite", "hans-grammar", "--per-case", 1, cwd=cwd)
        assert "the model 'm' with which the run" in said
        assert "is not found or has changed; put it back" in said


def mistake_of(*arguments, cwd) -> str:
    """The line of an error, below lines of progress."""
    done = hcore(*arguments, cwd=cwd, code=2)
    return done.stderr.strip().splitlines()[-1]


def test_other_data_are_named_as_the_reason(place):
    rows = (place / "a/train.csv").read_text().replace("doctor", "lawyer")
    (place / "a/train.csv").write_text(rows)
    said = mistake("analyze", "run", cwd=place / "a")
    assert "was made with another data set than is there now" in said
    concluded = hcore("analyze", "run", "--tables-only", cwd=place / "a")
    assert "the run was made with another data set" in concluded.stderr


def test_hcore_run_from_another_folder_computes_nothing_again(place):
    shutil.copy(place / "a/s.toml", place / "b")
    done = hcore("run", "s.toml", "--out", place / "a/run", cwd=place / "b")
    assert "nothing to compute" in done.stderr
