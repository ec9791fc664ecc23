from __future__ import annotations

import json
import os
import subprocess
import sys

import pytest

from heuristic_core.errors import InputError
from heuristic_core.study.store import Cell, Store


def cell(kind="search", label="a", inputs=(), **spec) -> Cell:
    return Cell(kind=kind, label=label, spec=spec, inputs=inputs)


def test_keys_follow_content_and_inputs():
    base = cell(seed=1)
    assert cell(seed=1).key == base.key
    assert cell(seed=2).key != base.key
    assert cell("evaluate", seed=1).key != base.key
    one = cell(inputs=(base,))
    assert one.key != cell(inputs=(cell(seed=2),)).key
    assert cell(label="other", seed=1).key == base.key


def test_a_cell_exists_only_when_it_is_whole(tmp_path):
    store, work = Store(tmp_path), cell(seed=1)
    with pytest.raises(ZeroDivisionError), store.writing(work, {}) as folder:
        (folder / "half.txt").write_text("half")
        raise ZeroDivisionError
    assert not store.has(work)
    assert not list(store.cells.iterdir())
    with store.writing(work, {"device": "cpu"}) as folder:
        (folder / "whole.txt").write_text("whole")
        assert not store.has(work)
    assert store.has(work)
    assert (store.path(work) / "whole.txt").read_text() == "whole"
    record = store.record(work)
    assert record["spec"] == {"seed": 1}
    assert record["device"] == "cpu"


def test_what_a_killed_run_left_is_swept_unless_it_can_be_gone_on_with(tmp_path):
    store, mine = Store(tmp_path), cell(seed=1)
    leftover = store.cells / ".partial-search-x"
    kept, other = store.unfinished(mine), store.unfinished(cell(seed=2))
    for folder in (leftover, kept, other):
        folder.mkdir()
        (folder / "file").write_text("x")
    store.sweep([mine])
    assert not leftover.exists()
    assert not other.exists()
    assert (kept / "file").read_text() == "x"
    with store.writing(mine, {}, seconds_before=100.0):
        pass
    assert 100 <= json.loads((store.path(mine) / "record.json").read_text())["seconds"] < 110


def test_a_second_writer_is_refused_and_a_killed_one_forgotten(tmp_path):
    store = Store(tmp_path)
    code = (
        "import sys, time; from pathlib import Path; "
        "from heuristic_core.study.store import Store\n"
        f"with Store(Path({str(tmp_path)!r})).locked():\n"
        "    print('held', flush=True); time.sleep(60)"
    )
    holder = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE)
    try:
        assert holder.stdout.readline().strip() == b"held"
        with pytest.raises(InputError, match=f"process {holder.pid}"), store.locked():
            pass
    finally:
        holder.kill()
        holder.wait()
        holder.stdout.close()
    with store.locked():
        assert str(os.getpid()) in (tmp_path / ".lock-holder").read_text()
    assert not (tmp_path / ".lock-holder").exists()


def test_folders_that_cannot_be_written(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(InputError, match="cannot make the run folder"):
        Store(tmp_path / "file" / "run")
    # Not even the administrator can write here.
    with pytest.raises(InputError, match="cannot make the run folder"):
        Store(tmp_path.__class__("/proc/heuristic-core"))
