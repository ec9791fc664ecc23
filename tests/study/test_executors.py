"""Whatever computes the cells, and whatever is killed meanwhile, the tables are the same."""

from __future__ import annotations

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from heuristic_core.errors import InputError
from heuristic_core.study.executors.on_ray import OnRay
from heuristic_core.study.executors.workers import ATTEMPTS, Workers, _Worker
from heuristic_core.study.journal import read_log, read_notes
from heuristic_core.study.process import Process
from heuristic_core.study.status import status_of
from heuristic_core.study.store import Cell
from tiny_studies import cells, study

HERE = Path(__file__).parent
#: Longer searches than in other tests, so that they can be killed.
SEARCH = {
    "sparsities": [0.5, 0.7],
    "seeds": [1, 2],
    "options": {"ramp_steps": 80, "hold_steps": 1, "batch_size": 8, "exchange_rounds": 0},
}


@pytest.fixture(scope="module")
def file(tiny_folder, tmp_path_factory):
    path = tmp_path_factory.mktemp("study") / "study.json"
    path.write_text(json.dumps(study(tiny_folder, search=SEARCH).model_dump(mode="json")))
    return path


def begin(file: Path, folder: Path, *how: object) -> subprocess.Popen:
    """Start the study in a process of its own."""
    program = [sys.executable, HERE / "executed.py", file, folder, *how]
    with Path(f"{folder}.err").open("a") as errors:
        return subprocess.Popen(
            list(map(str, program)), stdout=errors, stderr=errors, start_new_session=True
        )


def run(file: Path, folder: Path, *how: object) -> str:
    process = begin(file, folder, *how)
    try:
        assert process.wait(timeout=400) == 0, Path(f"{folder}.err").read_text()
    finally:
        end(process)
    return Path(f"{folder}.err").read_text()


def end(process: subprocess.Popen) -> None:
    """End a program that a test left, with what it started."""
    if process.poll() is None:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()


@pytest.fixture(scope="module")
def alone(file, tmp_path_factory):
    """The run folder of the study in one process."""
    folder = tmp_path_factory.mktemp("alone") / "run"
    run(file, folder, "here")
    return folder


def tables(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in (folder / "tables").iterdir()}


def until(process: subprocess.Popen, found: Callable[[], object]) -> object:
    """Wait until something is there while a program runs."""
    deadline = time.monotonic() + 300
    while process.poll() is None and time.monotonic() < deadline:
        if it := found():
            return it
        time.sleep(0.01)
    raise AssertionError("the program ended before")


def searching(folder: Path) -> list[int]:
    """Processes that compute a search now."""
    return [note["pid"] for _, note in read_notes(folder) if note["cell"].startswith("search-")]


@pytest.mark.slow
def test_two_workers_give_the_same_tables_and_one_may_be_killed(file, alone, tmp_path):
    folder = tmp_path / "run"
    process = begin(file, folder, "workers", 2)
    try:
        victim = until(process, lambda: searching(folder))[0]
        os.kill(victim, signal.SIGKILL)
        assert process.wait(timeout=400) == 0, Path(f"{folder}.err").read_text()
    finally:
        end(process)
    assert tables(folder) == tables(alone)
    log = read_log(folder)
    (lost,) = [said["cell"] for said in log if said["event"] == "worker lost"]
    assert lost.startswith("search-")
    finished = [said for said in log if said["event"] == "finished"]
    assert len(finished) == len(cells(alone)) == status_of(folder).done
    assert len({said["pid"] for said in finished} - {victim}) >= 2
    assert not list(folder.glob("running/*"))


@pytest.mark.slow
def test_a_driver_killed_with_9_goes_on_and_its_workers_end(file, alone, tmp_path):
    folder = tmp_path / "run"
    process = begin(file, folder, "workers", 2)
    try:
        workers = until(process, lambda: searching(folder))
        assert status_of(folder).driver == Process(Process.this().host, process.pid)
        os.kill(process.pid, signal.SIGKILL)
        process.wait()
        before = cells(folder)
        deadline = time.monotonic() + 20
        alive = set(workers)
        while alive and time.monotonic() < deadline:
            alive = {pid for pid in alive if not Process(Process.this().host, pid).ended}
            time.sleep(0.05)
        assert not alive
        found = status_of(folder)
        assert found.driver is None
        assert 0 < found.done < found.planned
    finally:
        end(process)
    run(file, folder, "workers", 2)
    after = cells(folder)
    assert {name: after[name] for name in before} == before
    assert tables(folder) == tables(alone)
    assert not list(folder.glob("cells/.*"))


@pytest.mark.slow
def test_two_drivers_without_locks_end_with_equal_tables(file, alone, tmp_path):
    folder = tmp_path / "run"
    both = [begin(file, folder, "unlocked") for _ in range(2)]
    try:
        for process in both:
            assert process.wait(timeout=400) == 0, Path(f"{folder}.err").read_text()
    finally:
        for process in both:
            end(process)
    assert tables(folder) == tables(alone)
    assert cells(folder).keys() == cells(alone).keys()
    opened = {said["pid"] for said in read_log(folder) if said["event"] == "opened"}
    assert opened == {process.pid for process in both}


@pytest.mark.slow
def test_a_ray_cluster_gives_the_same_tables_and_may_lose_a_node(file, alone, tmp_path):
    folder = tmp_path / "run"
    run(file, folder, "ray", 3)
    assert tables(folder) == tables(alone)
    where = {said["pid"] for said in read_log(folder) if said["event"] == "finished"}
    assert len(where) >= 2
    # Once more from the models on, with a node that is lost.
    for path in [*folder.glob("cells/search-*"), folder / "tables"]:
        shutil.rmtree(path)
    for path in folder.glob("cells/evaluate-*-k*"):
        shutil.rmtree(path)
    (folder / "manifest.json").unlink()
    run(file, folder, "ray", 3, "lose")
    assert (folder / "lost").read_text().startswith("search-")
    assert tables(folder) == tables(alone)


@pytest.mark.parametrize(("n", "named"), [(1, "1 worker?"), (2, "2 workers?")])
def test_a_cell_is_given_up_when_its_worker_was_killed_often(n, named):
    cell = Cell(kind="search", label="a", spec={})
    outcome = Workers(n, 1)._replaced(_Worker(None, cell=cell, attempts=ATTEMPTS), cell)
    assert outcome.error == f"its worker was killed 3 times; is there too little memory for {named}"


@pytest.mark.slow  # loads Ray
def test_a_cluster_that_is_not_there_is_missed_at_once(monkeypatch):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))  # nothing listens
        nobody = f"127.0.0.1:{taken.getsockname()[1]}"
        begin = time.monotonic()
        for address, why in {
            nobody: "Connection refused",
            "no-such-host.invalid:6379": "cannot reach a Ray cluster at no-such-host.invalid:6379",
            "head-without-port": "Invalid address format",
        }.items():
            with pytest.raises(InputError, match=why):
                OnRay(address)
        monkeypatch.setenv("RAY_ADDRESS", nobody)
        with pytest.raises(InputError, match="Connection refused"):
            OnRay("auto")
        assert time.monotonic() - begin < 60
