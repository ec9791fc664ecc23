"""What it costs to hand cells out, and what more workers gain.

First, cells that do nothing: the time of each is what surrounds a cell, once all processes are
there. The memory is that of the driver, and of the process that computed most, after a tenth of the
cells and after all. Second, the searches and evaluations of a study by one worker of one thread,
two of one and one of two, in turn, the start of the workers included; fine-tuning is done before.

    python benchmarks/executors.py
"""

from __future__ import annotations

import argparse
import contextlib
import io
import shutil
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from rich.console import Console

from common import count, interleaved, median, new_parser, run, save, seconds, shown, table
from heuristic_core.storage import read_json
from heuristic_core.study.config import load_study
from heuristic_core.study.driver import Driver
from heuristic_core.study.executors.executor import Executor
from heuristic_core.study.executors.here import Here
from heuristic_core.study.executors.workers import Workers
from heuristic_core.study.run import RunOptions, run_study
from heuristic_core.study.watch import Watch
from tiny_cells import resident, tiny_bench, tiny_cells

#: Ways of computing cells: workers and threads of each.
WAYS = {"1 x 1": (1, 1), "2 x 1": (2, 1), "1 x 2": (1, 2)}
TOY = {"cells": 20, "systems": ["here"], "study": None}
INTRO = (
    "Milliseconds a cell are the whole time over the number of cells. Gains are medians over "
    "rounds, each the ratio to one worker of one thread within the round; brackets are 95 % "
    "bootstrap intervals."
)


def new_executor(system: str) -> Executor:
    """Make the executor of one line of the first table."""
    if system == "here":
        return Here(1)
    if system == "workers":
        return Workers(2, 1)
    from heuristic_core.study.executors.on_ray import OnRay

    return OnRay("local", 1)


def quiet() -> Watch:
    return Watch(Console(file=io.StringIO()))


def tiny_study(system: str, n: int) -> dict[str, Any]:
    """Compute tiny cells, and measure time and memory."""
    with tempfile.TemporaryDirectory() as name, contextlib.closing(new_executor(system)) as by:
        bench, cells = tiny_bench(Path(name)), tiny_cells(n + 10)
        driver = Driver(quiet(), bench.store, by)
        driver.compute(cells[:10], bench)  # now all processes are there
        tenth = 10 + n // 10
        spent = seconds(lambda: driver.compute(cells[10:tenth], bench))
        early = resident()
        spent += seconds(lambda: driver.compute(cells[tenth:], bench))
        facts = [read_json(bench.store.path(cell) / "facts.json") for cell in cells]
    pids = [fact["pid"] for fact in facts]
    own = [fact["megabytes"] for fact in facts if fact["pid"] == max(pids, key=pids.count)]
    return {
        "ms": 1000 * spent / n,
        "driver": [early, resident()],
        "worker": [own[len(own) // 10], own[-1]],
    }


def tiny_table(results: dict[str, dict[str, Any]]) -> str:
    rows = [
        [name, f"{r['ms']:.1f}"]
        + [f"{start:.0f}, {end:.0f}" for start, end in (r["driver"], r["worker"])]
        for name, r in results.items()
    ]
    return table(["computed by", "ms a cell", "driver, MB", "worker, MB"], rows)


def prepared(options: argparse.Namespace, folder: Path) -> Callable[[int, int], float]:
    """Fine-tune and prepare; return what times the rest."""
    config = load_study(options.study, options.set)
    run_study(config, RunOptions(folder, device="cpu"), quiet(), kinds=("prepare",))

    def timed(workers: int, threads: int) -> float:
        with tempfile.TemporaryDirectory() as name:
            copy = Path(shutil.copytree(folder, Path(name) / "run"))
            by = Workers(workers, threads)
            rest = RunOptions(copy, device="cpu", executor=by)
            start = time.perf_counter()
            run_study(config, rest, quiet(), kinds=("search", "evaluate"))
            return time.perf_counter() - start

    return timed


def gains(options: argparse.Namespace) -> dict[str, list[float]]:
    """Time the searches and evaluations of a study in every way, in turn."""
    with tempfile.TemporaryDirectory() as name:
        timed = prepared(options, Path(name) / "run")
        systems = {way: lambda _, size=size: timed(*size) for way, size in WAYS.items()}
        return interleaved(systems, options.rounds, warm_up=0)


def gain_table(times: dict[str, list[float]]) -> str:
    first = times["1 x 1"]
    rows = [
        [
            way,
            shown(median(spent)),
            shown(median([a / b for a, b in zip(first, spent, strict=True)])),
        ]
        for way, spent in times.items()
    ]
    return table(["workers x threads", "s", "gain"], rows)


def benchmark(options: argparse.Namespace) -> None:
    tiny = {system: tiny_study(system, options.cells) for system in options.systems}
    tables = [tiny_table(tiny)]
    content: dict[str, Any] = {"tiny": tiny}
    print(tables[0], flush=True)
    if options.study not in (None, "none"):
        content["seconds"] = gains(options)
        tables.append(gain_table(content["seconds"]))
    save(options, "executors", "Executors", INTRO, "\n".join(tables), content)


def main(arguments: Sequence[str] | None = None) -> None:
    program = new_parser(__doc__)
    program.add_argument("--cells", type=count, default=1000, help="cells that do nothing")
    program.add_argument(
        "--systems", nargs="+", default=["here", "workers", "ray"], help="here, workers, ray"
    )
    program.add_argument("--study", default="quickstart", help="a study, or none: no second table")
    program.add_argument("--set", action="append", default=[], help="changes one of its settings")
    program.add_argument("--rounds", type=count, default=3)
    run(benchmark, program, TOY, arguments)


if __name__ == "__main__":
    main()
