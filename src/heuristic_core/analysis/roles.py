"""Do some units hold a heuristic whose removal helps? (paper, appendix E, finding 9)"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from .effects import Answerer, Effect, Effects, answerers
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
from .systems import OfAnswers

_CLAIM = "some units hold a heuristic whose removal helps OOD"
#: Changes of the area under the curve below this are small; above this area is no room to rise.
_SMALL_AREA, _FULL_AREA = 0.01, 0.98
#: Fewer adversarial examples cannot show that nothing helps.
_ENOUGH_EXAMPLES = 100

HELPS, HURTS = "removal helps both sides", "removal hurts both sides"
TO_ADVERSARIAL, TO_FRIENDLY = (
    "removal leans to the adversarial label",
    "removal leans to the friendly label",
)
ONE_SIDED, NONE = "removal changes one side alone", "no clear change"


@dataclass(frozen=True)
class UnitRole:
    """What a unit does for either side.

    Args:
        unit: The unit.
        adversarial: Change of adversarial cases' mean margin when it is removed, in nats.
        friendly: The same of friendly cases.
        discrimination: Half the sum of both: how much better the sides are told apart.
        lean: Half the difference: above 0 the answers move to the adversarial label.
        auc: Change of the mean area under the curve over adversarial cases; ``None`` if not
            measured.
        p_adversarial: Of the adversarial change, Holm-corrected over units.
        p_friendly: The same of the friendly one.
        p_discrimination: Of the area's change, else of the discrimination's; Holm-corrected.
        role: What the removal does, as far as changes are clear beyond correction: both margins
            move the same way, opposite ways, or one of them alone moves clearly.
    """

    unit: str
    adversarial: Estimate
    friendly: Estimate
    discrimination: Estimate
    lean: Estimate
    auc: Estimate | None
    p_adversarial: float
    p_friendly: float
    p_discrimination: float
    role: str


@dataclass(frozen=True)
class Roles(OfAnswers):
    """The roles of all units of one model.

    Args:
        units: One entry per unit, the most helpful removal first.
        counts: How many units have each role.
        helping: Units whose removal raises the adversarial margin and discrimination, both beyond
            correction.
        verdict: On the claim that some units hold a heuristic whose removal helps OOD (finding 9).
    """

    units: tuple[UnitRole, ...]
    counts: dict[str, int]
    helping: tuple[str, ...]
    verdict: Verdict


def roles(table: pd.DataFrame, discrimination: pd.DataFrame | None = None) -> list[Roles]:
    """Say for each unit which side its removal helps.

    Args:
        table: Rows as in ``tables.REMOVAL``.
        discrimination: Rows as in ``tables.REMOVAL_DISCRIMINATION``, where they were measured.

    Returns:
        One result per model and head that answers, where units were removed one by one and there
        are both adversarial and friendly cases.
    """
    results = []
    for found in answerers(table, discrimination):
        singles = [single for single in found.singles if "balanced" in single.margin]
        if singles:
            results.append(_one(found, singles))
    return results


def _one(found: Answerer, singles: Sequence[Effects]) -> Roles:
    adversarial = [single.margin["adversarial"] for single in singles]
    friendly = [single.margin["friendly"] for single in singles]
    told_apart = [single.auc or single.margin["balanced"] for single in singles]
    p_adversarial, p_friendly, p_told = (
        holm(np.array([effect.p_value for effect in effects]))
        for effects in (adversarial, friendly, told_apart)
    )
    units = [
        UnitRole(
            single.removed[0],
            adversarial[i].estimate(),
            friendly[i].estimate(),
            single.margin["balanced"].estimate(),
            ((adversarial[i] - friendly[i]) * 0.5).estimate(),
            None if single.auc is None else single.auc.estimate(),
            float(p_adversarial[i]),
            float(p_friendly[i]),
            float(p_told[i]),
            _role(adversarial[i], friendly[i], p_adversarial[i] < 0.05, p_friendly[i] < 0.05),
        )
        for i, single in enumerate(singles)
    ]
    helping = [
        unit.unit
        for i, unit in enumerate(units)
        if min(adversarial[i].value, told_apart[i].value) > 0
        and max(unit.p_adversarial, unit.p_discrimination) < 0.05
    ]
    order = sorted(range(len(units)), key=lambda i: -told_apart[i].value)
    counts = Counter(unit.role for unit in units)
    return Roles(
        *found.key,
        tuple(units[i] for i in order),
        {name: counts[name] for name in _ROLES},
        tuple(units[i].unit for i in order if units[i].unit in helping),
        _verdict(found, [units[i] for i in order], [told_apart[i] for i in order], helping),
    )


_ROLES = (HELPS, HURTS, TO_ADVERSARIAL, TO_FRIENDLY, ONE_SIDED, NONE)


def _role(adversarial: Effect, friendly: Effect, clear: bool, friendly_clear: bool) -> str:
    if clear and friendly_clear:
        if (adversarial.value > 0) == (friendly.value > 0):
            return HELPS if adversarial.value > 0 else HURTS
        return TO_ADVERSARIAL if adversarial.value > 0 else TO_FRIENDLY
    return ONE_SIDED if clear or friendly_clear else NONE


def _verdict(
    found: Answerer,
    units: Sequence[UnitRole],
    told_apart: Sequence[Effect],
    helping: Sequence[str],
) -> Verdict:
    claim = _CLAIM + found.whose
    best = units[0]
    area = best.auc is not None
    changed = best.auc or best.discrimination
    named = "area under the curve" if area else "balanced margin"
    leans = [sum(unit.role == role for unit in units) for role in (TO_ADVERSARIAL, TO_FRIENDLY)]
    reason = (
        f"the removal of {len(helping)} of {len(units)} units raises the adversarial margin and "
        f"the {named} beyond correction; at best ({best.unit}) that changes by "
        f"{change_text(changed, 3)} ({p_text(best.p_discrimination)}) and the adversarial margin "
        f"by {signed(best.adversarial.value, 2)} nats; {leans[0]} removals lean to the adversarial "
        f"label, {leans[1]} to the friendly one"
    )
    if helping:
        return Verdict(claim, SUPPORTED, reason)
    if not area or found.full_auc is None or found.n_adversarial < _ENOUGH_EXAMPLES:
        return Verdict(claim, UNDECIDED, reason)
    if found.full_auc > _FULL_AREA:
        return Verdict(
            claim, UNDECIDED, f"{reason}; the full model's area, {found.full_auc:.3f}, cannot rise"
        )
    # Intervals that hold for all units together.
    level = 1 - 0.05 / len(units)
    highest = max(effect.estimate(level).high for effect in told_apart)
    if highest < _SMALL_AREA:
        return Verdict(
            claim, CONTRADICTED, f"{reason}; none can raise it by more than {highest:.3f}"
        )
    return Verdict(claim, UNDECIDED, reason)
