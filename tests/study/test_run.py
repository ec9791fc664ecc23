from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time

import numpy as np
import pytest

from heuristic_core.errors import InputError
from heuristic_core.models.device import hardware
from heuristic_core.search.methods import search_effort
from heuristic_core.study.plan import make_plan
from heuristic_core.study.results import read_results
from heuristic_core.study.run import (
    RunOptions,
    evaluate_run,
    load_study_task,
    run_study,
)
from heuristic_core.study.store import Store
from heuristic_core.subnetwork import Subnetwork
from heuristic_core.tasks import load_suite
from tiny_studies import VERDICTS, cells, change_kind, decisions, equal, quiet, study, tables


@pytest.fixture(scope="module")
def finished(tiny_folder, tmp_path_factory):
    """A finished run of the tiny study."""
    folder = tmp_path_factory.mktemp("runs") / "tiny"
    run_study(study(tiny_folder), RunOptions(folder, device="cpu"), quiet())
    return folder


def test_a_run_leaves_everything_it_promises(finished):
    # One fine-tuning, 3 full models, 1 preparation, 2 searches, 2 x 2 subnetworks.
    assert len(cells(finished)) == 1 + 3 + 1 + 2 + 4
    found = tables(finished)
    systems = found["evaluations"].groupby(["kind", "checkpoint", "sparsity", "seed"]).size()
    assert set(systems) == {31}
    assert len(systems) == 3 + 4
    assert set(found["evaluations"]["n"]) == {2, 20}
    full = found["evaluations"][found["evaluations"]["kind"] == "full"]
    assert (full["kl"] == 0).all()
    assert len(found["subnetworks"]) == 4 * 10
    page = (finished / "report" / "report.html").read_text()
    assert "tiny" in page
    assert decisions(finished, "core")
    manifest = json.loads((finished / "manifest.json").read_text())
    assert manifest["versions"]["torch"]
    assert len(manifest["data"]["train"]) == 64
    assert manifest["truncated"] == {
        "train": 0,
        "search": 0,
        "suite/id": 0,
        "suite/hans-grammar": 0,
    }
    assert not list(finished.glob("**/.partial-*"))


def test_what_cells_were_computed_on_is_recorded(finished, tiny_folder, tmp_path):
    machine = json.loads((finished / "manifest.json").read_text())["machine"]
    assert machine["processors"] == [hardware("cpu")]
    shutil.copytree(finished, tmp_path / "run")
    path = next((tmp_path / "run" / "cells").glob("search-*/record.json"))
    record = json.loads(path.read_text())
    assert record.pop("processor") == hardware("cpu")
    path.write_text(json.dumps(record))  # as an earlier version left it
    (tmp_path / "run" / "manifest.json").unlink()
    run_study(study(tiny_folder), RunOptions(tmp_path / "run", device="cpu"), quiet())
    machine = json.loads((tmp_path / "run" / "manifest.json").read_text())["machine"]
    assert machine["processors"] == sorted([hardware("cpu"), "not recorded"])


def test_evaluating_in_bfloat16_changes_evaluations_alone(finished, tiny_folder, tmp_path):
    shutil.copytree(finished, tmp_path / "run")
    before = cells(tmp_path / "run")
    config = study(tiny_folder, evaluation={"precision": "bfloat16"})
    run_study(config, RunOptions(tmp_path / "run", device="cpu", update=True), quiet())
    new = cells(tmp_path / "run").keys() - before.keys()
    assert len(new) == 3 + 4
    assert all(name.startswith("evaluate-") for name in new)
    exact, rounded = (tables(folder)["evaluations"] for folder in (finished, tmp_path / "run"))
    assert (rounded["n"] == exact["n"]).all()
    # These log-odds are below 1, and bfloat16 has two to three digits.
    assert 0 < np.abs(rounded["margin"] - exact["margin"]).max() < 0.05
    full = rounded[rounded["kind"] == "full"]
    assert (full["kl"] == 0).all()  # measured against itself, rounded alike


def test_the_manifest_counts_what_the_model_was_run_on(finished, tiny_folder):
    manifest = json.loads((finished / "manifest.json").read_text())
    run_on = {cell["name"].rsplit("-", 1)[0]: cell["examples"] for cell in manifest["cells"]}
    config = study(tiny_folder)
    task = load_study_task(config, None)
    tested = sum(len(suite.examples) for suite in task.suites)
    recipe = config.finetune
    assert {n for name, n in run_on.items() if name.startswith("evaluate")} == {tested}
    assert run_on["finetune-f1"] == recipe.steps * recipe.batch_size
    # One pass gives the reference and the means.
    assert run_on[f"prepare-f1-s{recipe.steps}"] == len(task.search)
    # Exchanges of units end when there is nothing better to exchange, so that it is at most that.
    most = search_effort("learned", config.search.options, config.search.sparsities)
    for seed in config.search.seeds:
        assert 0 < run_on[f"search-f1-s{recipe.steps}-k{seed}"] <= most


def test_subnetworks_keep_exactly_what_was_asked_and_say_where_they_are_from(finished):
    for path in finished.glob("cells/search-*/sparsity-*"):
        subnetwork = Subnetwork.load(path)
        assert len(subnetwork) == {0.5: 5, 0.7: 3}[subnetwork.provenance["target"]]
        assert subnetwork.provenance["checkpoint"] == 4
        assert subnetwork.provenance["finetune_seed"] == 1


def test_reading_a_run_loads_no_slow_libraries(finished):
    code = (
        "import sys; from pathlib import Path\n"
        "from heuristic_core.study.results import read_results\n"
        "read_results(Path(sys.argv[1]))\n"
        "print({'torch', 'transformers'} & set(sys.modules))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, str(finished)], capture_output=True, text=True
    )
    assert (done.returncode, done.stdout) == (0, "set()\n"), done.stderr


def test_running_again_does_nothing(finished, tiny_folder):
    before = cells(finished)
    page = (finished / "report" / "report.html").stat().st_mtime
    run_study(study(tiny_folder), RunOptions(finished, device="cpu"), quiet())
    assert cells(finished) == before
    assert (finished / "report" / "report.html").stat().st_mtime == page


def test_the_same_seeds_give_the_same_tables_elsewhere(finished, tiny_folder, tmp_path):
    run_study(study(tiny_folder), RunOptions(tmp_path / "again", device="cpu"), quiet())
    assert equal(finished, tmp_path / "again")


def test_more_seeds_compute_only_what_is_new(tiny_folder, tmp_path):
    folder = tmp_path / "run"
    run_study(study(tiny_folder), RunOptions(folder, device="cpu"), quiet())
    before = cells(folder)
    search = {"sparsities": [0.5, 0.7], "seeds": [1, 2, 3]}
    options = {"ramp_steps": 4, "hold_steps": 1, "batch_size": 8}
    more = study(tiny_folder, search=search | {"options": options})
    with pytest.raises(InputError, match=r"other settings \(search.seeds\)"):
        run_study(more, RunOptions(folder, device="cpu"), quiet())
    run_study(more, RunOptions(folder, device="cpu", update=True), quiet())
    after = cells(folder)
    assert {name: after[name] for name in before} == before
    assert len(after) == len(before) + 3
    assert set(tables(folder)["subnetworks"]["seed"]) == {1, 2, 3}


def test_folders_of_other_studies_are_left_alone(finished, tiny_folder, tmp_path):
    before = cells(finished)
    with pytest.raises(InputError, match="run of another study, 'tiny'"):
        run_study(study(tiny_folder, name="other"), RunOptions(finished, device="cpu"), quiet())
    assert cells(finished) == before
    (tmp_path / "notes.txt").write_text("mine")
    with pytest.raises(InputError, match="not empty and no run folder"):
        run_study(study(tiny_folder), RunOptions(tmp_path, device="cpu"), quiet())
    assert [path.name for path in tmp_path.iterdir()] == ["notes.txt"]


def test_an_error_keeps_what_is_finished(tiny_folder, tmp_path, monkeypatch):
    def fail(*args):
        raise KeyboardInterrupt

    change_kind(monkeypatch, "search", work=fail)
    with pytest.raises(KeyboardInterrupt):
        run_study(study(tiny_folder), RunOptions(tmp_path / "run", device="cpu"), quiet())
    kept = cells(tmp_path / "run")
    assert {name.split("-")[0] for name in kept} == {"finetune", "evaluate", "prepare"}
    assert not list((tmp_path / "run").glob("cells/.partial-*"))
    monkeypatch.undo()
    run_study(study(tiny_folder), RunOptions(tmp_path / "run", device="cpu"), quiet())
    after = cells(tmp_path / "run")
    assert {name: after[name] for name in kept} == kept


def test_killed_in_the_middle_and_started_again(finished, tiny_folder, tmp_path):
    file = tmp_path / "study.json"
    file.write_text(json.dumps(study(tiny_folder).model_dump(mode="json")))
    folder = tmp_path / "run"
    code = (
        "import json, sys; from pathlib import Path; from rich.console import Console\n"
        "from heuristic_core.study.config import check_study\n"
        "from heuristic_core.study.run import RunOptions, run_study\n"
        "from heuristic_core.study.watch import Watch\n"
        "config = check_study(json.loads(Path(sys.argv[1]).read_text()))\n"
        "options = RunOptions(Path(sys.argv[2]), device='cpu')\n"
        "run_study(config, options, Watch(Console(stderr=True)))"
    )
    command = [sys.executable, "-c", code, str(file), str(folder)]
    # With as many threads as here: sums are split by threads, and rounding with them.
    environment = os.environ | {"HF_HUB_OFFLINE": "1", "OMP_NUM_THREADS": "1"}
    process = subprocess.Popen(command, stderr=subprocess.DEVNULL, env=environment)
    deadline = time.monotonic() + 120
    while len(cells(folder)) < 3 and process.poll() is None and time.monotonic() < deadline:
        time.sleep(0.01)
    process.send_signal(signal.SIGKILL)
    process.wait()
    before = cells(folder)
    assert 3 <= len(before) < 11
    subprocess.run(command, check=True, stderr=subprocess.DEVNULL, env=environment)
    after = cells(folder)
    assert {name: after[name] for name in before} == before
    assert len(after) == 11
    assert equal(finished, folder)


def test_damaged_results_and_half_a_cell_are_made_anew(tiny_folder, tmp_path):
    folder = tmp_path / "run"
    options = RunOptions(folder, device="cpu")
    run_study(study(tiny_folder), options, quiet())
    expected = tables(folder)
    before = cells(folder)
    (folder / "tables" / "evaluations.parquet").write_bytes(b"PAR1")
    (folder / VERDICTS).unlink()
    next(folder.glob("cells/search-*/record.json")).unlink()
    run_study(study(tiny_folder), options, quiet())
    assert all(expected[name].equals(table) for name, table in tables(folder).items())
    assert decisions(folder, "core")
    changed = {name for name, time in cells(folder).items() if before[name] != time}
    assert len(changed) == 1
    (folder / "manifest.json").write_text("[]")
    with pytest.raises(InputError, match="is damaged"):
        read_results(folder)
    run_study(study(tiny_folder), options, quiet())
    assert read_results(folder).manifest["stamp"]


def test_results_keep_the_configuration_they_were_made_with(tiny_folder, tmp_path):
    folder = tmp_path / "run"
    run_study(study(tiny_folder), RunOptions(folder, device="cpu"), quiet())
    changed = study(tiny_folder, analysis={"margin_points": 10.0})
    options = RunOptions(folder, device="cpu", update=True)
    run_study(changed, options, quiet(), kinds=("search",))
    assert read_results(folder).config["analysis"]["margin_points"] == 3.0
    run_study(changed, options, quiet())
    assert read_results(folder).config["analysis"]["margin_points"] == 10.0


def test_a_given_model_is_studied_as_it_is(tiny_folder, tmp_path):
    config = study(tiny_folder, finetune=None)
    run_study(config, RunOptions(tmp_path / "run", device="cpu"), quiet())
    found = tables(tmp_path / "run")
    assert set(found["evaluations"]["checkpoint"]) == {0}
    assert len(found["finetuning"]) == 0
    assert len(found["subnetworks"]) == 4 * 10


def test_further_suites_are_evaluated_and_kept(finished, tiny_folder):
    config = study(tiny_folder)
    suite = load_suite("hans-grammar", per_case=1)
    options = RunOptions(finished, device="cpu")
    plan, store, _ = evaluate_run(config, [suite], "more", options, quiet())
    assert len(plan.cells) == 1 + 4
    assert all(store.has(cell) for cell in plan.cells)
    before = cells(finished)
    evaluate_run(config, [suite], "more", options, quiet())
    assert cells(finished) == before


def test_an_unfinished_run_cannot_be_evaluated(tiny_folder, tmp_path):
    Store(tmp_path / "run")
    with pytest.raises(InputError, match="is not finished"):
        evaluate_run(
            study(tiny_folder),
            [load_suite("hans-grammar", per_case=1)],
            "more",
            RunOptions(tmp_path / "run", device="cpu"),
            quiet(),
        )


def test_the_plan_names_every_cell_once_and_inputs_first(tiny_folder):
    config = study(tiny_folder)
    plan = make_plan(config, load_study_task(config, None))
    keys = [cell.key for cell in plan.cells]
    assert len(set(keys)) == len(keys) == 11
    for i, cell in enumerate(plan.cells):
        assert all(source.key in keys[:i] for source in cell.inputs)
    assert [c.kind for c in plan.of_kind("finetune")] == ["finetune"]
    assert {c.kind for c in plan.of_kind("search")} == {"finetune", "prepare", "search"}
    assert all(cell.effort > 0 for cell in plan.cells)
