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
    ends_text,
    holm,
    p_text,
)
from .removal import estimates
from .systems import OfAnswers

_CLAIM = "removing several heads of the core hurts OOD more than the sum of removing each"


@dataclass(frozen=True)
class Interaction:
    """What units do together beside what each does alone.

    Args:
        units: The units.
        change: Change of the margin without all of them, in nats, by part.
        interaction: That less the sum of the changes without each, by part: below 0 where removing
            them together hurts more.
        p_value: Of the balanced OOD margin's interaction, else the adversarial one's;
            Holm-corrected over pairs.
    """

    units: tuple[str, ...]
    change: dict[str, Estimate]
    interaction: dict[str, Estimate]
    p_value: float


@dataclass(frozen=True)
class Additivity(OfAnswers):
    """How the core's heads work together in one model.

    Args:
        measure: The part of the margin that is judged by.
        core: The core as a whole; ``None`` if it has fewer than two units.
        pairs: Pairs, the most super-additive first.
        n_super: Pairs whose removal hurts more than the sum, beyond correction.
        n_sub: Pairs whose removal hurts less.
        verdict: On the claim that removing several heads of the core hurts OOD more than the sum
            of removing each (finding 7): from the core as a whole, else from pairs.
    """

    measure: str
    core: Interaction | None
    pairs: tuple[Interaction, ...]
    n_super: int
    n_sub: int
    verdict: Verdict


def additivity(table: pd.DataFrame) -> list[Additivity]:
    """Hold removals of several units against the sums of the single ones.

    Args:
        table: Rows as in ``tables.REMOVAL``.

    Returns:
        One result per model and head that answers, where a pair or a core of several units was
        removed and its units one by one.
    """
    results = []
    for found in answerers(table, None):
        pairs = [pair for pair in found.pairs if _judged(pair) is not None]
        core = found.core if found.core is not None and _judged(found.core) is not None else None
        if pairs or core is not None:
            results.append(_one(found, core, pairs))
    return results


def _judged(effects: Effects) -> Effect | None:
    return effects.interaction.get("balanced", effects.interaction.get("adversarial"))


def _one(found: Answerer, core: Effects | None, pairs: Sequence[Effects]) -> Additivity:
    judged = [_judged(pair) or Effect(0.0, (), ()) for pair in pairs]
    corrected = holm(np.array([effect.p_value for effect in judged]))
    clear = corrected < 0.05
    values = np.array([effect.value for effect in judged])
    n_super, n_sub = int((clear & (values < 0)).sum()), int((clear & (values > 0)).sum())
    order = np.argsort(values, kind="stable")
    measured = core if core is not None else pairs[0]
    measure = "balanced" if "balanced" in measured.interaction else "adversarial"
    whole = _judged(core) if core is not None else None
    return Additivity(
        *found.key,
        f"{measure} OOD margin" if measure == "balanced" else f"{measure} margin",
        None if core is None or whole is None else _interaction(core, whole.p_value),
        tuple(_interaction(pairs[i], float(corrected[i])) for i in order),
        n_super,
        n_sub,
        _verdict(found, core, measure, len(pairs), n_super, n_sub),
    )


def _interaction(effects: Effects, p_value: float) -> Interaction:
    return Interaction(
        effects.removed, estimates(effects.margin), estimates(effects.interaction), p_value
    )


def _verdict(
    found: Answerer, core: Effects | None, measure: str, n_pairs: int, n_super: int, n_sub: int
) -> Verdict:
    claim = _CLAIM + found.whose
    of_pairs = f"of {n_pairs} pairs {n_super} hurt more than the sum, {n_sub} less"
    if core is None:
        decision = UNDECIDED
        if n_super and not n_sub:
            decision = SUPPORTED
        elif n_sub and not n_super:
            decision = CONTRADICTED
        return Verdict(claim, decision, of_pairs)
    change, interaction = core.margin[measure], core.interaction[measure]
    extra = interaction.estimate()
    reason = (
        f"without all {len(core.removed)} the {measure} margin changes by {change.value:+.2f} "
        f"nats, without each in turn by {change.value - interaction.value:+.2f} in all: "
        f"{extra.value:+.2f}{ends_text(extra, '+.2f')} more "
        f"({p_text(interaction.p_value)})"
    ) + (f"; {of_pairs}" if n_pairs else "")
    clear, hurts = interaction.p_value < 0.05, change.value < 0 and change.p_value < 0.05
    if clear and hurts and interaction.value < 0:
        return Verdict(claim, SUPPORTED, reason)
    if clear and interaction.value > 0:
        return Verdict(claim, CONTRADICTED, reason)
    return Verdict(claim, UNDECIDED, reason)
