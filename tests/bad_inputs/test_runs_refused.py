"""Run folders that were damaged, edited by hand or lie where they should not."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from refusal import HOSTILE, change_json, cut, pickled, snapshot
from safetensors.numpy import save_file

from command import SMALL, hcore, mistake

Break = Callable[[Path, Path], object]  # from the run's folder and the marker


def one(folder: Path, pattern: str) -> Path:
    return sorted(folder.glob(pattern))[0]


def written(name: str, data: bytes) -> Break:
    return lambda run, marker: one(run, name).write_bytes(data)


def changed(name: str, **changes) -> Break:
    return lambda run, marker: change_json(one(run, name), **changes)


def shortened(name: str, n: int = 100) -> Break:
    return lambda run, marker: cut(one(run, name), n)


def edited(name: str, change: Callable[[pd.DataFrame], pd.DataFrame]) -> Break:
    def write(run: Path, marker: Path) -> None:
        path = one(run, name)
        change(pd.read_parquet(path)).to_parquet(path, index=False)

    return write


def removed(*names: str) -> Break:
    def remove(run: Path, marker: Path) -> None:
        for name in names:
            path = one(run, name)
            shutil.rmtree(path) if path.is_dir() else path.unlink()

    return remove


def folder_of(name: str) -> Break:
    def make(run: Path, marker: Path) -> None:
        (run / name).unlink(missing_ok=True)
        (run / name).mkdir()

    return make


def a_pickle(name: str) -> Break:
    return lambda run, marker: one(run, name).write_bytes(pickled(marker))


def both(*damages: Break) -> Break:
    return lambda run, marker: [damage(run, marker) for damage in damages]


def linked(name: str, target: str) -> Break:
    def link(run: Path, marker: Path) -> None:
        (run / name).unlink(missing_ok=True)
        (run / name).symlink_to(target)

    return link


def arrays(name: str, **content: np.ndarray) -> Break:
    return lambda run, marker: save_file(content, one(run, name))


def undigested(name: str) -> Break:
    """As an earlier version left a cell."""
    return changed(f"{name}/record.json", files=...)


MANIFEST, TABLE = "manifest.json", "tables/evaluations.parquet"
EVALUATION = "cells/evaluate-f1-s2-k1-50pc-*"
REMEDY = "make it again from the finished cells with `hcore analyze"

# By `hcore show`, and so by `hcore report`, which reads the same.
SHOWN: dict[str, tuple[Break, str]] = {
    "manifest cut short": (shortened(MANIFEST), "no valid JSON .* `hcore run` writes it again"),
    "manifest a number": (written(MANIFEST, b"7"), "manifest.json is damaged"),
    "manifest utf-16": (written(MANIFEST, "{}".encode("utf-16")), "manifest.json is damaged"),
    "manifest a folder": (folder_of(MANIFEST), "is not finished yet"),
    "no configuration": (changed(MANIFEST, config=...), "damaged .config: is missing"),
    "another configuration": (changed(MANIFEST, config={"nmae": "x"}), "unknown study key 'nmae'"),
    "cells a number": (changed(MANIFEST, cells=3), "damaged .cells: must be a list"),
    "cells without names": (changed(MANIFEST, cells=[{}]), "damaged .cells.0.name: is missing"),
    "time a text": (
        changed(MANIFEST, cells=[{"name": "a", "kind": "b", "seconds": "1"}]),
        "damaged .cells.0.seconds",
    ),
    "notes a number": (changed(MANIFEST, notes=1), "damaged .notes"),
    "cut short a text": (changed(MANIFEST, truncated={"train": HOSTILE}), "damaged .truncated"),
    "layers a text": (
        changed(MANIFEST, model={"num_hidden_layers": "2"}),
        "damaged .model.num_hid",
    ),
    "command a list": (changed(MANIFEST, command=["rm"]), "damaged .command"),
    "table cut short": (shortened(TABLE), f"no intact parquet file.*{REMEDY}"),
    "table empty": (written(TABLE, b""), REMEDY),
    "table missing": (
        removed(TABLE),
        f"the table evaluations of .*cannot read.*{REMEDY}",
    ),
    "table a folder": (folder_of(TABLE), REMEDY),
    "table a pickle": (a_pickle(TABLE), f"no intact parquet file.*{REMEDY}"),
    "table without a column": (edited(TABLE, lambda t: t.drop(columns="n")), r"lacks .*\['n'\]"),
    "table with NaN": (
        edited(TABLE, lambda t: t.assign(n=np.nan)),
        f"other values than.*{REMEDY}",
    ),
    "table of texts": (
        edited(TABLE, lambda t: t.assign(n="x")),
        f"other values than.*{REMEDY}",
    ),
    "table without rows": (
        edited(TABLE, lambda t: t[:0]),
        f"has been changed since.*{REMEDY}",
    ),
    "a number changed": (edited(TABLE, lambda t: t.assign(correct=1)), "it has been changed since"),
    "a unit changed": (
        edited("tables/subnetworks.parquet", lambda t: t.assign(unit=HOSTILE)),
        "the table subnetworks of .* has been changed since",
    ),
    "a measured table missing": (
        removed("tables/grid.parquet"),
        f"the table grid .*{REMEDY}",
    ),
}

# By `hcore analyze --tables-only`, which reads the cells.
ANALYZED: dict[str, tuple[Break, str]] = {
    "study cut short": (shortened("study.json"), "no valid JSON.*; remove it and start the study"),
    "study a list": (written("study.json", b"[]"), "damaged .it should hold a configuration"),
    "study hostile": (changed("study.json", **{HOSTILE: 1}), "unknown study key ' ?.31m<script>"),
    "study a folder": (folder_of("study.json"), "is no run folder"),
    "cells a file": (both(removed("cells"), linked("cells", "study.json")), "is not finished"),
    "record cut short": (
        shortened(f"{EVALUATION}/record.json", 30),
        "damaged .*sets it aside and computes it again",
    ),
    "record a list": (written(f"{EVALUATION}/record.json", b"[]"), "does not say how it was compu"),
    "time unknown": (changed(f"{EVALUATION}/record.json", seconds="long"), "does not say how it"),
    "facts a list": (
        both(undigested(EVALUATION), written(f"{EVALUATION}/facts.json", b"[1]")),
        "holds other facts than it should",
    ),
    "facts of parts": (
        both(undigested(EVALUATION), changed(f"{EVALUATION}/facts.json", examples=0.5)),
        "other facts",
    ),
    "facts of texts": (
        both(undigested(EVALUATION), changed(f"{EVALUATION}/facts.json", truncated={"a": "b"})),
        "other facts",
    ),
    "table of an earlier version": (
        both(
            undigested(EVALUATION),
            edited(f"{EVALUATION}/table.parquet", lambda t: t.assign(n=np.nan)),
        ),
        "damaged .*other values than it should.*sets it aside",
    ),
    "table of a cell": (
        shortened(f"{EVALUATION}/table.parquet"),
        "damaged .table.parquet has changed.*sets it aside",
    ),
    "table with NaN": (
        edited(f"{EVALUATION}/table.parquet", lambda t: t.assign(n=np.nan)),
        "damaged .table.parquet has changed since it was computed",
    ),
    "subnetwork missing": (
        removed("cells/search-*/sparsity-0.5"),
        "subnetwork.* cannot be read: No such file.*sets it aside",
    ),
    "subnetwork with a unit twice": (
        changed("cells/search-*/sparsity-0.5/subnetwork.json", kept=["L0H0", "L0H0"]),
        "subnetwork.json has changed since it was computed.*sets it aside",
    ),
    "lock a folder": (folder_of(".lock"), r"cannot lock .*/.lock is no plain file .*; remove it"),
    "lock a link": (linked(".lock", "../../elsewhere"), r"cannot lock .*remove it, or choose"),
    "holder a folder": (folder_of(".lock-holder"), "cannot write .*remove the folder of that name"),
}

# What `hcore run` sets aside and computes again, once a cell that reads it has to be computed.
AGAIN = removed(EVALUATION)
RESUMED: dict[str, tuple[Break, str]] = {
    "checkpoint without weights": (
        both(AGAIN, removed("cells/finetune-f1-*/step-000002/model.safetensors")),
        "finetune-f1-",
    ),
    "checkpoint half written": (
        both(AGAIN, shortened("cells/finetune-f1-*/step-000002/model.safetensors", 5000)),
        "finetune-f1-",
    ),
    "checkpoint half written by an earlier version": (
        both(
            AGAIN,
            undigested("cells/finetune-f1-*"),
            shortened("cells/finetune-f1-*/step-000002/model.safetensors", 5000),
        ),
        "finetune-f1-",
    ),
    "logits a pickle": (
        both(AGAIN, a_pickle("cells/evaluate-f1-s2-*/logits.safetensors")),
        "evaluate-f1-s2-",
    ),
    "logits of another suite": (
        both(
            AGAIN,
            undigested("cells/evaluate-f1-s2-*"),
            arrays("cells/evaluate-f1-s2-*/logits.safetensors", id=np.zeros((1, 2))),
        ),
        "evaluate-f1-s2-",
    ),
    "means NaN": (
        both(
            removed("cells/search-*"),
            undigested("cells/prepare-*"),
            arrays("cells/prepare-*/values.safetensors", **{"L0.heads": np.full((4, 8), np.nan)}),
        ),
        "prepare-",
    ),
    "table of a cell, found while tables are gathered": (
        both(removed(MANIFEST), shortened(f"{EVALUATION}/table.parquet")),
        "evaluate-f1-s2-k1-50pc-",
    ),
}


def check(run: Path, tmp_path: Path, arguments: list[str], message: str) -> None:
    """Check that a command ends in one line, leaves nothing behind and loses nothing."""
    before = snapshot(tmp_path)
    *progress, line = hcore(*arguments, cwd=tmp_path, code=2).stderr.strip().splitlines()
    assert not progress or arguments[0] == "run"
    assert re.search(message, line), line
    assert line.isprintable()
    after = snapshot(tmp_path)
    assert after.keys() == before.keys()
    cells = [name for name in before if "cells/" in name]
    assert {name: after[name] for name in cells} == {name: before[name] for name in cells}
    assert not (tmp_path / "marker").exists()


@pytest.mark.parametrize(("damage", "message"), SHOWN.values(), ids=SHOWN)
def test_shown(run, tmp_path, damage, message):
    damage(run, tmp_path / "marker")
    check(run, tmp_path, ["show", "runs/smoke"], message)


@pytest.mark.parametrize(("damage", "message"), ANALYZED.values(), ids=ANALYZED)
def test_analyzed(run, tmp_path, damage, message):
    damage(run, tmp_path / "marker")
    check(run, tmp_path, ["analyze", "runs/smoke", "--tables-only"], message)


@pytest.mark.parametrize(("damage", "name"), RESUMED.values(), ids=RESUMED)
def test_resumed(run, tiny_folder, tmp_path, damage, name):
    before = {path.name: path.read_bytes() for path in run.glob("tables/*")}
    damage(run, tmp_path / "marker")
    source = ["--set", f"model.source={tiny_folder}"]
    done = hcore("run", "smoke", *source, *map(str, SMALL), cwd=tmp_path)
    assert re.search(f"hcore: note: the cell {name}.* is damaged and computed again", done.stderr)
    (aside,) = run.glob("cells/.damaged-*")
    assert aside.name.startswith(f".damaged-{name}")
    assert {path.name: path.read_bytes() for path in run.glob("tables/*")} == before
    assert not (tmp_path / "marker").exists()


@pytest.mark.parametrize("damage", ["a number changed", "table a pickle"])
def test_the_remedy_is_one(run, tmp_path, damage):
    SHOWN[damage][0](run, tmp_path / "marker")
    hcore("analyze", "runs/smoke", "--tables-only", cwd=tmp_path)
    hcore("show", "runs/smoke", cwd=tmp_path)


def test_names_of_cells_are_no_paths(run, tmp_path):
    outside = ["../../../outside", "/etc/passwd", HOSTILE]
    manifest = json.loads((run / MANIFEST).read_text())
    cells = [{"name": name, "kind": "finetune", "seconds": 1.0} for name in outside]
    change_json(run / MANIFEST, cells=[*manifest["cells"], *cells])
    for record in run.glob("cells/*/record.json"):
        change_json(record, inputs=outside, label="../../x")
    before = snapshot(tmp_path)
    hcore("show", "runs/smoke", cwd=tmp_path)
    hcore("analyze", "runs/smoke", "--tables-only", cwd=tmp_path)
    assert snapshot(tmp_path).keys() - before.keys() == set()


def test_links_to_folders_are_followed_and_what_they_lead_to_stays(run, tmp_path):
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere" / "mine.txt").write_text("mine")
    (run / "cells" / ".partial-search-x").symlink_to(tmp_path / "elsewhere")
    (tmp_path / "link").symlink_to(run)
    hcore("analyze", "link", "--tables-only", cwd=tmp_path)
    assert (tmp_path / "elsewhere" / "mine.txt").read_text() == "mine"
    assert not (run / "cells" / ".partial-search-x").is_symlink()
    (tmp_path / "broken").symlink_to("nowhere")
    assert "is no run folder" in mistake("show", "broken", cwd=tmp_path)
    assert "cannot make the run folder" in mistake("run", "smoke", "--out", "broken", cwd=tmp_path)
