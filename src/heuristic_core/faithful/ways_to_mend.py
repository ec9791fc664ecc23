"""What mending gains: blamed units beside random ones, the last layer, and everything."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from jaxtyping import Bool, Float

from ..analysis.intervals import Estimate
from ..analysis.paired import over_both
from ..columns import ENDS
from ..errors import InputError, expect, expect_known, expect_whole
from ..measure.accuracy import per_example
from ..models.classifier import Classifier, check_classifier
from ..models.steady import steady
from ..progress import Progress
from ..search.checks import search_data_of
from ..search.data import SearchData
from ..tasks.task import Suite, Task
from ..units import Unit
from .generalisation import halves, run_each
from .mending import How, mend

#: Ways that change the blamed units, and those that they are compared to.
OF_UNITS: tuple[How, ...] = ("drop", "scale", "train_units")
OF_ALL: tuple[How, ...] = ("train_last_layer", "train_all")
#: Bootstrap draws of the judging examples.
_DRAWS = 1000
_MEASURES = ("in_domain", "balanced", "worst_group", "held_out")
#: What ``mend`` can be told besides.
_SETTINGS = ("steps", "batch_size", "learning_rate", "fidelity")


@dataclass(frozen=True, eq=False)
class Mendings:
    """What each way of mending gains.

    Args:
        table: One row per way and choice of units: ``how``; ``units``, ``blamed``, ``random`` or
            ``all``; ``n`` mended models; and for each measure its value and ``..._gain`` over the
            full model with the ends of its 95 % interval, ``..._low`` and ``..._high``, over
            examples and, for random units, choices. Measures are accuracy ``in_domain``;
            ``balanced``, the mean of adversarial and friendly accuracy; ``worst_group``, the
            accuracy on the case and label that is answered worst; and ``held_out``, balanced
            accuracy with the adversarial cases that nothing was fitted on. The first row is the
            full model.
        beyond_random: One row per way of mending units: ``how``, and for each measure what blamed
            units gain beyond random ones, with the ends of its 95 % interval, over examples and
            choices. Of a single choice there is no interval; without choices there is no row.
        models: The mended models of the blamed units, by way.
    """

    table: pd.DataFrame
    beyond_random: pd.DataFrame
    models: dict[How, Classifier]

    def __repr__(self) -> str:
        best = self.table.iloc[1:].sort_values("worst_group").iloc[-1]
        before = self.table["worst_group"].iloc[0]
        return (
            f"Mendings({len(self.table) - 1} ways; worst group {before:.1%} before, at best "
            f"{best['worst_group']:.1%} by {best['how']} of {best['units']} units)"
        )


@steady()
def ways_to_mend(
    model: Classifier,
    task: Task,
    blamed: Collection[Unit | str],
    *,
    suite: str | None = None,
    n_examples: int = 64,
    n_random: int = 5,
    data: SearchData | None = None,
    seed: int = 0,
    progress: Progress | None = None,
    **settings: Any,
) -> Mendings:
    """Mend a model in every way, and compare what each gains on examples that it was not fitted on.

    Fitted is on few examples of every second adversarial case and of the friendly ones; the other
    examples and cases judge.

    Args:
        model: The full model.
        task: The task.
        blamed: The units that are blamed for bad generalisation.
        suite: The out-of-domain suite; the task's first if not given.
        n_examples: Out-of-domain examples to fit on, at most, spread evenly over cases; at least
            one a case.
        n_random: Random choices of as many heads and MLPs, for comparison.
        data: The task's search data, to save time.
        seed: Seed of all draws.
        progress: Called with (models mended, models in all).
        settings: Further settings of ``mend``.

    Returns:
        The gains.

    Raises:
        InputError: If an argument does not fit, or as ``mend``.
    """
    check_classifier(model)
    expect("the task", task, Task, hint="load it with load_task")
    expect_whole("n_examples", n_examples, 2)
    expect_whole("n_random", n_random, 0)
    expect("progress", progress, Callable, type(None))
    expect_whole("seed", seed)
    expect_known("setting of mend", settings, _SETTINGS)
    suites = [one for one in task.suites if one.role == "ood" and suite in (None, one.name)]
    if not suites:
        raise InputError(f"the task {task.name} has no such out-of-domain suite to mend with")
    split = halves(suites[0])
    n_cases = len(split.aimed.cases)
    if n_examples < n_cases or not len(split.judging.examples):
        raise InputError(
            f"n_examples is {n_examples}, but the suite {suites[0].name} has {n_cases} cases to "
            "fit on, and as many examples must be left to judge; give at least one a case, of more"
        )
    per_case = n_examples // n_cases
    few = replace(split.aimed, examples=split.aimed.examples.sample_per_case(per_case, seed))
    data = search_data_of(model, task if data is None else data, None)
    judges = [one.for_labels(model.labels) for one in task.suites if one.role == "id"]
    judges.append(split.judging.for_labels(model.labels))
    own = model.space.from_mask(model.space.mask(blamed))
    choices: list[tuple[How, str, Sequence[frozenset[Unit]]]] = [
        (how, "blamed", [own]) for how in OF_UNITS
    ]
    rng = np.random.default_rng(seed)
    random = [_as_many(model, own, rng) for _ in range(n_random)]
    choices += [(how, "random", random) for how in OF_UNITS if n_random]
    choices += [(how, "all", [frozenset()]) for how in OF_ALL]
    full = _Answers.of(model, judges)
    held_out = split.held_out_cases
    rows = [{"how": "none", "units": "", "n": 1} | full.measured(held_out)]
    models: dict[How, Classifier] = {}
    of_blamed: dict[How, _Answers] = {}
    beyond = []
    total, done = sum(len(several) for _, _, several in choices), 0
    for how, which, several in choices:
        answers = []
        for units in several:
            mended = mend(model, few, data, how=how, units=units, seed=seed, **settings).model
            answers.append(_Answers.of(mended, judges))
            if which == "blamed":
                models[how], of_blamed[how] = mended, answers[0]
            done += 1
            if progress is not None:
                progress(done, total)
        row = {"how": how, "units": which, "n": len(several)}
        drawn = np.random.default_rng([seed, done])
        rows.append(row | _gains(full, answers, held_out, drawn))
        if which == "random":
            beyond.append({"how": how} | _beyond(of_blamed[how], answers, held_out, drawn))
    columns = [f"{name}{end}" for name in _MEASURES for end in ("", *ENDS)]
    return Mendings(pd.DataFrame(rows), pd.DataFrame(beyond, columns=["how", *columns]), models)


def _as_many(
    model: Classifier, units: frozenset[Unit], rng: np.random.Generator
) -> frozenset[Unit]:
    """Draw as many heads and as many MLPs."""
    space = model.space
    drawn: list[Unit] = []
    for is_head in (True, False):
        n = sum(unit.is_head == is_head for unit in units)
        pool = [unit for unit in space.units if unit.is_head == is_head]
        drawn += [pool[i] for i in rng.choice(len(pool), n, replace=False)]
    return frozenset(drawn)


class _Group(NamedTuple):
    """Examples that are answered alike well or badly: those of one case and label of a suite."""

    role: str
    suite: str
    case: str
    kind: str
    label: str


@dataclass(frozen=True, eq=False)
class _Answers:
    """Which examples are answered rightly, group by group.

    Args:
        correct: For each group which of its examples are.
    """

    correct: dict[_Group, Bool[np.ndarray, " example"]]

    @classmethod
    def of(cls, model: Classifier, suites: Sequence[Suite]) -> _Answers:
        """Run a model on suites."""
        correct: dict[_Group, np.ndarray] = {}
        logits = run_each(model, suites, None)
        for suite in suites:
            own = logits[suite.name]
            frame = per_example(suite, model.labels, own, own)
            for (case, label), some in frame.groupby(["case", "label"], sort=False):
                kind = str(suite.kind(str(case)))
                key = _Group(str(suite.role), suite.name, str(case), kind, str(label))
                correct[key] = some["correct"].to_numpy(dtype=bool)
        return cls(correct)

    def measured(self, held_out: Sequence[str]) -> dict[str, float]:
        """Compute all measures."""
        accuracy = {key: own.mean(keepdims=True) for key, own in self.correct.items()}
        return {
            name: float(values[0]) for name, values in _measures(accuracy, self, held_out).items()
        }


#: The accuracy of each model, or of each model in each draw of the examples, by group.
_Accuracies = Mapping[_Group, Float[np.ndarray, "*draw model"]]


def _measures(
    accuracy: _Accuracies, of: _Answers, held_out: Sequence[str]
) -> dict[str, Float[np.ndarray, "*draw model"]]:
    """Compute all measures from the accuracies on all groups."""
    others = {key: value for key, value in accuracy.items() if key.role == "ood"}
    # Of all examples alike, as accuracy in-domain is.
    sizes = {key: len(own) for key, own in of.correct.items() if key.role == "id"}
    nothing = np.full(next(iter(accuracy.values())).shape, np.nan)
    right = sum((accuracy[key] * n for key, n in sizes.items()), start=np.zeros(()))
    return {
        "in_domain": right / sum(sizes.values()) if sizes else nothing,
        "balanced": _balanced(others, None, nothing),
        "worst_group": np.min([*others.values()], axis=0) if others else nothing,
        "held_out": _balanced(others, held_out, nothing),
    }


def _balanced(
    accuracy: _Accuracies, cases: Sequence[str] | None, nothing: Float[np.ndarray, "*draw model"]
) -> Float[np.ndarray, "*draw model"]:
    """Return the mean of friendly accuracy and that on adversarial cases, some of them if named.

    Without either kind it is that on shifted cases. With one kind alone there is none: a bias to
    one label would raise it.
    """
    friendly, adversarial, shifted = (
        [
            value
            for group, value in accuracy.items()
            if group.kind == kind and (kind == "friendly" or cases is None or group.case in cases)
        ]
        for kind in ("friendly", "adversarial", "shift")
    )
    if friendly and adversarial:
        return np.mean([np.mean(some, axis=0) for some in (friendly, adversarial)], axis=0)
    is_shift = all(group.kind == "shift" for group in accuracy)
    return np.mean(shifted, axis=0) if shifted and is_shift else nothing


def _gains(
    full: _Answers, mended: Sequence[_Answers], held_out: Sequence[str], rng: np.random.Generator
) -> dict[str, float]:
    """Compute mean measures and gains, with intervals over examples and mended models."""
    over = _over_models if len(mended) > 1 else _over_examples
    row: dict[str, float] = {}
    for name, (values, drawn) in _differences(mended, full, held_out, rng).items():
        gain = over(values, drawn)
        row |= {name: full.measured(held_out)[name] + gain.value, f"{name}_gain": gain.value}
        row |= {f"{name}_low": float(gain.low), f"{name}_high": float(gain.high)}
    return row


def _beyond(
    blamed: _Answers, random: Sequence[_Answers], held_out: Sequence[str], rng: np.random.Generator
) -> dict[str, float]:
    """Compute by how much a mended model is above others, with intervals over examples and them."""
    row: dict[str, float] = {}
    for name, (values, drawn) in _differences(random, blamed, held_out, rng).items():
        known = _over_models(-values, -drawn)
        row |= {name: known.value, f"{name}_low": float(known.low)}
        row[f"{name}_high"] = float(known.high)
    return row


def _differences(
    several: Sequence[_Answers], one: _Answers, held_out: Sequence[str], rng: np.random.Generator
) -> dict[str, tuple[Float[np.ndarray, " model"], Float[np.ndarray, "draw model"]]]:
    """Compute by how much some models are above another one, by measure.

    Returns:
        The differences, and the same in bootstrap draws of the examples, which are the same for all
        models.
    """
    whole, drawn = {}, {}
    for key in one.correct:
        answers = np.stack([other.correct[key] for other in (*several, one)]).astype(float)
        n = answers.shape[1]
        whole[key] = answers.mean(1)
        drawn[key] = rng.multinomial(n, np.full(n, 1 / n), _DRAWS) @ answers.T / n
    values, draws = (_measures(accuracy, one, held_out) for accuracy in (whole, drawn))
    return {
        name: tuple(found[name][..., :-1] - found[name][..., -1:] for found in (values, draws))
        for name in _MEASURES
    }


def _over_examples(
    values: Float[np.ndarray, " model"], drawn: Float[np.ndarray, "draw model"]
) -> Estimate:
    """Estimate what a single model gains."""
    low, high = np.quantile(drawn, [0.025, 0.975])
    return Estimate(float(values[0]), float(low), float(high))


def _over_models(
    values: Float[np.ndarray, " model"], drawn: Float[np.ndarray, "draw model"]
) -> Estimate:
    """Estimate a mean over models that answer the same examples."""
    apart = ~np.eye(len(values), dtype=bool)
    shared = float(np.cov(drawn, rowvar=False)[apart].mean()) if len(values) > 1 else 0.0
    return over_both(pd.Series(values), shared, (-1.0, 1.0))
