"""Counterfactual examples: friendly ones that an adversarial example can be held against."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from operator import eq

import numpy as np
import pandas as pd

from ..errors import InputError
from ..models.classifier import Classifier
from ..tasks.task import Examples, Suite
from .discrimination import matches


def check_counterparts(suites: Sequence[Suite]) -> None:
    """Make sure that some adversarial case has friendly counterparts, whatever their length.

    Raises:
        InputError: If none has.
    """
    if not any(True for suite in suites for _ in matches(suite)):
        raise InputError(
            "the task has no matched pairs: no adversarial case has friendly ones of its group "
            "with another label; set analysis.dependency.replace to mean"
        )


def counterfactual_pairs(
    model: Classifier, adversarial: Sequence[Suite], suites: Sequence[Suite]
) -> tuple[list[Suite], Examples]:
    """Pair adversarial examples with the friendly ones of their groups that are most like them.

    A counterpart is one that :func:`~.discrimination.matches` holds the example's case against and
    that has as many tokens. Of several the one with the most equal tokens in the same places is
    taken, of equals the first. One example may be the counterpart of many.

    Args:
        model: The model, whose tokens count.
        adversarial: Adversarial examples of some of the suites.
        suites: Where counterparts are looked for: in the suite of the same name.

    Returns:
        The adversarial examples that have a counterpart, and these in the same order.

    Raises:
        InputError: If no example has one.
    """
    named = {suite.name: suite for suite in suites}
    paired, tables = [], []
    for some in adversarial:
        pool = named[some.name]
        friendly = {match.case: match.friendly for match in matches(pool)}
        own, others = (model.encode(x.examples).columns["input_ids"] for x in (some, pool))
        pairs = []
        for row, case in enumerate(some.examples.table["case"]):
            alike = [
                (-sum(map(eq, own[row], others[i])), i)
                for i in friendly.get(case, ())
                if len(others[i]) == len(own[row])
            ]
            pairs += [(row, min(alike)[1])] if alike else []
        if pairs:
            rows, counterparts = np.array(pairs).T
            paired.append(replace(some, examples=some.examples.take(rows)))
            tables.append(pool.examples.take(counterparts).table)
    if not paired:
        raise InputError(
            "no adversarial example has a friendly counterpart of as many tokens; raise "
            "analysis.per_case, or set analysis.dependency.replace to mean"
        )
    names = dict.fromkeys(label for suite in suites for label in suite.examples.labels)
    return paired, Examples(pd.concat(tables, ignore_index=True), tuple(names))
