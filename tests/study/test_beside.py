from __future__ import annotations

from pathlib import Path

import pytest

from analysis.tables_by_hand import subnetworks
from heuristic_core.errors import InputError
from heuristic_core.storage import write_json, write_table
from heuristic_core.study.beside import beside
from heuristic_core.study.config import check_study
from heuristic_core.tables import EVALUATIONS, FINETUNING, MEASURED

FIRST = {"L0H0", "L1H1", "L2H2", "L3H3"}
OTHER = {"L0H3", "L1H2", "L2H1", "L3H0"}


def write_run(folder: Path, kept: set[str], model: str, n_heads=4, method="learned") -> Path:
    """A run folder of four searches that found the same heads of four layers, and an MLP each."""
    config = check_study({"name": "by-hand"}).model_dump(mode="json")
    write_json(folder / "study.json", config)
    cells = [{"name": f"finetune-f1-{model}", "kind": "finetune"}, {"name": "x", "kind": "search"}]
    write_json(folder / "manifest.json", {"config": config, "cells": cells})
    sets = {(seed, 0.5): kept | {f"L{seed}MLP"} for seed in range(4)} if kept else {}
    found = subnetworks(sets, 4, n_heads)
    tables = {
        "subnetworks": found.assign(method=method),
        "evaluations": EVALUATIONS.empty(),
        "finetuning": FINETUNING.empty(),
        **{table.name: table.empty() for table in MEASURED},
    }
    for name, table in tables.items():
        write_table(folder / "tables" / f"{name}.parquet", table)
    return folder


def test_the_same_heads_and_others_by_hand(tmp_path):
    one = write_run(tmp_path / "one", FIRST, "a")
    same = beside(one, write_run(tmp_path / "two", FIRST, "b"))
    assert same.verdicts["decision"].tolist() == ["supported"]
    (row,) = same.tables["core-overlap"].to_dict("records")
    assert set(row["members"].split()) == FIRST
    # One head in each of four layers of four: all the same has probability 1 / 4 ** 4.
    assert row["p_in_layers"] == pytest.approx(4**-4)
    assert (row["checkpoint"], row["other_checkpoint"]) == (300, 300)
    different = beside(one, write_run(tmp_path / "three", OTHER, "c"))
    assert different.verdicts["decision"].tolist() == ["contradicted"]
    assert different.tables["core-overlap"]["shared"].tolist() == [0]


def test_nothing_is_written(tmp_path):
    one, two = write_run(tmp_path / "a", FIRST, "a"), write_run(tmp_path / "b", FIRST, "b")
    before = {path: path.stat().st_mtime_ns for path in sorted(tmp_path.rglob("*"))}
    beside(one, two)
    assert {path: path.stat().st_mtime_ns for path in sorted(tmp_path.rglob("*"))} == before


@pytest.mark.parametrize(
    ("kept", "changes", "says"),
    [
        (FIRST, {"model": "a"}, r"hold the same model \(finetune-f1-a\); give --beside a run of"),
        (FIRST, {"n_heads": 5}, r"different heads \(16 and 20 of them\)"),
        (FIRST, {"method": "fisher"}, "searched by learned, .* by fisher; only cores found by one"),
        (set(), {}, "two has no subnetworks, so no core"),
    ],
)
def test_runs_that_cannot_be_compared(tmp_path, kept, changes, says):
    one = write_run(tmp_path / "one", FIRST, "a")
    two = write_run(tmp_path / "two", kept, **{"model": "b"} | changes)
    with pytest.raises(InputError, match=says) as error:
        beside(one, two)
    assert "\n" not in str(error.value)


def test_a_run_beside_itself_and_beside_no_finished_run(tmp_path):
    one = write_run(tmp_path / "one", FIRST, "a")
    with pytest.raises(InputError, match="hold the same model"):
        beside(one, tmp_path / "one" / ".." / "one")
    with pytest.raises(InputError, match="is no run folder"):
        beside(one, tmp_path / "none")
    unfinished = write_run(tmp_path / "two", FIRST, "b")
    (unfinished / "manifest.json").unlink()
    with pytest.raises(InputError, match="is not finished yet"):
        beside(one, unfinished)
    with pytest.raises(InputError, match="is not finished yet"):
        beside(unfinished, one)
