"""A subnetwork on every case of every suite: how close it stays to the full model."""

from __future__ import annotations

import zlib
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import numpy as np
import pandas as pd
import torch
from jaxtyping import Float

from ..analysis.intervals import holm, student
from ..card_tables import CASES
from ..errors import InputError, expect
from ..measure.accuracy import Logits, per_example, predict_each
from ..models.classifier import Classifier
from ..models.encoding import Encoded
from ..progress import Progress, partial_progress
from ..search.data import SearchData
from ..search.problem import no_progress
from ..subnetwork import Subnetwork
from ..tasks.task import Suite, Task
from .divergence import Divergences, Masks
from .random_sets import own_seed, rank_p
from .remembered import Remembered

#: The name of a task, and one of its suites.
Named = tuple[str, Suite]


def suites_of(model: Classifier, tasks: Sequence[Task | Suite]) -> list[Named]:
    """Return the suites of some tasks as a model is tested on them, with the tasks' names.

    Args:
        model: The model.
        tasks: Tasks, and suites without one.

    Raises:
        InputError: If one is neither, the model's labels do not fit a suite's, a suite of a task
            is given twice, or one has no examples.
    """
    found: list[Named] = []
    expect("what subnetworks are run on", tasks, Iterable, hint="load it with load_task")
    for task in tasks:
        expect("what subnetworks are run on", task, Task, Suite, hint="load it with load_task")
        some = task.suites if isinstance(task, Task) else (task,)
        name = task.name if isinstance(task, Task) else ""
        found += [(name, suite.for_labels(model.labels)) for suite in some]
    names = [(name, suite.name) for name, suite in found]
    for i, (name, suite) in enumerate(found):
        suite.class_map(model.labels)  # fails before anything is run
        if names[i] in names[:i]:
            of = f" of the task {name}" if name else ""
            raise InputError(f"the suite {suite.name}{of} is given twice; give it once")
        if not len(suite.examples):
            raise InputError(f"the suite {suite.name} has no examples; load it with some")
    return found


def transfer(
    model: Classifier,
    suites: Sequence[Named],
    subnetwork: Subnetwork,
    random: Masks,
    *,
    seed: int,
    precision: str = "float32",
    compact: bool = True,
    other_model: bool = False,
    progress: Progress = no_progress,
) -> pd.DataFrame:
    """Compare a subnetwork with the full model, and with random sets, on every case.

    Args:
        model: The full model.
        suites: Suites with the names of their tasks; at least one.
        subnetwork: The subnetwork.
        random: The units that each random set keeps; may be empty.
        seed: Seed of what breaks ties.
        precision: What to compute in.
        compact: Run subnetworks without their dropped units.
        other_model: Accept a subnetwork of other weights.
        progress: Called with (examples done, examples in all), in thousandths.

    Returns:
        Rows as in ``card_tables.CASES``.
    """
    encodings = [model.encode(suite.examples) for _, suite in suites]
    n, n_runs = sum(map(len, encodings)), 2 + len(random)
    full, own = (
        predict_each(
            model,
            encodings,
            subnetwork=system,
            other_model=other_model,
            compact=compact,
            precision=precision,
            progress=partial_progress(progress, i * n, n, n_runs * n),
        )
        for i, system in enumerate((None, subnetwork))
    )
    by_chance = np.empty((0, n))
    if len(random):
        reference = torch.log_softmax(torch.from_numpy(np.concatenate(full)).double(), dim=-1)
        values = model.values_of(subnetwork, other_model=other_model)
        data = SearchData(Encoded.joined(encodings), reference, values)
        left = partial_progress(progress, 2 * n, len(random) * n, n_runs * n)
        runs = Divergences(model, data, precision=precision, compact=compact)
        by_chance = Remembered(runs, left).per_example(random)
    rows: list[dict[str, Any]] = []
    start = 0
    for (task, suite), of_full, of_own in zip(suites, full, own, strict=True):
        of_suite = by_chance[:, start : start + len(of_own)]
        name = zlib.crc32(f"{task}/{suite.name}".encode())
        ties = [*own_seed(seed, subnetwork.mask), name]
        rows += _rows(model.labels, task, suite, of_full, of_own, of_suite, ties)
        start += len(of_own)
    if len(random):
        corrected = holm(np.array([row["p"] for row in rows])).tolist()
        rows = [row | {"p_corrected": p} for row, p in zip(rows, corrected, strict=True)]
    return CASES.frame(rows)


def _rows(
    labels: tuple[str, ...],
    task: str,
    suite: Suite,
    reference: Logits,
    logits: Logits,
    by_chance: Float[np.ndarray, "draw example"],
    seed: list[int],
) -> Iterator[dict[str, Any]]:
    """Yield a row for each case of a suite."""
    full = per_example(suite, labels, reference, reference)
    own = per_example(suite, labels, logits, reference)
    change = 100 * (own["correct"].astype(float) - full["correct"].astype(float))
    for i, case in enumerate(suite.cases):
        here = (own["case"] == case).to_numpy()
        kl = own["kl"].to_numpy()[here]
        row = {
            "task": task,
            "suite": suite.name,
            "role": suite.role,
            "case": case,
            "case_kind": suite.kind(case),
            "n": int(here.sum()),
            "kl": student(kl, (0, np.inf)),
            "full_accuracy": float(full["correct"][here].mean()),
            "accuracy": float(own["correct"][here].mean()),
            "difference": student(change.to_numpy()[here], (-100, 100)),
        }
        if len(by_chance):
            of_case = by_chance[:, here].mean(1)
            rng = np.random.default_rng([*seed, i])
            row |= {"random": float(np.median(of_case)), "p": rank_p(kl.mean(), of_case, rng)}
        yield row
