from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from heuristic_core.commands.planning import print_plan
from heuristic_core.errors import InputError
from heuristic_core.storage import write_json
from heuristic_core.study import machines
from heuristic_core.study.forecast import OVERHEAD, Forecast, forecast, makespan, memory_of
from heuristic_core.study.kinds import KINDS, kind_of
from heuristic_core.study.machines import GPUS, NARROW_PART, Machine
from heuristic_core.study.store import Cell, Store
from heuristic_core.tables import TABLES

HERE = Machine()


@pytest.fixture(autouse=True)
def speeds(monkeypatch):
    """Matrix products of 1000 multiply-adds a second, three times as fast in bfloat16."""
    per_thread = {torch.float32: 1000.0, torch.bfloat16: 3000.0}

    def speed(device: str, dtype: torch.dtype, multiply) -> float:
        return per_thread[dtype] * torch.get_num_threads() / n

    n = torch.get_num_threads()
    monkeypatch.setattr(machines, "matrix_speed", speed)
    machines._speed.cache_clear()
    yield
    machines._speed.cache_clear()


def cell(kind: str, number: int, effort: float) -> Cell:
    label = f"{kind}-{number}"
    return Cell(kind=kind, label=label, spec={"number": number}, effort=effort, disk=2e6)


def efficiency(kind: str) -> float:
    return kind_of(cell(kind, 0, 0.0)).efficiency


def finish(store: Store, cell: Cell, seconds: float) -> None:
    # An effort as it was forecast by another version, which must not count.
    record = {"seconds": seconds, "effort": 1.0, "device": "cpu"}
    write_json(store.path(cell) / "record.json", record)


def test_kinds_of_cells_have_a_name_of_their_own_a_version_and_an_efficiency():
    assert len({kind.name for kind in KINDS}) == len({kind.work for kind in KINDS}) == len(KINDS)
    assert all(kind.version >= 1 and 0 < kind.efficiency < 1.5 for kind in KINDS)


def test_kinds_of_cells_fill_all_tables_of_a_run():
    assert {source.table for kind in KINDS for source in kind.tables} == {*TABLES}


def test_finished_cells_of_the_kind_give_the_rate(tmp_path):
    store = Store(tmp_path)
    done, to_do, unlike = cell("removal", 1, 50.0), cell("removal", 2, 200.0), cell("probe", 3, 80)
    finish(store, done, 5.0)
    found = forecast([done, to_do, unlike], store, HERE)
    assert [f.finished for f in found] == [True, False, False]
    assert found[0].seconds == 5.0
    assert found[1].seconds == pytest.approx(200 / 10 + OVERHEAD)
    assert found[2].seconds == pytest.approx(80 / (1000 * efficiency("probe")) + OVERHEAD)
    assert [f.megabytes for f in found] == [2.0, 2.0, 2.0]


def test_cells_in_bfloat16_are_forecast_by_its_own_speed():
    exact = cell("evaluate", 1, 50.0)
    rounded, searched, tuned = (
        Cell(kind=kind, label=kind, spec={"bf16": True}, effort=50.0)
        for kind in ("evaluate", "disjoint", "finetune")
    )
    found = forecast([exact, rounded, searched, tuned], None, HERE)
    of_exact, of_rounded, of_searched, of_tuned = (one.seconds - OVERHEAD for one in found)
    assert of_exact == pytest.approx(50 / (1000 * efficiency("evaluate")))
    assert of_rounded == pytest.approx(of_exact / 3 / NARROW_PART)
    assert of_tuned == pytest.approx(50 / (3000 * NARROW_PART * efficiency("finetune")))
    # Most of it are searches, which do not compute in it.
    assert of_searched == pytest.approx(50 / (1000 * efficiency("disjoint")))


def test_other_finished_cells_give_rates_but_no_rows(tmp_path):
    store = Store(tmp_path)
    other, to_do = cell("search", 1, 30.0), cell("search", 2, 60.0)
    finish(store, other, 10.0)
    (found,) = forecast([to_do], store, HERE, [other])
    assert found.seconds == pytest.approx(60 / 3 + OVERHEAD)


def test_a_cell_of_the_same_content_under_another_name_is_to_do(tmp_path):
    store, one = Store(tmp_path), cell("search", 1, 30.0)
    finish(store, one, 10.0)
    (found,) = forecast([replace(one, label="again")], store, HERE, [one])
    assert not found.finished


def test_a_model_of_unknown_size_has_no_forecast():
    (found,) = forecast([cell("search", 1, 0.0)], None, HERE)
    assert found.seconds is None


def test_workers_share_what_does_not_wait():
    first = cell("finetune", 1, 1.0)
    rest = [replace(cell("search", i, 1.0), inputs=(first,)) for i in range(3)]
    last = replace(cell("evaluate", 9, 1.0), inputs=(first, rest[0]))
    times = dict(zip([first, *rest, last], [10.0, 4.0, 3.0, 3.0, 2.0], strict=True))

    def whole(workers: int, *finished: Cell) -> float | None:
        found = [Forecast(c, c in finished, seconds, 1.0) for c, seconds in times.items()]
        return makespan(found, workers)

    assert whole(1) == 22
    # After the first, one takes 4 and 2 seconds, the other 3 and 3.
    assert whole(2) == 16
    assert whole(9) == 16
    assert whole(1, first, rest[0]) == 8
    assert whole(2, *times) == 0
    assert makespan([Forecast(first, False, None, 1.0)], 2) is None


def test_cells_of_other_threads_and_devices(tmp_path):
    store, done, to_do = Store(tmp_path), cell("search", 1, 30.0), cell("search", 2, 60.0)
    threads = torch.get_num_threads()
    write_json(
        store.path(done) / "record.json", {"seconds": 10.0, "device": "cpu", "threads": threads}
    )
    # With twice the threads a matrix product is twice as fast in this test, and so is the cell.
    (fast,) = forecast([to_do], store, Machine(threads=2 * threads), [done])
    assert fast.seconds == pytest.approx(60 / (3 * 2) + OVERHEAD)
    (same,) = forecast([to_do], store, Machine(threads=threads), [done])
    assert same.seconds == pytest.approx(60 / 3 + OVERHEAD)
    # What was computed here says nothing of a GPU.
    (there,) = forecast([to_do], store, Machine(gpu="A5000"), [done])
    peak = 27.8e12 / 2
    assert there.seconds == pytest.approx(60 / (peak * efficiency("search")) + OVERHEAD)


def test_a_gpu_is_known_or_refused():
    assert Machine(gpu="A100", workers=4).name == "4 A100s"
    assert Machine(gpu="A100").name == "A100"
    assert Machine(workers=2).name == "cpu with 2 workers"
    for peak in GPUS.values():
        assert 0 < peak.float32 < peak.narrow
    bf16 = Machine(gpu="A100").speed("bfloat16")
    assert bf16 == pytest.approx(NARROW_PART * 312e12 / 2)
    with pytest.raises(InputError, match="unknown GPU 'B52'"):
        Machine(gpu="B52")


def test_memory_is_that_of_the_copies_a_kind_holds():
    tuned, searched = (memory_of(cell(kind, 1, 1.0), 4e8) for kind in ("finetune", "search"))
    assert tuned - searched == pytest.approx(3 * 4e8)
    (found,) = forecast([cell("search", 1, 1.0)], None, HERE, weights=400_000_000)
    assert found.memory == searched


@pytest.mark.parametrize(("gigabytes", "told"), [(1, True), (24, False)])
def test_a_gpu_that_is_too_small_is_told(tmp_path, monkeypatch, capsys, gigabytes, told):
    monkeypatch.setitem(GPUS, "A5000", GPUS["A5000"]._replace(gigabytes=gigabytes))
    machine = Machine(gpu="A5000")
    print_plan("one", tmp_path, [cell("search", 1, 1.0)], machine, False, weights=10**8)
    assert ("a worker needs more than the 1 GB of A5000" in capsys.readouterr().out) == told
