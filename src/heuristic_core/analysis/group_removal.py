"""Does removing a group of units of the study's own hurt generalisation?"""

from __future__ import annotations

from ..columns import Column, Table
from ..writing import p_text
from .additivity import INTERACTION_COLUMNS, interaction_row
from .effect import corrected
from .evidence import Evidence
from .intervals import change_text
from .power import by_examples, outlook
from .question import Answer, decide
from .removal_effects import (
    BY_READOUT,
    MEAN_ABLATION,
    NO_AUROC,
    ModelRemovals,
    planned,
    removal_question,
    with_unit,
)
from .removals import removals
from .separable_cases import SEPARABLE_CASES_ONLY


def group_removal(evidence: Evidence) -> list[Answer]:
    """Ask of each of the study's own groups whether its removal hurts generalisation.

    Returns:
        One answer per model, readout and group.
    """
    return [answer for model in evidence.once(removals) for answer in _of_model(model)]


def _of_model(model: ModelRemovals) -> list[Answer]:
    own = {name: group for name, group in model.own.items() if group.generalisation is not None}
    p_values = corrected([group.generalisation for group in own.values()])
    return [_answer(model, name, p_value) for name, p_value in zip(own, p_values, strict=True)]


def _answer(model: ModelRemovals, name: str, p_value: float) -> Answer:
    group = model.own[name]
    change, extra = group.changes[group.measure].estimate(), group.beyond_sum
    reason = (
        f"{model.without_room}{group.measure} changes by {change_text(change, 3)} "
        f"({p_text(p_value)})"
    )
    if extra is not None:
        beyond = change_text(extra.estimate(), 3)
        reason += f", by {beyond} beyond the sum of its {len(group.removed)} single removals"
    sign = group.sign(p_value)
    verdict = decide(
        f"removing the group {name!r} hurts generalisation",
        reason,
        supported=sign < 0,
        contradicted=sign > 0,
        open_because=NO_AUROC if group.auc is None else "",
        measure=with_unit(group.measure),
        effect=change,
        p=p_value,
        power=outlook(
            *planned(group.measure),
            by_examples(group.changes[group.measure]),
            p=0.05 / len(model.own),
        ),
    )
    return Answer(
        subject={**model.subject, "group": name},
        verdict=verdict,
        rows={"groups": [{**interaction_row(group), "p": p_value}]},
    )


QUESTION = removal_question(
    key="group_removal",
    asks="Does removing the study’s own groups of units hurt generalisation?",
    claim="removing the group hurts generalisation",
    subject=(*BY_READOUT, "group"),
    answer=group_removal,
    tables=(
        Table(
            "groups",
            "What removing one of the study's own groups changes.",
            *INTERACTION_COLUMNS,
            Column(
                "p",
                "p of the change of what decides: AUROC or the margin; Holm-corrected over groups",
                title="p",
                form="probability",
            ),
            title="The study’s own groups removed",
        ),
    ),
    limits=(MEAN_ABLATION, SEPARABLE_CASES_ONLY),
)
