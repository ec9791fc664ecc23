"""Read the accuracies that the paper's authors published into this program's tables."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from ..errors import InputError, one_line
from ..storage import read_json
from ..tables import EVALUATIONS
from ..tasks.grammar import SUBCASES
from ..tasks.hans import HANS_KINDS, HANS_PER_CASE

#: The last step of the authors' fine-tuning, whose model the files without checkpoints are about.
FINAL_STEP = 61_360
#: Stands in the files for the accuracies of a run that failed.
FAILED = -1.0
#: The adversarial cases that the paper follows.
FOLLOWED = (
    "ln_subject/object_swap",
    "ln_preposition",
    "cn_embedded_under_if",
    "cn_embedded_under_verb",
)

#: What tables say of each case. All published accuracies are whole numbers of ``n`` examples.
_CASES: Mapping[str, dict[str, Any]] = {
    **{
        case: {"suite": "mnli", "role": "id", "case": case, "case_kind": "id", "n": n}
        for case, n in (("matched", 9815), ("mismatched", 9832))
    },
    **{
        case: {"suite": "hans", "role": "ood", "case": case, "case_kind": kind, "n": HANS_PER_CASE}
        for case, kind in HANS_KINDS.items()
    },
}
#: Cases of HANS as the files write them, after the name of the heuristic.
_WRITTEN = {case.replace("/", "-"): case for case in SUBCASES}
_HEURISTICS = ("lexical_overlap_", "subsequence_", "constituent_")
_FILES = {
    "mnli-sp50.json": "lists, one number a subnetwork, named by `seed`, `sparsity` and cases",
    "mnli-sp70.json": "lists, one number a subnetwork, named by `seed`, `sparsity` and cases",
    "mnli-acc_vs_sparsity.json": "seed -> sparsity in per cent -> case -> accuracy",
    "mnli-acc_over_ft.json": "step -> case -> accuracy",
    "mnli-sparsity-grid-acc.json": "seed -> step -> sparsity in per cent -> case -> accuracy",
}


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


#: Accuracies by case, of every run.
Runs = dict[Run, dict[str, float]]


@dataclass(frozen=True, eq=False, kw_only=True)
class Published:
    """The published accuracies, as rows of ``tables.EVALUATIONS``.

    Only accuracies were published, so ``kl`` and ``margin`` are NaN. The seed of the fine-tuning
    is unknown; it is 0 here. Failed runs are left out unless said otherwise.

    Args:
        at_50: The final model and twelve subnetworks at 50 %, on MNLI and all of HANS.
        at_70: The same at 70 %.
        by_sparsity: The final model and three subnetworks at each sparsity from 5 to 70 %, on
            MNLI and four cases of HANS.
        grid: The same for ten checkpoints.
        grid_as_written: The grid with failed runs, whose accuracies are -1.
        realised: The sparsity that runs asked for 50 or 70 % really have; columns sparsity, seed
            and realised.
        failed: The failed runs of the grid.
        absent: The runs that the grid lacks.
    """

    at_50: pd.DataFrame
    at_70: pd.DataFrame
    by_sparsity: pd.DataFrame
    grid: pd.DataFrame
    grid_as_written: pd.DataFrame
    realised: pd.DataFrame
    failed: tuple[Run, ...]
    absent: tuple[Run, ...]


def read_published(folder: Path) -> Published:
    """Read the five files of accuracies on MNLI and HANS.

    Args:
        folder: Where they are.

    Raises:
        InputError: If a file is missing or has another shape.
    """
    missing = [name for name in _FILES if not (folder / name).is_file()]
    if missing:
        raise InputError(
            f"{folder} lacks {missing[0]}; give the folder with the authors' {len(_FILES)} JSON "
            "files of accuracies on MNLI and HANS"
        )
    at_50, at_70, by_sparsity, full, grid = (
        _Reader(folder / name, shape) for name, shape in _FILES.items()
    )
    (runs_50, real_50), (runs_70, real_70) = at_50.lists(0.5), at_70.lists(0.7)
    searched = dict(grid.tree(with_steps=True))
    axes = zip(*((run.seed, run.checkpoint, run.sparsity) for run in searched), strict=True)
    all_runs = itertools.starmap(Run, itertools.product(*(sorted(set(axis)) for axis in axes)))
    as_written = dict(full.steps()) | searched
    return Published(
        at_50=_table(runs_50),
        at_70=_table(runs_70),
        by_sparsity=_table(dict(by_sparsity.tree(with_steps=False))),
        grid=_table(as_written),
        grid_as_written=_table(as_written, with_failed=True),
        realised=pd.DataFrame(real_50 + real_70, columns=["sparsity", "seed", "realised"]),
        failed=tuple(run for run, cases in searched.items() if FAILED in cases.values()),
        absent=tuple(run for run in all_runs if run not in searched),
    )


@dataclass(frozen=True)
class _Reader:
    """One file; every departure from its shape is an error.

    Args:
        path: The file.
        shape: What it should hold.
    """

    path: Path
    shape: str

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
        numbers = [-1, *map(self._whole, seeds[1:])]
        runs = {
            Run(seed, FINAL_STEP, target if i else 0.0): self._cases(
                {name: values[i] for name, values in content.items()}
            )
            for i, seed in enumerate(numbers)
        }
        real = [self._accuracy(value, "sparsity") for value in realised]
        return runs, [(target, *pair) for pair in zip(numbers[1:], real[1:], strict=True)]

    def tree(self, with_steps: bool) -> Iterator[tuple[Run, dict[str, float]]]:
        """Read nested objects of subnetworks; sparsity 0 is the full model, once for each seed."""
        for seed, of_seed in self._items(read_json(self.path), "the file"):
            steps = self._items(of_seed, seed) if with_steps else [(str(FINAL_STEP), of_seed)]
            for step, of_step in steps:
                for level, cases in self._items(of_step, f"{seed}, {step}"):
                    sparsity = self._whole(level) / 100
                    if not 0 <= sparsity < 1:
                        raise self._error(f"a sparsity of {one_line(level, 20)} %")
                    number = self._whole(seed) if sparsity else -1
                    yield Run(number, self._whole(step), sparsity), self._cases(cases)

    def steps(self) -> Iterator[tuple[Run, dict[str, float]]]:
        """Read the full model's accuracies at each step."""
        for step, cases in self._items(read_json(self.path), "the file"):
            yield Run(-1, self._whole(step), 0.0), self._cases(cases)

    def _cases(self, cases: Any) -> dict[str, float]:
        accuracies = {}
        for written, value in self._items(cases, "a run"):
            case = written.removeprefix("mnli-").removeprefix("validation_")
            heuristic = next((h for h in _HEURISTICS if written.startswith(h)), None)
            if heuristic:
                case = _WRITTEN.get(written.removeprefix(heuristic), "")
            if case not in _CASES or (case in SUBCASES and not heuristic):
                raise self._error(f"the unknown case {one_line(written, 60)!r}")
            accuracies[case] = self._accuracy(value, written)
        return accuracies

    def _accuracy(self, value: Any, name: str) -> float:
        is_number = isinstance(value, int | float) and not isinstance(value, bool)
        if not is_number or not (0 <= value <= 1 or value == FAILED):
            raise self._error(f"{one_line(repr(value), 30)} as {one_line(name, 60)!r}")
        return float(value)

    def _whole(self, text: Any) -> int:
        if not isinstance(text, str) or not (text.isascii() and text.isdigit()):
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


def _table(runs: Runs, *, with_failed: bool = False) -> pd.DataFrame:
    """Return a row of each run and case; failed runs are left out unless asked for."""
    rows = [
        {
            **asdict(run),
            **_CASES[case],
            "finetune_seed": 0,
            "kind": "subnetwork" if run.sparsity else "full",
            "method": "published" if run.sparsity else "",
            "correct": round(accuracy * _CASES[case]["n"]),
            "kl": math.nan,
            "margin": math.nan,
        }
        for run, cases in runs.items()
        for case, accuracy in cases.items()
        if accuracy != FAILED or with_failed
    ]
    # Not a full check: neither ``kl`` nor ``margin`` was published.
    return EVALUATIONS.conform(pd.DataFrame(rows, columns=EVALUATIONS.names))
