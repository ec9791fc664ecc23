"""Does removing several heads hurt more than the sum of single removals? (section 5, finding 7)

The paper removes one triple. This question covers all pairs of core heads and the whole core.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from jaxtyping import Float
from scipy import stats

from ..columns import Column, Table
from ..writing import p_text
from .effect import Effect, clear_sign, corrected, estimated
from .evidence import Evidence
from .intervals import change_text
from .power import by_examples, outlook
from .question import Answer, Verdict, decide
from .removal_effects import (
    ACCURACY_COLUMNS,
    AUROC,
    NO_AUROC,
    ModelRemovals,
    RemovalEffects,
    change_column,
    planned,
    removal_question,
    with_unit,
)
from .removals import removals
from .separable_cases import SEPARABLE_CASES_ONLY
from .separation import auc_variance

_NO_ROOM = "the single removals cost more than the full model has to lose"
#: If the full model puts fewer adversarial examples than this among the friendly ones, its d' is
#: not known. Then several removals do more than their sum if more than this share of what they do
#: to the margin is beyond it.
_LEAST_MISPLACED, _SHARE_BEYOND = 0.75, 0.75
_MORE, _LESS, _UNCLEAR = "more than the sum", "less than the sum", "not clear"


def additivity(evidence: Evidence) -> list[Answer]:
    """Compare removals of several units with the sums of the single removals.

    Returns:
        One answer per model and readout, if a pair, or a core of several units, was removed, and
        its units one by one.
    """
    return [
        Answer(subject=model.subject, verdict=_verdict(model, rows), rows={"additivity": rows})
        for model in evidence.once(removals)
        if (rows := [*_rows(model, "core", [model.core]), *_rows(model, "pair", model.pairs)])
    ]


def interaction_row(effects: RemovalEffects) -> dict[str, Any]:
    """Return what a group's removal does together and beyond the sum of its units' removals."""
    return {
        "units": " ".join(effects.removed),
        "auc": estimated(effects.auc),
        "auc_interaction": estimated(effects.auc_interaction),
        "margin_kind": effects.ood,
        "margin": estimated(effects.margin.get(effects.ood)),
        "margin_interaction": estimated(effects.margin_interaction),
        "in_domain": estimated(effects.margin.get("in_domain")),
        "in_domain_interaction": estimated(effects.interaction.get("in_domain")),
        **effects.accuracy,
    }


def _rows(model: ModelRemovals, kind: str, removed: Sequence[RemovalEffects | None]) -> list[dict]:
    groups = [group for group in removed if group is not None and group.margin_interaction]
    p_values = corrected([group.margin_interaction for group in groups])
    separations = [_d_prime_beyond_sum(model, group) for group in groups]
    rows = [
        {
            "kind": kind,
            **interaction_row(group),
            "n_units": len(group.removed),
            "d_prime_interaction": estimated(separation),
            "together": _together(model, group, p, separation, p_separation),
            "room": _room(model, group),
            "p": p,
        }
        for group, p, separation, p_separation in zip(
            groups, p_values, separations, corrected(separations), strict=True
        )
    ]
    return sorted(rows, key=lambda row: row["margin_interaction"].value)


def _d_prime_beyond_sum(model: ModelRemovals, group: RemovalEffects) -> Effect | None:
    """Compute the change of d', as AUROC gives it, minus the sum of the units' own changes.

    d' = sqrt(2) z(AUROC) has no upper or lower end, and no change of scores that keeps their order
    moves it: neither label bias nor saturation nor less confidence.

    Returns:
        The interaction; ``None`` if AUROC was not measured without the group and without each unit.
    """
    alone = {single.removed[0]: single.auc for single in model.singles}
    changes = [effect for unit in group.removed if (effect := alone.get(unit)) is not None]
    if model.full_auc is None or group.auc is None or len(changes) < len(group.removed):
        return None
    changes.append(group.auc)
    n, n_friendly = model.auc_sizes
    aucs = np.array([0.0, *(change.value for change in changes)]) + model.full_auc
    aucs = np.clip(aucs, 0.5 / n, 1 - 0.5 / n)
    weights = np.array([len(group.removed) - 1, *[-1] * len(group.removed), 1])
    z = stats.norm.ppf(aucs)
    slopes = weights / stats.norm.pdf(z)
    by_formula = auc_variance(aucs, n, n_friendly)
    systems = ["", *group.removed, "+".join(group.removed)]
    covariance = model.covariances.get(AUROC)
    known = None if covariance is None else covariance.among(systems)
    if known is None:
        changed = np.array([0.0, *(sum(change.variances) for change in changes)])
        variance = _at_most(slopes, by_formula, changed)
    else:
        # Where no example is misplaced, examples say nothing of the variance.
        perfect = np.diag(known) == 0
        variance = slopes @ known @ slopes + slopes[perfect] ** 2 @ by_formula[perfect]
    return Effect(float(2**0.5 * weights @ z), (float(2 * variance),), (max(1.0, n - 1.0),))


def _at_most(
    slopes: Float[np.ndarray, " system"],
    variances: Float[np.ndarray, " system"],
    of_changes: Float[np.ndarray, " system"],
) -> float:
    """Bound the variance of a sum of AUROCs by their own variances and those of their changes.

    Args:
        slopes: By how much each AUROC moves the sum; the full model's comes first.
        variances: The variance over examples of each.
        of_changes: The variance of its change to the full model's.
    """
    # All are measured on the same examples: the paired errors say how much of each one's error is
    # that of the full model. What remains is taken as independent.
    most = np.sqrt(variances / variances[0])
    shared = np.clip((1 + (variances - of_changes) / variances[0]) / 2, -most, most)
    own = np.maximum(variances - shared**2 * variances[0], 0)
    return float((slopes @ shared) ** 2 * variances[0] + slopes**2 @ own)


def _together(
    model: ModelRemovals,
    group: RemovalEffects,
    p_value: float,
    separation: Effect | None,
    p_separation: float,
) -> str:
    sign = clear_sign(group.margin_interaction, p_value)
    # The margin decides in two directions; that AUROC agrees is asked in one.
    if model.full_auc is not None and (
        (1 - model.full_auc) * model.auc_sizes[0] < _LEAST_MISPLACED
    ):
        agrees = _mostly_beyond(group)
    else:
        agrees = clear_sign(separation, p_separation / 2) == sign
    if separation is not None and not agrees:
        return _UNCLEAR
    return {-1: _MORE, 0: _UNCLEAR, 1: _LESS}[sign]


def _mostly_beyond(group: RemovalEffects) -> bool:
    """Check that little of what a removal does to the margin is the sum of single removals."""
    interaction, change = group.margin_interaction, group.margin[group.ood].value
    beyond = 0.0 if interaction is None else interaction.value
    return beyond * change > 0 and abs(beyond) > _SHARE_BEYOND * abs(change)


def _room(model: ModelRemovals, group: RemovalEffects) -> bool:
    """Check that the single removals together would leave the full model an OOD margin above 0."""
    left = model.full_margin.get(group.ood, 0.0) + group.margin[group.ood].value
    interaction = group.margin_interaction
    return interaction is not None and left - interaction.value >= 0


def _verdict(model: ModelRemovals, rows: Sequence[dict]) -> Verdict:
    """Judge the core; without one, the pairs."""
    core = model.core if rows[0]["kind"] == "core" else None
    judged = rows if core is None else rows[:1]
    together = [row["together"] for row in judged]
    more, less = together.count(_MORE), together.count(_LESS)
    supported = more > 0 and not less
    room = all(row["room"] for row in judged)
    open_because = _NO_ROOM if less and not room else ""
    if any(row["d_prime_interaction"] is None for row in judged):
        open_because = NO_AUROC
    reason, effect, measure = (
        f"of {len(rows)} pairs, {more} hurt more than the sum and {less} hurt less",
        None,
        "",
    )
    if core is not None:
        effect, measure = rows[0]["margin_interaction"], f"{core.ood} margin"
        change = core.margin[core.ood]
        falls = [clear_sign(one, one.p_value) for one in (change, core.auc) if one is not None]
        supported = supported and set(falls) == {-1}
        reason = (
            f"without the core, the {measure} changes by {change_text(change.estimate(), 3)} nats, "
            f"by {change_text(effect, 3)} beyond the sum of single removals "
            f"({p_text(rows[0]['p'])})"
        )
        if core.auc is not None:
            reason += f"; AUROC changes by {change_text(core.auc.estimate(), 3)}"
        if rows[0]["d_prime_interaction"] is not None:
            reason += f", d′ by {change_text(rows[0]['d_prime_interaction'], 2)} beyond its sum"
    return decide(
        QUESTION.claim,
        reason,
        supported=supported,
        contradicted=less > 0 and not more and room,
        open_because=open_because,
        measure=with_unit(measure) if measure else "",
        effect=effect,
        p=None if core is None else rows[0]["p"],
        power=_power(core if core is not None else model.pairs[0]),
    )


def _power(group: RemovalEffects) -> str:
    interaction, (said, effect) = group.margin_interaction, planned(f"{group.ood} margin")
    if interaction is None:
        return ""
    return outlook(f"{said} beyond the sum", effect, by_examples(interaction))


INTERACTION_COLUMNS = (
    Column("units", "the units removed together", "str", "units", key=True),
    change_column("auc", "change of the mean AUROC", "AUROC", 3),
    change_column("auc_interaction", "that minus the sum of single removals", "beyond sum", 3),
    Column(
        "margin_kind",
        "the OOD margin: balanced, adversarial or shift",
        "str",
        "margin",
        choices=("balanced", "adversarial", "shift"),
    ),
    change_column("margin", "change of that margin, nats", "margin change"),
    change_column("margin_interaction", "that minus the sum of single removals", "beyond its sum"),
    change_column("in_domain", "change of the in-domain margin, nats", "ID margin"),
    change_column("in_domain_interaction", "that minus the sum of single removals"),
    *ACCURACY_COLUMNS,
)

QUESTION = removal_question(
    key="additivity",
    asks="Does removing several core heads hurt more than the sum of removing each?",
    claim="removing several core heads hurts OOD more than the sum of their single removals",
    source="section 5, finding 7",
    answer=additivity,
    tables=(
        Table(
            "additivity",
            "What a pair of core heads, or the core, does together and beyond each alone.",
            Column(
                "kind", "the core or a pair", "str", "group", choices=("core", "pair"), key=True
            ),
            *INTERACTION_COLUMNS,
            Column("n_units", "how many units they are", "int"),
            Column(
                "together",
                "whether the removal clearly hurts more or less than the sum, by the margin and "
                "by d′",
                "str",
                "hurts",
                choices=(_MORE, _LESS, _UNCLEAR),
            ),
            Column(
                "room",
                "whether the full model has as much OOD margin as the single removals cost",
                "bool",
            ),
            change_column(
                "d_prime_interaction", "change of d′ from AUROC minus the sum", "d′ beyond sum"
            ),
            Column(
                "p",
                "p of the margin’s change beyond the sum; Holm-corrected over pairs",
                title="p",
                form="probability",
            ),
            title="Several core heads removed, against the sum of removing each",
            folded=True,
        ),
    ),
    limits=(
        "Heads in series and heads that replace each other both break additivity.",
        SEPARABLE_CASES_ONLY,
    ),
)
