"""Does the core as a whole matter more than other heads? (paper, section 5, finding 7)"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy import stats

from ..units import Unit
from .effects import Answerer, Effect, Effects, answerers
from .intervals import (
    CONTRADICTED,
    SUPPORTED,
    UNDECIDED,
    Estimate,
    Verdict,
    change_text,
    p_text,
    signed,
)
from .matched import Contrast
from .removal import beside_others
from .separation import RESOLUTION
from .systems import OfAnswers

_CLAIM = "generalisation rests on the core more than on as many other heads of the same layers"
#: With fewer control groups their spread is hardly known.
ENOUGH_CONTROLS = 5
#: Heads that stand in for each other are not missed alone. Harm is done together if more than this
#: share of it is beyond the sum of the single removals; few controls, or a core with many of a
#: layer's heads, come upon such a pair by chance.
_TOGETHER, _CONTROLS_TOGETHER, _SHARE_TOGETHER = 0.75, 15, 0.25


@dataclass(frozen=True)
class BesideControls:
    """One measure of what removing the core does, beside the matched groups.

    Args:
        measure: What changes.
        core: The change without the core.
        controls: The mean change without a control group.
        lowest: The most harmful control's.
        highest: The least harmful one's.
        beyond: The core's change less the controls' mean. 95 % of random groups would have 0 in
            this interval, if their changes were normally distributed.
        percentile: Share of controls whose removal does more harm, in percent; ties half.
        p_more: Probability that the core would do so much harm if it were a random group.
        p_less: The same of so little harm.
    """

    measure: str
    core: Estimate
    controls: float
    lowest: float
    highest: float
    beyond: Estimate
    percentile: float
    p_more: float
    p_less: float


@dataclass(frozen=True)
class CoreRemoval(OfAnswers):
    """The removal of the core as a whole beside that of random groups of other heads.

    Args:
        core: The core's heads.
        n_controls: Different control groups.
        widening: By what the controls' spread is widened: groups that cannot contain the core's
            heads vary less than random ones. ``None`` where there are not enough other heads.
        accuracy_points: Change of accuracy in points without the core, by part.
        measures: Area under the curve where measured, and the margin's parts.
        alone: The core's heads beside the other heads of their layers, each removed alone, by the
            balanced OOD margin, else the adversarial one; ``None`` where no layer has both.
        interaction: The core's change by the first of the measures, less the sum of the changes
            without each of its heads; ``None`` where that was not measured.
        only_together: Whether the core does harm as a whole that its heads do not do alone, and
            more of that than any control.
        verdict: On the claim that generalisation rests on the core more than on as many other
            heads of the same layers (finding 7), from the first of the measures.
    """

    core: tuple[str, ...]
    n_controls: int
    widening: float | None
    accuracy_points: dict[str, Estimate]
    measures: tuple[BesideControls, ...]
    alone: Contrast | None
    interaction: Estimate | None
    only_together: bool
    verdict: Verdict


def core_removal(
    table: pd.DataFrame, discrimination: pd.DataFrame | None = None, *, seed: int = 0
) -> list[CoreRemoval]:
    """Hold the removal of the core against that of matched groups.

    Args:
        table: Rows as in ``tables.REMOVAL``; single removals show which heads there are.
        discrimination: Rows as in ``tables.REMOVAL_DISCRIMINATION``, where they were measured.
        seed: Seed of the shuffles.

    Returns:
        One result per model and head that answers, where a core and controls were removed.
    """
    return [
        _one(found, found.core, seed)
        for found in answerers(table, discrimination)
        if found.core is not None and found.controls and found.core.generalisation is not None
    ]


def _one(found: Answerer, core: Effects, seed: int) -> CoreRemoval:
    heads = Counter(Unit.parse(s.removed[0]).layer for s in found.singles if _is_head(s.removed[0]))
    members = Counter(Unit.parse(unit).layer for unit in core.removed if _is_head(unit))
    wide = widening(heads, members)
    free = freedom(heads, members, len(found.controls))
    measures = []
    if core.auc is not None:
        areas = [c.auc.value for c in found.controls if c.auc is not None]
        measures.append(_beside("area under the curve", core.auc.estimate(), areas, wide, free))
    for part in ("balanced", "adversarial", "friendly", "in_domain"):
        if part in core.margin:
            values = [c.margin[part].value for c in found.controls if part in c.margin]
            name = f"{part.replace('in_domain', 'in-domain')} margin"
            measures.append(_beside(name, core.margin[part].estimate(), values, wide, free))
    # Areas end at 0.5 and 1, where single heads change nothing; margins do not.
    part = "balanced" if "balanced" in core.margin else "adversarial"
    by_unit = {s.removed[0]: s.margin[part] for s in found.singles if part in s.margin}
    alone = beside_others(f"{part} margin", by_unit, core.removed, seed)
    extra = _interaction(core)
    few = all(n <= _SHARE_TOGETHER * heads[layer] for layer, n in members.items())
    together = few and len(found.controls) >= _CONTROLS_TOGETHER and _only_together(found, core)
    return CoreRemoval(
        *found.key,
        core.removed,
        len(found.controls),
        wide,
        dict(core.accuracy),
        tuple(measures),
        alone,
        None if extra is None else extra.estimate(),
        together,
        _verdict(found, measures, wide, alone, extra, together),
    )


def _interaction(effects: Effects) -> Effect | None:
    """Give the interaction by what generalisation is measured by."""
    if effects.auc is not None:
        return effects.auc_interaction
    part = "balanced" if "balanced" in effects.margin else "adversarial"
    return effects.interaction.get(part)


def _only_together(found: Answerer, core: Effects) -> bool:
    change, extra = core.generalisation, _interaction(core)
    if change is None or extra is None or extra.p_value >= 0.05:
        return False
    others = [
        (of_group.value, beyond.value)
        for control in found.controls
        if (of_group := control.generalisation) is not None
        and (beyond := _interaction(control)) is not None
    ]
    most = all(change.value < one and extra.value < beyond for one, beyond in others)
    return bool(others) and most and change.value < 0 and extra.value < _TOGETHER * change.value


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
    sizes = _pools(heads, core)
    across = sum(n * total / (total - n) for total, n in sizes)
    within = sum(n * (total - 2 * n) / (total - n) for total, n in sizes)
    return (across / within) ** 0.5 if within > 0 else None


def freedom(heads: Counter[int], core: Counter[int], n_controls: int) -> float:
    """Give the degrees of freedom of the spread of control groups.

    Groups drawn from the same few heads tell less of how heads differ than as many independent
    ones: the relative variance of their spread is the sum of that from drawing some groups only
    and that from having these heads only.

    Args:
        heads: Heads of each layer.
        core: How many of them are the core's.
        n_controls: Control groups.
    """
    others = sum(total - n - 1 for total, n in _pools(heads, core))
    parts = [1 / free for free in (n_controls - 1, others) if free > 0]
    return 1 / sum(parts) if parts else 1.0


def _pools(heads: Counter[int], core: Counter[int]) -> list[tuple[int, int]]:
    """Give the sizes of the pools of heads that controls are drawn from, and the core's share."""
    if any(2 * n > heads[layer] for layer, n in core.items()):  # controls are of other layers too
        heads, core = Counter({0: heads.total()}), Counter({0: core.total()})
    return [(heads[i], n) for i, n in core.items() if heads[i] > n]


def _beside(
    name: str, core: Estimate, controls: Sequence[float], wide: float | None, free: float
) -> BesideControls:
    values = np.array(controls)
    mean = float(values.mean())
    more, same = (values < core.value).sum(), (values == core.value).sum()
    # Of the distance of one more group to the mean. Groups that differ by rounding do not differ.
    spread = values.std(ddof=1) if len(values) > 1 else np.nan
    error = np.maximum(spread, RESOLUTION) * (wide or 1.0) * (1 + 1 / len(values)) ** 0.5
    beyond = core.value - mean
    half = stats.t.ppf(0.975, free) * error
    return BesideControls(
        name,
        core,
        mean,
        float(values.min()),
        float(values.max()),
        Estimate(beyond, float(beyond - half), float(beyond + half)),
        float(100 * (more + same / 2) / len(values)),
        *(float(stats.t.cdf(t, free)) for t in (beyond / error, -beyond / error)),
    )


def _verdict(
    found: Answerer,
    measures: Sequence[BesideControls],
    wide: float | None,
    alone: Contrast | None,
    extra: Effect | None,
    only_together: bool,
) -> Verdict:
    claim = _CLAIM + found.whose
    judged, *others = measures
    groups = (judged.controls, judged.lowest, judged.highest)
    mean, low, high = (signed(value, 3) for value in groups)
    reason = (
        f"{judged.measure} changes by {change_text(judged.core, 3)} without the core and by {mean} "
        f"({low} to {high}) without {len(found.controls)} matched groups, a difference of "
        f"{change_text(judged.beyond, 3)}"
    ) + "".join(
        f"; {other.measure} by {signed(other.core.value, 2)} and {signed(other.controls, 2)}"
        for other in others
        if other.measure in ("balanced margin", "in-domain margin")
    )
    if wide is None or alone is None:
        return Verdict(
            claim, UNDECIDED, f"{reason}; too few heads are outside of the core for a comparison"
        )
    if len(found.controls) < ENOUGH_CONTROLS:
        return Verdict(
            claim,
            UNDECIDED,
            f"{reason}; fewer than {ENOUGH_CONTROLS} groups allow neither verdict",
        )
    reason += (
        f"; alone, its heads change the {alone.name} by {change_text(alone.difference, 2)} more "
        f"than other heads of their layers ({p_text(alone.p_value)})"
    )
    if extra is not None:
        reason += (
            f"; together they change the {judged.measure} by {change_text(extra.estimate(), 3)} "
            "beyond their sum"
        )
    # Where few heads matter, chance gives one to the core now and then, and to no control.
    apart = 0 if alone.p_value >= 0.05 else np.sign(alone.difference.value)
    if judged.beyond.high < 0 and judged.core.high < 0 and (apart < 0 or only_together):
        return Verdict(claim, SUPPORTED, reason)
    if judged.beyond.low > 0 and apart > 0:
        return Verdict(claim, CONTRADICTED, reason)
    if judged.beyond.high < 0 and judged.core.high < 0:
        reason += (
            "; its heads alone are not clearly worse to lose than others, nor all together than "
            "the sum, so that the few heads that matter may be in it by chance"
        )
    return Verdict(claim, UNDECIDED, reason)
