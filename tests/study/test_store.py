from __future__ import annotations

import errno
import fcntl
import json
import os
import re
import subprocess
import sys
from contextlib import ExitStack
from pathlib import Path

import pytest

from heuristic_core.errors import InputError, Remark
from heuristic_core.study.process import Process
from heuristic_core.study.store import Cell, Damaged, Store


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
    stages, others = store.stages(mine), store.stages(cell(seed=2))
    for folder in (leftover, kept, other, stages, others):
        folder.mkdir()
        (folder / "file").write_text("x")
    store.sweep([mine], stages=False)
    assert not leftover.exists()
    assert not other.exists()
    assert others.exists()  # of a cell that may be planned later
    store.sweep([mine])
    assert not others.exists()
    for folder in (kept, stages):
        assert (folder / "file").read_text() == "x"
    with store.writing(mine, {}, seconds_before=100.0):
        pass
    assert not kept.exists()  # a finished cell is not gone on with
    assert not stages.exists()
    assert 100 <= json.loads((store.path(mine) / "record.json").read_text())["seconds"] < 110


def test_what_is_gone_on_with_stays_until_the_cell_is_finished(tmp_path, monkeypatch):
    store, mine = Store(tmp_path), cell(seed=1)
    state = store.unfinished(mine) / "state"
    state.parent.mkdir()
    state.write_text("x")

    def full(folder):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with monkeypatch.context() as patched:
        patched.setattr("heuristic_core.study.store.digests", full)
        with pytest.raises(InputError, match="free some space"), store.writing(mine, {}):
            pass
    assert state.read_text() == "x"


@pytest.mark.parametrize("number", [errno.EACCES, errno.EIO, errno.ESTALE, errno.EMFILE])
@pytest.mark.parametrize("of", ["record.json", "table.txt"])
def test_what_the_system_does_not_let_be_read_is_not_called_damaged(
    tmp_path, monkeypatch, number, of
):
    store, mine = Store(tmp_path), cell(seed=1)
    with store.writing(mine, {"device": "cpu"}) as folder:
        (folder / "table.txt").write_text("x")
    for name in ("read_text", "open", "stat"):
        plain = getattr(Path, name)

        def refuse(path, *args, plain=plain, **kwargs):
            if path.name == of:
                raise OSError(number, os.strerror(number))
            return plain(path, *args, **kwargs)

        monkeypatch.setattr(Path, name, refuse)
    with pytest.raises(InputError, match=os.strerror(number)) as told, store.reading(mine):
        pass
    assert not isinstance(told.value, Damaged)
    monkeypatch.undo()
    (store.path(mine) / of).unlink()
    with pytest.raises(Damaged), store.reading(mine):
        pass


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
        who = f"process {holder.pid} on {Process.this().host}"
        with pytest.raises(InputError, match=re.escape(who)), store.locked():
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


@pytest.mark.parametrize("code", [errno.ENOSYS, errno.ENOLCK, errno.EOPNOTSUPP])
def test_without_locks_a_remark_is_made_and_the_first_copy_is_kept(tmp_path, monkeypatch, code):
    def refuse(*args):
        raise OSError(code, os.strerror(code))

    monkeypatch.setattr(fcntl, "flock", refuse)
    one, other, work = Store(tmp_path), Store(tmp_path), cell(seed=1)
    with ExitStack() as stack:
        for store in (one, other):
            with pytest.warns(Remark, match="has no locks"):
                stack.enter_context(store.locked())
        # Neither would train in the other's folder, were the other another process.
        assert str(os.getpid()) in one.unfinished(work).name
        with one.writing(work, {}) as first:
            with other.writing(work, {}) as second:
                assert first != second
                (first / "x").write_text("first")
                (second / "x").write_text("second")
            other.sweep()
            assert first.exists()
    assert (one.path(work) / "x").read_text() == "second"
    assert [path.name for path in one.cells.iterdir()] == [work.name]


def test_what_processes_that_ended_left_is_swept(tmp_path):
    store = Store(tmp_path)
    done = subprocess.run([sys.executable, "-c", "import os; print(os.getpid())"],
                          capture_output=True, text=True, check=True)  # fmt: skip
    host = Process.this().host
    ended = store.cells / f".partial-a~00@{host}@{int(done.stdout)}"
    living = store.cells / f".partial-b~00@{host}@{os.getppid()}"
    elsewhere = store.cells / ".partial-c~00@other@1"
    forgotten = store.cells / ".partial-d~00@other@2"
    for path in (ended, living, elsewhere, forgotten):
        path.mkdir()
    os.utime(forgotten, (0, 0))
    store.sweep()
    assert sorted(store.cells.iterdir()) == [living, elsewhere]


def test_every_file_is_compared_with_its_digest_when_it_is_read(tmp_path):
    store, work = Store(tmp_path), cell(seed=1)
    with store.writing(work, {"device": "cpu"}) as folder:
        (folder / "inner").mkdir()
        (folder / "inner" / "weights").write_text("1234")
        (folder / "other").write_text("other")
    with store.reading(work, "inner"):
        pass
    (store.path(work) / "inner" / "weights").write_text("1235")
    with store.reading(work, "other"):
        pass  # what is not read is not compared
    for part in ("inner", "inner/weights"):
        with pytest.raises(Damaged, match="inner/weights has changed since") as caught:
            store.reading(work, part).__enter__()
        assert caught.value.name == work.name
    with pytest.raises(Damaged), store.reading(work):
        pass
    # A record of an earlier version has no digests.
    path = store.path(work) / "record.json"
    record = json.loads(path.read_text())
    del record["files"]
    path.write_text(json.dumps(record))
    with store.reading(work):
        pass
