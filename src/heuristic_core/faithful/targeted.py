"""How differently subnetworks generalise that match the model equally well: the whole range.

Seeds of one search sample its noise. Here subnetworks are looked for that generalise as well, and
as badly, as a bound on the divergence in-domain allows.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from ..errors import InputError, expect, expect_number, expect_whole
from ..models.classifier import Classifier, check_classifier
from ..models.steady import steady
from ..progress import Progress, partial_progress
from ..search.aim import TOWARDS, aim_at
from ..search.checks import check_seeds, check_values, search_data_of
from ..search.data import SearchData
from ..search.find import find_subnetworks_together
from ..search.stages import Stages
from ..subnetwork import Subnetwork
from ..tasks.task import Suite, Task
from ..units import check_sparsity, n_kept
from .divergence import ROOM, Divergences
from .generalisation import by_case, difference_of_aurocs, halves, run_each

#: What searches aim at: nothing but to agree with the model; to generalise well, or badly; and to
#: generalise well without the heads of the subnetwork that generalises badly.
PLAIN, APART = "none", "apart"
AIMS = (PLAIN, *TOWARDS, APART)
#: Which groups of subnetworks are compared; with nothing where the second is empty.
CONTRASTS = (
    ("well", "badly"),
    ("well", PLAIN),
    (PLAIN, "badly"),
    (APART, "badly"),
    *((aim, "") for aim in AIMS),
)


@dataclass(frozen=True, eq=False)
class GeneralisationRange:
    """How well subnetworks of equal fidelity generalise, if one looks for the extremes.

    Args:
        bound: The highest divergence that was allowed, in nats.
        subnetworks: The subnetworks by aim, one for each seed: ``none`` agrees with the model
            alone; ``well`` and ``badly`` generalise so as far as the bound allows; ``apart``
            generalises well without any head of that of ``badly`` of the same seed.
        divergences: One row per subnetwork: ``aim``, ``seed``, ``divergence`` on the mask-learning
            examples in nats.
        cases: One row per subnetwork and case, on examples that no search saw: ``aim``, ``seed``,
            the columns of ``evaluate``, ``auc`` and ``aimed``, whether searches aimed at the case.
        contrasts: One row per pair of aims and side, aimed or held out: ``aim``, ``other_aim``,
            ``aimed``, ``auc_difference`` of the means over cases and seeds, ``se`` over examples;
            where ``other_aim`` is empty, the mean of ``aim`` itself.
    """

    bound: float
    subnetworks: Mapping[str, Sequence[Subnetwork]]
    divergences: pd.DataFrame
    cases: pd.DataFrame
    contrasts: pd.DataFrame

    def __repr__(self) -> str:
        said = ", ".join(
            f"{aim} {value:.3f}" for aim, value in self.summary["held_out_auc"].items()
        )
        return f"GeneralisationRange(KL <= {self.bound:.3g}; mean AUROC on held-out cases: {said})"

    @property
    def summary(self) -> pd.DataFrame:
        """One row per aim: means over seeds of what its subnetworks do."""
        rows = {}
        for aim, some in self.cases.groupby("aim", sort=False):
            own = self.divergences[self.divergences["aim"] == aim]
            row = {
                "divergence": own["divergence"].mean(),
                "faithful": (own["divergence"] <= self.bound).mean(),
            }
            in_domain = some[some["role"] == "id"][["correct", "n"]].sum()
            row["in_domain"] = in_domain["correct"] / in_domain["n"] if len(in_domain) else np.nan
            means = self.contrasts[self.contrasts["other_aim"] == ""]
            means = means[means["aim"] == aim].set_index("aimed")["auc_difference"]
            row |= {"aimed_auc": means[True], "held_out_auc": means[False]}
            rows[aim] = row
        return pd.DataFrame(rows).T.rename_axis("aim")


@steady()
def generalisation_range(
    model: Classifier,
    task: Task,
    sparsity: float,
    *,
    suite: str | None = None,
    bound: float | None = None,
    seeds: Sequence[int] = (1, 2, 3),
    plain: Iterable[Subnetwork] | None = None,
    units: str = "all",
    data: SearchData | None = None,
    examples: int = 1000,
    unfinished: str | os.PathLike[str] | None = None,
    progress: Progress | None = None,
    **options: Any,
) -> GeneralisationRange:
    """Search for subnetworks that match the model and generalise as well or as badly as they can.

    Every second adversarial case of the suite is aimed at, with half of its examples and half of
    the friendly ones; the other halves and the other cases judge.

    Args:
        model: The full model.
        task: The task.
        sparsity: The share of units to drop.
        suite: The out-of-domain suite; the task's first if not given.
        bound: The highest divergence on the mask-learning examples, in nats; if not given, a
            quarter above that of the least faithful plain subnetwork.
        seeds: Seeds of the searches, the same for each aim.
        plain: Subnetworks that agree with the model alone, one for each seed; they are searched
            for if not given.
        units: The units that may be dropped: ``all``, or ``heads`` alone.
        data: The task's search data, to save time.
        examples: Examples on which divergences are computed, at most.
        unfinished: A folder in which what each stage finds is kept, for the caller to remove once
            the result is safe: the same call goes on after the finished stages.
        progress: Called with (steps done, steps in all).
        options: Settings of the learned search.

    Returns:
        The subnetworks and how they generalise.

    Raises:
        InputError: If an argument does not fit, or the task has no out-of-domain suite.
    """
    check_classifier(model)
    expect("the task", task, Task, hint="load it with load_task")
    expect_whole("examples", examples, 1)
    expect("data", data, SearchData, type(None), hint="compute them with prepare")
    expect("progress", progress, Callable, type(None))
    if bound is not None:
        expect_number("bound", bound, above=True)
    if taken := sorted({"aim", "exclude", "improve", "repel"} & set(options)):
        raise InputError(f"{taken[0]} is set by the range itself; leave it out")
    seeds = check_seeds(seeds)
    split = halves(_suite(task, suite))
    data = search_data_of(model, task if data is None else data, None)
    given = None if plain is None else _plain(model, data, sparsity, units, plain)
    judge = Divergences(model, data.sample(examples, seed=0))
    found: dict[str, list[Subnetwork]] = {}
    n_stages = len(AIMS) - 1 + len(seeds)
    call = {
        "sparsity": sparsity,
        "seeds": list(seeds),
        "units": units,
        "bound": bound,
        "plain": None if given is None else [one.mask.astype(int).tolist() for one in given],
        "examples": examples,
        "aimed": [split.aimed.examples.digest, dict(split.aimed.kinds), dict(split.aimed.groups)],
        "options": options,
    }
    stages = Stages(unfinished, model, data.values, data=[data.digest, data.ablation], **call)

    def search(stage: int, some: Sequence[int], name: str, **more: Any) -> list[Subnetwork]:
        def run() -> list[Subnetwork]:
            several = find_subnetworks_together(
                model,
                data,
                [sparsity],
                seeds=some,
                units=units,
                progress=None
                if progress is None
                else partial_progress(progress, stage, 1, n_stages),
                **more,
                **options,
            )
            return [subnetwork for (subnetwork,) in several.values()]

        return stages.find(name, run)

    found[PLAIN] = search(0, seeds, PLAIN) if given is None else given
    if len(found[PLAIN]) != len(seeds):
        raise InputError(f"give one plain subnetwork for each of the {len(seeds)} seeds")
    if bound is None:
        bound = judge.bound(found[PLAIN])
    for i, aim in enumerate(TOWARDS, start=1):
        goal = aim_at(model, split.aimed, towards=aim, bound=bound / ROOM)
        found[aim] = search(i, seeds, aim, aim=goal)
    goal = aim_at(model, split.aimed, towards="well", bound=bound / ROOM)
    found[APART] = []
    for i, (seed, bad) in enumerate(zip(seeds, found["badly"], strict=True)):
        if not _possible(model, sparsity, units, len(bad.heads)):
            break
        found[APART] += search(3 + i, [seed], f"{APART}-{seed}", aim=goal, exclude=bad.heads)
    divergences, cases, contrasts = [], [], []
    suites = [one.for_labels(model.labels) for one in task.suites if one.role == "id"]
    suites.append(split.judging.for_labels(model.labels))
    reference = run_each(model, suites, None)
    logits = {
        aim: [run_each(model, suites, subnetwork) for subnetwork in several]
        for aim, several in found.items()
    }
    for aim, several in found.items():
        for i, divergence in enumerate(judge.of(_masks(several)) if several else ()):
            divergences.append({"aim": aim, "seed": seeds[i], "divergence": float(divergence)})
            rows = by_case(model, suites, logits[aim][i], reference)
            cases.append(rows.assign(aim=aim, seed=seeds[i]))
    every = pd.concat(cases, ignore_index=True)
    every["aimed"] = every["case"].isin(split.aimed_cases) & (every["role"] == "ood")
    for one, other in CONTRASTS:
        for side, names in ((True, split.aimed_cases), (False, split.held_out_cases)):
            # Pairs of the same seeds, where some of a group could not be searched for.
            n = min(len(found[aim]) for aim in (one, other) if aim)
            if not n:
                continue
            both = [
                [run[suites[-1].name] for run in logits.get(aim, [])[:n]] for aim in (one, other)
            ]
            mean, se = difference_of_aurocs(suites[-1], model.labels, names, *both)
            row = {"aim": one, "other_aim": other, "aimed": side}
            contrasts.append(row | {"auc_difference": mean, "se": se})
    return GeneralisationRange(
        bound, found, pd.DataFrame(divergences), every, pd.DataFrame(contrasts)
    )


def _plain(
    model: Classifier,
    data: SearchData,
    sparsity: float,
    units: str,
    plain: Iterable[Subnetwork],
) -> list[Subnetwork]:
    """Check given subnetworks.

    Raises:
        InputError: If they are of another model, size or ablation.
    """
    expect("plain", plain, Iterable, hint="give a list of subnetworks")
    given = list(plain)
    prunable = model.space.prunable(units)
    n = n_kept(int(prunable.sum()), check_sparsity(sparsity))
    for one in given:
        model.values_of(one)
        if (kept := int((one.mask & prunable).sum())) != n:
            raise InputError(
                f"a plain subnetwork keeps {kept} of {prunable.sum()} units, not {n}; find it at "
                "this sparsity"
            )
    check_values(data, given)
    return given


def _masks(subnetworks: Sequence[Subnetwork]) -> np.ndarray:
    return np.array([one.mask for one in subnetworks])


def _possible(model: Classifier, sparsity: float, units: str, n_forbidden: int) -> bool:
    """Say whether enough units are left for a sparsity without some."""
    n = int(model.space.prunable(units).sum())
    return n_kept(n, sparsity) <= n - n_forbidden


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
