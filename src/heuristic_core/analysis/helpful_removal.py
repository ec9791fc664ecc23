"""Do some units hold a heuristic whose removal helps? (paper, appendix E, finding 9)"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace

from ..columns import Column, Table
from ..writing import p_text
from .effect import Effect, clear_sign, corrected, estimated
from .evidence import Evidence
from .intervals import change_text
from .power import by_examples, outlook
from .question import Answer, Verdict, decide
from .removal_effects import (
    AUROC,
    MARGIN_COLUMNS,
    ModelRemovals,
    RemovalEffects,
    change_column,
    planned,
    removal_question,
    with_unit,
)
from .removals import removals

#: Changes of the AUROC below this are small; above this AUROC there is no room to rise.
_SMALL_AUROC, _FULL_AUROC = 0.01, 0.98
_NO_ROOM = "the full model's AUROC has no room to rise"
#: Fewer adversarial examples cannot show that nothing helps.
_ENOUGH_EXAMPLES = 100

#: What a removal does, by the signs of the clear changes of both kinds of case.
_BY_SIGNS = {
    (1, 1): "helps both",
    (-1, -1): "hurts both",
    (1, -1): "biases to the adversarial label",
    (-1, 1): "biases to the friendly label",
    (0, 0): "no clear change",
}
ONE_KIND = "changes one kind alone"
OUTCOMES = (*_BY_SIGNS.values(), ONE_KIND)


def helpful_removal(evidence: Evidence) -> list[Answer]:
    """Ask of each unit which kind of case its removal helps.

    Returns:
        One answer per model and readout, if units were removed one by one and there are both
        adversarial and friendly cases.
    """
    return [
        _of_model(model, singles)
        for model in evidence.once(removals)
        if (singles := [single for single in model.singles if "balanced" in single.margin])
    ]


def _of_model(model: ModelRemovals, singles: Sequence[RemovalEffects]) -> Answer:
    p_values = [corrected(effects) for effects in zip(*map(_judged, singles), strict=True)]
    rows = [_row(single, p) for single, *p in zip(singles, *p_values, strict=True)]
    rows.sort(key=lambda row: -(row["auc"] or row["balanced"]).value)
    counts = Counter(row["outcome"] for row in rows)
    return Answer(
        subject=model.subject,
        verdict=_verdict(model, rows, [_judged(single)[2] for single in singles]),
        rows={
            "unit-removal-outcomes": rows,
            "removal-outcomes": [{"outcome": one, "n": counts[one]} for one in OUTCOMES],
        },
    )


def _judged(single: RemovalEffects) -> tuple[Effect, Effect, Effect]:
    """Return the changes of the adversarial and friendly margins, and of their separation."""
    margin = single.margin
    return margin["adversarial"], margin["friendly"], single.auc_all or margin["balanced"]


def _row(single: RemovalEffects, p_values: Sequence[float]) -> dict:
    adversarial, friendly, _ = changes = _judged(single)
    signs = [clear_sign(change, p) for change, p in zip(changes, p_values, strict=True)]
    return {
        "unit": single.removed[0],
        "outcome": _BY_SIGNS.get((signs[0], signs[1]), ONE_KIND),
        "helps": signs[0] == signs[2] == 1,
        **{kind: effect.estimate() for kind, effect in single.margin.items()},
        "label_bias": ((adversarial - friendly) * 0.5).estimate(),
        "auc": estimated(single.auc_all),
        **dict(zip(("p_adversarial", "p_friendly", "p_separation"), p_values, strict=True)),
    }


def _verdict(model: ModelRemovals, rows: list[dict], separation: list[Effect]) -> Verdict:
    best, n_helping = rows[0], sum(row["helps"] for row in rows)
    measure = "balanced margin" if best["auc"] is None else AUROC
    effect = best["auc"] or best["balanced"]
    # Intervals that hold for all units together.
    level = 1 - 0.05 / len(rows)
    highest = max(effect.estimate(level).high for effect in separation)
    full = None if best["auc"] is None else model.full_auc_all
    room = full is not None and full <= _FULL_AUROC
    return decide(
        QUESTION.claim,
        f"removing {n_helping} of {len(rows)} units raises both the adversarial margin and the "
        f"{measure} after correction; the best, {best['unit']}, changes the latter by "
        f"{change_text(effect, 3)} ({p_text(best['p_separation'])})",
        supported=n_helping > 0,
        contradicted=room and model.n_adversarial >= _ENOUGH_EXAMPLES and highest < _SMALL_AUROC,
        open_because=_NO_ROOM if full is not None and not room and not n_helping else "",
        measure=with_unit(measure),
        effect=effect,
        p=best["p_separation"],
        power=outlook(
            *planned(measure, "gain"),
            by_examples(max(separation, key=lambda one: sum(one.variances))),
            p=0.05 / len(rows),
        ),
    )


_OUTCOME = Column(
    "outcome",
    "what the removal does, after correction",
    "str",
    "outcome",
    choices=OUTCOMES,
)

QUESTION = removal_question(
    key="helpful_removal",
    asks="Are there units whose removal helps out of domain?",
    claim="some units hold a heuristic whose removal improves OOD generalisation",
    source="appendix E, finding 9",
    page="helpful_removal",
    answer=helpful_removal,
    tables=(
        Table(
            "removal-outcomes",
            "How many units have one outcome of their removal.",
            replace(_OUTCOME, key=True),
            Column("n", "units", "int", "units"),
            title="What removing a unit does",
        ),
        Table(
            "unit-removal-outcomes",
            "What removing one unit changes, the most helpful removal first.",
            Column("unit", "the unit", "str", "unit", key=True),
            _OUTCOME,
            Column("helps", "whether it raises adversarial margin and AUROC", "bool", "helps"),
            *MARGIN_COLUMNS,
            change_column("label_bias", "half of adversarial minus friendly, nats", "label bias"),
            change_column("auc", "change of AUROC, mean over adversarial cases", "AUROC", 3),
            Column(
                "p_adversarial", "p of the adversarial change, Holm-corrected", form="probability"
            ),
            Column("p_friendly", "p of the friendly change, Holm-corrected", form="probability"),
            Column(
                "p_separation",
                "p of the change of the AUROC, else of the balanced margin; Holm-corrected",
                title="p",
                form="probability",
            ),
            title="Every unit removed: does it help?",
            folded=True,
        ),
    ),
    limits=(
        "Label bias helps one kind of case and hurts the other; a unit counts only if its removal "
        "helps both adversarial cases and the separation of the two.",
    ),
)
