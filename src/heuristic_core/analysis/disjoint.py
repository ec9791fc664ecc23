"""Does a model hold disjoint subnetworks that each match it? (paper, section 5, finding 3)"""

from __future__ import annotations

import numpy as np
import pandas as pd

from ..columns import Column, Table
from ..writing import signed
from .accuracies import full_model, means_by_kind
from .design import Design
from .evidence import Evidence
from .intervals import EQUAL, change_text, student, wilson
from .power import by_interval, outlook, too_few_planned
from .question import Answer, Figure, Question, Verdict, decide
from .systems import BY_SPARSITY, by_system

#: Fewer pairs decide nothing.
ENOUGH_PAIRS = 3
_KINDS = ["adversarial", "friendly", "shift", "balanced"]
#: The columns that name a subnetwork of one model, method and sparsity. Of several with one share
#: and seed, which are a control without heads and a subnetwork, the latter comes last.
_NAMES = ["forbidden", "seed", "heads", "shared_heads", "other_heads"]
#: What a row of every subnetwork shows.
_SHOWN = ["subnetworks", "seed", "heads", "shared_heads", "heads_jaccard", "in_domain", "match"]
#: Differences of accuracies, in points, lie within these.
_POINTS = (-100.0, 100.0)

ORDINARY, NO_HEADS = "ordinary", "no heads"
MATCH, NO_MATCH = "within the margin", "outside the margin"


def disjoint(evidence: Evidence) -> list[Answer]:
    """Ask whether subnetworks that may not use the heads of another one match the model too.

    MLPs may be shared. Ordinary subnetworks are those without forbidden heads. A subnetwork without
    heads that has the seed and share of one with heads is a control.

    Returns:
        One answer per fine-tuning, checkpoint, method and sparsity for which the full model and
        an ordinary subnetwork were evaluated on the same examples.
    """
    answers = []
    for key, rows in by_system(evidence["disjoint"], BY_SPARSITY):
        full = full_model(evidence["grid"], key[0], key[1])
        is_ordinary = rows["forbidden"] == 0
        both = set(rows.loc[is_ordinary, "seed"]) & set(rows.loc[~is_ordinary, "seed"])
        if both and len(full):
            reference = float(means_by_kind(full)["in_domain"].iloc[0])
            subnetworks = _subnetworks(rows[rows["seed"].isin(both)], reference)
            answers.append(_answer(key, subnetworks, evidence.margin_points))
    return answers


def _subnetworks(rows: pd.DataFrame, reference: float) -> pd.DataFrame:
    """Return a row per subnetwork, and again for each without heads, which is also a control.

    ``in_domain`` is accuracy minus the full model's, in points. The kinds of cases hold that minus
    the accuracy of the ordinary subnetwork of the same seed; they are missing for ordinary ones.
    """
    means = means_by_kind(rows, _NAMES).reindex(columns=["in_domain", *_KINDS])
    kl = rows[rows["role"] == "id"].groupby(_NAMES)["kl"].mean()
    points = 100 * (means["in_domain"] - reference)
    every = means.assign(kl=kl, in_domain=points).reset_index()
    either = every["heads"] + every["other_heads"] - every["shared_heads"]
    # Two subnetworks without heads have the same ones: none.
    every["heads_jaccard"] = (every["shared_heads"] / either.clip(lower=1)).where(either > 0, 1.0)
    # Each seed's ordinary subnetwork comes first.
    ordinary = every.groupby("seed")[_KINDS].transform(lambda values: values.iloc[0])
    every[_KINDS] = 100 * (every[_KINDS] - ordinary)
    again = every[every["forbidden"] > 0]
    restricted = again.drop_duplicates(["forbidden", "seed"], keep="last")
    return pd.concat(
        [
            every[every["forbidden"] == 0].drop(columns=_KINDS).assign(subnetworks=ORDINARY),
            restricted.assign(subnetworks=restricted["forbidden"].map("{:.0%} forbidden".format)),
            again[again["heads"] == 0].assign(subnetworks=NO_HEADS),
        ],
        ignore_index=True,
    )


def _answer(key: tuple, subnetworks: pd.DataFrame, margin: float) -> Answer:
    within = subnetworks["in_domain"].abs() <= margin + EQUAL
    subnetworks["match"] = within.map({True: MATCH, False: NO_MATCH})
    groups = subnetworks.groupby("subnetworks", sort=False)
    return Answer(
        subject=dict(zip(BY_SPARSITY, key, strict=True)),
        verdict=_verdict(subnetworks, margin),
        rows={
            "disjoint": [{"subnetworks": name} | _summary(some) for name, some in groups],
            "disjoint-subnetworks": subnetworks[_SHOWN].to_dict("records"),
        },
        caveat=_nearest(subnetworks),
    )


def _summary(some: pd.DataFrame) -> dict:
    changes = {kind: some[kind].dropna().to_numpy(dtype=float) for kind in _KINDS}
    return {
        "n": len(some),
        "heads": float(some["heads"].mean()),
        "shared_heads": float(some["shared_heads"].mean()),
        "in_domain": student(some["in_domain"].to_numpy(), _POINTS),
        "kl": student(some["kl"].to_numpy(), (0.0, np.inf)),
        "matching": wilson(int((some["match"] == MATCH).sum()), len(some)),
    } | {kind: student(change, _POINTS) for kind, change in changes.items() if len(change)}


def _nearest(subnetworks: pd.DataFrame) -> str:
    """Describe the most nearly disjoint pair of which both match the model."""
    matching = subnetworks[subnetworks["match"] == MATCH]
    seeds = matching.loc[matching["subnetworks"] == ORDINARY, "seed"]
    restricted = ~matching["subnetworks"].isin([ORDINARY, NO_HEADS])
    pairs = matching[restricted & matching["seed"].isin(seeds)]
    if pairs.empty:
        return ""
    # Of equally disjoint pairs, the one that matches the model better.
    row = pairs.sort_values(["heads_jaccard", "in_domain"], key=abs, kind="stable").iloc[0]
    return (
        f"The most nearly disjoint pair of which both are within the margin (seed {row['seed']}, "
        f"{row['subnetworks']}) shares {row['shared_heads']} heads of {row['heads']} and "
        f"{row['other_heads']}."
    )


def _verdict(subnetworks: pd.DataFrame, margin: float) -> Verdict:
    points = dict(list(subnetworks.groupby("subnetworks")["in_domain"]))
    disjoint = (subnetworks["forbidden"] == 1) & (subnetworks["shared_heads"] == 0)
    apart = subnetworks[disjoint & (subnetworks["subnetworks"] != NO_HEADS)]
    if len(apart) < ENOUGH_PAIRS:
        return decide(QUESTION.claim, f"{len(apart)} disjoint pairs are fewer than {ENOUGH_PAIRS}")
    off, ordinary = (student(x.to_numpy(), _POINTS) for x in (apart["in_domain"], points[ORDINARY]))
    controls, open_because = "", ""
    if NO_HEADS in points:
        controls = f", without any heads by {signed(points[NO_HEADS].mean(), 1)}"
    if NO_HEADS in points and points[NO_HEADS].mean() >= -margin:
        open_because = "the task needs no heads, so sharing none of them shows nothing"
    elif ordinary.value < -margin:
        open_because = "even the ordinary subnetworks do not match the model"
    return decide(
        QUESTION.claim,
        f"in-domain, {len(apart)} subnetworks without any head of another one differ by "
        f"{change_text(off, 1)} points from the full model, ordinary ones by "
        f"{signed(ordinary.value, 1)}{controls}; the margin is {margin:g} points",
        supported=all(max(-e.low, e.high) <= margin + EQUAL for e in (off, ordinary)),
        contradicted=off.high < -margin,
        open_because=open_because,
        measure="ID accuracy minus the full model's with all heads forbidden, points",
        effect=off,
        power=outlook(
            "a match within the margin",
            margin,
            by_interval("pairs", off, len(apart)),
            both_sides=True,
        ),
    )


_DIFFERENCE = "accuracy minus that of the ordinary subnetwork whose heads were forbidden, points"


def _plan(design: Design) -> str:
    return too_few_planned(design.pairs, ENOUGH_PAIRS, "disjoint pairs") if design.pairs else ""


QUESTION = Question(
    key="disjoint",
    asks="Does the model hold disjoint subnetworks that each match it?",
    claim="the model holds disjoint subnetworks that each match it in-domain",
    source="section 5, finding 3",
    page="disjoint",
    subject=BY_SPARSITY,
    needs=("disjoint", "grid"),
    answer=disjoint,
    tables=(
        Table(
            "disjoint",
            "How subnetworks answer that may not use a share of the heads of an ordinary "
            "subnetwork. Those without any heads are a control: where they match the model too, "
            "the task needs no heads.",
            Column(
                "subnetworks",
                "ordinary ones, those with a share of the heads of these forbidden, or those "
                "without heads",
                "str",
                "subnetworks",
                key=True,
            ),
            Column("n", "subnetworks, one per search seed", "int", "n"),
            Column("heads", "heads kept, mean", title="heads", digits=1),
            Column(
                "shared_heads",
                "heads that the ordinary subnetwork keeps too, mean",
                title="shared",
                digits=1,
            ),
            Column(
                "in_domain",
                "in-domain accuracy minus the full model's, points",
                title="in-domain",
                digits=1,
                interval=True,
                low=-100,
                high=100,
            ),
            Column("kl", "mean KL(full model || subnetwork) in-domain, nats", interval=True, low=0),
            Column(
                "matching",
                "share of subnetworks within the margin in-domain",
                title="matching",
                digits=0,
                form="percent",
                interval=True,
            ),
            *(
                Column(
                    kind,
                    f"{kind} {_DIFFERENCE}",
                    title=kind,
                    digits=1,
                    interval=True,
                    optional=True,
                    low=-100,
                    high=100,
                )
                for kind in _KINDS
            ),
            title="Subnetworks that may not use another one's heads",
        ),
        Table(
            "disjoint-subnetworks",
            "One of these subnetworks beside the ordinary one of its seed.",
            Column("subnetworks", "as in the table disjoint", "str", "subnetworks", key=True),
            Column("seed", "search seed", "int", "seed", key=True),
            Column("heads", "heads kept", "int", "heads"),
            Column("shared_heads", "heads that the ordinary one keeps too", "int", "shared"),
            Column(
                "heads_jaccard",
                "these over the heads in either",
                formerly="jaccard",
                title="Jaccard of heads",
                low=0,
                high=1,
            ),
            Column(
                "in_domain",
                "in-domain accuracy minus the full model's, points",
                title="in-domain",
                digits=1,
                low=-100,
                high=100,
            ),
            Column(
                "match",
                "whether that is within the margin",
                "str",
                "match",
                choices=(MATCH, NO_MATCH),
            ),
            title="Each of these subnetworks",
            folded=True,
        ),
    ),
    figures=(
        Figure(
            kind="strips",
            table="disjoint-subnetworks",
            columns={"y": "subnetworks", "x": "in_domain", "series": "match"},
            title="Subnetworks without another one's heads",
            caption="Each mark is a subnetwork. The line marks the full model's accuracy. "
            "Ordinary subnetworks are those whose heads are forbidden in the rows below them.",
            reference=0,
            label="in-domain accuracy, points off the full model",
        ),
    ),
    limits=("A search that finds no such pair does not prove that there is none.",),
    plan=_plan,
)
