"""Does removing several units hurt more than the sum of each alone? (paper, section 5, finding 7)

The paper removes one triple; here are all pairs of the core's heads, and the core as a whole.
"""

from __future__ import annotations

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
from .removal import estimates
from .systems import OfAnswers

_CLAIM = "removing several heads of the core hurts OOD more than the sum of removing each"
#: The area under the curve of a model that tells nothing apart.
_CHANCE = 0.5


@dataclass(frozen=True)
class Interaction:
    """What units do together beside what each does alone.

    Args:
        units: The units.
        change: Change of the margin without all of them, in nats, by part.
        interaction: That less the sum of the changes without each, by part: below 0 where removing
            them together hurts more.
        auc: Change of the mean area under the curve over adversarial cases; ``None`` if not
            measured.
        auc_interaction: That less the sum of the changes without each.
        p_value: Of the area's interaction, else of the balanced OOD margin's, else of the
            adversarial one's; Holm-corrected over pairs.
    """

    units: tuple[str, ...]
    change: dict[str, Estimate]
    interaction: dict[str, Estimate]
    auc: Estimate | None
    auc_interaction: Estimate | None
    p_value: float


@dataclass(frozen=True)
class Additivity(OfAnswers):
    """How the core's heads work together in one model.

    Args:
        measure: What changes of generalisation are measured by.
        core: The core as a whole; ``None`` if it has fewer than two units.
        pairs: Pairs, the most super-additive first.
        n_super: Pairs whose removal hurts more than the sum, beyond correction, by the area under
            the curve where it was measured and by the margin.
        n_sub: Pairs whose removal hurts less, by both.
        verdict: On the claim that removing several heads of the core hurts OOD more than the sum
            of removing each (finding 7): from the core as a whole, else from pairs; never without
            the area under the curve.
    """

    measure: str
    core: Interaction | None
    pairs: tuple[Interaction, ...]
    n_super: int
    n_sub: int
    verdict: Verdict


def additivity(table: pd.DataFrame, discrimination: pd.DataFrame | None = None) -> list[Additivity]:
    """Hold removals of several units against the sums of the single ones.

    Args:
        table: Rows as in ``tables.REMOVAL``.
        discrimination: Rows as in ``tables.REMOVAL_DISCRIMINATION``, where they were measured.

    Returns:
        One result per model and head that answers, where a pair or a core of several units was
        removed and its units one by one.
    """
    results = []
    for found in answerers(table, discrimination):
        pairs = [pair for pair in found.pairs if judged_interaction(pair) is not None]
        core = (
            found.core
            if found.core is not None and judged_interaction(found.core) is not None
            else None
        )
        if pairs or core is not None:
            results.append(_one(found, core, pairs))
    return results


def judged_interaction(effects: Effects) -> Effect | None:
    """Give the interaction that says most of generalisation: area, else margin."""
    if effects.auc_interaction is not None:
        return effects.auc_interaction
    return _margin(effects)


def _margin(effects: Effects) -> Effect | None:
    return effects.interaction.get("balanced", effects.interaction.get("adversarial"))


def _one(found: Answerer, core: Effects | None, pairs: Sequence[Effects]) -> Additivity:
    judged = [judged_interaction(pair) or Effect(0.0, (), ()) for pair in pairs]
    corrected = holm(np.array([effect.p_value for effect in judged]))
    by_margin = [_margin(pair) or Effect(0.0, (), ()) for pair in pairs]
    values = np.array([effect.value for effect in judged])
    # Both measures must say so: areas end at 0.5 and 1, and a lean moves margins.
    same = np.array([effect.value for effect in by_margin]) * values > 0
    clear = (corrected < 0.05) & same & (holm(np.array([m.p_value for m in by_margin])) < 0.05)
    n_super, n_sub = int((clear & (values < 0)).sum()), int((clear & (values > 0)).sum())
    order = np.argsort(values, kind="stable")
    measured = core if core is not None else pairs[0]
    whole = None if core is None else judged_interaction(core)
    return Additivity(
        *found.key,
        measured.measure,
        None if core is None or whole is None else interaction(core, whole.p_value),
        tuple(interaction(pairs[i], float(corrected[i])) for i in order),
        n_super,
        n_sub,
        _verdict(found, core, pairs, (n_super, n_sub)),
    )


def interaction(effects: Effects, p_value: float) -> Interaction:
    """Give the effects of several units with their intervals.

    Args:
        effects: What their removal does.
        p_value: Of their interaction, corrected for what it is one of.
    """
    auc, beyond = effects.auc, effects.auc_interaction
    return Interaction(
        effects.removed,
        estimates(effects.margin),
        estimates(effects.interaction),
        None if auc is None else auc.estimate(),
        None if beyond is None else beyond.estimate(),
        p_value,
    )


def _verdict(
    found: Answerer,
    core: Effects | None,
    pairs: Sequence[Effects],
    clear: tuple[int, int],
) -> Verdict:
    claim = _CLAIM + found.whose
    n_super, n_sub = clear
    of_pairs = f"of {len(pairs)} pairs {n_super} hurt more than the sum, {n_sub} less"
    if core is None:
        if any(pair.auc_interaction is None for pair in pairs):
            return Verdict(claim, UNDECIDED, f"{of_pairs}; {_NO_AREA}")
        decision = UNDECIDED
        if n_super and not n_sub:
            decision = SUPPORTED
        elif n_sub and not n_super and all(_room(found, pair) for pair in pairs):
            decision = CONTRADICTED
        return Verdict(claim, decision, of_pairs)
    parts = [f"without all {len(core.removed)}, " + "; ".join(_told(core))]
    parts += [of_pairs] if pairs else []
    change, extra = core.auc, core.auc_interaction
    if change is None or extra is None:
        return Verdict(claim, UNDECIDED, "; ".join([*parts, _NO_AREA]))
    if not _room(found, core):
        parts.append("the sum of the single falls is more than all discrimination there is")
    reason = "; ".join(parts)
    by_margin = _margin(core)
    if extra.p_value >= 0.05 or by_margin is None or by_margin.p_value >= 0.05:
        return Verdict(claim, UNDECIDED, reason)
    hurts = change.value < 0 and change.p_value < 0.05
    if hurts and max(extra.value, by_margin.value) < 0:
        return Verdict(claim, SUPPORTED, reason)
    if min(extra.value, by_margin.value) > 0 and _room(found, core):
        return Verdict(claim, CONTRADICTED, reason)
    return Verdict(claim, UNDECIDED, reason)


_NO_AREA = "without areas under the curve, a lean to one label could do this"


def _told(core: Effects) -> list[str]:
    """Write what removing the core does, by area and by margin."""
    told = []
    if core.auc is not None and core.auc_interaction is not None:
        told.append(_beside_sum("the area under the curve", core.auc, core.auc_interaction, "", 3))
    part = "balanced" if "balanced" in core.interaction else "adversarial"
    if part in core.interaction:
        changes = core.margin[part], core.interaction[part]
        told.append(_beside_sum(f"the {part} margin", *changes, " nats", 2))
    return told


def _beside_sum(name: str, change: Effect, extra: Effect, unit: str, digits: int) -> str:
    alone = signed(change.value - extra.value, digits)
    return (
        f"{name} changes by {signed(change.value, digits)}{unit}, without each in turn by {alone} "
        f"in all: {change_text(extra.estimate(), digits)} beyond that ({p_text(extra.p_value)})"
    )


def _room(found: Answerer, effects: Effects) -> bool:
    """Say whether the model has as much discrimination to lose as the single removals cost."""
    if effects.auc is None or effects.auc_interaction is None or found.full_auc is None:
        return False
    return found.full_auc + effects.auc.value - effects.auc_interaction.value >= _CHANCE
