"""Does removing several heads hurt more than the sum of single removals? (section 5, finding 7)

The paper removes one triple. This question covers all pairs of core heads and the whole core.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ..columns import Column, Table
from ..writing import p_text
from .effect import clear_sign, corrected, estimated
from .evidence import Evidence
from .intervals import change_text
from .question import Answer, Verdict, decide
from .removals import (
    ACCURACY_COLUMNS,
    NO_AUROC,
    ModelRemovals,
    RemovalEffects,
    change_column,
    removal_question,
    removals,
    with_unit,
)
from .separable_cases import SEPARABLE_CASES_ONLY

_NO_ROOM = "the single removals cost more AUROC than the model has above chance"
#: The AUROC of a model that separates nothing.
_CHANCE = 0.5
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
    groups = [group for group in removed if group is not None and group.beyond_sum is not None]
    p_values = corrected([group.beyond_sum for group in groups])
    p_of_margins = corrected([group.margin_interaction for group in groups])
    rows = [
        {
            "kind": kind,
            **interaction_row(group),
            "n_units": len(group.removed),
            # AUROC is bounded by 0.5 and 1, and label bias moves margins: both must agree.
            "together": _together(group, max(p, p_of_margin)),
            "room": _room(model, group),
            "beyond_sum": estimated(group.beyond_sum),
            "p": p,
        }
        for group, p, p_of_margin in zip(groups, p_values, p_of_margins, strict=True)
    ]
    return sorted(rows, key=lambda row: row["beyond_sum"].value)


def _together(group: RemovalEffects, p_value: float) -> str:
    signs = {clear_sign(effect, p_value) for effect in (group.beyond_sum, group.margin_interaction)}
    return _MORE if signs == {-1} else _LESS if signs == {1} else _UNCLEAR


def _room(model: ModelRemovals, effects: RemovalEffects) -> bool:
    """Check that the model has as much AUROC above chance as the single removals cost."""
    if effects.auc is None or effects.auc_interaction is None or model.full_auc is None:
        return False
    return model.full_auc + effects.auc.value - effects.auc_interaction.value >= _CHANCE


def _verdict(model: ModelRemovals, rows: Sequence[dict]) -> Verdict:
    """Judge the core; without one, the pairs."""
    core = model.core if rows[0]["kind"] == "core" else None
    judged = rows if core is None else rows[:1]
    together = [row["together"] for row in judged]
    more, less = together.count(_MORE), together.count(_LESS)
    supported = more > 0 and not less
    room = all(row["room"] for row in judged)
    open_because = _NO_ROOM if less and not room else ""
    if any(row["auc_interaction"] is None for row in judged):
        open_because = NO_AUROC
    reason, effect = (
        f"of {len(rows)} pairs, {more} hurt more than the sum and {less} hurt less",
        None,
    )
    if core is not None:
        change, effect = core.changes[core.measure], rows[0]["beyond_sum"]
        supported = supported and clear_sign(change, change.p_value) < 0
        reason = (
            f"without the core, {core.measure} changes by {change_text(change.estimate(), 3)}, by "
            f"{change_text(effect, 3)} beyond the sum of single removals ({p_text(rows[0]['p'])})"
        )
        if core.auc is not None and core.margin_interaction is not None:
            beyond = change_text(core.margin_interaction.estimate(), 2)
            reason += f"; the {core.ood} margin by {beyond} nats beyond its sum"
    return decide(
        QUESTION.claim,
        reason,
        supported=supported,
        contradicted=less > 0 and not more and room,
        open_because=open_because,
        measure="" if core is None else with_unit(core.measure),
        effect=effect,
        p=None if core is None else rows[0]["p"],
    )


INTERACTION_COLUMNS = (
    Column("units", "the units removed together", "str", "units", key=True),
    change_column("auc", "change of the mean AUROC", "AUROC", 3),
    change_column("auc_interaction", "that minus the sum of single removals", "beyond sum", 3),
    Column(
        "margin_kind",
        "the OOD margin: balanced or adversarial",
        "str",
        "margin",
        choices=("balanced", "adversarial"),
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
                "whether the removal clearly hurts more or less than the sum, by AUROC if "
                "measured and by the margin",
                "str",
                "hurts",
                choices=(_MORE, _LESS, _UNCLEAR),
            ),
            Column(
                "room",
                "whether the full model has as much AUROC above chance as the single removals cost",
                "bool",
            ),
            change_column("beyond_sum", "AUROC’s, else the margin’s change beyond the sum"),
            Column(
                "p",
                "p of that change; Holm-corrected over pairs",
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
