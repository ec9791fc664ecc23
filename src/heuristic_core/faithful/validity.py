"""Tests of one subnetwork: is it enough, is it needed, unit by unit, and does it carry over?"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from typing import Any

import numpy as np
import pandas as pd

from ..analysis.intervals import holm
from ..card_tables import CARD, LEVEL
from ..errors import InputError, expect, expect_whole
from ..models.ablation import AblationValues
from ..models.classifier import Classifier, check_classifier
from ..models.steady import steady
from ..precision import check_precision
from ..progress import Progress, partial_progress
from ..search.data import SearchData, prepare
from ..search.problem import no_progress
from ..subnetwork import Subnetwork
from ..tasks.task import Examples, Suite, Task
from ..units import Unit
from .card import Card
from .divergence import Divergences
from .needed import needed_units
from .random_sets import own_seed, pools, redrawn
from .rank_tests import comparisons, drawn_from, rank_rows
from .remembered import Remembered
from .stability import check_search, effort, search_again, searches_table, stability_rows
from .transfer import suites_of, transfer

#: The fewest random sets with which a p-value can be below 5 %.
_FEWEST = 20
#: What the draws of each part are seeded with, besides the card's seed.
_UNITS, _CASES, _SEARCHES = 101, 102, 103


@steady()
def validate(
    model: Classifier,
    task: Task,
    subnetwork: Subnetwork,
    *,
    core: Collection[Unit | str] = (),
    transfer_to: Iterable[Task | Suite] = (),
    searches: int = 0,
    draws: int = 999,
    case_draws: int = 0,
    examples: int = 100,
    unit_examples: int = 400,
    seed: int = 0,
    precision: str = "float32",
    compact: bool = True,
    other_model: bool = False,
    progress: Progress | None = None,
) -> Card:
    """Test whether a subnetwork is enough, is needed, has no idle units, and carries over.

    Sufficiency and necessity are ranks among random sets of as many units, from all that the search
    chose from, and with as many heads in every layer and as many MLPs. Their p-values are uniform
    if the subnetwork is one more random set.

    Args:
        model: The full model.
        task: The task. Divergences are means over examples of its in-domain suites, or of its
            mask-learning examples if it has none.
        subnetwork: The subnetwork.
        core: Units that are tested alone. If no MLP is among them, the subnetwork's stay.
        transfer_to: Further tasks and suites whose cases it is run on.
        searches: How often to repeat its search on resampled mask-learning examples.
        draws: Random sets of each kind.
        case_draws: Random sets that it is compared with on every case.
        examples: In-domain examples for ranks among random sets, at most.
        unit_examples: In-domain examples for what each unit is needed for, at most.
        seed: Seed of all draws.
        precision: What to compute in: ``float32``, or ``bfloat16`` or ``float16`` where that is
            safe.
        compact: Run subnetworks without their dropped units, which is faster; else by gates.
        other_model: Accept a subnetwork that was found in other weights, with a ``Remark``.
        progress: Called with (done, in all).

    Returns:
        A ``Card``: its tables, and all of it as text and as JSON values.

    Raises:
        InputError: If an argument does not fit, or a search is to be repeated that the subnetwork
            does not record.

    Source:
        For sufficiency, partial necessity and minimality, Shi et al. (2024).
    """
    check_classifier(model)
    expect("the task", task, Task, hint="load it with load_task")
    expect("the subnetwork", subnetwork, Subnetwork)
    expect("core", core, Collection, hint='give units, such as ["L4H0"]')
    expect("transfer_to", transfer_to, Iterable)
    expect("progress", progress, Callable, type(None))
    expect_whole("draws", draws, _FEWEST)
    expect_whole("examples", examples, 1)
    expect_whole("unit_examples", unit_examples, 2)
    for name, number in (("case_draws", case_draws), ("searches", searches), ("seed", seed)):
        expect_whole(name, number)
    computing = check_precision(precision)
    space = model.space
    values = model.values_of(subnetwork, other_model=other_model)
    core_mask = space.mask(core)
    suites = suites_of(model, [task, *transfer_to])
    again = check_search(subnetwork) if searches else None
    where, every = _examples(task)
    ranked, tested = every.sample(examples, seed), every.sample(unit_examples, seed)
    compared, free = comparisons(subnetwork, core_mask), drawn_from(subnetwork)
    sizes = (
        2 * len(compared) * draws * len(ranked),
        (1 + int(free.sum())) * len(tested),
        searches * effort(again) if again else 0,
        (2 + case_draws) * sum(len(suite.examples) for _, suite in suites),
    )
    of_sets, of_units, of_searches, of_cases = _stages(progress or no_progress, sizes)

    def measuring(examples: Examples, progress: Progress) -> Remembered:
        data = _data(model, examples, subnetwork, values)
        runs = Divergences(model, data, precision=computing, compact=compact)
        return Remembered(runs, progress)

    measured = measuring(ranked, of_sets)
    tests = rank_rows(compared, space, measured.of, draws, seed)
    units, left_out = needed_units(
        space, subnetwork.mask, free, measuring(tested, of_units).per_example, [seed, _UNITS]
    )
    found = []
    if again:
        task.check_whole("search")
        samples = _data(model, task.search, subnetwork, values)
        for i in range(searches):
            step = partial_progress(of_searches, i, 1, searches)
            found.append(search_again(model, samples, subnetwork, i, seed, step))
        tests += stability_rows(
            subnetwork, found, free, draws, [*own_seed(seed, subnetwork.mask), _SEARCHES]
        )
    in_layers = pools(space, free, "in layers")
    rng = np.random.default_rng([*own_seed(seed, subnetwork.mask), _CASES])
    on_cases = redrawn(subnetwork.mask, in_layers, case_draws, rng)
    return Card(
        subnetwork=subnetwork,
        tests=_corrected(tests),
        units=units,
        searches=searches_table(subnetwork, found, measuring(ranked, no_progress).of),
        cases=transfer(
            model,
            suites,
            subnetwork,
            on_cases,
            seed=seed,
            precision=computing,
            compact=compact,
            other_model=other_model,
            progress=of_cases,
        ),
        left_out=left_out,
        about={
            "task": task.name,
            "examples": where,
            "n": len(ranked),
            "n_of_units": len(tested),
            "sha256": every.digest,
            "core": [str(unit) for unit in space if core_mask[space.index(unit)]],
            "draws": draws,
            "case_draws": case_draws,
            "seed": seed,
            "precision": computing,
        },
    )


def _examples(task: Task) -> tuple[str, Examples]:
    """Return the examples that divergences are means over, and say whose they are.

    Raises:
        InputError: If the task has no in-domain suite and no mask-learning examples.
    """
    suites = [suite for suite in task.suites if suite.role == "id"]
    if not suites and not len(task.search):
        raise InputError(
            f"the task {task.name} has no in-domain suite and no mask-learning examples; give one "
            "that has"
        )
    labels = tuple(dict.fromkeys(label for suite in suites for label in suite.examples.labels))
    names = " and ".join(suite.name for suite in suites)
    every = Examples.concat([s.examples for s in suites], labels) if suites else task.search
    where = f"examples of {names or 'mask learning'}"
    return where, every


def _data(
    model: Classifier, examples: Examples, subnetwork: Subnetwork, values: AblationValues
) -> SearchData:
    """Compute the full model's predictions; dropped units become what the subnetwork says."""
    given = None if subnetwork.ablation == "zero" else values
    return prepare(model, examples, ablation=subnetwork.ablation, values=given)


def _stages(progress: Progress, sizes: Sequence[int]) -> Iterator[Progress]:
    """Yield the progress callback of each of several stages."""
    for i, size in enumerate(sizes):
        yield partial_progress(progress, sum(sizes[:i]), size, sum(sizes))


def _corrected(rows: list[dict[str, Any]]) -> pd.DataFrame:
    """Correct the p-values of all tests together."""
    corrected = holm(np.array([row["p"] for row in rows])).tolist()
    return CARD.frame(
        row | {"p_corrected": p, "passed": p < LEVEL}
        for row, p in zip(rows, corrected, strict=True)
    )
