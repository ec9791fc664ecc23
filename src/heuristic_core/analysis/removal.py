"""Does generalisation rest on single heads of the core? (paper, section 5, finding 7)"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from ..units import Unit
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
from .matched import Contrast, within_layers
from .systems import OfAnswers

#: Losses of the in-domain margin below this, in nats, are written as 0.00.
_LOSS = 0.005

_CLAIM = "removing one head of the core hurts OOD more than ID, and more than other heads do"


@dataclass(frozen=True)
class UnitRemoval:
    """What removing one unit from the full model does.

    Args:
        unit: The unit.
        in_core: Whether it is one of the core's heads.
        margin: Change of the margin in nats, by part: ``in_domain``, ``adversarial``,
            ``friendly``, and ``balanced``, the mean of the last two, which a lean to one label
            does not change.
        accuracy_points: Change of accuracy in points, by the first three parts; its intervals do
            not use that the examples are the same, and so are wide.
        auc: Change of the mean area under the curve over adversarial cases; ``None`` if not
            measured.
        p_value: Of the change of generalisation (area, else balanced margin, else adversarial
            margin), Holm-corrected over units.
        p_in_domain: Of the change of the in-domain margin, Holm-corrected over units.
        beyond_in_domain: The change of the balanced OOD margin, less what it would be if that
            margin shrank in the same ratio as the in-domain margin, in nats: below 0 where OOD is
            hurt more. ``None`` where the full model has no such margin above 0.
        beyond_p_value: Of that, Holm-corrected over the core's heads; 1 for all other units.
    """

    unit: str
    in_core: bool
    margin: dict[str, Estimate]
    accuracy_points: dict[str, Estimate]
    auc: Estimate | None
    p_value: float
    p_in_domain: float
    beyond_in_domain: Estimate | None
    beyond_p_value: float


@dataclass(frozen=True)
class SingleRemovals(OfAnswers):
    """Every unit of one model, removed alone.

    Args:
        measure: What generalisation is measured by.
        core: The core's heads.
        units: One entry per unit, the most harmful removal first.
        beside_others: The core's heads beside other heads of their layers, by the change of
            generalisation; ``None`` where no layer has both.
        verdict: On the claim that removing one head of the core hurts OOD more than ID, and more
            than other heads do (finding 7).
    """

    measure: str
    core: tuple[str, ...]
    units: tuple[UnitRemoval, ...]
    beside_others: Contrast | None
    verdict: Verdict


def removal(
    table: pd.DataFrame, discrimination: pd.DataFrame | None = None, *, seed: int = 0
) -> list[SingleRemovals]:
    """Compare the removals of single units, those of the core's heads beside the others.

    Args:
        table: Rows as in ``tables.REMOVAL``; the core is that of the group ``core``.
        discrimination: Rows as in ``tables.REMOVAL_DISCRIMINATION``, where they were measured.
        seed: Seed of the shuffles.

    Returns:
        One result per model and head that answers, where there are single removals on OOD cases.
    """
    return [
        _one(found, seed)
        for found in answerers(table, discrimination)
        if any(single.generalisation is not None for single in found.singles)
    ]


def _one(found: Answerer, seed: int) -> SingleRemovals:
    singles = [single for single in found.singles if single.generalisation is not None]
    core = () if found.core is None else found.core.removed
    in_core = np.array([single.removed[0] in core for single in singles])
    changes = [single.generalisation or Effect(0.0, (), ()) for single in singles]
    beyond = [beyond_in_domain(single, found.full_margin) for single in singles]
    p_values = holm(np.array([change.p_value for change in changes]))
    in_domain = holm(
        np.array([s.margin["in_domain"].p_value if "in_domain" in s.margin else 1 for s in singles])
    )
    beyond_p = np.ones(len(singles))
    p_of_beyond = np.array([1.0 if more is None else more.p_value for more in beyond])
    beyond_p[in_core] = holm(p_of_beyond[in_core])
    units = [
        UnitRemoval(
            single.removed[0],
            bool(in_core[i]),
            estimates(single.margin),
            dict(single.accuracy),
            None if single.auc is None else single.auc.estimate(),
            float(p_values[i]),
            float(in_domain[i]),
            None if (more := beyond[i]) is None else more.estimate(),
            float(beyond_p[i]),
        )
        for i, single in enumerate(singles)
    ]
    by_unit = {single.removed[0]: change for single, change in zip(singles, changes, strict=True)}
    contrast = beside_others(singles[0].measure, by_unit, core, seed)
    order = sorted(range(len(units)), key=lambda i: changes[i].value)
    return SingleRemovals(
        *found.key,
        singles[0].measure,
        core,
        tuple(units[i] for i in order),
        contrast,
        _verdict(found, [(units[i], changes[i].value) for i in order], contrast),
    )


def estimates(effects: Mapping[str, Effect]) -> dict[str, Estimate]:
    """Give effects with their intervals."""
    return {name: effect.estimate() for name, effect in effects.items()}


def beyond_in_domain(effects: Effects, full: Mapping[str, float]) -> Effect | None:
    """Give how much more the OOD margin changes than if it shrank as the in-domain margin does.

    Args:
        effects: What the removal does.
        full: The full model's margins.

    Returns:
        The difference in nats; ``None`` where there is nothing to shrink: the full model must
        have a margin above 0 on both.
    """
    ood = "balanced" if "balanced" in effects.margin else "adversarial"
    if min(full.get(ood, 0.0), full.get("in_domain", 0.0)) <= 0:
        return None
    return effects.margin[ood] - effects.margin["in_domain"] * (full[ood] / full["in_domain"])


def beside_others(
    measure: str, changes: Mapping[str, Effect], core: Sequence[str], seed: int
) -> Contrast | None:
    """Hold the core's heads, each removed alone, against the other heads of their layers.

    Args:
        measure: What changes.
        changes: By unit, its change without this unit alone.
        core: The core's heads.
        seed: Seed of the shuffles.

    Returns:
        The contrast; ``None`` where no layer has both.
    """
    heads = [unit for label in changes if (unit := Unit.parse(label)).is_head]
    if not heads:
        return None
    contrasts = within_layers(
        [measure],
        np.array([[changes[str(unit)].value] for unit in heads]),
        np.array([unit.layer for unit in heads]),
        np.array([str(unit) in core for unit in heads]),
        seed,
    )
    return contrasts[0] if contrasts else None


def _verdict(
    found: Answerer, units: Sequence[tuple[UnitRemoval, float]], contrast: Contrast | None
) -> Verdict:
    claim = _CLAIM + found.whose
    core = [(unit, change) for unit, change in units if unit.in_core]
    if not core:
        return Verdict(claim, UNDECIDED, "no core was removed beside the single units")
    if contrast is None:
        return Verdict(claim, UNDECIDED, "no layer has enough heads in and outside of the core")
    if all(unit.beyond_in_domain is None for unit, _ in core):
        return Verdict(
            claim, UNDECIDED, "the full model has no margin both OOD and in-domain to lose"
        )
    hurt = [unit for unit, change in core if change < 0 and unit.p_value < 0.05]
    more = [unit for unit in hurt if _beyond(unit) < 0 and unit.beyond_p_value < 0.05]
    # The same the other way round: a loss in-domain, and a larger one than OOD.
    lost = [unit for unit, _ in core if _loses_in_domain(unit)]
    less = [unit for unit in lost if _beyond(unit) > 0 and unit.beyond_p_value < 0.05]
    worst, change = core[0]
    reason = (
        f"of {len(core)} heads of the core, {len(hurt)} hurt OOD when removed and {len(more)} of "
        f"them hurt it more than ID, {len(lost)} hurt ID and {len(less)} of them more than "
        f"OOD; {contrast.name} changes "
        f"by {signed(contrast.core, 3)} on average, by {signed(contrast.others, 3)} for other "
        f"heads of their layers (difference {change_text(contrast.difference, 3)}, "
        f"{p_text(contrast.p_value)}), and at worst by {signed(change, 3)} ({worst.unit})"
    )
    apart = contrast.p_value < 0.05
    beyond = contrast.difference.value
    stands_out, others_do = apart and beyond < 0, apart and beyond > 0
    if more and not less and stands_out:
        return Verdict(claim, SUPPORTED, reason)
    # That some head is of no more use OOD than in-domain says little of the others.
    mostly = 2 * len(less) >= len(core)
    if others_do or (mostly and not more and not stands_out):
        return Verdict(claim, CONTRADICTED, reason)
    return Verdict(claim, UNDECIDED, reason)


def _beyond(unit: UnitRemoval) -> float:
    return 0.0 if unit.beyond_in_domain is None else unit.beyond_in_domain.value


def _loses_in_domain(unit: UnitRemoval) -> bool:
    change = unit.margin.get("in_domain")
    return change is not None and change.value <= -_LOSS and unit.p_in_domain < 0.05
