from __future__ import annotations

import json
import shutil

import pandas as pd
import pytest

from command import SMALL, hcore, mistake


@pytest.fixture(scope="module")
def other(place, tiny_folder):
    """A run of other data and another start beside the finished tiny run, its analyses measured."""
    hcore(
        "run", "smoke", "--set", f"model.source={tiny_folder}", *SMALL,
        "--set", "finetune.seeds=[2]", "--set", "task.seed=2", "--out", "runs/other", cwd=place,
    )  # fmt: skip
    hcore("analyze", "runs/other", cwd=place)
    return "runs/other"


def test_the_plan_of_analyses(place, other):
    before = sorted(place.rglob("*"))
    done = hcore("analyze", "runs/smoke", "--plan", cwd=place)
    assert "analyses of smoke in runs/smoke" in done.stdout
    plan = json.loads(hcore("analyze", "runs/smoke", "--plan", "--json", cwd=place).stdout)
    rows = {row["cell"]: row for row in plan["cells"]}
    assert {"removal-f1-s2", "probe-f1", "disjoint-f1-s2-k1", "grid-search-f1-s2-k1"} <= rows.keys()
    assert not any(row["finished"] for row in rows.values())
    assert all(row["seconds"] > 0 for row in rows.values())
    assert plan["missing_seconds"] == pytest.approx(sum(r["seconds"] for r in rows.values()))
    assert plan["missing_megabytes"] > 0
    assert f"{len(rows)} of {len(rows)} cells to do" in done.stdout
    assert sorted(place.rglob("*")) == before
    finished = json.loads(hcore("analyze", other, "--plan", "--json", cwd=place).stdout)
    assert len(finished["cells"]) > 10
    assert all(row["finished"] for row in finished["cells"])
    assert finished["missing_seconds"] == 0


def test_analyses_end_in_what_show_shows(place, other):
    shown = hcore("show", other, cwd=place).stdout
    analyzed = hcore("analyze", other, cwd=place)
    assert analyzed.stdout.startswith(shown)
    assert "nothing to compute" in analyzed.stderr
    assert "not measured" not in analyzed.stderr
    as_json = json.loads(hcore("analyze", other, "--json", cwd=place).stdout)
    stored = json.loads(hcore("show", other, "--json", cwd=place).stdout)
    assert {key: as_json[key] for key in stored} == stored
    assert stored["verdicts"]
    assert as_json["report"] == f"{other}/report/report.html"


def test_two_runs_are_compared(place, other):
    arguments = ["compare", "runs/smoke", other]
    before = {path: path.stat().st_mtime_ns for path in sorted(place.rglob("*"))}
    found = json.loads(hcore(*arguments, "--json", cwd=place).stdout)
    after = {path: path.stat().st_mtime_ns for path in sorted(place.rglob("*"))}
    assert after == before
    assert [row["run"] for row in found["runs"]] == ["smoke", "other"]
    assert {"settings of the task", "data", "fine-tuning seed"} <= set(found["differ_in"])
    (pair,) = [v for v in found["verdicts"] if v["question"] == "core_of_models"]
    assert (pair["finetune_seed"], pair["other_finetune_seed"]) == (1, 2)
    text = hcore(*arguments, "--out", "compared", cwd=place).stdout
    assert "2 runs are compared: smoke, other. They differ in: " in text
    for verdict in found["verdicts"]:
        assert f"{verdict['decision'].upper()}  {verdict['claim']}" in text
    page = (place / "compared" / "report.html").read_text()
    assert "A comparison of runs with heuristic-core" in page
    assert ">other</th>" in page
    for name, rows in found["tables"].items():
        frame = pd.read_parquet(place / "compared" / "tables" / f"{name}.parquet")
        assert len(frame) == len(rows)
        assert not rows or (place / "compared" / "tables" / f"{name}.csv").is_file()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ("analyze nowhere", "nowhere is no run folder"),
        ("analyze nowhere --plan", "nowhere is no run folder"),
        ("analyze nowhere --tables-only", "nowhere is no run folder"),
        ("analyze empty", "empty is no run folder"),
        ("analyze file", "file is no run folder"),
        ("analyze unfinished", "is not finished (finetune-f1 is missing); finish it first with"),
        ("analyze unfinished --plan", "is not finished"),
        ("analyze unfinished --tables-only", "is not finished"),
        ("analyze runs/smoke --plan --tables-only", "--plan is about running models"),
        ("analyze runs/smoke --device cuda:99", "CUDA"),
        ("analyze damaged", "no valid JSON"),
        ("analyze list", "study.json is damaged"),
        ("analyze changed", "unknown study key 'analysis.removal.control'; did you mean"),
        ("run smoke --set analysis.gird=false", "did you mean 'analysis.grid'"),
        ("run smoke --set analysis.removal.control=3", "did you mean 'analysis.removal.controls'"),
        ("run smoke --set analysis.disjoint.seed=3", "did you mean 'analysis.disjoint.seeds'"),
        ("run smoke --set analysis.attention.weights=3", "'analysis.attention.weightings'"),
        ("run smoke --set analysis.dependency.sender=3", "'analysis.dependency.senders'"),
        ("run smoke --set analysis.grid.checkpoints=[7]", "analysis.grid.checkpoints names 7"),
        ("run smoke --set analysis.disjoint.sparsity=0.4", "which search.sparsities does not hold"),
        ("run smoke --set analysis.disjoint.forbidden=[0]", "analysis.disjoint.forbidden"),
        ("run smoke --set analysis.removal=3", "analysis.removal is a table"),
    ],
)
def test_mistakes_end_in_one_line(place, other, arguments, message):
    (place / "empty").mkdir(exist_ok=True)
    (place / "file").write_text("")
    study = json.loads((place / "runs/smoke/study.json").read_text())
    changed = study | {"analysis": {"removal": {"control": 3}}}
    contents = {
        "unfinished": json.dumps(study),
        "damaged": "{",
        "list": "[]",
        "changed": json.dumps(changed),
    }
    for name, content in contents.items():
        (place / name).mkdir(exist_ok=True)
        (place / name / "study.json").write_text(content)
    before = {path: path.stat().st_mtime_ns for path in place.glob("runs/**/*")}
    assert message in mistake(*arguments.split(), cwd=place)
    after = {path: path.stat().st_mtime_ns for path in place.glob("runs/**/*")}
    assert after.keys() == before.keys()


@pytest.mark.parametrize(
    ("command", "table", "remedy"),
    [
        ("show", "attention", "`hcore analyze runs/smoke --tables-only`"),
        ("report", "attention", "`hcore analyze runs/smoke --tables-only`"),
        ("compare runs/other", "subnetworks", "`hcore analyze runs/smoke --tables-only`"),
    ],
)
def test_a_damaged_table_is_told_by_what_reads_it(place, other, tmp_path, command, table, remedy):
    shutil.copytree(place / "runs", tmp_path / "runs")
    (tmp_path / f"runs/smoke/tables/{table}.parquet").write_bytes(b"PAR1")
    name, *options = command.split()
    said = mistake(name, "runs/smoke", *options, cwd=tmp_path)
    assert f"the table {table} of runs/smoke cannot be used" in said
    assert remedy in said
    hcore("analyze", "runs/smoke", "--tables-only", cwd=tmp_path)
    hcore(name, "runs/smoke", *options, cwd=tmp_path)


def test_a_damaged_cell_is_told_and_made_anew(place, other, tmp_path):
    shutil.copytree(place / other, tmp_path / "run")
    (cell,) = (tmp_path / "run" / "cells").glob("removal-*")
    (cell / "table.parquet").unlink()
    assert f"{cell.name} is damaged" in mistake("analyze", "run", "--tables-only", cwd=tmp_path)
    shutil.rmtree(cell)
    assert "removal-f2-s2" in hcore("analyze", "run", cwd=tmp_path).stderr
    assert (cell / "table.parquet").is_file()
