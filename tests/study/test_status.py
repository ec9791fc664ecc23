"""What `hcore status` says of runs whose driver is elsewhere, gone, or whose files are odd."""

from __future__ import annotations

import json
import os
import time

import pytest

from command import hcore, mistake
from heuristic_core.study.journal import Journal, forget
from heuristic_core.study.process import Process
from heuristic_core.study.status import status_of
from heuristic_core.study.store import Store

#: Three days.
LONG = 72 * 3600


@pytest.fixture
def store(tmp_path):
    """A run folder with two planned cells, of which nothing was written for a while."""
    (tmp_path / "study.json").write_text('{"name": "toy"}')
    cells = [{"name": name, "label": name, "weight": 1.0} for name in "ab"]
    Journal(tmp_path, "hcore run").write("planned", cells=cells)
    (tmp_path / "running").mkdir()
    return Store(tmp_path)


def note(store: Store, where: str, text: str | None = None):
    path = store.folder / "running" / f"a{where}.json"
    said = {"cell": "a", "share": 0.5, "elapsed": 3.0}
    path.write_text(json.dumps(said) if text is None else text)
    return path


def age(store: Store, seconds: float) -> None:
    then = time.time() - seconds
    for path in store.folder.rglob("*"):
        os.utime(path, (then, then))


def said(store: Store) -> str:
    return hcore("status", store.folder, cwd=store.folder).stdout


def test_a_driver_elsewhere_is_alive_while_it_is_heard_of(store):
    (store.folder / ".lock-holder").write_text("process 12 on node-7\n")
    note(store, "@node-7@12")
    assert "0 of 2 cells are finished; process 12 on node-7 is writing" in said(store)
    age(store, LONG)
    text = said(store)
    assert "process 12 on node-7 was not heard of for 72.0 h; perhaps it has ended" in text
    assert "is writing" not in text
    silent = "process 12 on node-7, not heard of for 72.0 h; perhaps it has ended"
    assert f"running: a, 50% after 3.0 s, {silent}" in text
    found = json.loads(hcore("status", store.folder, "--json", cwd=store.folder).stdout)
    assert found["driver"] == {"host": "node-7", "pid": 12}
    assert found["silent"] == pytest.approx(LONG, abs=600)
    assert found["locked"] is False


def test_a_silent_driver_elsewhere_that_holds_the_lock_is_not_given_up(store):
    with store.locked():
        (store.folder / ".lock-holder").write_text("process 12 on node-7\n")
        age(store, LONG)
        assert "process 12 on node-7 holds the lock, not heard of for 72.0 h" in said(store)


def test_a_process_that_got_the_number_of_a_killed_driver_is_not_taken_for_it(store):
    with store.locked():
        assert status_of(store.folder).driver == Process.this()
    (store.folder / ".lock-holder").write_text(f"{Process.this()}\n")  # as a killed driver left it
    assert status_of(store.folder).driver is None


def test_hosts_keep_their_names(monkeypatch):
    monkeypatch.setattr("socket.gethostname", lambda: "gpu-node-07.cluster")
    me = Process.this()
    assert me.host == "gpu-node-07.cluster"
    assert Process.of_text(str(me)) == Process.of_suffix(f"cell{me.suffix}.json") == me


def test_notes_and_lines_that_are_not_whole_are_left_out(store):
    note(store, "@other@1", "{}")
    note(store, "@other@2", '{"cell": 3}')
    note(store, "@other@3", '{"cell": "a", "share": 1' + "0" * 400 + "}")
    with (store.folder / "log.jsonl").open("a") as log:
        log.write('{"event": "started", "cell": "a", "elapsed": 1' + "0" * 400 + "}\n")
        log.write('{"event": "started", "cell": "b", "elapsed": NaN}\n')
    found = status_of(store.folder)
    assert [(cell.label, cell.share) for cell in found.running] == [("a", 0.0)]
    assert found.elapsed < 100


def test_a_note_that_may_not_be_removed_stops_nothing(store, monkeypatch):
    path = note(store, "@other@1")

    def denied(*args, **more):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(type(path), "unlink", denied)
    forget(store.folder, "a")
    assert path.exists()


@pytest.mark.parametrize("part", ["cells", "log.jsonl"])
def test_a_part_that_cannot_be_read_is_no_empty_run(store, part):
    path = store.folder / part
    if path.is_dir():
        path.rmdir()
        path.write_text("")
    else:
        path.unlink()
        path.mkdir()
    assert f"cannot read {path}: " in mistake("status", store.folder, cwd=store.folder)


def test_cells_that_may_not_be_looked_into_are_no_empty_run(store, monkeypatch):
    (store.cells / "a").mkdir()
    stat = os.stat

    def denied(path, *args, **more):
        if str(path).endswith("record.json"):
            raise PermissionError(13, "Permission denied")
        return stat(path, *args, **more)

    monkeypatch.setattr(os, "stat", denied)
    line = mistake("status", store.folder, cwd=store.folder)
    assert f"cannot read {store.cells}: Permission denied" in line


def test_a_command_that_only_concludes_leaves_the_plan(store):
    Journal(store.folder, "hcore analyze --tables-only")
    assert "0 of 2 cells are finished" in said(store)
