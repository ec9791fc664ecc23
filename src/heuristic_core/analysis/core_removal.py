"""Does the core as a whole matter more than other heads? (paper, section 5, finding 7)"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy import stats

from ..units import Unit
from .effects import Answerer, Effects, answerers
from .intervals import CONTRADICTED, SUPPORTED, UNDECIDED, Estimate, Verdict, ends_text
from .separation import RESOLUTION
from .systems import OfAnswers

_CLAIM = "generalisation rests on the core more than on as many other heads of the same layers"
#: With fewer control groups their spread is hardly known.
ENOUGH_CONTROLS = 5


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
        verdict: On the claim that generalisation rests on the core more than on as many other
            heads of the same layers (finding 7), from the first of the measures.
    """

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
    return CoreRemoval(
        *found.key,
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


def _verdict(found: Answerer, measures: Sequence[BesideControls], wide: float | None) -> Verdict:
    claim = _CLAIM + found.whose
    judged, *others = measures
    reason = (
        f"{judged.measure} changes by {judged.core.value:+.3f}"
        f"{ends_text(judged.core, '+.3f')} without the core and by {judged.controls:+.3f} "
        f"({judged.lowest:+.3f} to {judged.highest:+.3f}) without {len(found.controls)} matched "
        f"groups, a difference of {judged.beyond.value:+.3f}"
        f"{ends_text(judged.beyond, '+.3f')}"
    ) + "".join(
        f"; {other.measure} by {other.core.value:+.2f} and {other.controls:+.2f}"
        for other in others
        if other.measure in ("balanced margin", "in-domain margin")
    )
    if wide is None:
        return Verdict(
            claim, UNDECIDED, f"{reason}; too few heads are outside of the core for a comparison"
        )
    if len(found.controls) < ENOUGH_CONTROLS:
        return Verdict(
            claim,
            UNDECIDED,
            f"{reason}; fewer than {ENOUGH_CONTROLS} groups allow neither verdict",
        )
    if judged.beyond.high < 0 and judged.core.high < 0:
        return Verdict(claim, SUPPORTED, reason)
    if judged.beyond.low > 0:
        return Verdict(claim, CONTRADICTED, reason)
    return Verdict(claim, UNDECIDED, reason)
