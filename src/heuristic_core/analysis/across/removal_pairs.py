"""Do the core heads of one model matter in another?"""

from __future__ import annotations

from collections.abc import Mapping
from itertools import permutations
from typing import Any

import numpy as np

from ...columns import Column, Table
from ...writing import p_text
from ..effect import clear_sign, estimated
from ..intervals import change_text, holm
from ..matched import CONTRAST_COLUMNS, Contrast
from ..power import by_interval, outlook
from ..question import Answer, Question, Row, Verdict, decide
from ..removal_effects import (
    AUROC,
    MEAN_ABLATION,
    NO_AUROC,
    ModelRemovals,
    RemovalEffects,
    change_column,
    core_heads_text,
    planned,
    with_unit,
)
from ..removals import removals
from ..separable_cases import SEPARABLE_CASES_ONLY
from .runs import Placed, Runs, apart

_SUBJECT = (
    "run",
    "finetune_seed",
    "checkpoint",
    "method",
    "other_run",
    "other_finetune_seed",
    "other_checkpoint",
)


def removal_pairs(runs: Runs) -> list[Answer]:
    """Ask of each core whether its heads matter in the models of other runs.

    Args:
        runs: The runs.

    Returns:
        One answer per core and model of another run that is not the core's own.
    """
    pairs = []
    for run, other in permutations(runs.runs, 2):
        models = {one.model: one for one in runs.placed if one.run is other}
        pairs += [
            (one, there)
            for one in runs.placed
            for there in models.values()
            if one.run is run and one.model != there.model
        ]
    measured = [_Measured(one, there, runs.seed) for one, there in pairs]
    p_values = holm(np.array([m.contrasts[0].p if m.contrasts else 1.0 for m in measured]))
    return [
        Answer(
            subject=m.subject,
            verdict=_verdict(m, p),
            rows={
                "core-removed-elsewhere": [vars(contrast) for contrast in m.contrasts],
                "core-heads-elsewhere": m.by_head(),
            },
            caveat=" ".join(filter(None, (apart(m.one, m.there), m.not_measured))),
        )
        for m, p in zip(measured, p_values.tolist(), strict=True)
    ]


class _Measured:
    """What removals from one model say of another model's core.

    Args:
        one: The core.
        there: What was found in the other model.
        seed: Seed of permutations.
    """

    def __init__(self, one: Placed, there: Placed, seed: int) -> None:
        self.one = one
        self.there = there
        self.model = _removals(there)
        self.contrasts: list[Contrast] = []
        self.singles = _singles(self.model)
        judged = [effects for effects in self.singles.values() if effects.generalisation]
        if judged and self.model is not None:
            measures = dict.fromkeys((judged[0].measure, AUROC, f"{judged[0].ood} margin"))
            compared = (
                self.model.core_heads(measure, seed, one.core.heads) for measure in measures
            )
            self.contrasts = list(filter(None, compared))

    @property
    def subject(self) -> dict[str, Any]:
        """Which core it is, and which other model."""
        here, there = self.one, self.there
        values = (here.run.name, *here.core.model, here.core.method, there.run.name)
        return dict(zip(_SUBJECT, (*values, *there.core.model), strict=True))

    @property
    def together(self) -> RemovalEffects | None:
        """What removing exactly the core's heads does; ``None`` if that was not measured."""
        model, wanted = self.model, set(self.one.core.heads)
        if model is None or not wanted:
            return None
        groups = (*filter(None, [model.core]), *model.own.values(), *model.pairs, *model.singles)
        return next((effects for effects in groups if set(effects.removed) == wanted), None)

    @property
    def not_measured(self) -> str:
        """Say how the removal of all the core's heads would be measured; empty if it was."""
        heads = self.one.core.heads
        if not heads or self.together is not None:
            return ""
        members = ", ".join(f'"{head}"' for head in heads)
        return (
            f"Removing all these heads together from {self.there.run.name} was not measured. To "
            f"measure it, add core_elsewhere = [{members}] to [analysis.removal.groups] of its "
            "study, run it again with --update, then run hcore analyze."
        )

    def by_head(self) -> list[Row]:
        """Return what removing each of the core's heads does in its own model and in the other."""
        here = _singles(_removals(self.one))
        rows: list[Row] = []
        for unit in self.one.core.heads:
            if unit not in self.singles:
                continue
            there = self.singles[unit]
            own = here.get(unit)
            rows.append(
                {
                    "unit": unit,
                    "in_other_core": unit in self.there.core.heads,
                    "measure": there.measure,
                    "own": None if own is None else estimated(own.changes.get(there.measure)),
                    "other": estimated(there.generalisation),
                }
            )
        return rows


def _removals(placed: Placed) -> ModelRemovals | None:
    wanted = (*placed.core.model, "model")
    found = placed.run.evidence.once(removals)
    return next((m for m in found if tuple(m.subject.values()) == wanted), None)


def _singles(model: ModelRemovals | None) -> Mapping[str, RemovalEffects]:
    return {} if model is None else {effects.removed[0]: effects for effects in model.singles}


def _verdict(m: _Measured, p: float) -> Verdict:
    claim = QUESTION.claim
    if not m.singles:
        needed = f"removing heads from {m.there.run.name} was not measured"
        return decide(
            claim, "", open_because=needed, power="hcore analyze with its run folder measures it"
        )
    if not m.contrasts:
        return decide(claim, "", open_because=_why_not(m))
    contrast, sign = m.contrasts[0], clear_sign(m.contrasts[0].difference, p)
    aurocs = [c for c in m.contrasts if c.measure == AUROC]
    # Where a margin decides, AUROC, if measured, must agree.
    agrees = all(clear_sign(c.difference, c.p if c is not contrast else p) == sign for c in aurocs)
    biased = not aurocs and contrast.measure == "adversarial margin"
    said, effect = planned(contrast.measure, "difference")
    return decide(
        claim,
        _reason(m, contrast, p),
        supported=sign < 0 and agrees,
        contradicted=sign > 0 and agrees,
        open_because=NO_AUROC if biased and sign else "",
        measure=with_unit(contrast.measure),
        effect=contrast.difference,
        p=p,
        power=outlook(
            said,
            effect,
            by_interval(
                "core heads and others of their layers", contrast.difference, len(m.singles)
            ),
        ),
    )


def _why_not(m: _Measured) -> str:
    if not m.one.core.heads:
        return f"{m.one.name} has no core"
    return "no layer has enough heads in and outside the core, or there are no OOD cases"


def _reason(m: _Measured, contrast: Contrast, p: float) -> str:
    text = f"{core_heads_text(contrast)}, corrected {p_text(p)}"
    together = m.together
    if together is not None and together.generalisation is not None:
        change = change_text(together.generalisation.estimate(), 3)
        text += f"; together, they change the {together.measure} by {change}"
    return text


QUESTION = Question(
    key="core_elsewhere",
    asks="Do the core heads of one model matter in another?",
    claim="the core heads of the one model matter more to the other's generalisation than other "
    "heads of their layers",
    source="finding 8",
    page="across-runs",
    subject=_SUBJECT,
    needs=("removal", "removal_discrimination", "discrimination", "subnetworks"),
    answer=removal_pairs,
    tables=(
        Table(
            "core-removed-elsewhere",
            "What the core heads of one model do in another, each removed alone, against other "
            "heads of their layers there.",
            *CONTRAST_COLUMNS,
            title="Core heads removed from another model, one by one",
        ),
        Table(
            "core-heads-elsewhere",
            "What removing one core head does in its own model and in the other.",
            Column("unit", "the head", "str", "unit", key=True),
            Column("in_other_core", "whether it is in the other's core too", "bool", "in both"),
            Column("measure", "what changes; margins are in nats", "str", "change of"),
            change_column("own", "change in the model whose core it is in", "own model", 3),
            change_column("other", "change in the other model", "other model", 3),
            title="The same heads removed from both models",
            folded=True,
        ),
    ),
    limits=(
        "Heads are removed one by one: heads that replace each other are not missed alone.",
        MEAN_ABLATION,
        SEPARABLE_CASES_ONLY,
    ),
)
