"""Does the core as a whole matter more than other heads? (paper, section 5, finding 7)"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence

import numpy as np

from ..columns import Column, Table
from ..units import Unit
from ..writing import p_text
from .controls import against_controls, widening
from .design import Design
from .effect import clear_sign
from .evidence import Evidence
from .intervals import Estimate, change_text
from .matched import Contrast
from .power import POWER, by_interval, found, too_few_planned
from .question import Answer, Figure, Verdict, decide
from .removal_effects import (
    AUROC,
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

#: With fewer control groups their spread is hardly known.
ENOUGH_CONTROLS = 5
#: Heads that replace each other are not missed alone. Harm is done together if more than this share
#: of it is beyond the sum of the single removals. Few controls, or a core with many of a layer's
#: heads, find such a pair by chance.
_TOGETHER, _CONTROLS_TOGETHER, _SHARE_TOGETHER = 0.75, 15, 0.25


def core_removal(evidence: Evidence) -> list[Answer]:
    """Compare the removal of the core with that of matched groups of other heads.

    Returns:
        One answer per model and readout, if a core and controls were removed and there are OOD
        cases.
    """
    return [
        _of_model(model, model.core, evidence.seed)
        for model in evidence.once(removals)
        if model.core is not None and model.controls and model.core.generalisation is not None
    ]


def _of_model(model: ModelRemovals, core: RemovalEffects, seed: int) -> Answer:
    heads = _per_layer(unit for single in model.singles for unit in single.removed)
    members = _per_layer(core.removed)
    rows: list[dict] = []
    marks: list[dict] = []
    for measure, change in core.changes.items():
        controls = [control for control in model.controls if measure in control.changes]
        changes = [control.changes[measure] for control in controls]
        known = model.covariances.get(measure)
        groups = ("+".join(some.removed) for some in (core, *controls))
        together = None if known is None else known.among(groups)
        row = against_controls(change, changes, heads, members, together)
        rows.append({"measure": measure, "core_size": len(core.removed), **row})
        marks += _marks(rows[-1], [one.value for one in changes])
    alone = model.core_heads(core.measure, seed) if widening(heads, members) else None
    few = all(n <= _SHARE_TOGETHER * heads[layer] for layer, n in members.items())
    only_together = few and _only_together(model, core)
    return Answer(
        subject=model.subject,
        verdict=_verdict(model, core, rows, alone, only_together),
        rows={"core-removal": rows, "core-removal-groups": marks},
    )


def _per_layer(labels: Iterable[str]) -> Counter[int]:
    """Count the heads of each layer."""
    return Counter(unit.layer for label in labels if (unit := Unit.parse(label)).is_head)


def _only_together(model: ModelRemovals, core: RemovalEffects) -> bool:
    """Check that the core does harm as a whole that neither its heads do alone nor any control."""
    extra = core.beyond_sum
    if len(model.controls) < _CONTROLS_TOGETHER or extra is None or extra.p_value >= 0.05:
        return False
    change = core.changes[core.measure].value
    others = [
        (control.changes[control.measure].value, beyond.value)
        for control in model.controls
        if (beyond := control.beyond_sum) is not None
    ]
    most = all(change < one and extra.value < beyond for one, beyond in others)
    return bool(others) and most and change < 0 and extra.value < _TOGETHER * change


def _marks(row: dict, controls: Sequence[float]) -> list[dict]:
    """Return what a figure draws of one measure."""
    core, beyond, measure = row["core"], row["beyond"], row["measure"]
    marks = [(-1, "core", core)]
    marks += [(i, "matched group", Estimate(value)) for i, value in enumerate(controls)]
    if np.isfinite(beyond.low):
        band = Estimate(row["controls"], core.value - beyond.high, core.value - beyond.low)
        marks.append((-1, "95 % of matched groups", band))
    scale = AUROC if measure == AUROC else "margins, nats"
    return [
        {"measure": measure, "scale": scale, "removed": removed, "draw": draw, "change": change}
        for draw, removed, change in marks
    ]


def _verdict(
    model: ModelRemovals,
    core: RemovalEffects,
    rows: Sequence[dict],
    alone: Contrast | None,
    together: bool,
) -> Verdict:
    (judged,) = (row for row in rows if row["measure"] == core.measure)
    beyond, n_controls = judged["beyond"], judged["n_controls"]
    # AUROC, if measured, comes first; where a margin decides, it must agree.
    both = (rows[0]["beyond"], beyond)
    harm = core.generalisation is not None and core.sign(core.generalisation.p_value) < 0
    # One group has no spread, so no test.
    p = judged["p_more"] if judged["p_more"] == judged["p_more"] else None
    reason = (
        f"{model.without_room}without the core, {core.measure} changes by "
        f"{change_text(judged['core'], 3)}, by {change_text(beyond, 3)} beyond the mean of "
        f"{n_controls} matched groups" + ("" if p is None else f" ({p_text(p)})")
    )
    open_because, sign = "too few heads outside the core for a comparison", 0
    if alone is not None:
        # If few heads matter, a random core has one of them now and then, and no control does.
        sign = clear_sign(alone.difference, alone.p)
        reason += f"; {core_heads_text(alone)}"
        few = n_controls < ENOUGH_CONTROLS
        open_because = f"fewer than {ENOUGH_CONTROLS} groups allow no verdict" if few else ""
    if together and core.beyond_sum is not None:
        extra = change_text(core.beyond_sum.estimate(), 3)
        reason += f"; together, by {extra} beyond their sum, as no matched group does"
    return decide(
        QUESTION.claim,
        reason,
        supported=all(one.high < 0 for one in both) and harm and (sign < 0 or together),
        contradicted=all(one.low > 0 for one in both) and sign > 0,
        open_because=open_because,
        measure=with_unit(core.measure),
        effect=beyond,
        p=p,
        power=_power(core.measure, beyond, n_controls),
    )


def _power(measure: str, beyond: Estimate, n_controls: int) -> str:
    """Say how often a loss is found; what other groups differ by, no data make smaller."""
    if n_controls < ENOUGH_CONTROLS or not np.isfinite(beyond.low):
        return f"at least {ENOUGH_CONTROLS} matched groups"
    said, effect = planned(measure)
    share = found(effect, by_interval("matched groups", beyond, n_controls))
    return (
        f"{said} beyond that of matched groups would be found in {share:.0%} of such studies; "
        "matched groups differ too much for more"
        if share < POWER
        else f"{said} beyond that of matched groups would have been found in {share:.0%} of such "
        "studies"
    )


def _plan(design: Design) -> str:
    n = design.controls
    return "" if n is None else too_few_planned(n, ENOUGH_CONTROLS, "matched groups")


QUESTION = removal_question(
    key="core_removal",
    asks="Does the core as a whole matter more than other heads of its layers?",
    claim="generalisation rests on the core more than on as many other heads of the same layers",
    source="section 5, finding 7",
    answer=core_removal,
    tables=(
        Table(
            "core-removal",
            "One change without the core and without matched groups of other heads.",
            Column(
                "measure",
                "what changes; margins are in nats",
                "str",
                "change of",
                brief=True,
                key=True,
            ),
            Column(
                "core",
                "change without the core",
                title="core",
                digits=3,
                form="signed",
                interval=True,
                brief=True,
            ),
            Column(
                "controls",
                "mean change without as many random other heads of the same layers",
                title="groups",
                digits=3,
                form="signed",
                brief=True,
            ),
            Column(
                "lowest",
                "change without the group whose removal hurts most",
                title="lowest",
                digits=3,
                form="signed",
            ),
            Column(
                "highest",
                "change without the group whose removal hurts least",
                title="highest",
                digits=3,
                form="signed",
            ),
            Column(
                "beyond",
                "core minus mean of the groups; its interval holds 0 for 95 % of such groups if "
                "their changes are normally distributed",
                title="difference",
                digits=3,
                form="signed",
                interval=True,
            ),
            Column("core_size", "heads of the core", "int"),
            Column("n_controls", "matched groups", "int", "n"),
            Column(
                "percentile",
                "groups whose removal hurts more, %; ties half",
                title="worse, %",
                digits=0,
                low=0,
                high=100,
            ),
            Column(
                "p_more",
                "probability of at least this much harm if the core were such a group",
                title="p",
                form="probability",
                brief=True,
                optional=True,
            ),
            Column(
                "p_less", "probability of at most this much harm", form="probability", optional=True
            ),
            title="The core removed, against matched groups of other heads",
        ),
        Table(
            "core-removal-groups",
            "What the figure draws: one change without the core or without one group.",
            Column("measure", "what changes", "str", "change of", key=True),
            Column(
                "scale",
                "the scale of the change: AUROC or nats",
                "str",
                "scale",
                choices=("AUROC", "margins, nats"),
            ),
            Column(
                "removed",
                "the core, a matched group, or the range of 95 % of such groups",
                "str",
                "removed",
                key=True,
            ),
            Column("draw", "number of the matched group; -1 for others", "int", low=-1, key=True),
            change_column("change", "the change", "change", 3),
        ),
    ),
    figures=(
        Figure(
            kind="strips",
            table="core-removal-groups",
            columns={"y": "measure", "x": "change", "series": "removed", "panel": "scale"},
            title="The core removed, against matched groups of other heads",
            caption="Changes when the core is removed, with 95 % intervals, and when each matched "
            "group of other heads of the same layers is removed; below 0 the removal hurts. If the "
            "core mattered no more than such groups, its mark would lie in the range of 95 % of "
            "them.",
            reference=0.0,
        ),
    ),
    limits=(
        "The controls are a few random groups, without the core's heads, of all that there are.",
        "If few heads matter, a random core may hold one of them and no control does: the core's "
        "heads must also stand out alone, or do harm only together.",
        SEPARABLE_CASES_ONLY,
    ),
    plan=_plan,
)
