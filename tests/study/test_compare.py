"""Runs compared from their folders: by hand, end to end, and kept ones."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

import heuristic_core as hc
from heuristic_core.analysis.conclusions import Conclusions
from heuristic_core.errors import InputError
from heuristic_core.storage import write_json, write_table
from heuristic_core.study import results
from heuristic_core.study.archive import write_archive
from heuristic_core.study.config import check_study
from heuristic_core.tables import EVALUATIONS, FINETUNING, MEASURED, VERDICTS
from tables_by_hand import subnetworks

FIRST = {"L0H0", "L1H1", "L2H2", "L3H3"}
OTHER = {"L0H3", "L1H2", "L2H1", "L3H0"}
KEPT = Path(__file__).parents[2] / "docs" / "results" / "minilm-mnli-hans"


def write_run(
    folder: Path, kept: set[str], model: str, n_heads=4, method="learned", **more
) -> Path:
    """A run folder of four searches that found the same heads of four layers, and an MLP each."""
    raw = {"name": "by-hand", "finetune": {"steps": 300, "checkpoints": [300]}} | more
    config = check_study(raw).model_dump(mode="json")
    write_json(folder / "study.json", config)
    cells = [{"name": f"finetune-f1-{model}", "kind": "finetune"}, {"name": "x", "kind": "search"}]
    known = {"source": "minilm", "sha256": "1", "num_attention_heads": n_heads}
    manifest = {"config": config, "cells": cells, "model": known}
    write_json(folder / "manifest.json", manifest)
    sets = {(seed, 0.5): kept | {f"L{seed}MLP"} for seed in range(4)} if kept else {}
    tables = {
        "subnetworks": subnetworks(sets, 4, n_heads).assign(method=method),
        "evaluations": EVALUATIONS.empty(),
        "finetuning": FINETUNING.empty(),
        **{table.name: table.empty() for table in MEASURED},
    }
    for name, table in tables.items():
        write_table(folder / "tables" / f"{name}.parquet", table)
    return folder


@pytest.fixture
def unasked(monkeypatch):
    """Runs whose own verdicts, which take seconds to draw, are not what a test is about."""
    nothing = Conclusions(VERDICTS.empty(), {})
    monkeypatch.setattr(results, "conclude", lambda config, tables: nothing)


@pytest.mark.usefixtures("unasked")
def test_archives_and_opened_runs_are_runs_too(tmp_path):
    one = write_run(tmp_path / "one", FIRST, "a")
    two = write_run(tmp_path / "two", FIRST, "b", task={"name": "mnli+hans"})
    archive = write_archive(two, tmp_path / "two.hcore.zip")
    found = hc.compare(hc.load_run(one), archive)
    columns = ["decision", "effect", "p"]
    assert found.verdicts[columns].equals(hc.compare(one, two).verdicts[columns])
    with pytest.raises(InputError, match="is given twice"):
        hc.compare(hc.load_run(one), one)


@pytest.mark.usefixtures("unasked")
def test_the_same_heads_and_others_by_hand(tmp_path):
    one = write_run(tmp_path / "one", FIRST, "a")
    two = write_run(tmp_path / "two", FIRST, "b", task={"name": "mnli+hans"})
    three = write_run(tmp_path / "three", OTHER, "c")
    before = {path: path.stat().st_mtime_ns for path in sorted(tmp_path.rglob("*"))}
    found = hc.compare(one, str(two), three)
    assert {path: path.stat().st_mtime_ns for path in sorted(tmp_path.rglob("*"))} == before
    assert found.names == ("one", "two", "three")
    assert found.differ_in == ("task",)
    pairs = found.verdicts[found.verdicts["question"] == "core_of_models"]
    assert pairs["decision"].tolist() == ["supported", "contradicted", "contradicted"]
    rows = found.tables["core-of-models"]
    assert rows["p_in_layers"].iloc[0] == pytest.approx(4**-4)
    assert repr(found).startswith("Comparison(one, two, three: ")
    assert len(repr(found)) <= 200
    assert "They differ in: task." in found._repr_html_()
    with pytest.raises(InputError, match="one is a run folder; choose another place"):
        found.save(one)


@pytest.mark.usefixtures("unasked")
def test_labels_are_studies_or_as_much_of_the_path_as_differs(tmp_path):
    one = write_run(tmp_path / "a" / "run", FIRST, "a")
    two = write_run(tmp_path / "b" / "run", FIRST, "b")
    assert hc.compare(one, two).names == ("a/run", "b/run")
    three = write_run(tmp_path / "c", FIRST, "c", name="named")
    assert hc.compare(one, three).names == ("by-hand", "named")


@pytest.mark.usefixtures("unasked")
def test_one_model_is_searched_twice(tmp_path):
    one = write_run(tmp_path / "one", FIRST, "a")
    two = write_run(tmp_path / "two", FIRST, "a", method="subset", search={"method": "subset"})
    found = hc.compare(one, two)
    assert found.differ_in == ("search method",)
    asked = set(found.verdicts["question"])
    assert "core_of_searches" in asked
    assert not {"core_of_models", "core_elsewhere"} & asked
    alike = hc.compare(one, write_run(tmp_path / "three", FIRST, "a"))
    assert "They differ in nothing that is recorded." in alike.story
    other = write_run(tmp_path / "four", FIRST, "b", method="subset", search={"method": "subset"})
    assert "No two of their cores can be compared" in hc.compare(one, other).story


@pytest.mark.usefixtures("unasked")
def test_runs_that_cannot_be_compared(tmp_path):
    one = write_run(tmp_path / "one", FIRST, "a")
    other = write_run(tmp_path / "other", FIRST, "b", n_heads=5)
    with pytest.raises(InputError, match=r"different architectures \(num_attention_heads is 4"):
        hc.compare(one, other)
    empty = write_run(tmp_path / "empty", set(), "b")
    with pytest.raises(InputError, match="has no subnetworks, so no core"):
        hc.compare(one, empty)
    with pytest.raises(InputError, match="is given twice"):
        hc.compare(one, tmp_path / "one" / ".." / "one")
    with pytest.raises(InputError, match="at least two runs, and 1 is given"):
        hc.compare(one)
    with pytest.raises(InputError, match="is no run folder"):
        hc.compare(one, tmp_path / "none")
    (empty / "manifest.json").unlink()
    with pytest.raises(InputError, match="is not finished yet"):
        hc.compare(one, empty)


@pytest.mark.slow
def test_the_kept_arms(tmp_path):
    for arm in ("natural", "augmented", "augmented-2"):
        shutil.copytree(KEPT / arm, tmp_path / arm)
    found = hc.compare(*(tmp_path / arm for arm in ("natural", "augmented", "augmented-2")))
    pairs = found.verdicts[found.verdicts["question"] == "core_of_models"]
    assert pairs["decision"].tolist()[:2] == ["supported", "supported"]
    assert pairs["decision"].tolist()[2] == "not decided by these data"
    (all_,) = found.verdicts[found.verdicts["question"] == "core_of_all"].to_dict("records")
    assert all_["decision"] == "supported"
    assert all_["effect"] == 9
    assert {"task", "fine-tuning seed"} <= set(found.differ_in)
    heads = found.tables["core-heads-elsewhere"].groupby(["run", "other_run"], sort=False).size()
    assert heads.tolist() == [15, 15, 12, 12, 17, 17]
