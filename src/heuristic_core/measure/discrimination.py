"""Does a model tell adversarial cases from the friendly ones that match, or does it only lean?"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from jaxtyping import Float, Int

from ..analysis.separation import Adversarial, Friendly, placements, separation
from ..tables import AUC_CHANGES, DISCRIMINATION, SYSTEM
from ..tasks.task import Suite
from .accuracy import Logits, log_odds


@dataclass(frozen=True, eq=False)
class Match:
    """An adversarial case and its friendly counterparts.

    Args:
        case: The adversarial case.
        group: The group it shares with them.
        label: The number of its label among the suite's.
        adversarial: Positions of its examples.
        friendly: Positions of the group's friendly examples that have another label.
    """

    case: str
    group: str
    label: int
    adversarial: Int[np.ndarray, " adversarial"]
    friendly: Int[np.ndarray, " friendly"]


def matches(suite: Suite) -> Iterator[Match]:
    """Find the friendly counterparts of each adversarial case of a suite.

    Cases without counterparts, and those whose examples have several labels, are left out.
    """
    cases = suite.examples.table["case"].to_numpy()
    labels = suite.examples.label_ids
    kinds = {case: suite.kind(case) for case in suite.cases}
    groups = {case: suite.group(case) for case in suite.cases}
    is_friendly = np.array([kinds[case] == "friendly" for case in cases], dtype=bool)
    group_of = np.array([groups[case] for case in cases], dtype=object)
    for case in suite.cases:
        rows = np.flatnonzero(cases == case)
        label = int(labels[rows[0]])
        if kinds[case] != "adversarial" or (labels[rows] != label).any():
            continue
        others = np.flatnonzero(is_friendly & (group_of == groups[case]) & (labels != label))
        if len(others):
            yield Match(case, groups[case], label, rows, others)


def discriminate(
    suite: Suite,
    model_labels: tuple[str, ...],
    logits: Logits,
    reference: Logits | None = None,
    alone: Sequence[Logits] = (),
) -> pd.DataFrame:
    """Hold each adversarial case of a suite against the friendly examples of its group.

    An example's score is the log-odds of the adversarial case's label against all others, in nats.
    Scores that differ by no more than ``separation.RESOLUTION`` are ties.

    Args:
        suite: What the logits are for.
        model_labels: The model's label names in the order of its classes.
        logits: The system's logits.
        reference: The full model's logits on the same examples, where the change from it is asked
            for too.
        alone: The logits of systems that each lack one of the units that this one lacks, where
            the change beyond the sum of theirs is asked for too.

    Returns:
        One row per adversarial case that has counterparts and whose label the model can give,
        with the columns of ``tables.DISCRIMINATION`` that name no system; with a reference also
        those in ``tables.AUC_CHANGES``.

    Raises:
        InputError: If the model's labels do not fit the suite's.
    """
    class_map = suite.class_map(model_labels)
    columns = [name for name in DISCRIMINATION if name not in SYSTEM]
    if reference is not None:  # the change has an error of its own
        columns = [*(name for name in columns if name != "auc_se"), *AUC_CHANGES]
    systems = [logits] if reference is None else [logits, reference, *alone]
    scores: dict[int, list[Float[np.ndarray, " example"]]] = {}
    rows = []
    for match in matches(suite):
        chosen = class_map == match.label
        if chosen.all() or not chosen.any():
            continue
        if match.label not in scores:
            scores[match.label] = [log_odds(x, np.broadcast_to(chosen, x.shape)) for x in systems]
        sides = [(x[match.adversarial], x[match.friendly]) for x in scores[match.label]]
        found = separation(*sides[0])
        rows.append(
            (
                suite.name,
                match.case,
                match.group,
                len(match.adversarial),
                len(match.friendly),
                found.auc,
                *((found.auc_se,) if reference is None else ()),
                found.d_prime,
                found.bias,
                *(() if reference is None else auc_changes(*sides)),
            )
        )
    return pd.DataFrame(rows, columns=columns)


def auc_changes(
    after: tuple[Adversarial, Friendly],
    before: tuple[Adversarial, Friendly],
    *alone: tuple[Adversarial, Friendly],
) -> tuple[float, ...]:
    """Give the change of the area under the curve between two systems on the same examples.

    Args:
        after: The new scores of an adversarial case, and of its counterparts.
        before: The old scores, of the same examples in the same order.
        alone: The scores when parts of what makes the change happen by themselves.

    Returns:
        The change; its standard error over adversarial examples; and that over friendly ones,
        which the cases of a group have in common. Then the same three of the change less the sum
        of the changes alone. NaN for errors of a side of one example, and where nothing is alone.

    Source:
        DeLong, DeLong and Clarke-Pearson 1988.
    """
    old = placements(*before)
    whole, *parts = (
        [new - was for new, was in zip(placements(*sides), old, strict=True)]
        for sides in (after, *alone)
    )
    if not parts:
        return (*_with_errors(*whole), np.nan, np.nan, np.nan)
    beyond = [side - np.sum([part[i] for part in parts], axis=0) for i, side in enumerate(whole)]
    return (*_with_errors(*whole), *_with_errors(*beyond))


def _with_errors(adversarial: Adversarial, friendly: Friendly) -> tuple[float, float, float]:
    errors = [
        float(x.std(ddof=1)) / len(x) ** 0.5 if len(x) > 1 else np.nan
        for x in (adversarial, friendly)
    ]
    return float(adversarial.mean()), errors[0], errors[1]
