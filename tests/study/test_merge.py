from __future__ import annotations

import json
import shutil

import pytest
from studies import cells, equal, quiet, study

from command import hcore, mistake
from heuristic_core.study.run import RunOptions, run_study


def seeds(*numbers: int) -> dict:
    options = {"ramp_steps": 4, "hold_steps": 1, "batch_size": 8}
    return {"sparsities": [0.5], "seeds": list(numbers), "options": options}


@pytest.fixture(scope="module")
def parts(tiny_folder, tmp_path_factory):
    """Runs of one study with one seed each, which share the fine-tuning, and one with both."""
    folder = tmp_path_factory.mktemp("parts")
    run(tiny_folder, folder / "one", 1)
    shutil.copytree(folder / "one", folder / "two")
    shutil.copytree(folder / "one", folder / "whole")
    run(tiny_folder, folder / "two", 2)
    run(tiny_folder, folder / "whole", 1, 2)
    for path in folder.glob("two/cells/*-k1*"):
        shutil.rmtree(path)
    return folder


def run(tiny_folder, folder, *numbers):
    config = study(tiny_folder, search=seeds(*numbers))
    run_study(config, RunOptions(folder, device="cpu", update=True), quiet())


@pytest.fixture
def place(parts, tmp_path):
    """A copy of the runs for one test to change."""
    return shutil.copytree(parts, tmp_path / "runs")


def merged(place, *more):
    done = hcore("merge", "one", "two", "--out", "out", "--json", *more, cwd=place)
    return json.loads(done.stdout), done.stderr


def test_runs_made_apart_are_one(place, tiny_folder):
    (place / "one" / "cells" / ".partial-x").mkdir()
    found, said = merged(place)
    assert found["seeds"] == {"search.seeds": [1, 2], "finetune.seeds": [1]}
    n_shared = len(cells(place / "one")) - 2
    assert found["copied"] == {"one": n_shared + 2, "two": 2}
    assert (found["damaged"], found["other"], found["unchecked"], said) == ([], [], [], "")
    before = cells(place / "out")
    assert before.keys() == cells(place / "whole").keys()
    config = study(tiny_folder, search=seeds(1, 2))
    run_study(config, RunOptions(place / "out", device="cpu"), quiet())
    assert cells(place / "out") == before
    assert equal(place / "out", place / "whole")
    # Once more changes nothing.
    assert merged(place)[0]["copied"] == {"one": 0, "two": 0}


def test_damaged_and_unfinished_cells_are_left_out(place):
    table = next(place.glob("two/cells/evaluate-*-k2-*/table.parquet"))
    table.write_bytes(table.read_bytes()[:-1])
    next(place.glob("one/cells/evaluate-*-k1-*/record.json")).unlink()
    found, said = merged(place)
    assert len(found["damaged"]) == 1
    assert "table.parquet has changed" in found["damaged"][0]
    assert "1 cells were damaged and not taken from there" in said
    assert len(cells(place / "out")) == len(cells(place / "whole")) - 2


def test_another_copy_of_a_cell_keeps_out_what_rests_on_it(place):
    """As when two machines fine-tuned: what was found in one model is not mixed with the other."""
    from heuristic_core.study.record import digests

    folder = next(place.glob("two/cells/prepare-*"))
    facts = json.loads((folder / "facts.json").read_text())
    (folder / "facts.json").write_text(json.dumps(facts | {"examples": 7}))
    record = json.loads((folder / "record.json").read_text())
    record["files"] = {n: d for n, d in digests(folder).items() if n != "record.json"}
    (folder / "record.json").write_text(json.dumps(record))
    found, said = merged(place)
    kinds = sorted(name.split("-")[0] for name in found["other"])
    assert kinds == ["evaluate", "prepare", "search"]
    assert "they differ from the copy of a run named earlier" in said
    assert found["copied"]["two"] == 0
    assert not list(place.glob("out/cells/*-k2*"))


def test_what_is_not_one_study_is_refused(place, tiny_folder):
    def change(**changes):
        path = place / "two" / "study.json"
        path.write_text(json.dumps(json.loads(path.read_text()) | changes))

    change(evaluation={"precision": "bfloat16"})
    line = mistake("merge", "one", "two", "--out", "out", cwd=place)
    assert "other settings (evaluation.precision)" in line
    change(name="other")
    assert "of the study 'tiny', two of 'other'" in mistake(
        "merge", "one", "two", "--out", "out", cwd=place
    )
    assert not (place / "out").exists()
    assert "is no run folder" in mistake("merge", "one", "none", "--out", "out", cwd=place)
    assert "is one of the runs" in mistake("merge", "one", "--out", "one", cwd=place)
    (place / "full").mkdir()
    (place / "full" / "mine").write_text("")
    assert "is not empty" in mistake("merge", "one", "--out", "full", cwd=place)
