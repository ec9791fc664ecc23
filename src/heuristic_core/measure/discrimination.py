"""Does a model tell adversarial cases from the friendly ones that match, or does it only lean?"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import pandas as pd
from jaxtyping import Float, Int

from ..analysis.separation import Adversarial, Friendly, placements, separation
from ..tables import DISCRIMINATION, SYSTEM
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

    Returns:
        One row per adversarial case that has counterparts and whose label the model can give,
        with the columns of ``tables.DISCRIMINATION`` that name no system; with a reference also
        those of ``tables.REMOVAL_DISCRIMINATION`` that give changes.

    Raises:
        InputError: If the model's labels do not fit the suite's.
    """
    class_map = suite.class_map(model_labels)
    columns = [name for name in DISCRIMINATION if name not in SYSTEM]
    columns += [] if reference is None else ["auc_change", "auc_change_se", "auc_change_common_se"]
    systems = [logits] if reference is None else [logits, reference]
    scores: dict[int, list[Float[np.ndarray, " example"]]] = {}
    rows = []
    for match in matches(suite):
        chosen = class_map == match.label
        if chosen.all() or not chosen.any():
            continue
        if match.label not in scores:
            scores[match.label] = [log_odds(x, np.broadcast_to(chosen, x.shape)) for x in systems]
        sides = [
            side for x in scores[match.label] for side in (x[match.adversarial], x[match.friendly])
        ]
        found = separation(*sides[:2])
        rows.append(
            (
                suite.name,
                match.case,
                match.group,
                len(match.adversarial),
                len(match.friendly),
                found.auc,
                found.d_prime,
                found.bias,
                *(() if reference is None else auc_change(*sides)),
            )
        )
    return pd.DataFrame(rows, columns=columns)


def auc_change(
    adversarial: Adversarial,
    friendly: Friendly,
    adversarial_before: Adversarial,
    friendly_before: Friendly,
) -> tuple[float, float, float]:
    """Give the change of the area under the curve between two systems on the same examples.

    Args:
        adversarial: The new scores of an adversarial case.
        friendly: The new scores of its counterparts.
        adversarial_before: The old scores, of the same examples in the same order.
        friendly_before: The same of the counterparts.

    Returns:
        The change; its standard error over adversarial examples; and that over friendly ones,
        which the cases of a group have in common. NaN for a side of one example.

    Source:
        DeLong, DeLong and Clarke-Pearson 1988.
    """
    after, before = (
        placements(adversarial, friendly),
        placements(adversarial_before, friendly_before),
    )
    changes = [new - old for new, old in zip(after, before, strict=True)]
    errors = [x.std(ddof=1) / len(x) ** 0.5 if len(x) > 1 else np.nan for x in changes]
    return float(changes[0].mean()), float(errors[0]), float(errors[1])
