"""Reading the accuracies that the paper's authors published, as tables of this program."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from ..errors import InputError, one_line
from ..storage import read_json
from ..tables import EVALUATION, conform
from ..tasks.grammar import SUBCASES
from ..tasks.hans import HANS_KINDS, HANS_PER_CASE

#: The last step of the authors' fine-tuning, whose model the files without checkpoints are about.
FINAL_STEP = 61_360
#: Stands for accuracies of runs that failed.
FAILED = -1.0
#: The adversarial cases that the paper follows.
FOLLOWED = (
    "ln_subject/object_swap",
    "ln_preposition",
    "cn_embedded_under_if",
    "cn_embedded_under_verb",
)

#: Examples of the two development sets: all published accuracies are whole numbers of these.
_MNLI = {"matched": 9815, "mismatched": 9832}
_PREFIXES = ("lexical_overlap_", "subsequence_", "constituent_")
_NO_CASES = ("seed", "sparsity")
_HANS = {name.replace("/", "-"): name for name in SUBCASES}
_FILES = {
    "mnli-sp50.json": "lists, one number a subnetwork, named by `seed`, `sparsity` and cases",
    "mnli-sp70.json": "lists, one number a subnetwork, named by `seed`, `sparsity` and cases",
    "mnli-acc_vs_sparsity.json": "seed -> sparsity in per cent -> case -> accuracy",
    "mnli-acc_over_ft.json": "step -> case -> accuracy",
    "mnli-sparsity-grid-acc.json": "seed -> step -> sparsity in per cent -> case -> accuracy",
}


@dataclass(frozen=True)
class Run:
    """What names one of the authors' runs: search seed, step and sparsity asked for."""

    seed: int
    checkpoint: int
    sparsity: float


@dataclass(frozen=True, eq=False)
class Published:
    """The published accuracies, in tables with the columns of ``tables.EVALUATION``.

    Only accuracies were published, so ``kl`` and ``margin`` are NaN throughout. The fine-tuning
    has seed 0, as its own is not told.

    Args:
        at_50: The final model and twelve subnetworks at 50 %, on MNLI and all of HANS.
        at_70: The same at 70 %.
        by_sparsity: The final model and three subnetworks at each sparsity from 5 to 70 %, on
            MNLI and four cases of HANS.
        grid: The same for ten checkpoints.
        realised: The sparsity that runs asked for 50 or 70 % really have; columns sparsity, seed
            and realised.
        failed: Runs of the grid that stand with -1 there.
        absent: Runs of the grid that are not there at all.
    """

    at_50: pd.DataFrame
    at_70: pd.DataFrame
    by_sparsity: pd.DataFrame
    grid: pd.DataFrame
    realised: pd.DataFrame
    failed: tuple[Run, ...]
    absent: tuple[Run, ...]


def read_published(folder: Path, *, keep_failed: bool = False) -> Published:
    """Read the five files of accuracies on MNLI and HANS.

    Args:
        folder: Where they are.
        keep_failed: Take -1 for an accuracy, as a reader that does not know what it stands for
            would; otherwise failed runs are left out.

    Raises:
        InputError: If a file is missing or has another shape.
    """
    missing = [name for name in _FILES if not (folder / name).is_file()]
    if missing:
        raise InputError(
            f"{folder} lacks {missing[0]}; give the folder with the authors' {len(_FILES)} JSON "
            "files of accuracies on MNLI and HANS"
        )
    files = {name: _Reader(folder / name, shape) for name, shape in _FILES.items()}
    at_50, real_50 = files["mnli-sp50.json"].lists(0.5)
    at_70, real_70 = files["mnli-sp70.json"].lists(0.7)
    curve = list(files["mnli-acc_vs_sparsity.json"].tree(with_steps=False))
    full = list(files["mnli-acc_over_ft.json"].steps())
    grid = list(files["mnli-sparsity-grid-acc.json"].tree(with_steps=True))
    runs = dict(grid)
    failed = tuple(run for run, cases in runs.items() if FAILED in cases.values())
    axes = zip(*((run.seed, run.checkpoint, run.sparsity) for run in runs), strict=True)
    absent = [
        run
        for values in itertools.product(*(sorted(set(axis)) for axis in axes))
        if (run := Run(*values)) not in runs
    ]
    return Published(
        _table(at_50, keep_failed),
        _table(at_70, keep_failed),
        _table(curve, keep_failed),
        _table([*full, *grid], keep_failed),
        pd.concat([real_50, real_70], ignore_index=True),
        failed,
        tuple(absent),
    )


@dataclass(frozen=True)
class _Reader:
    """One file, whose every departure from its shape is an error.

    Args:
        path: The file.
        shape: What it should hold.
    """

    path: Path
    shape: str

    def lists(self, target: float) -> tuple[list[tuple[Run, dict[str, float]]], pd.DataFrame]:
        """Read lists that hold the full model first and a subnetwork of each seed after it."""
        content = self._mapping(read_json(self.path), "the file")
        for name in ("seed", "sparsity"):
            if not isinstance(content.get(name), list):
                raise self._error(f"no list {name!r}")
        seeds, realised = content["seed"], content["sparsity"]
        cases = {name: values for name, values in content.items() if name not in _NO_CASES}
        for name, values in content.items():
            if not isinstance(values, list) or len(values) != len(seeds):
                raise self._error(f"{name!r} is no list as long as `seed`")
        if not cases or len(seeds) < 2 or seeds[0] != "original":
            raise self._error("no cases, or no model `original` before the subnetworks")
        rows, real = [], []
        for i, seed in enumerate(seeds):
            number = -1 if i == 0 else self._whole(seed)
            run = Run(number, FINAL_STEP, target if i else 0.0)
            rows.append((run, self._cases({name: values[i] for name, values in cases.items()})))
            real.append((target, number, self._accuracy(realised[i], "sparsity")))
        frame = pd.DataFrame(real[1:], columns=["sparsity", "seed", "realised"])
        return rows, frame

    def tree(self, with_steps: bool) -> Iterator[tuple[Run, dict[str, float]]]:
        """Read nested objects of subnetworks; at sparsity 0 stands the full model."""
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
        found = {}
        for written, value in self._items(cases, "a run"):
            name = written.removeprefix("mnli-").removeprefix("validation_")
            if name not in _MNLI:
                prefix = next((p for p in _PREFIXES if written.startswith(p)), "")
                name = _HANS.get(written.removeprefix(prefix), "") if prefix else ""
            if not name:
                raise self._error(f"the unknown case {one_line(written, 60)!r}")
            found[name] = self._accuracy(value, written)
        return found

    def _accuracy(self, value: Any, name: str) -> float:
        known = isinstance(value, int | float) and not isinstance(value, bool)
        if not known or not (0 <= value <= 1 or value == FAILED) or not math.isfinite(value):
            raise self._error(f"{one_line(repr(value), 30)} as {one_line(name, 60)!r}")
        return float(value)

    def _whole(self, text: Any) -> int:
        if not isinstance(text, str) or not (text.isascii() and text.isdigit()):
            raise self._error(f"{one_line(repr(text), 30)} where a whole number should be")
        return int(text)

    def _mapping(self, value: Any, where: str) -> Mapping[str, Any]:
        if not isinstance(value, dict) or not value:
            raise self._error(f"{one_line(where, 60)} holds no names")
        return value

    def _items(self, value: Any, where: str) -> list[tuple[str, Any]]:
        return list(self._mapping(value, where).items())

    def _error(self, what: str) -> InputError:
        return InputError(
            f"{self.path} is not shaped like the authors' file ({self.shape}): it has {what}"
        )


def _table(runs: list[tuple[Run, dict[str, float]]], keep_failed: bool) -> pd.DataFrame:
    """Turn runs into rows; the full model, which may stand with every seed, is taken once."""
    rows = []
    for run, cases in dict(runs).items():
        for case, accuracy in cases.items():
            if accuracy == FAILED and not keep_failed:
                continue
            in_domain = case in _MNLI
            n = _MNLI.get(case, HANS_PER_CASE)
            rows.append(
                {
                    "finetune_seed": 0,
                    "checkpoint": run.checkpoint,
                    "kind": "subnetwork" if run.sparsity else "full",
                    "method": "published" if run.sparsity else "",
                    "sparsity": run.sparsity,
                    "seed": run.seed,
                    "suite": "mnli" if in_domain else "hans",
                    "role": "id" if in_domain else "ood",
                    "case": case,
                    "case_kind": "id" if in_domain else HANS_KINDS[case],
                    "n": n,
                    "correct": round(accuracy * n),
                    "kl": math.nan,
                    "margin": math.nan,
                }
            )
    return conform(pd.DataFrame(rows, columns=list(EVALUATION)), EVALUATION)
