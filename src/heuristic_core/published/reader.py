"""Read the accuracies that the paper's authors published into this program's tables."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict, astuple, dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from ..errors import InputError, one_line
from ..storage import read_json
from ..tables import EVALUATIONS
from .paper_tasks import GRID, OVER_SPARSITY, OVER_STEPS, PAPER_TASKS, PaperTask, Whole

#: Stands in the files for the accuracies of a run that failed.
FAILED = -1.0


@dataclass(frozen=True)
class Run:
    """What names one of the authors' runs.

    Args:
        seed: Seed of the search; -1 for the full model.
        checkpoint: Optimiser step of the model.
        sparsity: Sparsity asked for; 0 for the full model.
    """

    seed: int
    checkpoint: int
    sparsity: float


#: Examples answered rightly by case, of every run; those of a failed run are -1 times all.
Runs = dict[Run, dict[str, int]]


@dataclass(frozen=True, eq=False, kw_only=True)
class Published:
    """The published accuracies on one task, as rows of ``tables.EVALUATIONS``.

    Only accuracies were published, so ``kl`` and ``margin`` are NaN. The seed of the fine-tuning
    is unknown; it is 0 here. Failed runs are left out unless said otherwise. Tables of files that
    are missing have no rows.

    Args:
        task: The task.
        missing: The names of its files that are not there.
        twelve: The final model and twelve subnetworks, by the sparsity asked for, on all cases.
        by_sparsity: The final model and three subnetworks at each of many sparsities, on the
            in-domain cases and those that the paper follows.
        grid: The same for ten checkpoints.
        grid_as_written: The grid with failed runs, whose accuracies are -1.
        realised: The sparsity that the twelve really have; columns sparsity, seed and realised.
        failed: The failed runs of the grid.
        absent: The runs that the grid lacks.
    """

    task: PaperTask
    missing: tuple[str, ...]
    twelve: Mapping[float, pd.DataFrame]
    by_sparsity: pd.DataFrame
    grid: pd.DataFrame
    grid_as_written: pd.DataFrame
    realised: pd.DataFrame
    failed: tuple[Run, ...]
    absent: tuple[Run, ...]


def read_published(folder: Path) -> dict[str, Published]:
    """Read the authors' files of accuracies, each if it is there.

    Args:
        folder: Where they are.

    Returns:
        What was published on each task, by its name; a task without files has empty tables.

    Raises:
        InputError: If there is no file at all, or one has another shape.
    """
    names = [name for task in PAPER_TASKS for name in task.files]
    if not any((folder / name).is_file() for name in names):
        raise InputError(
            f"{folder} has none of the authors' {len(names)} JSON files of accuracies, such as "
            f"{names[0]}; give the folder with them"
        )
    return {task.name: _read(folder, task) for task in PAPER_TASKS}


def _read(folder: Path, task: PaperTask) -> Published:
    files = {
        name: _Reader(folder / name, shape, task)
        for name, shape in task.files.items()
        if (folder / name).is_file()
    }
    lists = {
        level: file.lists(level)
        for level in task.levels
        if (file := files.get(task.file(level))) is not None
    }
    over_sparsity, over_steps, grid = (
        files.get(task.file(end)) for end in (OVER_SPARSITY, OVER_STEPS, GRID)
    )
    full = over_steps.steps() if over_steps else {}
    searched = grid.tree(with_steps=True) if grid else {}
    found = [astuple(run) for run in searched if run.sparsity]
    axes = [sorted(set(axis)) for axis in zip(*found, strict=True)]
    every = itertools.starmap(Run, itertools.product(*axes) if found else ())
    return Published(
        task=task,
        missing=tuple(name for name in task.files if name not in files),
        twelve={level: _table(task, runs) for level, (runs, _) in lists.items()},
        by_sparsity=_table(task, over_sparsity.tree(with_steps=False) if over_sparsity else {}),
        grid=_table(task, full | searched),
        grid_as_written=_table(task, full | searched, with_failed=True),
        realised=pd.DataFrame(
            [row for _, real in lists.values() for row in real],
            columns=["sparsity", "seed", "realised"],
        ),
        failed=tuple(run for run, counts in searched.items() if _failed(counts)),
        absent=tuple(run for run in every if run not in searched),
    )


@dataclass(frozen=True)
class _Reader:
    """One file; every departure from its shape is an error.

    Args:
        path: The file.
        shape: What it should hold.
        task: The task that it is about.
    """

    path: Path
    shape: str
    task: PaperTask

    def lists(self, target: float) -> tuple[Runs, list[tuple[float, int, float]]]:
        """Read lists that hold the full model, then a subnetwork of each seed.

        Args:
            target: The sparsity asked for.

        Returns:
            The runs; and of each subnetwork the sparsity asked for, its seed and the sparsity that
            it has.
        """
        content = dict(self._items(read_json(self.path), "the file"))
        for name in ("seed", "sparsity"):
            if not isinstance(content.get(name), list):
                raise self._error(f"no list {name!r}")
        for name, values in content.items():
            if not isinstance(values, list) or len(values) != len(content["seed"]):
                raise self._error(f"{name!r} is no list as long as `seed`")
        seeds, realised = content.pop("seed"), content.pop("sparsity")
        if not content or len(seeds) < 2 or seeds[0] != "original":
            raise self._error("no cases, or no model `original` before the subnetworks")
        numbers = [-1, *map(self._number, seeds[1:])]
        if len(set(numbers)) < len(numbers):
            raise self._error("a seed twice")
        runs = self._runs(
            (
                Run(seed, self.task.last_step, target if i else 0.0),
                {name: values[i] for name, values in content.items()},
            )
            for i, seed in enumerate(numbers)
        )
        real = [self._share(value, "sparsity") for value in realised]
        return runs, [(target, *pair) for pair in zip(numbers[1:], real[1:], strict=True)]

    def tree(self, with_steps: bool) -> Runs:
        """Read nested objects of subnetworks; sparsity 0 is the full model, once for each seed."""
        return self._runs(self._nested(with_steps))

    def steps(self) -> Runs:
        """Read the full model's accuracies at each step."""
        steps = self._items(read_json(self.path), "the file")
        return self._runs((Run(-1, self._number(step), 0.0), cases) for step, cases in steps)

    def _nested(self, with_steps: bool) -> Iterator[tuple[Run, Any]]:
        last = str(self.task.last_step)
        for seed, of_seed in self._items(read_json(self.path), "the file"):
            for step, of_step in self._items(of_seed, seed) if with_steps else [(last, of_seed)]:
                for level, cases in self._items(of_step, f"{seed}, {step}"):
                    sparsity = self._number(level) / 100
                    if not 0 <= sparsity < 1:
                        raise self._error(f"a sparsity of {one_line(level, 20)} %")
                    number = self._number(seed) if sparsity else -1
                    yield Run(number, self._number(step), sparsity), cases

    def _runs(self, read: Iterable[tuple[Run, Any]]) -> Runs:
        runs = {run: self._counts(run, cases) for run, cases in read}
        if len({frozenset(counts) for counts in runs.values() if not _failed(counts)}) > 1:
            raise self._error("runs that differ in their cases")
        return runs

    def _counts(self, run: Run, cases: Any) -> dict[str, int]:
        whole, sizes = self.task.whole, self.task.sizes
        shares = {}
        for written, value in self._items(cases, "a run"):
            if written not in self.task.written:
                raise self._error(f"the unknown case {one_line(written, 60)!r}")
            # Only searches fail.
            is_failed = run.sparsity > 0 and value == FAILED
            shares[self.task.written[written]] = (
                FAILED if is_failed else self._share(value, written)
            )
        if FAILED in shares.values():
            # A failed run has no accuracy of the part of a whole.
            shares = dict.fromkeys([*shares, *(whole.known if whole else ())], FAILED)
        counts = {case: round(share * sizes[case]) for case, share in shares.items()}
        if whole:
            counts[whole.rest] = self._rest(whole, counts)
            del counts[whole.case]
        if not any(self.task.cases[case]["role"] == "id" for case in counts):
            raise self._error("a run without in-domain cases")
        return counts

    def _rest(self, whole: Whole, counts: Mapping[str, int]) -> int:
        """Compute how many of the examples outside the part are answered rightly."""
        for written, case in self.task.written.items():
            if case in whole.known and case not in counts:
                raise self._error(f"a run without {written!r}")
        rest, n = counts[whole.case] - counts[whole.part], self.task.sizes[whole.rest]
        if not 0 <= rest <= n and counts[whole.case] >= 0:
            raise self._error(f"{rest} right answers to the {n} examples of {whole.rest!r}")
        return rest

    def _share(self, value: Any, name: str) -> float:
        is_number = isinstance(value, int | float) and not isinstance(value, bool)
        if not is_number or not 0 <= value <= 1:
            raise self._error(f"{one_line(repr(value), 30)} as {one_line(name, 60)!r}")
        return float(value)

    def _number(self, text: Any) -> int:
        if not isinstance(text, str) or not (text.isascii() and text.isdigit() and len(text) < 10):
            raise self._error(f"{one_line(repr(text), 30)} where a whole number should be")
        return int(text)

    def _items(self, value: Any, where: str) -> list[tuple[str, Any]]:
        if not isinstance(value, dict) or not value:
            raise self._error(f"{one_line(where, 60)} holds no names")
        return list(value.items())

    def _error(self, what: str) -> InputError:
        return InputError(
            f"{self.path} is not shaped like the authors' file ({self.shape}): it has {what}"
        )


def _failed(counts: Mapping[str, int]) -> bool:
    return min(counts.values()) < 0


def _table(task: PaperTask, runs: Runs, *, with_failed: bool = False) -> pd.DataFrame:
    """Return a row of each run and case; failed runs are left out unless asked for."""
    rows = [
        {
            **asdict(run),
            **task.cases[case],
            "finetune_seed": 0,
            "kind": "subnetwork" if run.sparsity else "full",
            "method": "published" if run.sparsity else "",
            "correct": correct,
            "kl": math.nan,
            "margin": math.nan,
        }
        for run, counts in runs.items()
        if with_failed or not _failed(counts)
        for case, correct in counts.items()
    ]
    # Not a full check: neither ``kl`` nor ``margin`` was published.
    return EVALUATIONS.conform(pd.DataFrame(rows, columns=EVALUATIONS.names))
