"""Does generalisation rest on single heads of the core? (paper, section 5, finding 7)"""

from __future__ import annotations

from collections.abc import Sequence

from ..columns import Column, Table
from .effect import clear_sign, corrected, estimated
from .evidence import Evidence
from .matched import CONTRAST_COLUMNS, Contrast
from .power import by_interval, outlook
from .question import Answer, Figure, Verdict, decide
from .removal_effects import (
    ACCURACY_COLUMNS,
    AUROC,
    MARGIN_COLUMNS,
    MEAN_ABLATION,
    ModelRemovals,
    RemovalEffects,
    change_column,
    core_heads_text,
    planned,
    removal_question,
    with_unit,
)
from .removals import removals
from .separable_cases import SEPARABLE_CASES_ONLY

#: Losses of the in-domain margin below this, in nats, are written as 0.00.
_LOSS = 0.005


def single_removal(evidence: Evidence) -> list[Answer]:
    """Compare the removals of the core's heads with those of other heads.

    Returns:
        One answer per model and readout, if units were removed one by one and there are OOD cases.
    """
    return [
        _of_model(model, singles, evidence.seed)
        for model in evidence.once(removals)
        if (singles := [single for single in model.singles if single.generalisation is not None])
    ]


def _of_model(model: ModelRemovals, singles: Sequence[RemovalEffects], seed: int) -> Answer:
    rows = sorted(_rows(model, singles), key=lambda row: row["change"].value)
    measures = dict.fromkeys((singles[0].measure, AUROC, f"{singles[0].ood} margin"))
    contrasts = list(filter(None, (model.core_heads(measure, seed) for measure in measures)))
    return Answer(
        subject=model.subject,
        verdict=_verdict(model, [row for row in rows if row["in_core"]], contrasts),
        rows={"removals": rows, "core-heads": [vars(contrast) for contrast in contrasts]},
    )


def _rows(model: ModelRemovals, singles: Sequence[RemovalEffects]) -> list[dict]:
    core = () if model.core is None else model.core.removed
    p_values = corrected([single.generalisation for single in singles])
    p_in_domain = corrected([single.margin.get("in_domain") for single in singles])
    beyond = {single.removed[0]: single.beyond_in_domain for single in singles}
    own = [unit for unit in beyond if unit in core]
    p_beyond = dict(zip(own, corrected([beyond[unit] for unit in own]), strict=True))
    return [
        {
            "unit": unit,
            "in_core": unit in core,
            "measure": single.measure,
            "change": estimated(single.generalisation),
            "clear": single.sign(p) != 0,
            "auc": estimated(single.auc),
            **{kind: effect.estimate() for kind, effect in single.margin.items()},
            "beyond_in_domain": None if (one := beyond[unit]) is None else one.value,
            **single.accuracy,
            "p": p,
            "p_in_domain": p_id,
            "p_beyond": p_beyond.get(unit, 1.0),
        }
        for unit, single, p, p_id in zip(beyond, singles, p_values, p_in_domain, strict=True)
    ]


def _verdict(model: ModelRemovals, core: Sequence[dict], contrasts: Sequence[Contrast]) -> Verdict:
    claim = QUESTION.claim
    if not contrasts:
        few = "no layer has enough heads in and outside the core" if core else "no core was removed"
        return decide(claim, "", open_because=few)
    contrast = contrasts[0]
    hurt = [row for row in core if row["clear"] and row["change"].value < 0]
    lost = [row for row in core if _loses_in_domain(row)]
    # The reverse of harm beyond in-domain harm is a loss in-domain that is larger than OOD.
    more, less = (
        sum(row["p_beyond"] < 0.05 and sign * row["beyond_in_domain"] > 0 for row in rows)
        for rows, sign in ((hurt, -1), (lost, 1))
    )
    # Where a margin decides, AUROC, if measured, must agree.
    judged = {contrast.measure, AUROC}
    signs = {clear_sign(one.difference, one.p) for one in contrasts if one.measure in judged}
    sign = signs.pop() if len(signs) == 1 else 0
    # That one head matters no more OOD than in-domain says little of the others.
    mostly = 2 * less >= len(core)
    said, effect = planned(contrast.measure, "mean loss")
    has_margins = any(row["beyond_in_domain"] is not None for row in core)
    return decide(
        claim,
        f"{model.without_room}removing {len(hurt)} of {len(core)} core heads hurts OOD, "
        f"{more} of them more than ID; "
        f"removing {len(lost)} hurts ID, {less} of them more than OOD; {core_heads_text(contrast)}",
        supported=more > 0 and not less and sign < 0,
        contradicted=sign > 0 or (mostly and not more and sign == 0),
        open_because=""
        if has_margins
        else "the full model's margin is not above 0 both OOD and ID, so losses cannot be compared",
        measure=with_unit(contrast.measure),
        effect=contrast.difference,
        p=contrast.p,
        power=outlook(
            said,
            effect,
            by_interval(
                "core heads", contrast.difference, contrast.n_heads, len(model.singles) - 1
            ),
        ),
    )


def _loses_in_domain(row: dict) -> bool:
    sign = clear_sign(row.get("in_domain"), row["p_in_domain"])
    return sign < 0 and row["in_domain"].value <= -_LOSS


QUESTION = removal_question(
    key="single_removal",
    asks="Does removing single core heads hurt generalisation more than removing other heads?",
    claim="removing single core heads hurts OOD more than ID, and more than removing other heads",
    source="section 5, finding 7",
    answer=single_removal,
    tables=(
        Table(
            "removals",
            "What removing one unit changes, the most harmful removal first.",
            Column("unit", "the unit", "str", "unit", key=True),
            Column("in_core", "whether it is one of the core's heads", "bool", "core"),
            Column("measure", "how generalisation is measured", "str"),
            change_column("change", "change of that measure"),
            Column("clear", "whether that change is clear after correction", "bool"),
            change_column("auc", "change of the mean AUROC", "AUROC", 3),
            *MARGIN_COLUMNS,
            Column(
                "beyond_in_domain",
                "OOD beyond the same share of the ID margin, nats",
                form="signed",
                optional=True,
            ),
            *ACCURACY_COLUMNS,
            Column(
                "p",
                "p of the change of that measure; Holm-corrected over units",
                title="p",
                form="probability",
            ),
            Column(
                "p_in_domain",
                "p of the in-domain change, Holm-corrected over units",
                form="probability",
            ),
            Column(
                "p_beyond",
                "p of the change beyond ID, Holm-corrected over core heads; 1 for other units",
                form="probability",
            ),
            title="Every unit removed alone",
            folded=True,
        ),
        Table(
            "core-heads",
            "Core heads removed alone against other heads of their layers.",
            *CONTRAST_COLUMNS,
            title="Core heads and other heads of their layers, each removed alone",
        ),
    ),
    figures=tuple(
        Figure(
            kind="units",
            table="removals",
            columns={"unit": "unit", "value": "change", "outline": "in_core", "bold": "clear"},
            title="Every unit removed alone",
            caption=f"Change of the {with_unit(measure)} when a unit is removed: below 0 the "
            "removal hurts. Bold changes are clear after correction; the core's heads are "
            "outlined.",
            where={"measure": measure},
            percent=measure == AUROC,
            label=f"change of {with_unit(measure)}",
        )
        for measure in (AUROC, "balanced margin", "adversarial margin", "shift margin")
    ),
    limits=(MEAN_ABLATION, SEPARABLE_CASES_ONLY),
)
