"""How differently subnetworks generalise that match the model equally well: the whole range.

Seeds of one search sample its noise. Here subnetworks are looked for that generalise as well, and
as badly, as a bound on the divergence in-domain allows.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd

from ..errors import InputError, expect, expect_whole
from ..measure.accuracy import per_example, predict
from ..measure.discrimination import discriminate
from ..models.classifier import Classifier, check_classifier
from ..models.steady import steady
from ..progress import Progress, partial_progress
from ..search.aim import TOWARDS, aim_at
from ..search.data import SearchData, prepare
from ..search.find import find_subnetworks_together
from ..subnetwork import Subnetwork
from ..tasks.task import Suite, Task
from .divergence import Divergences

#: No bound is lower, in nats: below it, divergences are as good as equal.
LEAST_BOUND = 1e-3
#: Searches that only agree with the model, beside those that aim.
PLAIN = "none"


@dataclass(frozen=True, eq=False)
class GeneralisationRange:
    """How well subnetworks of equal fidelity generalise, if one looks for the extremes.

    Args:
        bound: The highest divergence that was allowed, in nats.
        table: One row per subnetwork: ``aim`` (``none``, ``well``, ``badly``), ``seed``,
            ``divergence`` on the mask-learning examples, in nats, and ``faithful``, whether it is
            within the bound; accuracy ``in_domain`` and divergence ``kl`` on the in-domain suites;
            and on examples that no search saw, for the cases aimed at (``aimed_...``) and those
            held out (``held_out_...``), ``balanced`` accuracy, the mean of adversarial and
            friendly, and ``auc``, the mean AUROC over adversarial cases.
        aimed_cases: The adversarial cases that searches aimed at.
        held_out_cases: The other ones.
        subnetworks: The subnetworks by aim, one for each seed.
    """

    bound: float
    table: pd.DataFrame
    aimed_cases: tuple[str, ...]
    held_out_cases: tuple[str, ...]
    subnetworks: Mapping[str, Sequence[Subnetwork]]

    def __repr__(self) -> str:
        means = self.table[self.table["faithful"]].groupby("aim")["held_out_balanced"].mean()
        said = ", ".join(f"{aim} {mean:.1%}" for aim, mean in means.items())
        return f"GeneralisationRange(KL <= {self.bound:.3g}; held-out balanced accuracy: {said})"


@steady()
def generalisation_range(
    model: Classifier,
    task: Task,
    sparsity: float,
    *,
    suite: str | None = None,
    bound: float | None = None,
    seeds: Sequence[int] = (1, 2, 3),
    units: str = "all",
    data: SearchData | None = None,
    examples: int = 1000,
    progress: Progress | None = None,
    **options: Any,
) -> GeneralisationRange:
    """Search for subnetworks that match the model and generalise as well or as badly as they can.

    Every second adversarial case of the suite is aimed at, with half of its examples and half of
    the friendly ones; the other half and the other cases judge.

    Args:
        model: The full model.
        task: The task.
        sparsity: The share of units to drop.
        suite: The out-of-domain suite; the task's first if not given.
        bound: The highest divergence on the mask-learning examples, in nats; if not given, that
            of the least faithful subnetwork of the plain searches.
        seeds: Seeds of the searches, the same for each aim.
        units: The units that may be dropped: ``all``, or ``heads`` alone.
        data: The task's search data, to save time.
        examples: Examples on which divergences are computed, at most.
        progress: Called with (steps done, steps in all).
        options: Settings of the learned search. There are 12 rounds of exchanges by default.

    Returns:
        The subnetworks and how they generalise.

    Raises:
        InputError: If an argument does not fit, or the task has no out-of-domain suite.
    """
    check_classifier(model)
    expect("the task", task, Task, hint="load it with load_task")
    expect_whole("examples", examples, 1)
    chosen = _suite(task, suite)
    halves = split(chosen)
    data = data or prepare(model, task)
    judge = Divergences(model, data.sample(examples, seed=0))
    settings = {"exchange_rounds": 12} | options
    found: dict[str, list[Subnetwork]] = {}
    for i, aim in enumerate((PLAIN, *TOWARDS)):
        if aim != PLAIN and bound is None:
            worst = judge.of(np.array([one.mask for one in found[PLAIN]])).max()
            bound = max(float(worst), LEAST_BOUND)
        several = find_subnetworks_together(
            model,
            data,
            [sparsity],
            seeds=seeds,
            units=units,
            aim=None if aim == PLAIN else aim_at(model, halves.aimed, towards=aim, bound=bound),
            progress=None if progress is None else partial_progress(progress, i, 1, 3),
            **settings,
        )
        found[aim] = [subnetwork for (subnetwork,) in several.values()]
    assert bound is not None
    in_domain = [one for one in task.suites if one.role == "id"]
    rows = []
    for aim, subnetworks in found.items():
        at = judge.of(np.array([one.mask for one in subnetworks]))
        for seed, divergence, subnetwork in zip(seeds, at, subnetworks, strict=True):
            row = {"aim": aim, "seed": seed, "divergence": float(divergence)}
            row["faithful"] = bool(divergence <= bound)
            rows.append(row | _judged(model, subnetwork, halves, in_domain))
    cases = halves.aimed_cases, halves.held_out_cases
    return GeneralisationRange(bound, pd.DataFrame(rows), *cases, found)


def _suite(task: Task, name: str | None) -> Suite:
    """Return the out-of-domain suite of a name, or the first.

    Raises:
        InputError: If there is none.
    """
    suites = [one for one in task.suites if one.role == "ood" and name in (None, one.name)]
    if not suites:
        what = "no out-of-domain suite" if name is None else f"no out-of-domain suite {name!r}"
        raise InputError(f"the task {task.name} has {what} to aim at; load it with one")
    return suites[0]


@dataclass(frozen=True)
class Split:
    """A suite divided into what is aimed at and what judges.

    Args:
        aimed: The examples that searches aim at.
        judging: The examples that no search saw.
        aimed_cases: The adversarial cases, or those of other kinds but friendly, aimed at.
        held_out_cases: The other ones; the same where there is only one.
    """

    aimed: Suite
    judging: Suite
    aimed_cases: tuple[str, ...]
    held_out_cases: tuple[str, ...]


def split(suite: Suite) -> Split:
    """Divide a suite: aim at every second case, with half of its examples.

    Args:
        suite: An out-of-domain suite. Friendly cases are on both sides, with half of the examples.
    """
    friendly = [case for case in suite.cases if suite.kind(case) == "friendly"]
    others = [case for case in suite.cases if case not in friendly]
    aimed_cases = tuple(others[::2])
    cases = suite.examples.table["case"].to_numpy()
    # The number of each example within its case: even ones are aimed at.
    number = suite.examples.table.groupby("case").cumcount().to_numpy()
    aimed = np.isin(cases, [*aimed_cases, *friendly]) & (number % 2 == 0)
    sides = [
        replace(suite, examples=suite.examples.take(np.flatnonzero(side)))
        for side in (aimed, ~aimed)
    ]
    return Split(*sides, aimed_cases, tuple(others[1::2]) or aimed_cases)


def _judged(
    model: Classifier, subnetwork: Subnetwork, halves: Split, in_domain: Sequence[Suite]
) -> dict[str, Any]:
    """Measure a subnetwork in-domain, on the cases aimed at and on those held out."""
    of_id = [_scored(model, suite, subnetwork) for suite in in_domain]
    row: dict[str, Any] = {}
    if of_id:
        frame = pd.concat(frame for _, frame in of_id)
        row |= {"in_domain": float(frame["correct"].mean()), "kl": float(frame["kl"].mean())}
    suite = halves.judging.for_labels(model.labels)
    logits, frame = _scored(model, suite, subnetwork)
    kinds = frame["case"].map(suite.kind)
    separated = discriminate(suite, model.labels, logits).set_index("case")["auc"]
    sides = {"aimed": halves.aimed_cases, "held_out": halves.held_out_cases}
    accuracy = frame.groupby("case")["correct"].mean()
    friendly = accuracy[frame.loc[kinds == "friendly", "case"].unique()]
    for side, names in sides.items():
        mean = float(accuracy[list(names)].mean())
        balanced = mean if friendly.empty else (mean + float(friendly.mean())) / 2
        row[f"{side}_balanced"] = balanced
        row[f"{side}_auc"] = float(separated.reindex(list(names)).mean())
    return row


def _scored(model: Classifier, suite: Suite, subnetwork: Subnetwork) -> tuple[Any, pd.DataFrame]:
    """Run a subnetwork and the model on a suite; return its logits and a row per example."""
    known = suite.for_labels(model.labels)
    encoded = model.encode(known.examples)
    reference = predict(model, encoded)
    logits = predict(model, encoded, subnetwork=subnetwork)
    return logits, per_example(known, model.labels, logits, reference)
