"""Which class of a model is which label, where their names do not say."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import permutations

import numpy as np

from ..errors import InputError
from ..models.classifier import Classifier, CompactClassifier
from ..tasks.labels import NLI_LABELS
from ..tasks.task import Suite
from .accuracy import predict

#: More classes have too many assignments to show.
_MOST_CLASSES = 4
#: Examples on which assignments are compared.
_N = 300
_SHOWN = 3


def check_labels(
    model: Classifier | CompactClassifier, suites: Iterable[Suite], in_domain: Sequence[Suite] = ()
) -> None:
    """Check that a model's labels have counterparts in some suites.

    Args:
        model: The model.
        suites: The suites.
        in_domain: In-domain suites, the first of which is used for a hint.

    Raises:
        InputError: If they do not; the message gives the in-domain accuracy of each assignment.
    """
    try:
        for suite in suites:
            suite.class_map(model.labels)
    except InputError as error:
        hint = next((_hint(model, suite) for suite in in_domain if suite.role == "id"), "")
        raise InputError(f"{error}{hint}") from error


def assignments(
    model: Classifier | CompactClassifier, suite: Suite
) -> list[tuple[tuple[str, ...], float]]:
    """Compute a model's accuracy for each way to assign labels to its classes.

    Args:
        model: The model.
        suite: An in-domain suite.

    Returns:
        Label names in the order of the model's classes, with the accuracy, the best first. Of
        assignments that do not differ on the suite only one is there. Nothing if there are more
        than four classes, or other classes than the suite's.
    """
    n = len(model.labels)
    names = suite.examples.labels
    if n == len(NLI_LABELS) and all(suite.knows(label) for label in NLI_LABELS):
        names = NLI_LABELS
    if n != len(names) or n > _MOST_CLASSES:
        return []
    some = suite.examples.sample(_N, seed=0)
    answers = predict(model, model.encode(some)).argmax(1)
    found: dict[tuple[int, ...], tuple[tuple[str, ...], float]] = {}
    for order in permutations(names):
        numbers = suite.class_map(order)
        right = float(np.mean(numbers[answers] == some.label_ids))
        found.setdefault(tuple(numbers), (order, right))
    return sorted(found.values(), key=lambda pair: -pair[1])


def _hint(model: Classifier | CompactClassifier, suite: Suite) -> str:
    ranked = assignments(model, suite)
    if not ranked:
        return ""
    n = min(len(suite.examples), _N)
    shown = "; ".join(
        ",".join(f"{old}={new}" for old, new in zip(model.labels, order, strict=True))
        + f" is right on {right:.0%}"
        for order, right in ranked[:_SHOWN]
    )
    more = f"; the others on {ranked[_SHOWN][1]:.0%} or fewer" if len(ranked) > _SHOWN else ""
    return f". As a hint, on {n} in-domain examples ({suite.name}): {shown}{more}"
