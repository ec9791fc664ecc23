"""Does removing a group of units of the user's own hurt generalisation?"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

from .additivity import Interaction, interaction, judged_interaction
from .effects import Answerer, answerers
from .intervals import (
    CONTRADICTED,
    SUPPORTED,
    UNDECIDED,
    Estimate,
    Verdict,
    change_text,
    holm,
    p_text,
    signed,
)
from .removal import estimates
from .systems import OfAnswers


@dataclass(frozen=True)
class GroupRemoval(OfAnswers):
    """The removal of one group that the study names.

    Args:
        group: Its name.
        together: What removing it does, and how much of it is beyond the sum of its units alone;
            of a single unit there are no interactions.
        accuracy_points: Change of accuracy in points, by part.
        singles: The change of the area under the curve, else of the balanced, else of the
            adversarial margin, without each of its units alone.
        p_value: Of that change without all of them, Holm-corrected over the study's groups.
        verdict: On the claim that removing the group hurts generalisation, by the area alone.
    """

    group: str
    together: Interaction
    accuracy_points: dict[str, Estimate]
    singles: dict[str, Estimate]
    p_value: float
    verdict: Verdict


def groups(table: pd.DataFrame, discrimination: pd.DataFrame | None = None) -> list[GroupRemoval]:
    """Say what removing each of the study's own groups does.

    Args:
        table: Rows as in ``tables.REMOVAL``.
        discrimination: Rows as in ``tables.REMOVAL_DISCRIMINATION``, where they were measured.

    Returns:
        One result per model, head that answers and group.
    """
    return [one for found in answerers(table, discrimination) for one in _of_model(found)]


def _of_model(found: Answerer) -> list[GroupRemoval]:
    alone = {single.removed[0]: single for single in found.singles}
    named = [
        (name, effects, change)
        for name, effects in found.own.items()
        if (change := effects.generalisation) is not None
    ]
    corrected = holm(np.array([change.p_value for _, _, change in named]))
    results = []
    for (name, effects, change), p_value in zip(named, corrected, strict=True):
        extra = judged_interaction(effects)
        claim = f"removing the group {name!r} hurts generalisation{found.whose}"
        digits = 3 if effects.auc is not None else 2
        reason = (
            f"the {effects.measure} changes by {change_text(change.estimate(), digits)} "
            f"({p_text(p_value)})"
        )
        if extra is not None:
            reason += (
                f", without each of its {len(effects.removed)} units in turn by "
                f"{signed(change.value - extra.value, digits)} in all: "
                f"{change_text(extra.estimate(), digits)} beyond that"
            )
        decision = UNDECIDED
        if effects.auc is None:
            reason += "; without areas under the curve, a lean to one label could do this"
        elif p_value < 0.05:
            decision = SUPPORTED if change.value < 0 else CONTRADICTED
        results.append(
            GroupRemoval(
                *found.key,
                name,
                interaction(effects, 1.0 if extra is None else extra.p_value),
                dict(effects.accuracy),
                estimates(
                    {
                        unit: own
                        for unit in effects.removed
                        if unit in alone and (own := alone[unit].generalisation) is not None
                    }
                ),
                float(p_value),
                Verdict(claim, decision, reason),
            )
        )
    return results
