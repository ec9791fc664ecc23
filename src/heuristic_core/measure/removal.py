"""Removing named units from the full model, one by one and in groups."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager

import numpy as np
import pandas as pd

from ..errors import InputError, expect
from ..models.ablation import AblationValues
from ..models.classifier import Classifier, Progress, check_classifier
from ..subnetwork import Subnetwork
from ..tables import MODEL, REMOVAL, REMOVAL_DISCRIMINATION
from ..tasks.task import Suite
from ..units import Unit
from .accuracy import per_example
from .discrimination import discriminate
from .removal_sets import Removal
from .rerun import Answers, Readout, answers_without


def removal(
    model: Classifier, *units: Unit | str, means: AblationValues | None = None
) -> Subnetwork:
    """Give the subnetwork that keeps everything but some units.

    Args:
        model: The full model.
        units: What to remove.
        means: What they become; zero if not given.

    Raises:
        InputError: If a unit is not the model's, or the means are another's.
    """
    check_classifier(model)
    expect("means", means, AblationValues, type(None), hint="compute them with means")
    if means is not None:
        means.check_fits(model.space, model.d_heads, model.d_model)
    mask = ~model.space.mask(units)
    values = {} if means is None else means.arrays()
    kind = "zero" if means is None else "mean"
    return Subnetwork(model.space, model.space.from_mask(mask), kind, values)


@contextmanager
def without(
    model: Classifier, *units: Unit | str, means: AblationValues | None = None
) -> Iterator[None]:
    """Remove units from the full model for the duration of a ``with`` block.

    Args:
        model: The full model.
        units: What to remove, such as ``"L4H0"``.
        means: What they become, from :func:`heuristic_core.means`; zero if not given.

    Raises:
        InputError: If a unit is not the model's.
    """
    with removal(model, *units, means=means).applied(model):
        yield


def removals(
    model: Classifier,
    suites: Iterable[Suite],
    sets: Sequence[Removal],
    values: AblationValues,
    *,
    batch_size: int = 64,
    progress: Progress | None = None,
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Measure what removing units from the full model does, in one pass over the data.

    Interactions of several units need the single removals of all of them among the sets.

    Args:
        model: The full model.
        suites: What to measure on.
        sets: What to remove; the full model itself is measured in any case.
        values: What stands in for removed units.
        batch_size: Examples a forward pass.
        progress: Called with (examples done, examples in all), over all runs together.

    Returns:
        Rows as in ``tables.REMOVAL`` and rows as in ``tables.REMOVAL_DISCRIMINATION``, both but
        for the columns that name the model.

    Raises:
        InputError: If a set is empty or names units that are not the model's, or if the labels do
            not fit a suite's.
    """
    return measured(
        model, "model", model.labels, suites, sets, values, batch_size=batch_size, progress=progress
    )


def measured(
    model: Classifier,
    head: str,
    labels: tuple[str, ...],
    suites: Iterable[Suite],
    sets: Sequence[Removal],
    values: AblationValues,
    *,
    readout: Readout | None = None,
    batch_size: int = 64,
    progress: Progress | None = None,
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Do the work of :func:`removals` with any last layer.

    Args:
        model: The full model.
        head: What the last layer is called in the tables.
        labels: The label names in the order of its classes.
        suites: What to measure on.
        sets: What to remove.
        values: What stands in for removed units.
        readout: The last layer; the model's own if not given.
        batch_size: Examples a forward pass.
        progress: Called with (examples done, examples in all).

    Returns:
        As :func:`removals`.

    Raises:
        InputError: As :func:`removals`.
    """
    suites = list(suites)
    for suite in suites:
        suite.class_map(labels)  # fails before anything is run
    if any(not one.units for one in sets):
        raise InputError("a set of units to remove is empty; name at least one unit")
    # Sets named twice, such as a core of two heads and their pair, are run once.
    runs = {units: run for run, units in enumerate(dict.fromkeys(_key(s) for s in sets), start=1)}
    n_all = len(runs) + 1
    total = n_all * sum(len(suite.examples) for suite in suites)
    before, rows, separations = 0, [], []
    for suite in suites:

        def step(done: int, _: int, before: int = before) -> None:
            if progress is not None:
                progress(before + done, total)

        answers = answers_without(
            model,
            model.encode(suite.examples),
            list(runs),
            values,
            n_labels=len(labels),
            readout=readout,
            batch_size=batch_size,
            progress=step,
        )
        before += n_all * len(suite.examples)
        effects = _Effects(suite, labels, answers, runs)
        for one in (Removal("none", ()), *sets):
            names = {
                "head": head,
                "group": one.group,
                "draw": one.draw,
                "removed": "+".join(str(unit) for unit in sorted(one.units)),
            }
            rows.append(effects.on_cases(one).assign(**names))
            separations.append(effects.on_separation(one).assign(**names))
    return _together(rows, REMOVAL), _together(separations, REMOVAL_DISCRIMINATION)


def _key(one: Removal) -> frozenset[Unit]:
    return frozenset(one.units)


def _together(tables: list[pd.DataFrame], columns: dict[str, str]) -> pd.DataFrame:
    """Put tables together and give them the columns and types they should have."""
    types = {name: kind for name, kind in columns.items() if name not in MODEL}
    filled = [table for table in tables if len(table)]
    whole = pd.concat(filled, ignore_index=True) if filled else pd.DataFrame(columns=list(types))
    return whole[list(types)].astype(types)


class _Effects:
    """What removals do on one suite.

    Args:
        suite: The suite.
        labels: Names of the classes.
        answers: The model's answers on it.
        runs: For each set of units its run.
    """

    def __init__(
        self,
        suite: Suite,
        labels: tuple[str, ...],
        answers: Answers,
        runs: dict[frozenset[Unit], int],
    ) -> None:
        self.suite, self.labels, self.answers = suite, labels, answers
        self._runs = {frozenset[Unit](): 0} | runs
        self._frames = [per_example(suite, labels, x, answers.logits[0]) for x in answers.logits]
        labels_of = suite.examples.table.groupby("case", sort=False)["label"].unique()
        self._label_of = {
            case: str(names[0]) if len(names) == 1 else "" for case, names in labels_of.items()
        }
        margins = np.stack([frame["margin"].to_numpy() for frame in self._frames])
        # A margin is infinite where the classes cover one label only: it has no change there.
        with np.errstate(invalid="ignore"):
            self._changes = margins - margins[0]

    def on_cases(self, one: Removal) -> pd.DataFrame:
        """Give one row per case."""
        run = self._runs[_key(one)]
        frame = self._frames[run].assign(
            change=self._changes[run],
            interaction=self._interaction(one),
            pooled=self.answers.change[run],
        )
        table = (
            frame.groupby("case", sort=False)
            .agg(
                n=("correct", "size"),
                correct=("correct", "sum"),
                kl=("kl", "mean"),
                margin=("margin", "mean"),
                margin_change=("change", "mean"),
                margin_change_se=("change", "sem"),
                interaction=("interaction", "mean"),
                interaction_se=("interaction", "sem"),
                pooled_change=("pooled", "mean"),
            )
            .reset_index()
        )
        kinds = [self.suite.kind(case) for case in table["case"]]
        return table.assign(
            suite=self.suite.name,
            role=self.suite.role,
            case_kind=kinds,
            label=[self._label_of[case] for case in table["case"]],
        )

    def on_separation(self, one: Removal) -> pd.DataFrame:
        """Give one row per adversarial case that has friendly counterparts."""
        logits = self.answers.logits
        alone = [logits[run] for run in self._alone(one)]
        table = discriminate(
            self.suite, self.labels, logits[self._runs[_key(one)]], logits[0], alone
        )
        return table.rename(columns={"group": "case_group"})

    def _interaction(self, one: Removal) -> np.ndarray | float:
        alone = self._alone(one)
        if not alone:
            return np.nan
        return self._changes[self._runs[_key(one)]] - np.sum(self._changes[alone], axis=0)

    def _alone(self, one: Removal) -> list[int]:
        """Give the runs without each of several units; none where one of them was not run."""
        units = [frozenset([unit]) for unit in one.units]
        known = len(units) > 1 and all(unit in self._runs for unit in units)
        return [self._runs[unit] for unit in units] if known else []
