"""Does the core as a whole matter more than other heads? (paper, section 5, finding 7)"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from ..units import Unit
from .effects import Answerer, Effects, answerers
from .intervals import CONTRADICTED, SUPPORTED, UNDECIDED, Estimate, Verdict, p_text

_CLAIM = "generalisation rests on the core more than on as many other heads of the same layers"
#: The opposite is judged more strictly, so that both together are rarely wrong.
_MORE, _LESS = 0.05, 0.01


@dataclass(frozen=True)
class BesideControls:
    """One measure of what removing the core does, beside the matched groups.

    Args:
        measure: What changes.
        core: The change without the core.
        controls: The mean change without a control group.
        lowest: The most harmful control's.
        highest: The least harmful one's.
        percentile: Share of controls whose removal does more harm, in percent; ties half.
        p_more: Probability that the core would do so much harm if it were a random group.
        p_less: The same of so little harm.
    """

    measure: str
    core: Estimate
    controls: float
    lowest: float
    highest: float
    percentile: float
    p_more: float
    p_less: float


@dataclass(frozen=True)
class CoreRemoval:
    """The removal of the core as a whole beside that of random groups of other heads.

    Args:
        finetune_seed: Seed of the fine-tuning.
        checkpoint: Its step.
        head: Who answers: ``model``, or ``probe`` for one on frozen features.
        core: The core's heads.
        n_controls: Different control groups.
        widening: By what the controls' spread is widened: groups that cannot contain the core's
            heads vary less than random ones. ``None`` where there are not enough other heads.
        accuracy_points: Change of accuracy in points without the core, by part.
        measures: Area under the curve where measured, and the margin's parts.
        verdict: On the claim that generalisation rests on the core more than on as many other
            heads of the same layers (finding 7), from the first of the measures.
    """

    finetune_seed: int
    checkpoint: int
    head: str
    core: tuple[str, ...]
    n_controls: int
    widening: float | None
    accuracy_points: dict[str, Estimate]
    measures: tuple[BesideControls, ...]
    verdict: Verdict


def core_removal(
    table: pd.DataFrame, discrimination: pd.DataFrame | None = None
) -> list[CoreRemoval]:
    """Hold the removal of the core against that of matched groups.

    Args:
        table: Rows as in ``tables.REMOVAL``; single removals show which heads there are.
        discrimination: Rows as in ``tables.REMOVAL_DISCRIMINATION``, where they were measured.

    Returns:
        One result per model and head that answers, where a core and controls were removed.
    """
    return [
        _one(found, found.core)
        for found in answerers(table, discrimination)
        if found.core is not None and found.controls and found.core.generalisation is not None
    ]


def _one(found: Answerer, core: Effects) -> CoreRemoval:
    heads = Counter(Unit.parse(s.removed[0]).layer for s in found.singles if _is_head(s.removed[0]))
    members = Counter(Unit.parse(unit).layer for unit in core.removed if _is_head(unit))
    wide = widening(heads, members)
    measures = []
    if core.auc is not None:
        areas = [c.auc.value for c in found.controls if c.auc is not None]
        measures.append(_beside("area under the curve", core.auc.estimate(), areas, wide))
    for part in ("balanced", "adversarial", "friendly", "in_domain"):
        if part in core.margin:
            values = [c.margin[part].value for c in found.controls if part in c.margin]
            name = f"{part.replace('in_domain', 'in-domain')} margin"
            measures.append(_beside(name, core.margin[part].estimate(), values, wide))
    return CoreRemoval(
        found.finetune_seed,
        found.checkpoint,
        found.head,
        core.removed,
        len(found.controls),
        wide,
        dict(core.accuracy),
        tuple(measures),
        _verdict(found, measures, wide),
    )


def _is_head(label: str) -> bool:
    return Unit.parse(label).is_head


def widening(heads: Counter[int], core: Counter[int]) -> float | None:
    """Say how much less groups outside a core vary than the core's distance to their mean.

    If the core were a random group, of n of a layer's N heads, its mean would stand n N / (N - n)
    head variances from the others' sum, while a control's stands n (N - 2 n) / (N - n) from it.

    Args:
        heads: Heads of each layer.
        core: How many of them are the core's.

    Returns:
        The ratio of standard deviations; ``None`` where the core has half of the heads or more,
        or the heads are not known.
    """
    if any(2 * n > heads[layer] for layer, n in core.items()):  # controls are of other layers too
        heads, core = Counter({0: heads.total()}), Counter({0: core.total()})
    across = sum(n * heads[i] / (heads[i] - n) for i, n in core.items() if heads[i] > n)
    within = sum(n * (heads[i] - 2 * n) / (heads[i] - n) for i, n in core.items() if heads[i] > n)
    return (across / within) ** 0.5 if within > 0 else None


def _beside(
    name: str, core: Estimate, controls: Sequence[float], wide: float | None
) -> BesideControls:
    values = np.array(controls)
    mean = values.mean()
    null = mean + (values - mean) * (wide or 1.0)
    more, same = (values < core.value).sum(), (values == core.value).sum()
    return BesideControls(
        name,
        core,
        float(mean),
        float(values.min()),
        float(values.max()),
        float(100 * (more + same / 2) / len(values)),
        float((1 + (null <= core.value).sum()) / (1 + len(values))),
        float((1 + (null >= core.value).sum()) / (1 + len(values))),
    )


def _verdict(found: Answerer, measures: Sequence[BesideControls], wide: float | None) -> Verdict:
    claim = _CLAIM + found.whose
    judged, *others = measures
    reason = (
        f"{judged.measure} changes by {judged.core.value:+.3f} [{judged.core.low:+.3f}, "
        f"{judged.core.high:+.3f}] without the core and by {judged.controls:+.3f} "
        f"({judged.lowest:+.3f} to {judged.highest:+.3f}) without {len(found.controls)} matched "
        f"groups ({p_text(judged.p_more)})"
    ) + "".join(
        f"; {other.measure} by {other.core.value:+.2f} and {other.controls:+.2f}"
        for other in others
        if other.measure in ("balanced margin", "in-domain margin")
    )
    if wide is None:
        return Verdict(
            claim, UNDECIDED, f"{reason}; too few heads are outside of the core for a comparison"
        )
    if judged.p_more < _MORE and judged.core.high < 0:
        return Verdict(claim, SUPPORTED, reason)
    if judged.p_less < _LESS:
        return Verdict(claim, CONTRADICTED, reason)
    if len(found.controls) + 1 <= 1 / _MORE:
        reason += "; fewer than 20 groups decide nothing"
    return Verdict(claim, UNDECIDED, reason)
