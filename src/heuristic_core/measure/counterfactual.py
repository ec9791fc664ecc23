"""Counterfactual examples: friendly counterparts of adversarial examples."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from operator import eq

import numpy as np

from ..errors import InputError
from ..models.classifier import Classifier
from ..tasks.task import Examples, Suite
from .discrimination import matches


def check_counterparts(suites: Sequence[Suite]) -> None:
    """Check that some adversarial case has friendly counterparts, of any length.

    Raises:
        InputError: If no case has.
    """
    if not any(True for suite in suites for _ in matches(suite)):
        raise InputError(
            "the task has no matched pairs: no adversarial case has friendly cases of its group "
            "with another label; set analysis.dependency.replace to mean"
        )


def counterfactual_pairs(
    model: Classifier, adversarial: Sequence[Suite], suites: Sequence[Suite]
) -> tuple[list[Suite], Examples]:
    """Pair adversarial examples with the most similar friendly examples of their groups.

    A counterpart matches the example's case as in ``~.discrimination.matches`` and has the
    same number of tokens. The one with the most equal tokens in the same positions is chosen, the
    first of equals. One example may be the counterpart of several.

    Args:
        model: The model, for its tokenizer.
        adversarial: Adversarial examples of some of the suites.
        suites: The whole suites. Counterparts come from the suite of the same name.

    Returns:
        The adversarial examples that have a counterpart, and the counterparts in the same order.

    Raises:
        InputError: If no example has a counterpart.
    """
    named = {suite.name: suite for suite in suites}
    paired, counterparts = [], []
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
            rows, matched = np.array(pairs).T
            paired.append(replace(some, examples=some.examples.take(rows)))
            counterparts.append(pool.examples.take(matched))
    if not paired:
        raise InputError(
            "no adversarial example has a friendly counterpart with as many tokens; raise "
            "analysis.per_case, or set analysis.dependency.replace to mean"
        )
    names = dict.fromkeys(label for suite in suites for label in suite.examples.labels)
    return paired, Examples.concat(counterparts, tuple(names))
