"""Does a model hold disjoint subnetworks that each match it? (paper, section 5, finding 3)"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd

from ..columns import Column, Table
from ..writing import signed
from .accuracies import CASE, full_model, means_by_kind
from .covariances import Covariance, accuracy_covariances, shared_difference
from .design import Design
from .evidence import Evidence
from .intervals import EQUAL, change_text, student, wilson
from .paired import over_both
from .power import ErrorSource, outlook, too_few_planned
from .question import Answer, Figure, Question, Verdict, decide
from .same_seeds import different_seeds
from .size_rule import variances
from .systems import BY_SPARSITY, by_system

#: Fewer pairs decide nothing.
ENOUGH_PAIRS = 3
_KINDS = ["adversarial", "friendly", "shift", "balanced"]
#: The columns that name a subnetwork of one model, method and sparsity. Of several with one share
#: and seed, which are a control without heads and a subnetwork, the latter comes last.
_NAMES = ["forbidden", "seed", "heads", "shared_heads", "other_heads"]
_NAMES_OF_SEED = [name for name in _NAMES if name != "seed"]
#: What names the full model beside them.
_FULL = (-1,) * len(_NAMES)
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
            rows = different_seeds(rows[rows["seed"].isin(both)], _NAMES_OF_SEED)
            errors = _Errors.of(rows, full, _answers_of_full(evidence, key))
            subnetworks = _subnetworks(rows, reference)
            answers.append(_answer(key, subnetworks, errors, evidence.margin_points))
    return answers


def _answers_of_full(evidence: Evidence, key: tuple) -> pd.DataFrame:
    """Return what the full model answers to single examples, if that was kept."""
    rows = evidence["grid_predictions"]
    of_model = (rows["finetune_seed"] == key[0]) & (rows["checkpoint"] == key[1])
    return rows[of_model & (rows["kind"] == "full")]


@dataclass(frozen=True, eq=False)
class _Errors:
    """What examples do to differences of accuracies of systems that answer the same ones.

    Args:
        known: By kind of case the covariances of systems, if single answers were kept.
        variances: By kind of case the variance of each subnetwork's accuracy, a share.
        full: That of the full model's accuracy in-domain.
    """

    known: Mapping[str, Covariance]
    variances: Mapping[str, pd.Series]
    full: float

    @classmethod
    def of(cls, rows: pd.DataFrame, full: pd.DataFrame, answered: pd.DataFrame) -> _Errors:
        """Compute them for one model, from its subnetworks' rows, its own and its answers."""
        known: Mapping[str, Covariance] = {}
        if rows["answers"].notna().all() and len(answered):
            of_full = answered.drop_duplicates(CASE).assign(**dict.fromkeys(_NAMES, -1))
            of_others = rows.assign(correct=rows["answers"])
            columns = [*_NAMES, *CASE, "n", "correct"]
            both = pd.concat([of_full[columns], of_others[columns]])
            kinds = rows.drop_duplicates(CASE).set_index(CASE)["case_kind"].to_dict()
            known = accuracy_covariances(both, kinds, _NAMES)
        by_kind = {k.replace("-", "_"): x for k, x in variances(rows, _NAMES).items()}
        return cls(known, by_kind, float(variances(full)["in-domain"].iloc[0]))

    def points(self, kind: str, systems: pd.DataFrame) -> float:
        """Return the covariance of two differences from what each is compared with, in points.

        Args:
            kind: The kind of cases: those in-domain are compared with the full model, the others
                with the ordinary subnetwork of the seed.
            systems: Rows of subnetworks.
        """
        named = list(systems[_NAMES].itertuples(index=False, name=None))
        others = [_FULL] * len(named)
        if kind != "in_domain":
            others = list(systems["ordinary"])
        shared = shared_difference(self.known.get(kind), named, others)
        if shared is None:  # at most, all subnetworks answer alike, and not as the other one does
            of_kind = self.variances[kind]
            own = float(of_kind.loc[named].mean())
            shared = own + (self.full if kind == "in_domain" else float(of_kind.loc[others].mean()))
        return 1e4 * max(0.0, shared)


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
    ordinary = every.drop_duplicates("seed").set_index("seed")
    every[_KINDS] = 100 * (every[_KINDS] - ordinary[_KINDS].loc[every["seed"]].to_numpy())
    names = pd.Series(list(ordinary.reset_index()[_NAMES].itertuples(index=False, name=None)))
    every["ordinary"] = every["seed"].map(dict(zip(ordinary.index, names, strict=True)))
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


def _answer(key: tuple, subnetworks: pd.DataFrame, errors: _Errors, margin: float) -> Answer:
    within = subnetworks["in_domain"].abs() <= margin + EQUAL
    subnetworks["match"] = within.map({True: MATCH, False: NO_MATCH})
    groups = subnetworks.groupby("subnetworks", sort=False)
    return Answer(
        subject=dict(zip(BY_SPARSITY, key, strict=True)),
        verdict=_verdict(subnetworks, errors, margin),
        rows={
            "disjoint": [{"subnetworks": name} | _summary(some, errors) for name, some in groups],
            "disjoint-subnetworks": subnetworks[_SHOWN].to_dict("records"),
        },
        caveat=_nearest(subnetworks),
    )


def _summary(some: pd.DataFrame, errors: _Errors) -> dict:
    changes = {kind: some[some[kind].notna()] for kind in _KINDS}
    return {
        "n": len(some),
        "heads": float(some["heads"].mean()),
        "shared_heads": float(some["shared_heads"].mean()),
        "in_domain": over_both(some["in_domain"], errors.points("in_domain", some), _POINTS),
        "kl": student(some["kl"].to_numpy(), (0.0, np.inf)),
        "matching": wilson(int((some["match"] == MATCH).sum()), len(some)),
    } | {
        kind: over_both(known[kind].astype(float), errors.points(kind, known), _POINTS)
        for kind, known in changes.items()
        if len(known)
    }


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


def _verdict(subnetworks: pd.DataFrame, errors: _Errors, margin: float) -> Verdict:
    groups = dict(list(subnetworks.groupby("subnetworks")))
    points = {name: some["in_domain"] for name, some in groups.items()}
    disjoint = (subnetworks["forbidden"] == 1) & (subnetworks["shared_heads"] == 0)
    apart = subnetworks[disjoint & (subnetworks["subnetworks"] != NO_HEADS)]
    if len(apart) < ENOUGH_PAIRS:
        return decide(QUESTION.claim, f"{len(apart)} disjoint pairs are fewer than {ENOUGH_PAIRS}")
    shared = errors.points("in_domain", apart)
    off = over_both(apart["in_domain"], shared, _POINTS)
    of_ordinary = errors.points("in_domain", groups[ORDINARY])
    ordinary = over_both(points[ORDINARY], of_ordinary, _POINTS)
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
            ErrorSource("pairs", apart["in_domain"].var(ddof=1) / len(apart), len(apart)),
            ErrorSource("in-domain examples", shared, 1000, counted=False),
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
    needs=("disjoint", "grid", "grid_predictions"),
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
