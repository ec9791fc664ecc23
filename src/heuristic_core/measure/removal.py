"""Removing named units from the full model, alone and in groups."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import AbstractContextManager

import numpy as np
import pandas as pd

from ..columns import Table
from ..errors import InputError, expect, unknown
from ..models.ablation import AblationValues
from ..models.classifier import Classifier, check_classifier
from ..models.steady import steady
from ..progress import Progress
from ..search.data import means as means_over
from ..search.stages import Stages
from ..subnetwork import ABLATION_KINDS, Subnetwork
from ..tables import MODEL_NAMES, REMOVAL, REMOVAL_DISCRIMINATION
from ..tasks.task import Examples, Suite, Task
from ..units import Unit
from .accuracy import by_case, per_example
from .discrimination import discriminate
from .removal_sets import Removal
from .rerun import Outputs, Readout, outputs_without


@steady()
def removal(
    model: Classifier,
    *units: Unit | str,
    task: Task | Suite | Examples | None = None,
    means: AblationValues | None = None,
    ablation: str = "mean",
) -> Subnetwork:
    """Return the subnetwork that keeps all but some units.

    Args:
        model: The full model.
        units: The units to remove.
        task: What their outputs are averaged over, to replace them: the mask-learning examples of
            a task, or all of a suite or of examples.
        means: Such means computed earlier, from ``heuristic_core.means``, in place of ``task``.
        ablation: ``mean``; or ``zero`` to replace the outputs by zeros, which needs no data.

    Raises:
        InputError: If nothing says what replaces the units, or more than one thing does; if the
            model lacks a unit; or if the means are another model's.
    """
    check_classifier(model)
    expect("means", means, AblationValues, type(None), hint="compute them with means")
    if ablation not in ABLATION_KINDS:
        raise unknown("ablation kind", ablation, ABLATION_KINDS)
    given = [name for name, value in (("task", task), ("means", means)) if value is not None]
    if len(given) > 1 or (given and ablation == "zero"):
        also = given[1] if len(given) > 1 else "ablation='zero'"
        raise InputError(f"{given[0]} and {also} both say what replaces the units; give one")
    kept = model.space.from_mask(~model.space.mask(units))  # fails before means are computed
    if ablation == "zero":
        return Subnetwork(model.space, kept, ablation="zero", provenance=model.facts())
    if task is not None:
        means = means_over(model, task)
    if means is None:
        raise InputError(
            "nothing says what replaces the removed units; name the data that their outputs are "
            "averaged over with task=..., give means=..., or say ablation='zero'"
        )
    means.check_fits(model.anatomy)
    model.check_weights(
        "the means are of other weights", means.source, "compute them with this model"
    )
    facts = model.facts() | {"values": means.over}
    return Subnetwork(model.space, kept, values=means.arrays(), provenance=facts)


def without(
    model: Classifier,
    *units: Unit | str,
    task: Task | Suite | Examples | None = None,
    means: AblationValues | None = None,
    ablation: str = "mean",
) -> AbstractContextManager[None]:
    """Remove units from the full model for the duration of a ``with`` block.

    Args:
        model: The full model.
        units: The units to remove, such as ``"L4H0"``.
        task: What their outputs are averaged over, to replace them: the mask-learning examples of
            a task, or all of a suite or of examples.
        means: Such means computed earlier, from ``heuristic_core.means``, in place of ``task``.
        ablation: ``mean``; or ``zero`` to replace the outputs by zeros, which needs no data.

    Raises:
        InputError: As for ``removal``.
    """
    return removal(model, *units, task=task, means=means, ablation=ablation).applied(model)


@steady()
def removals(
    model: Classifier,
    suites: Iterable[Suite],
    sets: Sequence[Removal],
    values: AblationValues,
    *,
    readout: Readout | None = None,
    readout_name: str = "model",
    labels: tuple[str, ...] | None = None,
    batch_size: int | None = None,
    unfinished: str | os.PathLike[str] | None = None,
    progress: Progress | None = None,
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Measure the effects of removing units from the full model, in one pass over the data.

    The interaction of several units is measured if the sets include each of them alone.

    Args:
        model: The full model.
        suites: The suites to measure on.
        sets: The sets of units to remove. The full model is always measured.
        values: Ablation values, which replace the outputs of removed units.
        readout: A last layer that replaces the model's own.
        readout_name: Name of the last layer in the tables.
        labels: Label names in the order of its classes; the model's if not given.
        batch_size: Examples per forward pass; if not given, as many as suit the device.
        unfinished: A folder in which what each batch gives is kept, for the caller to remove once
            the result is safe: the same call, with the same readout, goes on after these.
        progress: Called with (examples done, examples in all), summed over all runs.

    Returns:
        Rows as in ``tables.REMOVAL`` and rows as in ``tables.REMOVAL_DISCRIMINATION``, both
        without the columns that name the model.

    Raises:
        InputError: If a set is empty or has units that the model lacks, or the labels do not fit a
            suite's.
    """
    labels = labels or model.labels
    suites = list(suites)
    for suite in suites:
        suite.class_map(labels)  # fails before anything is run
    if any(not one.units for one in sets):
        raise InputError("a set of units to remove is empty; name at least one unit")
    # Equal sets, such as a core of two heads and their pair, are run once.
    distinct = dict.fromkeys(frozenset(one.units) for one in sets)
    runs = {units: run for run, units in enumerate(distinct, start=1)}
    n_all = len(runs) + 1
    total = n_all * sum(len(suite.examples) for suite in suites)
    before, rows, separations = 0, [], []
    stages = Stages(
        unfinished,
        model,
        values,
        readout=readout_name,
        labels=labels,
        batch_size=batch_size,
        max_length=model.max_length,
        sets=[sorted(map(str, units)) for units in runs],
    )
    for suite in suites:

        def keep(
            batch: int, compute: Callable[[], Mapping[str, np.ndarray]], suite: Suite = suite
        ) -> Mapping[str, np.ndarray]:
            return stages.arrays(f"{suite.examples.digest[:16]}-{batch}", compute)

        def step(done: int, _: int, before: int = before) -> None:
            if progress is not None:
                progress(before + done, total)

        outputs = outputs_without(
            model,
            model.encode(suite.examples),
            list(runs),
            values,
            n_labels=len(labels),
            readout=readout,
            batch_size=batch_size,
            keep=keep,
            progress=step,
        )
        before += n_all * len(suite.examples)
        effects = _RemovalEffects(suite, labels, outputs, runs)
        for one in (Removal("none", ()), *sets):
            names = {
                "readout": readout_name,
                "group": one.group,
                "draw": one.draw,
                "removed": "+".join(str(unit) for unit in sorted(one.units)),
            }
            rows.append(effects.on_cases(one).assign(**names))
            separations.append(effects.on_separation(one).assign(**names))
    return _together(rows, REMOVAL), _together(separations, REMOVAL_DISCRIMINATION)


def _together(tables: list[pd.DataFrame], declared: Table) -> pd.DataFrame:
    """Concatenate tables and give them the declared columns and types."""
    declared = declared.without(MODEL_NAMES)
    filled = [table for table in tables if len(table)]
    return declared.conform(pd.concat(filled, ignore_index=True)) if filled else declared.empty()


class _RemovalEffects:
    """The effects of removals on one suite.

    Args:
        suite: The suite.
        labels: Names of the classes.
        outputs: The model's outputs on the suite.
        runs: The number of the run without each set of units.
    """

    def __init__(
        self,
        suite: Suite,
        labels: tuple[str, ...],
        outputs: Outputs,
        runs: dict[frozenset[Unit], int],
    ) -> None:
        self.suite, self.labels, self.outputs = suite, labels, outputs
        self._runs = {frozenset[Unit](): 0} | runs
        self._frames = [per_example(suite, labels, x, outputs.logits[0]) for x in outputs.logits]
        labels_of = suite.examples.table.groupby("case", sort=False)["label"].unique()
        self._label_of = {
            case: str(names[0]) if len(names) == 1 else "" for case, names in labels_of.items()
        }
        margins = np.stack([frame["margin"].to_numpy() for frame in self._frames])
        # With a single label margins are infinite and their changes undefined.
        with np.errstate(invalid="ignore"):
            self._changes = margins - margins[0]

    def on_cases(self, one: Removal) -> pd.DataFrame:
        """Return one row per case."""
        run = self._runs[frozenset(one.units)]
        alone, interaction = self._alone(one), np.nan
        if alone:
            interaction = self._changes[run] - np.sum(self._changes[alone], axis=0)
        frame = self._frames[run].assign(
            change=self._changes[run],
            interaction=interaction,
            pooled=self.outputs.change[run],
        )
        table = by_case(
            self.suite,
            frame,
            margin_se=("margin", "sem"),
            margin_change=("change", "mean"),
            margin_change_se=("change", "sem"),
            interaction=("interaction", "mean"),
            interaction_se=("interaction", "sem"),
            pooled_change=("pooled", "mean"),
        )
        return table.assign(label=[self._label_of[case] for case in table["case"]])

    def on_separation(self, one: Removal) -> pd.DataFrame:
        """Return one row per adversarial case that has friendly counterparts."""
        logits, run = self.outputs.logits, self._runs[frozenset(one.units)]
        alone = [logits[single] for single in self._alone(one)]
        return discriminate(self.suite, self.labels, logits[run], logits[0], alone)

    def _alone(self, one: Removal) -> list[int]:
        """Return the runs without each of several units alone; none if one of them is missing."""
        units = [frozenset([unit]) for unit in one.units]
        known = len(units) > 1 and all(unit in self._runs for unit in units)
        return [self._runs[unit] for unit in units] if known else []
