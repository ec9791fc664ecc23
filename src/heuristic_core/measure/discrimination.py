"""How well a model separates adversarial cases from their friendly counterparts."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass

import numpy as np
import pandas as pd
from jaxtyping import Float, Int

from ..analysis.separation import Adversarial, Friendly, placements, separation
from ..tables import AUROC_CHANGES, DISCRIMINATION, KEPT_SCORES, SYSTEM_NAMES
from ..tasks.task import Suite
from .accuracy import Logits, log_odds

#: Larger scores are cut, which changes no comparison: float16 ends at 65,504.
_LARGEST = 6e4


@dataclass(frozen=True, eq=False)
class Match:
    """An adversarial case and its friendly counterparts.

    Args:
        case: The adversarial case.
        group: Their common group.
        label: The class number of its label in the suite.
        adversarial: Positions of its examples.
        friendly: Positions of the friendly examples of the group with another label.
    """

    case: str
    group: str
    label: int
    adversarial: Int[np.ndarray, " adversarial"]
    friendly: Int[np.ndarray, " friendly"]


def matches(suite: Suite) -> Iterator[Match]:
    """Find the friendly counterparts of each adversarial case of a suite.

    Cases without counterparts and cases with several labels are left out.
    """
    cases = suite.examples.table["case"]
    labels = suite.examples.label_ids
    is_friendly = (cases.map(suite.kind) == "friendly").to_numpy()
    groups = cases.map(suite.group).to_numpy()
    for case in suite.cases:
        rows, group = np.flatnonzero(cases == case), suite.group(case)
        label = int(labels[rows[0]])
        if suite.kind(case) != "adversarial" or (labels[rows] != label).any():
            continue
        friendly = np.flatnonzero(is_friendly & (groups == group) & (labels != label))
        if len(friendly):
            yield Match(case, group, label, rows, friendly)


def discriminate(
    suite: Suite,
    model_labels: tuple[str, ...],
    logits: Logits,
    reference: Logits | None = None,
    alone: Sequence[Logits] = (),
) -> pd.DataFrame:
    """Measure how well each adversarial case is separated from its friendly counterparts.

    The score of an example is the log-odds of the adversarial case's label against all others, in
    nats. Scores that differ by at most ``separation.RESOLUTION`` are ties.

    Args:
        suite: The suite.
        model_labels: The model's label names in the order of its classes.
        logits: The logits of a model or subnetwork on the suite.
        reference: The full model's logits on the same examples, to measure the change from it.
        alone: The logits without each removed unit alone, to measure the interaction of units.

    Returns:
        One row per adversarial case that has counterparts and whose label the model can predict,
        with the columns of ``tables.DISCRIMINATION`` that do not name a system. With a reference,
        the columns of ``tables.AUROC_CHANGES`` and ``tables.KEPT_SCORES`` replace the standard
        error.

    Raises:
        InputError: If the model's labels do not fit the suite's.
    """
    class_map = suite.class_map(model_labels)
    columns = DISCRIMINATION.without(SYSTEM_NAMES).names
    if reference is not None:  # the change has an error of its own
        columns = [name for name in columns if name != "auc_se"]
        columns += [column.name for column in (*AUROC_CHANGES, *KEPT_SCORES)]
    systems = [logits] if reference is None else [logits, reference, *alone]
    scores: dict[int, list[Float[np.ndarray, " example"]]] = {}
    rows = []
    for match in matches(suite):
        chosen = class_map == match.label
        if chosen.all() or not chosen.any():
            continue
        if match.label not in scores:
            scores[match.label] = [log_odds(x, np.broadcast_to(chosen, x.shape)) for x in systems]
        pairs = [(x[match.adversarial], x[match.friendly]) for x in scores[match.label]]
        row = {
            "suite": suite.name,
            "case": match.case,
            "case_group": match.group,
            "n": len(match.adversarial),
            "n_friendly": len(match.friendly),
        }
        if reference is not None:
            row |= auc_changes(*pairs)
            names = [column.name for column in KEPT_SCORES]
            row |= dict(zip(names, map(packed, pairs[0]), strict=True))
        rows.append(row | asdict(separation(*pairs[0])))
    return pd.DataFrame(rows, columns=columns)


def packed(scores: Float[np.ndarray, " example"]) -> bytes:
    """Pack scores as little-endian float16."""
    return scores.clip(-_LARGEST, _LARGEST).astype("<f2").tobytes()


def auc_changes(
    after: tuple[Adversarial, Friendly],
    before: tuple[Adversarial, Friendly],
    *alone: tuple[Adversarial, Friendly],
) -> dict[str, float]:
    """Compute the change of the AUROC between two systems on the same examples.

    Args:
        after: The new scores of an adversarial case and of its counterparts.
        before: The old scores of the same examples, in the same order.
        alone: The scores if units that are removed together are removed alone.

    Returns:
        By the names in ``tables.AUROC_CHANGES``: the change, its standard error over adversarial
        examples and its standard error over friendly ones, which the cases of a group share. Then
        the same of the interaction: the change minus the sum of the changes alone. NaN for errors
        over a single example, and for interactions if nothing is removed alone.

    Source:
        DeLong, DeLong and Clarke-Pearson 1988.
    """
    old = placements(*before)
    change, *singles = (
        [new - was for new, was in zip(placements(*scores), old, strict=True)]
        for scores in (after, *alone)
    )
    values: tuple[float, ...] = _with_errors(*change)
    if singles:
        values += _with_errors(
            *(x - np.sum([single[i] for single in singles], axis=0) for i, x in enumerate(change))
        )
    names = [column.name for column in AUROC_CHANGES]
    return dict.fromkeys(names, np.nan) | dict(zip(names, values, strict=False))


def _with_errors(adversarial: Adversarial, friendly: Friendly) -> tuple[float, float, float]:
    errors = [
        float(x.std(ddof=1)) / len(x) ** 0.5 if len(x) > 1 else np.nan
        for x in (adversarial, friendly)
    ]
    return float(adversarial.mean()), errors[0], errors[1]
