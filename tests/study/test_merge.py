from __future__ import annotations

import json
import shlex
import shutil

import pytest

from command import hcore, mistake
from heuristic_core.errors import InputError
from heuristic_core.study import merge
from heuristic_core.study.journal import Journal
from heuristic_core.study.place import read_origin
from heuristic_core.study.record import digests
from heuristic_core.study.run import RunOptions, run_study
from tiny_studies import cells, equal, quiet, study


def seeds(*numbers: int, per_pass: int = 1) -> dict:
    options = {"ramp_steps": 4, "hold_steps": 1, "batch_size": 8}
    search = {"sparsities": [0.5], "seeds": list(numbers), "options": options}
    return search | {"seeds_per_pass": per_pass}


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


def merged(place, *names):
    done = hcore("merge", *(names or ("one", "two")), "--out", "out", "--json", cwd=place)
    return json.loads(done.stdout), done.stderr


def cell(run, pattern):
    (found,) = run.glob(f"cells/{pattern}")
    return found


def finished(run):
    return {name for name in cells(run) if not name.startswith(".")}


def truncate(file):
    file.write_bytes(file.read_bytes()[:-1])


def compute_otherwise(folder):
    """Change a cell as another processor would have computed it."""
    facts = json.loads((folder / "facts.json").read_text())
    (folder / "facts.json").write_text(json.dumps(facts | {"examples": 7}))
    record = json.loads((folder / "record.json").read_text())
    record["files"] = {n: d for n, d in digests(folder).items() if n != "record.json"}
    (folder / "record.json").write_text(json.dumps(record))


def kinds_of(names):
    return sorted(name.split("-")[0] for name in names)


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
    truncate(cell(place / "two", "evaluate-*-k2-*") / "table.parquet")
    (cell(place / "one", "evaluate-*-k1-*") / "record.json").unlink()
    found, said = merged(place)
    assert len(found["damaged"]) == 1
    assert "table.parquet has changed" in found["damaged"][0]
    assert "1 cells were damaged and not taken from there" in said
    assert len(cells(place / "out")) == len(cells(place / "whole")) - 2


def test_another_copy_of_a_cell_keeps_out_what_rests_on_it(place):
    """As when two machines fine-tuned: what was found in one model is not mixed with the other."""
    compute_otherwise(cell(place / "two", "prepare-*"))
    found, said = merged(place)
    assert kinds_of(found["other"]) == ["evaluate", "prepare", "search"]
    assert "they differ from the copy of a run named earlier" in said
    assert found["copied"]["two"] == 0
    assert not list(place.glob("out/cells/*-k2*"))


@pytest.mark.parametrize("lost", ["truncated", "without its record", "missing"])
def test_what_rests_on_a_damaged_cell_is_not_mixed_with_another_copy(place, lost):
    tuned = cell(place / "one", "finetune-*")
    if lost == "truncated":
        truncate(tuned / "facts.json")
    elif lost == "without its record":
        (tuned / "record.json").write_text("")
    else:
        shutil.rmtree(tuned)
    compute_otherwise(cell(place / "two", "finetune-*"))
    found, said = merged(place)
    assert len(found["damaged"]) == (lost != "missing")
    assert kinds_of(found["other"]) == ["evaluate", "search"]
    assert all("-k1" in name for name in found["other"])
    assert "rest on a copy that the joined run does not hold" in said
    assert not list(place.glob("out/cells/*-k1*"))
    assert found["copied"] == {"one": 0, "two": len(cells(place / "two"))}


def test_a_damaged_cell_is_replaced_by_the_same_of_another_run(place):
    truncate(cell(place / "one", "finetune-*") / "facts.json")
    shutil.copytree(place / "two", place / "three")
    compute_otherwise(cell(place / "two", "finetune-*"))
    found, _ = merged(place, "one", "two", "three")
    assert cells(place / "out").keys() == cells(place / "whole").keys()
    assert kinds_of(found["other"]) == ["finetune"]
    name = cell(place / "out", "finetune-*").name
    assert digests(place / "out/cells" / name) == digests(place / "three/cells" / name)


def test_a_record_that_cannot_be_read_is_named(place):
    record = cell(place / "one", "evaluate-*-k1-*") / "record.json"
    record.unlink()
    record.symlink_to("nowhere")
    assert "record.json" in merged(place)[0]["damaged"][0]


def test_the_joined_run_is_mended(place):
    merged(place)
    whole = cells(place / "out").keys()
    (cell(place / "out", "evaluate-*-k1-*") / "record.json").write_text("")
    truncate(cell(place / "out", "evaluate-*-k2-*") / "table.parquet")
    truncate(cell(place / "out", "finetune-*") / "facts.json")
    found, said = merged(place)
    assert kinds_of(found["aside"]) == ["evaluate", "evaluate", "finetune"]
    assert found["copied"] == {"one": 2, "two": 1}
    assert "3 cells were set aside in the joined run" in said
    assert len(list(place.glob("out/cells/.damaged-*"))) == 3
    assert finished(place / "out") == whole
    assert merged(place)[1] == ""


def test_what_rests_on_a_lost_copy_is_set_aside_in_the_joined_run(place):
    merged(place)
    shutil.rmtree(cell(place / "out", "prepare-*"))
    compute_otherwise(cell(place / "one", "prepare-*"))
    found, _ = merged(place, "one")
    assert kinds_of(found["aside"]) == ["evaluate", "search"]
    assert all("-k2" in name for name in found["aside"])
    assert found["copied"] == {"one": 1}
    assert finished(place / "out") == finished(place / "one")
    # Where no run has another copy, all stays, as when `hcore run` computes the cell again.
    for name in ("out", "one"):
        shutil.rmtree(cell(place / name, "finetune-*"))
    assert merged(place, "one")[0]["aside"] == []


def test_seeds_stay_in_their_order_and_passes(place, tiny_folder):
    def search(name, *numbers):
        config = study(tiny_folder, search=seeds(*numbers, per_pass=2))
        options = RunOptions(place / name, device="cpu", update=True)
        run_study(config, options, quiet(), kinds=("search",))

    for name in ("one", "two"):
        for path in (place / name).glob("cells/*-k*"):
            shutil.rmtree(path)
    search("one", 3, 1)
    search("two", 4, 2)
    found, said = merged(place)
    assert found["seeds"]["search.seeds"] == [3, 1, 4, 2]
    assert (found["unused"], said) == ([], "")
    before = cells(place / "out")
    search("out", 3, 1, 4, 2)
    assert cells(place / "out") == before
    # Seeds that are split where no pass begins.
    shutil.rmtree(place / "out")
    search("one", 3, 1, 5)
    found, said = merged(place)
    assert found["seeds"]["search.seeds"] == [3, 1, 5, 4, 2]
    assert [name.rpartition("-")[0] for name in found["unused"]] == [
        "search-f1-s4-k4-k2",
        "search-f1-s4-k5",
    ]
    assert "split the seeds where passes begin" in said
    # So may be what the joined run had.
    shutil.rmtree(place / "out")
    (place / "one").rename(place / "out")
    assert merged(place, "two")[0]["unused"] == found["unused"]


def test_the_command_that_finishes_can_be_pasted(place):
    Journal(
        place / "one",
        "hcore run my.toml --set 'task.options={per_case = 2}' --dtype bfloat16 "
        "--set=search.precision=bfloat16 --set 'search.seeds=[1]' --out one",
    )
    Journal(place / "one", "hcore analyze one")
    said = hcore("merge", "one", "two", "--out", "my out", cwd=place).stdout
    command = said.partition("Finish it with: ")[2].strip()
    assert "[1,2]'" in command
    assert shlex.split(command) == [
        *("hcore", "run", "STUDY", "--set", "task.options={per_case = 2}"),
        *("--set", "model.dtype=bfloat16", "--set", "search.precision=bfloat16"),
        *("--set", "search.seeds=[1,2]", "--set", "finetune.seeds=[1]", "--out", "my out"),
    ]


def test_a_merge_that_was_stopped_goes_on(place, monkeypatch):
    """As when the disk is full before the first cell, or before the study is written."""
    (place / "out" / "cells").mkdir(parents=True)
    (place / "out" / ".lock").touch()

    def full(path, value):
        raise InputError(f"cannot write {path}")

    with monkeypatch.context() as patch:
        patch.setattr(merge, "write_json", full)
        mistake("merge", "one", "two", "--out", "out", cwd=place)
    merged(place)
    assert cells(place / "out").keys() == cells(place / "whole").keys()
    assert read_origin(place / "out") == read_origin(place / "one")


def test_no_run_is_changed_by_whatever_path(place):
    (place / "link").symlink_to("one")
    (place / "x").mkdir()
    (place / "linked").mkdir()
    (place / "linked" / "cells").symlink_to(place / "one" / "cells")
    before = sorted(place.glob("one/**/*"))
    for out in ("link", "x/../one", "one/joined", "link/joined", "linked"):
        assert "is one of the runs" in mistake("merge", "two", "one", "--out", out, cwd=place)
    assert sorted(place.glob("one/**/*")) == before


@pytest.mark.parametrize("what", ["missing", "file"])
def test_a_run_without_cells_is_refused(place, what):
    shutil.rmtree(place / "two" / "cells")
    if what == "file":
        (place / "two" / "cells").write_text("")
    line = mistake("merge", "one", "two", "--out", "out", cwd=place)
    assert "cannot read two/cells" in line
    assert not (place / "out").exists()


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
