from __future__ import annotations

import errno
import io
import json
import os
import random
import time

import pytest
from rich.console import Console

from heuristic_core.errors import InputError, Remark
from heuristic_core.study import kinds
from heuristic_core.study.bench import Workbench
from heuristic_core.study.driver import CellsFailed, Driver
from heuristic_core.study.executors.executor import Executor, perform
from heuristic_core.study.journal import read_log
from heuristic_core.study.kinds.kind import Kind
from heuristic_core.study.process import Process
from heuristic_core.study.status import status_of
from heuristic_core.study.store import Cell, Store
from heuristic_core.study.watch import Watch
from tiny_studies import quiet


@pytest.fixture
def raises(monkeypatch):
    """Makes the only kind of cell one that writes down what its inputs hold; what it raises."""
    raises: dict[str, Exception] = {}

    def work(bench, cell, folder, progress):
        progress(1, 2)
        if cell.label in raises:
            raise raises[cell.label]
        held = []
        for source in cell.inputs:
            with bench.store.reading(source, "held.txt") as place:
                held.append((place / "held.txt").read_text())
        (folder / "held.txt").write_text(f"{cell.label}({','.join(held)})")
        return {}

    toy = Kind(name="toy", version=1, efficiency=1.0, work=work)
    monkeypatch.setattr(kinds, "KINDS", (toy,))
    return raises


@pytest.fixture
def store(tmp_path):
    (tmp_path / "study.json").write_text('{"name": "toy"}')
    return Store(tmp_path)


def toy(label: str, *inputs: Cell) -> Cell:
    return Cell(kind="toy", label=label, spec={"of": label}, inputs=inputs, effort=1.0)


def compute(store: Store, cells: list[Cell], executor: Executor | None = None) -> int:
    driver = Driver(quiet(), store, **({} if executor is None else {"executor": executor}))
    return driver.compute(cells, Workbench(None, None, store, "cpu", ()))


def held(store: Store, cell: Cell) -> str:
    return (store.path(cell) / "held.txt").read_text()


def events(store: Store, event: str) -> list[dict]:
    return [said for said in read_log(store.folder) if said["event"] == event]


def test_a_cell_that_raises_is_named_and_the_rest_goes_on(raises, store):
    a = toy("a")
    b = toy("b", a)
    c, d = toy("c", a, b), toy("d", a)
    raises["b"] = ValueError("cannot\ndo that")
    with pytest.raises(CellsFailed) as caught:
        compute(store, [a, b, c, d])
    message = str(caught.value)
    assert message.startswith("b failed: ValueError: cannot do that; 1 cells need what failed; ")
    assert str(store.folder / "log.jsonl") in message
    assert [store.has(cell) for cell in (a, b, c, d)] == [True, False, False, True]
    (failure,) = events(store, "failed")
    assert "raise raises[cell.label]" in failure["traceback"]
    assert status_of(store.folder).failed == {"b": "ValueError: cannot do that"}
    assert not list(store.cells.glob(".*"))
    assert not list((store.folder / "running").iterdir())
    raises.clear()
    assert compute(store, [a, b, c, d]) == 2
    assert held(store, c) == "c(a(),b(a()))"
    assert status_of(store.folder).failed == {}


@pytest.mark.parametrize(
    "error",
    [
        OSError(errno.ENOSPC, "No space left on device"),
        RuntimeError("IoError(Os { code: 28, kind: StorageFull })"),
    ],
    ids=["of the system", "in words"],
)
def test_a_full_disk_stops_everything(raises, store, error):
    cells = [toy(label) for label in "abcd"]
    raises["b"] = error
    with pytest.raises(InputError, match=r"b stopped: no space .* free some space and run"):
        compute(store, cells)
    assert [store.has(cell) for cell in cells] == [True, False, False, False]
    raises.clear()
    assert compute(store, cells) == 3


def damage(store: Store, cell: Cell) -> None:
    (store.path(cell) / "held.txt").write_text("bad")


def test_a_damaged_cell_is_set_aside_and_computed_again(raises, store):
    a = toy("a")
    b, c = toy("b", a), toy("c", a)
    compute(store, [a])
    damage(store, a)
    with pytest.warns(Remark, match=rf"the cell {a.name} is damaged and computed again"):
        assert compute(store, [a, b, c]) == 3
    assert [held(store, cell) for cell in (a, b, c)] == ["a()", "b(a())", "c(a())"]
    assert (store.cells / f".damaged-{a.name}-1" / "held.txt").read_text() == "bad"
    (said,) = events(store, "set aside")
    assert "held.txt has changed since it was computed" in said["error"]


class Scattered(Executor):
    """Several places whose cells end in any order; some cells are damaged meanwhile."""

    def __init__(self, seed: int, store: Store, n_damaged: int) -> None:
        self.random, self.store, self.n_damaged = random.Random(seed), store, n_damaged
        self.running: list[Cell] = []
        self.damaged: list[str] = []

    def start(self, bench, show):
        self.bench = bench

    def submit(self, ready):
        if len(self.running) == 3:
            return None
        self.running.append(self.random.choice(ready))
        return self.running[-1]

    def wait(self, seconds):
        cell = self.running.pop(self.random.randrange(len(self.running)))
        some = [source for source in cell.inputs if self.store.has(source)]
        if some and self.n_damaged and self.random.random() < 0.3:
            self.n_damaged -= 1
            victim = self.random.choice(some)
            damage(self.store, victim)
            self.damaged.append(victim.name)
        return perform(self.bench, cell)

    def close(self):
        self.running = []


@pytest.mark.filterwarnings("ignore::heuristic_core.errors.Remark")
@pytest.mark.parametrize("seed", range(5))
def test_any_graph_in_any_order_with_damage(raises, store, seed):
    rng, cells = random.Random(seed), []
    for i in range(30):
        cells.append(toy(f"n{i}", *rng.sample(cells, min(len(cells), rng.randrange(4)))))
    executor = Scattered(seed, store, n_damaged=2)
    compute(store, cells, executor)
    assert len(executor.damaged) == 2

    def expected(cell: Cell) -> str:
        return f"{cell.label}({','.join(map(expected, cell.inputs))})"

    finished = {cell.name: held(store, cell) for cell in cells}
    # One that was damaged and that nothing read afterwards stays; reading it would find it.
    wrong = {name for name, text in finished.items() if text == "bad"}
    assert wrong <= set(executor.damaged)
    assert all(finished[c.name] == expected(c) for c in cells if c.name not in wrong)
    asides = {said["cell"] for said in events(store, "set aside")}
    assert asides | wrong == set(executor.damaged)


def test_a_cell_that_is_damaged_again_and_again_fails(raises, store, monkeypatch):
    a = toy("a")
    b = toy("b", a)
    publish = Store._publish

    def publish_damaged(self, partial, name):
        publish(self, partial, name)
        if name == a.name:
            damage(self, a)

    monkeypatch.setattr(Store, "_publish", publish_damaged)
    with (
        pytest.warns(Remark, match="computed again"),
        pytest.raises(CellsFailed, match=r"b failed: .* is damaged \(held.txt has changed"),
    ):
        compute(store, [a, b])
    assert len(events(store, "set aside")) == 2


def test_a_clock_that_is_set_back_changes_nothing(raises, store, monkeypatch):
    a = toy("a")
    b = toy("b", a)
    compute(store, [a])
    tomorrow = time.time() + 86400
    for path in store.folder.rglob("*"):
        os.utime(path, (tomorrow, tomorrow))
    note = store.folder / "running" / f"{b.name}@other@1.json"
    note.write_text(json.dumps({"cell": b.name, "share": 0.5, "elapsed": 3.0}))
    os.utime(note, (tomorrow, tomorrow))
    monkeypatch.setattr(time, "time", lambda: tomorrow - 10 * 86400)
    (running,) = status_of(store.folder).running
    assert (running.seconds, running.silent) == (3.0, 0.0)
    assert compute(store, [a, b]) == 1
    found = status_of(store.folder)
    assert (found.done, found.planned, found.left, list(found.running)) == (2, 2, 0.0, [])
    assert 0 <= found.elapsed < 100
    record = json.loads((store.path(b) / "record.json").read_text())
    assert 0 <= record["seconds"] < 100


def test_the_log_survives_half_a_line(raises, store):
    a, b = toy("a"), toy("b")
    compute(store, [a])
    with (store.folder / "log.jsonl").open("a") as log:
        log.write('{"event": "fini')
    compute(store, [a, b])
    assert [said["cell"] for said in events(store, "finished")] == [a.name, b.name]


def test_status_of_a_run_that_goes_on(raises, store):
    cells = [toy(label) for label in "abcd"]
    raises["c"] = InputError("no such thing; give one")
    with pytest.raises(CellsFailed):
        compute(store, cells[:3])
    driver = Driver(quiet(), store)
    driver.journal.write(
        "planned", cells=[{"name": c.name, "label": c.label, "weight": 1.0} for c in cells]
    )
    me = f"@{os.uname().nodename}@{os.getpid()}"
    note = store.folder / "running" / f"{cells[3].name}{me}.json"
    note.write_text(json.dumps({"cell": cells[3].name, "share": 0.25, "elapsed": 30.0}))
    with store.locked():
        found = status_of(store.folder)
        assert found.driver is not None
        assert found.driver.pid == os.getpid()
    assert (found.study, found.planned, found.done) == ("toy", 4, 2)
    (running,) = found.running
    assert (running.label, running.share, running.where.pid) == ("d", 0.25, os.getpid())
    # A quarter of one of two cells took 30 seconds.
    assert found.left == pytest.approx(30 * 1.75 / 0.25)
    assert status_of(store.folder).driver is None


@pytest.mark.parametrize("terminal", [True, False])
def test_several_running_cells_are_shown(terminal):
    stream = io.StringIO()
    console = Console(file=stream, force_terminal=terminal, highlight=False, color_system=None)
    with Watch(console).running(dict.fromkeys("abcd", 1.0), 2) as shown:
        assert shown.start("a", "first")
        assert shown.start("b", "second")
        assert not shown.start("b", "second")
        shown.report("a", 0.5)
        shown._bars.refresh()
        between = stream.getvalue()
        shown.finish("b", 3.0, Process("elsewhere", 1))
        shown.finish("a", 2.0, None, "it has no weights")
        shown.drop({"c"})
    text = stream.getvalue()
    assert "2 of 6 cells are finished already" in text
    assert "[4/6] second  3.0 s on elsewhere" in text
    assert "[3/6] first  failed: it has no weights" in text
    # Bars show both cells at once; without a terminal there are lines, which tell the time left.
    assert all(name in between for name in ("first", "second"))
    assert ("50%" in between) == terminal
    assert ("about" in text) != terminal
