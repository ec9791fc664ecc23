"""Do the heads that subnetworks add depend on what the core's heads write? (paper, abstract)"""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import pandas as pd
from scipy import stats

from ..columns import Column, Table
from ..units import Unit
from ..writing import p_text
from .design import Design
from .evidence import Evidence
from .intervals import change_text
from .matched import CONTRAST_COLUMNS, Contrast, core_within_layers
from .power import by_interval, outlook, too_few_planned
from .question import Answer, Figure, Question, Verdict, decide
from .scores import mean_interval, p_above
from .systems import BY_MODEL, by_system

#: An edge needs an excess of at least this share of the receiver's distance from its mean. In a
#: trained model nearly every head changes those above it a little more or less than another does.
SMALLEST_EXCESS = 0.05
#: A smaller difference between core heads and others, as a share of the receivers' distances from
#: their means, decides nothing.
LEAST_DIFFERENCE = 0.01
#: Two-sided, the most extreme of 40 exchanges of core and control has p = 0.05.
_ENOUGH_EXCHANGES = 41
#: Pairs of heads that the figure draws at most, those of the largest excess.
MOST_PAIRS = 40
_PATH = ["path", "reads", "receiver", "layer"]


def dependency(evidence: Evidence) -> list[Answer]:
    """Ask for each model whether its added heads depend on the core, and which on which.

    Returns:
        One answer per fine-tuning and checkpoint.
    """
    models = by_system(evidence["dependency"], BY_MODEL)
    return [_of_model(key, group, evidence.seed) for key, group in models]


def _of_model(key: tuple[int, int], group: pd.DataFrame, seed: int) -> Answer:
    layer, receiver = (group[name].map(_layer) for name in ("sender", "receiver"))
    above = (receiver > layer) & (group["receiver_group"] == "added")
    rows = group.assign(layer=layer)[above]
    # Heads are compared within layers, so a layer counts if it has both kinds.
    both = rows.groupby("layer")["sender_group"].transform("nunique") == 2
    rows = rows[both & rows["excess"].notna()]
    edges, tested = _edges(rows)
    # The direct path comes first where there are both.
    contrasts = {
        str(path): (change, _contrast("margin", "margin_excess", part, seed))
        for path, part in rows.groupby("path")
        if (change := _contrast("added head", "change", part, seed))
    }
    return Answer(
        subject=dict(zip(BY_MODEL, key, strict=True)),
        verdict=_verdict(contrasts, rows.drop_duplicates("sender").set_index("layer")),
        rows={
            "dependency": [
                {
                    "path": path,
                    **vars(contrast),
                    "edges": sum(edge["path"] == path for edge in edges),
                    "tested": tested.get(path, 0),
                }
                for path, pair in contrasts.items()
                for contrast in filter(None, pair)
            ],
            "edges": edges,
        },
    )


def _layer(unit: str) -> int:
    return Unit.parse(unit).layer


def _edges(rows: pd.DataFrame) -> tuple[list[dict], dict[str, int]]:
    """Return the edges that stand out, largest excess first, and how many were tested by path."""
    strongest = rows[rows["sender_group"] == "control"].groupby(_PATH)["excess"].max()
    core = rows[rows["sender_group"] == "core"].join(strongest.rename("control"), on=_PATH)
    if core.empty:
        return [], {}
    excess, error, n = (core[name].to_numpy() for name in ("excess", "excess_se", "n"))
    core = core.assign(p=stats.false_discovery_control(p_above(excess, error, n, 0.0)))
    stands_out = (core["excess"] >= SMALLEST_EXCESS) & (core["excess"] > core["control"])
    edges = core[stands_out & (core["p"] < 0.05)].sort_values(
        ["excess", "sender", "receiver", "reads", "path"], ascending=False, ignore_index=True
    )
    on_path = edges[edges["path"] == edges["path"].min()]  # direct, if there is any
    drawn = on_path.drop_duplicates(["sender", "receiver"]).index[:MOST_PAIRS]
    edges = edges.assign(drawn=edges.index.isin(drawn))
    return [_edge(row) for row in edges.to_dict("records")], core.groupby("path").size().to_dict()


def _edge(row: dict) -> dict:
    names = ("sender", "receiver", "reads", "path", "change", "p", "margin_change", "drawn")
    return {name: row[name] for name in names} | {
        name: mean_interval(row[name], row[f"{name}_se"], row["n"])
        for name in ("excess", "margin_excess")
    }


def _contrast(name: str, column: str, rows: pd.DataFrame, seed: int) -> Contrast | None:
    """Compare senders; within a layer all have the same receivers, so their means compare."""
    known = rows[rows[column].notna()].groupby(["layer", "sender_group", "sender"])[column].mean()
    core = rows.loc[rows["sender_group"] == "core", "sender"].tolist()
    values = known.droplevel(["layer", "sender_group"]).to_dict()
    return core_within_layers(name, values, core, seed)


def _verdict(
    contrasts: dict[str, tuple[Contrast, Contrast | None]], senders: pd.DataFrame
) -> Verdict:
    if senders.empty:
        reason = "no core head has both other heads in its layer and added heads above"
        return decide(QUESTION.claim, reason)
    is_core = senders["sender_group"] == "core"
    heads = f"{is_core.sum()} core heads and {(~is_core).sum()} others of their layers"
    exchanges = math.prod(
        math.comb(len(x), int(x.sum())) for _, x in is_core.groupby(level="layer")
    )
    if not contrasts or exchanges < _ENOUGH_EXCHANGES:
        reason = f"{heads}, with added heads above, are too few to compare"
        power = f"with more senders and controls, as {_ENOUGH_EXCHANGES} exchanges of the two ask"
        return decide(QUESTION.claim, reason, power=power)
    judged = ((path, change, margin) for path, (change, margin) in contrasts.items() if margin)
    path, *both = next(judged, ("",))
    if not both:
        return decide(QUESTION.claim, "the effect on the model's answers was not measured")
    change, margin = (contrast.difference for contrast in both)
    clear = all(contrast.p < 0.05 for contrast in both)
    small = abs(change.value) < LEAST_DIFFERENCE
    return decide(
        QUESTION.claim,
        f"on the {path} path core heads differ from other heads of their layers by "
        f"{change_text(change, 3)} of added heads' distance from their means "
        f"({p_text(both[0].p)}) and by {change_text(margin, 4)} nats of margin "
        f"({p_text(both[1].p)}); {heads}",
        supported=clear and change.low > 0 and margin.low > 0,
        contradicted=clear and change.high < 0 and margin.high < 0,
        open_because=f"the difference is below {LEAST_DIFFERENCE:.0%}" if small else "",
        measure="change of added heads, share of their distance from their means",
        effect=change,
        p=both[0].p,
        power=outlook(
            f"a difference of {LEAST_DIFFERENCE:.0%}",
            LEAST_DIFFERENCE,
            by_interval("core heads as senders", change, both[0].n_heads, len(senders) - 1),
        ),
    )


_PERCENT: dict[str, Any] = {"digits": 1, "form": "percent"}
_PATH_COLUMN = Column(
    "path",
    "direct: units between write what they wrote before; total: they are computed again",
    "str",
    "path",
    brief=True,
    choices=("direct", "total"),
    key=True,
)


def _plan(design: Design) -> str:
    n = design.exchanges
    name = "exchanges of core heads and their controls"
    return "" if n is None else too_few_planned(n, _ENOUGH_EXCHANGES, name)


QUESTION = Question(
    key="dependency",
    asks="Do the added heads depend on what the core writes?",
    claim="the added heads depend on what the core's heads write",
    source="abstract",
    page="dependency",
    subject=BY_MODEL,
    needs=("dependency",),
    answer=dependency,
    tables=(
        Table(
            "dependency",
            "How much an added head, as a share of its distance from its mean, and the margin "
            "change when the output of a core head, or of another head of its layer, is replaced: "
            "by its mean, or by its output on a matched friendly example. The margin's change is "
            "its size minus the mean over the other heads.",
            _PATH_COLUMN,
            *(replace(c, brief=c.name != "n_heads") for c in CONTRAST_COLUMNS),
            Column("edges", "edges that stand out on this path", "int", "edges", brief=True),
            Column("tested", "edges tested on this path", "int", "tested"),
            title="What replacing a core head changes in added heads",
        ),
        Table(
            "edges",
            "An added head that depends on a core head, more than on other heads of the "
            "core head's layer.",
            Column("sender", "the core head", "str", "core head", key=True),
            Column("receiver", "the added head", "str", "added head", key=True),
            Column(
                "reads",
                "the projection that reads the change",
                "str",
                "reads",
                choices=("q", "k", "v"),
                key=True,
            ),
            replace(_PATH_COLUMN, brief=False),
            Column(
                "change",
                "mean change of the added head's output, share of its distance from its mean",
                title="change",
                **_PERCENT,
                low=-math.inf,
                high=math.inf,
            ),
            Column(
                "excess",
                "that minus the mean over other heads of the core head's layer",
                title="excess",
                interval=True,
                **_PERCENT,
                low=-math.inf,
                high=math.inf,
            ),
            Column(
                "p",
                "one-sided p of the excess, Benjamini-Hochberg-corrected over all edges tested",
                title="p",
                form="probability",
            ),
            Column(
                "margin_change",
                "mean change of the margin by the added head's new output, nats",
                title="margin",
                digits=3,
                form="signed",
                optional=True,
            ),
            Column(
                "margin_excess",
                "mean size of that minus the mean size over the other heads, nats",
                interval=True,
                optional=True,
            ),
            Column("drawn", "whether the figure draws it", "bool"),
            title="Added heads that depend on a core head",
            folded=True,
        ),
    ),
    figures=(
        Figure(
            kind="graph",
            table="edges",
            columns={
                "source": "sender",
                "target": "receiver",
                "weight": "excess",
                "series": "reads",
            },
            where={"drawn": True},
            title="Added heads that depend on the core",
            caption="Pairs of a core head and an added head above it whose dependence exceeds that "
            "on other heads of the core head's layer; each pair's strongest edge, on the direct "
            f"path if any is, and at most {MOST_PAIRS} pairs. Width: the excess. Colour: the "
            "projection that reads it.",
        ),
    ),
    limits=("Paths are patched one at a time; the joint effect of two paths is not measured.",),
    plan=_plan,
)
