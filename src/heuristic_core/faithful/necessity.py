"""Which units no faithful subnetwork can do without: the best subnetwork without each of them."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np
import pandas as pd
import torch
from jaxtyping import Bool, Float
from scipy import stats

from ..analysis.intervals import holm
from ..errors import InputError, expect, expect_number, expect_whole
from ..models.classifier import Classifier, check_classifier
from ..models.steady import steady
from ..progress import Progress
from ..search.asked import swapped
from ..search.checks import check_values, search_data_of
from ..search.data import SearchData, prepare
from ..search.exchange import best_pairs, exchange
from ..search.gate_gradients import logit_slopes
from ..search.learned import LearnedOptions
from ..search.linear import LinearModel
from ..search.problem import Problem, no_progress
from ..search.stages import Stages
from ..subnetwork import Subnetwork
from ..tasks.task import Examples, Suite, Task
from ..units import Unit
from .divergence import Divergences
from .needed import ROUNDING

#: Searches that share their passes through the model.
_TOGETHER = 8
#: Examples of a round of exchanges. Many searches with few examples each say more than the reverse:
#: what a unit that is needed costs is far above what the choice of examples does.
EXAMPLES = 250
#: Units that are tried in the place of one, of those that the linearised model prefers.
_BACKS = 2


@dataclass(frozen=True, eq=False)
class Necessity:
    """What the best subnetwork loses without each unit.

    Args:
        best: The best subnetwork found, of all that were compared.
        divergence: Its mean KL divergence from the full model on the judging examples, in nats.
        table: One row per unit that may be dropped: ``unit``; ``kept``, whether the best
            subnetwork keeps it; ``divergence`` of the best subnetwork without it, with its
            standard error ``divergence_se`` over examples; ``necessity``, which is this minus
            that of the best, with its standard error ``se``;
            ``p`` that it is not above 1e-6, which may be rounding, by a paired t-test,
            Holm-corrected over the units that the best keeps; ``shared``, the share of its other
            units that the best subnetwork without it keeps too.
        without: The best subnetwork found without each unit.
    """

    best: Subnetwork
    divergence: float
    table: pd.DataFrame
    without: Mapping[Unit, Subnetwork]

    def __repr__(self) -> str:
        worse = int((self.table["p"] < 0.05).sum())
        return (
            f"Necessity(KL {self.divergence:.3g} of the best, clearly higher without any of "
            f"{worse} of {len(self.table)} units)"
        )

    def core(self, bound: float) -> frozenset[Unit]:
        """Return the units without which no subnetwork found is within a bound.

        The estimate alone decides; a study asks that it is above the bound by more than its error.

        Args:
            bound: The highest divergence of a faithful subnetwork, in nats.

        Raises:
            InputError: If it is no number from 0.
        """
        expect_number("bound", bound)
        beyond = self.table[self.table["divergence"] > bound]
        return frozenset(Unit.parse(unit) for unit in beyond["unit"])


@steady()
def necessity(
    model: Classifier,
    task: Task,
    best: Subnetwork,
    *,
    others: Iterable[Subnetwork] = (),
    units: str = "all",
    judge: Suite | Examples | None = None,
    data: SearchData | None = None,
    examples: int = EXAMPLES,
    rounds: int = 6,
    seed: int = 0,
    unfinished: str | os.PathLike[str] | None = None,
    progress: Progress | None = None,
) -> Necessity:
    """Search for the best subnetwork of the same size without each unit.

    A search starts from the best subnetwork known that lacks the unit, be it another one or the
    best after the exchanges that the model linearised at it prefers, and goes on by exchanges among
    the other units until a round changes nothing.

    Args:
        model: The full model.
        task: The task.
        best: A subnetwork that matches the model, the best known.
        others: Further subnetworks of the same size, such as those of other seeds.
        units: The units that may be dropped: ``all``, or ``heads`` alone.
        judge: Examples on which divergences are compared, apart from those of the search; the
            task's in-domain suites if not given.
        data: The task's search data, to save time.
        examples: Examples of a round of exchanges; the judging ones are four times as many at most.
        rounds: Rounds of exchanges.
        seed: Seed of the order of examples.
        unfinished: A folder in which what each stage finds is kept, for the caller to remove once
            the result is safe: the same call goes on after the finished stages.
        progress: Called with (searches done, searches in all).

    Returns:
        The best subnetwork, and what it loses without each unit.

    Raises:
        InputError: If a subnetwork is of another model or size, an argument is of another type, or
            there is nothing to judge on.
    """
    check_classifier(model)
    expect("the task", task, Task, hint="load it with load_task")
    expect("judge", judge, Suite, Examples, type(None))
    expect("data", data, SearchData, type(None), hint="compute them with prepare")
    expect("others", others, Iterable, hint="give a list of subnetworks")
    expect("progress", progress, Callable, type(None))
    expect_whole("examples", examples, 1)
    expect_whole("rounds", rounds, 0)
    expect_whole("seed", seed)
    prunable = model.space.prunable(units)
    known = [best, *others]
    _check_alike(model, known, prunable)
    if data is None:
        means = None if best.ablation == "zero" else model.values_of(best)
        data = prepare(model, task, ablation=best.ablation, values=means)
    data = search_data_of(model, data, best.ablation)
    check_values(data, known)
    judged = _judging(model, task, judge, data, 4 * examples)
    search = Divergences(model, data.sample(2 * examples, seed))
    pool = np.unique([one.mask for one in known], axis=0)
    at = search.of(pool)
    first = pool[at.argmin()]
    removed = [int(unit) for unit in np.flatnonzero(first & prunable)]
    starts = _starts(model, data.sample(examples, seed), first, removed, prunable, pool)
    stages = Stages(
        unfinished,
        model,
        data.values,
        data=[data.digest, data.ablation],
        known=pool.astype(int).tolist(),
        search=[units, examples, rounds, seed, _TOGETHER],
    )

    def search_without(some: Sequence[int]) -> list[Subnetwork]:
        problems = [_without(model, data, prunable, removed[j], starts[j], seed) for j in some]
        results = exchange(
            problems,
            [starts[j] for j in some],
            rounds=rounds,
            examples=examples,
            size=LearnedOptions().exchange_size,
            until_unchanged=True,
        )
        return [best.keeping(model.space.from_mask(result.kept)) for result in results]

    found = list(pool)
    report = progress or no_progress
    for i in range(0, len(removed), _TOGETHER):
        some = range(i, min(i + _TOGETHER, len(removed)))
        found += [one.mask for one in stages.find(f"without-{i}", partial(search_without, some))]
        report(some[-1] + 1, len(removed))
    every = np.unique(found, axis=0)
    at = search.of(every)
    chosen = int(at.argmin())
    lacking = [int(np.where(every[:, unit], np.inf, at).argmin()) for unit in _positions(prunable)]
    table, divergence = _table(model, judged, every, chosen, lacking, prunable)
    subnetworks = [best.keeping(model.space.from_mask(mask)) for mask in every]
    return Necessity(
        subnetworks[chosen],
        divergence,
        table,
        {
            model.space.units[unit]: subnetworks[row]
            for unit, row in zip(_positions(prunable), lacking, strict=True)
        },
    )


def _positions(prunable: Bool[np.ndarray, " unit"]) -> list[int]:
    return [int(unit) for unit in np.flatnonzero(prunable)]


def _check_alike(
    model: Classifier, known: Sequence[Subnetwork], prunable: Bool[np.ndarray, " unit"]
) -> None:
    """Check that all subnetworks are of the model and keep as many units.

    Raises:
        InputError: If not, or if none of their units may be dropped or kept instead.
    """
    for one in known:
        expect("a subnetwork", one, Subnetwork)
        model.values_of(one)
        if len(one) != len(known[0]) or one.ablation != known[0].ablation:
            raise InputError("the subnetworks are of different sizes or ablations; compare alike")
    n = int((known[0].mask & prunable).sum())
    if not 0 < n < prunable.sum():
        raise InputError("the subnetwork keeps all or none of the units that may be dropped")


def _judging(
    model: Classifier,
    task: Task,
    judge: Suite | Examples | None,
    data: SearchData,
    limit: int,
) -> SearchData:
    """Prepare the judging examples, at most so many, with the ablation values of the search."""
    given = judge
    if given is None:
        suites = [suite.examples for suite in task.suites if suite.role == "id"]
        alike = [one for one in suites if one.labels == suites[0].labels]
        if alike:
            given = Examples.concat(alike, alike[0].labels)
    if given is None:
        raise InputError("the task has no in-domain suite to judge on; give examples (`judge`)")
    some = given.examples if isinstance(given, Suite) else given
    sampled = some.sample(limit, seed=0)
    return prepare(model, sampled, ablation=data.ablation, values=data.values)


def _starts(
    model: Classifier,
    data: SearchData,
    best: Bool[np.ndarray, " unit"],
    removed: Sequence[int],
    prunable: Bool[np.ndarray, " unit"],
    pool: Bool[np.ndarray, "choice unit"],
) -> list[Bool[np.ndarray, " unit"]]:
    """Choose where the search without each unit starts: the best of what is known on these data.

    Slopes at the best subnetwork serve all units: they say what to keep in a unit's place, and
    which exchanges would follow.
    """
    logits, slopes = logit_slopes(model, data, torch.from_numpy(best).float())
    linear = LinearModel(data.reference.to(logits), logits, slopes)
    backs = np.flatnonzero(~best & prunable)
    tried: list[list[Bool[np.ndarray, " unit"]]] = []
    size = LearnedOptions().exchange_size
    for unit in removed:
        others = prunable.copy()
        others[unit] = False
        some = [one for one in pool if not one[unit]]
        for back in backs[linear.predicted(unit, backs).argsort().numpy()][:_BACKS]:
            first = (unit, int(back))
            exchanged = swapped(best, [first])
            more = best_pairs(linear.moved([first]), exchanged, others, size)
            some += [exchanged, swapped(exchanged, more)]
        tried.append(some)
    every, index = np.unique(np.concatenate(tried), axis=0, return_inverse=True)
    at = Divergences(model, data).of(every)[index]
    ends = np.cumsum([len(some) for some in tried])[:-1]
    return [
        some[int(values.argmin())] for some, values in zip(tried, np.split(at, ends), strict=True)
    ]


def _without(
    model: Classifier,
    data: SearchData,
    prunable: Bool[np.ndarray, " unit"],
    unit: int,
    start: Bool[np.ndarray, " unit"],
    seed: int,
) -> Problem:
    candidates = prunable.copy()
    candidates[unit] = False
    n_kept = int((start & candidates).sum())
    return Problem(
        model=model,
        data=data,
        prunable=candidates,
        keep=(n_kept,),
        targets=(1 - n_kept / int(candidates.sum()),),
        seed=seed,
    )


def _table(
    model: Classifier,
    judged: SearchData,
    every: Bool[np.ndarray, "choice unit"],
    chosen: int,
    lacking: Sequence[int],
    prunable: Bool[np.ndarray, " unit"],
) -> tuple[pd.DataFrame, float]:
    """Compare the best subnetwork with the best one without each unit, example by example."""
    names = sorted({chosen, *lacking})
    of_examples = dict(
        zip(names, Divergences(model, judged).per_example(every[names]), strict=True)
    )
    best = of_examples[chosen]
    n = len(best)
    rows = []
    for unit, row in zip(_positions(prunable), lacking, strict=True):
        more = of_examples[row] - best
        se = float(more.std(ddof=1) / n**0.5) if n > 1 else np.nan
        others = every[chosen].copy()
        others[unit] = False
        rows.append(
            {
                "unit": str(model.space.units[unit]),
                "kept": bool(every[chosen][unit]),
                "divergence": float(of_examples[row].mean()),
                "divergence_se": float(of_examples[row].std(ddof=1) / n**0.5) if n > 1 else np.nan,
                "necessity": float(more.mean()),
                "se": se,
                "p": _p_rise(more),
                "shared": float((every[row] & others).sum() / max(1, others.sum())),
            }
        )
    table = pd.DataFrame(rows)
    tested = table["kept"].to_numpy()
    table.loc[tested, "p"] = holm(table.loc[tested, "p"].to_numpy())
    return table, float(best.mean())


def _p_rise(more: Float[np.ndarray, " example"]) -> float:
    """Test whether a divergence rises by more than rounding; 1 of a single example."""
    n, rise = len(more), float(more.mean()) - ROUNDING
    if n < 2:
        return 1.0
    se = float(more.std(ddof=1)) / n**0.5
    # Without spread all examples say the same.
    return float(stats.t.sf(rise / se, n - 1)) if se > 0 else float(rise <= 0)
