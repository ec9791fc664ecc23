"""When do the heads of the core come to be shared? (paper, section 6, finding 5)"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd

from ..columns import Column, Table
from ..tables import SUPPORTED
from ..writing import p_text
from .cores import ENOUGH, Core, cores_of
from .design import Design
from .evidence import Evidence
from .intervals import crossed_share, estimate_text, mean_share
from .kept import Kept, too_few
from .learning_order import rises, since
from .nulls import at_least, labelled_sum, pooled_intersection
from .power import least_number, too_few_planned
from .question import Answer, Figure, Question, Verdict, decide
from .systems import by_system, claim_on

#: The core is there if a subnetwork keeps more than this share of it.
_THERE = 0.5
#: The share kept whose power is reported.
PLANNED_SHARE = 0.9
#: A head is in most subnetworks from this share on.
_MOST = 0.8
#: Whether a core is kept beyond its layers' other heads cannot rest on one search.
_ENOUGH = 2
_SUBJECT = ("finetune_seed", "method", "sparsity")


def emergence(evidence: Evidence) -> list[Answer]:
    """Follow the core of the last checkpoint through the subnetworks of earlier ones.

    The core comes from the main searches at the last checkpoint, where they have a sparsity in
    common with the grid, else from the grid's own last checkpoint.

    Returns:
        One answer per fine-tuning, method and sparsity that both have; where they have none in
        common, one per sparsity of the grid.
    """
    answers = []
    times, subnetworks = evidence.once(rises), evidence["subnetworks"]
    for (seed, method), grid in by_system(evidence["grid_subnetworks"], _SUBJECT[:2]):
        rise = min((t for t in times.get(seed, {}).values() if t is not None), default=None)
        main = _last(
            subnetworks[(subnetworks["finetune_seed"] == seed) & (subnetworks["method"] == method)]
        )
        main = main[main["sparsity"].isin(grid["sparsity"])]
        for final in cores_of(_last(grid) if main.empty else main):
            if final.sparsity is not None:
                answers.append(_answer(final, grid, rise))
    return answers


def _last(rows: pd.DataFrame) -> pd.DataFrame:
    return rows[rows["checkpoint"] == rows["checkpoint"].max()]


def _answer(final: Core, grid: pd.DataFrame, rise: int | None) -> Answer:
    grid = grid[(grid["sparsity"] == final.sparsity) & (grid["checkpoint"] <= final.checkpoint)]
    by_step = grid.groupby("checkpoint")
    kept = {int(step): Kept.of(rows).distinct() for step, rows in by_step if final.heads}
    points = [_point(step, some, final) for step, some in kept.items()]
    return Answer(
        subject={name: getattr(final, name) for name in _SUBJECT},
        verdict=_verdict(final, points, rise, by_step["seed"].nunique().to_dict()),
        rows={"emergence": points, "emergence-heads": _heads(final, kept, rise)},
    )


def _heads(final: Core, kept: Mapping[int, Kept], rise: int | None) -> list[dict]:
    """List how many subnetworks keep each head at each checkpoint, from the earliest head on."""
    rows: list[dict] = []
    for unit in final.heads:
        shares = np.array([some.table[unit].mean() for some in kept.values()])
        in_most, in_all = (since(list(kept), shares >= least) for least in (_MOST, 1))
        rows += [
            {
                "unit": unit,
                "checkpoint": step,
                "n": len(some.table),
                "share": float(share),
                "in_most_from": in_most,
                "in_all_from": in_all,
                "before_rise": rise is not None and step < rise,
            }
            for (step, some), share in zip(kept.items(), shares, strict=True)
        ]
    times = ("in_all_from", "in_most_from")
    return sorted(rows, key=lambda row: [np.inf if row[t] is None else row[t] for t in times])


def _point(checkpoint: int, kept: Kept, final: Core) -> dict:
    """Compare the subnetworks of one checkpoint with the final core, and with chance."""
    in_core = np.isin(kept.heads, final.heads)
    in_all = np.logical_and.reduce(kept.masks)
    n_shared = int((in_all & in_core).sum())
    both = kept.counts(np.stack([in_all, in_core]))
    shared_by_chance = at_least(pooled_intersection(kept.pools, both), n_shared)
    # Of the searches nothing is assumed: which heads are core is what chance would change.
    times = kept.masks.sum(0)
    by_chance = at_least(labelled_sum(times, kept.layers, in_core), int(times[in_core].sum()))
    return {
        "checkpoint": checkpoint,
        "n": len(kept.masks),
        "share": crossed_share(kept.masks[:, in_core].T),
        "share_by_chance": by_chance.expected / (in_core.sum() * len(kept.masks)),
        "share_p_value": by_chance.p_value,
        "final_size": len(final.heads),
        "shared": n_shared,
        "expected": shared_by_chance.expected,
        "p_value": shared_by_chance.p_value,
    }


def _verdict(
    final: Core, points: Sequence[dict], rise: int | None, searches: Mapping[int, int]
) -> Verdict:
    # The classifier of the untrained model is random, so its subnetworks mean nothing.
    before = [point for point in points if rise is not None and 0 < point["checkpoint"] < rise]
    open_because = ""
    if final.decision != SUPPORTED:
        open_because = "there is no core beyond chance at the last checkpoint"
    elif rise is None:
        open_because = "the AUROC of no case rises over fine-tuning"
    elif not before:
        open_because = f"this takes subnetworks of a trained checkpoint before step {rise}"
    elif before[-1]["n"] < _ENOUGH:
        step, n = before[-1]["checkpoint"], before[-1]["n"]
        open_because = f"at step {step}, {too_few(searches[step], n, _ENOUGH)}"
    if open_because:
        return decide(QUESTION.claim, "", open_because=open_because, measure=_MEASURE)
    last = before[-1]
    share, chance, p = last["share"], last["share_by_chance"], last["share_p_value"]
    return decide(
        claim_on(final.method, QUESTION.claim),
        f"at step {last['checkpoint']}, the last before any AUROC rises (step {rise}), subnetworks "
        f"keep {estimate_text(share, '{:.0%}'.format)} of the core's {last['final_size']} "
        f"heads; {chance:.0%} are expected by chance within layers ({p_text(p)})",
        supported=p < 0.05 and share.low > _THERE,
        contradicted=p >= 0.05 and share.high < _THERE,
        measure=_MEASURE,
        effect=share,
        p=p,
        power=least_number(
            f"{PLANNED_SHARE:.0%} of the core kept",
            "heads in the final core (lower sparsities give more)",
            last["final_size"],
            lambda n: n > 1 and mean_share(PLANNED_SHARE, n).low > _THERE,
        ),
    )


_MEASURE = "share of the final core that a subnetwork keeps"
_STEP = Column("checkpoint", "optimiser step of the model", "int", "step", key=True)


def _plan(design: Design) -> str:
    if not design.grid_searches:
        return ""
    return too_few_planned(
        design.different or design.grid_different, ENOUGH, "searches with different results"
    ) or (
        too_few_planned(design.grid_different, _ENOUGH, "grid searches with different results")
        or too_few_planned(design.grid_steps, 2, "trained checkpoints of the grid")
    )


QUESTION = Question(
    key="emergence",
    asks="Is the core there before the model generalises?",
    claim="the final core is there before the model generalises",
    source="section 6, finding 5",
    page="emergence",
    subject=_SUBJECT,
    needs=("subnetworks", "grid_subnetworks", "evaluations", "discrimination"),
    answer=emergence,
    tables=(
        Table(
            "emergence",
            "The subnetworks of one checkpoint compared with the final core.",
            _STEP,
            Column("n", "different subnetworks of the checkpoint", "int", "n"),
            Column(
                "share",
                "share of the final core that a subnetwork keeps, mean over subnetworks; interval "
                "over core heads and subnetworks",
                title="share kept",
                digits=0,
                form="percent",
                interval=True,
            ),
            Column(
                "share_by_chance",
                "the same if as many heads of every layer were the core, at random",
                title="by chance",
                digits=0,
                form="percent",
            ),
            Column(
                "share_p_value",
                "p of at least this share by chance, however much the subnetworks agree",
                title="p",
                form="probability",
            ),
            Column("final_size", "heads of the final core", "int", "core"),
            Column(
                "shared",
                "heads of the final core that all subnetworks of the checkpoint keep",
                "int",
                "in all",
            ),
            Column(
                "expected",
                "the same by chance if both cores kept their numbers of heads in every layer",
                title="in all by chance",
                form="expectation",
            ),
            Column("p_value", "p of at least as many", form="probability"),
            title="The final core at earlier checkpoints",
        ),
        Table(
            "emergence-heads",
            "How many subnetworks of one checkpoint keep one head of the final core.",
            Column("unit", "a head of the final core", "str", "head", key=True),
            _STEP,
            Column("n", "different subnetworks of the checkpoint", "int", "n"),
            Column(
                "share",
                "share of these that keep it",
                title="share of subnetworks",
                digits=0,
                form="percent",
            ),
            Column(
                "in_most_from",
                "the first checkpoint from which on four of five subnetworks keep it; missing: "
                "not even those of the last",
                "int",
                "in most from step",
                optional=True,
            ),
            Column(
                "in_all_from",
                "the first checkpoint from which on all subnetworks keep it",
                "int",
                "in all from step",
                optional=True,
            ),
            Column(
                "before_rise",
                "whether the checkpoint is before the AUROC of any case rises",
                "bool",
            ),
            title="When each core head comes to be kept",
            folded=True,
        ),
    ),
    figures=(
        Figure(
            kind="heatmap",
            table="emergence-heads",
            columns={"x": "checkpoint", "y": "unit", "value": "share", "outline": "before_rise"},
            title="When the heads of the core enter",
            caption=(
                "How many of a checkpoint's subnetworks keep each head of the final core; heads "
                "that all keep earliest come first. Outlined: checkpoints before the full model's "
                "AUROC rises in any case."
            ),
        ),
    ),
    limits=(
        "Times are known to the nearest checkpoint of the grid only.",
        "Where the grid has no sparsity of the main searches, the core is that of its own last "
        "checkpoint, which then keeps all of it.",
    ),
    plan=_plan,
)
