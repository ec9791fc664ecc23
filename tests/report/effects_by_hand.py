"""What a figure draws leads to its verdict: the effects, computed again from the drawn rows alone.

Each function takes the drawn rows of one verdict's subject, and returns the number that the
verdict, or its reason, should hold.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import pandas as pd

from heuristic_core.units import Unit

Verdict = Mapping[str, Any]


def of_subject(
    rows: pd.DataFrame, names: tuple[str, ...], verdict: Mapping[str, Any]
) -> pd.DataFrame:
    """Keep the rows of a verdict's subject."""
    for name in names:
        missing = rows[name].isna() & pd.isna(verdict[name])
        rows = rows[missing | rows[name].eq(verdict[name]).fillna(False).astype(bool)]
    return rows


def widest_span(rows: pd.DataFrame, column: str) -> float:
    """Return the widest range over subnetworks of a value in a case or mean."""
    values = rows[rows["series"] != "full model"].groupby("mean_or_case")[column]
    return float((values.max() - values.min()).max())


def core_minus_others(rows: pd.DataFrame, column: str) -> float:
    """Compare each core head with the mean of the other heads of its layer."""
    heads = rows[rows["unit"].map(lambda unit: Unit.parse(unit).is_head)]
    layers = heads["unit"].map(lambda unit: Unit.parse(unit).layer)
    differences = [
        one - some.loc[~some["in_core"], column].mean()
        for _, some in heads.groupby(layers)
        for one in some.loc[some["in_core"], column]
        if not some["in_core"].all()
    ]
    return float(np.mean(differences))


def spread(rows: pd.DataFrame, verdict: Verdict) -> tuple[float, float]:
    compared = rows[
        (rows["section"] != "means over cases") & (rows["series"] != "outside the margin")
    ]
    scale = compared.assign(h=2 * np.arcsin(np.sqrt(compared["accuracy"])))
    return widest_span(scale, "h"), effect(verdict)


def discrimination(rows: pd.DataFrame, verdict: Verdict) -> tuple[float, float]:
    cases = rows[(rows["measure"] == "AUROC") & (rows["mean_or_case"] != "mean over cases")]
    scale = cases.assign(h=2 * np.arcsin(np.sqrt(cases["score"])))
    return widest_span(scale, "h"), effect(verdict)


def smoothness(rows: pd.DataFrame, verdict: Verdict) -> tuple[float, float]:
    """Fit a line to each seed's balanced, else adversarial, curve; the reason says its fall."""
    known = set(rows["cases"])
    judged = rows[rows["cases"] == ("balanced OOD" if "balanced OOD" in known else "adversarial")]
    falls = [
        -np.polyfit(some["sparsity"], some["accuracy"], 1)[0] * np.ptp(some["sparsity"])
        for _, some in judged[judged["seed"].notna()].groupby("seed")
    ]
    return round(100 * float(np.mean(falls)), 1), said(verdict, r"falls by (-?[\d.]+)")


def core(rows: pd.DataFrame, verdict: Verdict) -> tuple[float, float]:
    heads = rows["unit"].map(lambda unit: Unit.parse(unit).is_head)
    return int((rows["in_all"] & heads).sum()), effect(verdict)


def disjoint(rows: pd.DataFrame, verdict: Verdict) -> tuple[float, float]:
    disjoint = rows[(rows["subnetworks"] == "100% forbidden") & (rows["shared_heads"] == 0)]
    return float(disjoint["in_domain"].mean()), effect(verdict)


def effective_size(rows: pd.DataFrame, verdict: Verdict) -> tuple[float, float]:
    own = rows[rows["margin_points"].isna()].set_index("checkpoint")["size"]
    before, after = map(int, re.search(r"step (\d+) to (\d+)", verdict["reason"]).groups())
    return own[after] - own[before], effect(verdict)


def learning_order(rows: pd.DataFrame, verdict: Verdict) -> tuple[float, float]:
    """The first checkpoint with 90 % of the last accuracy is where the reason puts it."""
    mean = rows[(rows["cases"] == "in-domain") & rows["case"].isna()].set_index("checkpoint")
    trained = mean.loc[mean.index > 0, "accuracy"].sort_index()
    learned = trained.index[trained >= 0.9 * trained.iloc[-1]][0]
    # Where the task is clearly not learned at any trained checkpoint, it may be from the first on.
    not_yet = re.search(r"not yet at step (\d+)", verdict["reason"])
    before = int(not_yet.group(1)) if not_yet else 0
    return float(before < learned <= said(verdict, r"learned from step (\d+) on")), 1.0


def emergence(rows: pd.DataFrame, verdict: Verdict) -> tuple[float, float]:
    before = rows[rows["before_rise"]]
    last = before[before["checkpoint"] == before["checkpoint"].max()]
    return float(last["share"].mean()), effect(verdict)


def attention_patterns(rows: pd.DataFrame, verdict: Verdict) -> tuple[float, float]:
    return core_minus_others(rows, "strength"), effect(verdict)


def repeated_tokens(rows: pd.DataFrame, verdict: Verdict) -> tuple[float, float]:
    clear = rows[rows["clear"] == "yes"].groupby("when")["unit"].agg(set)
    before, after = (clear.get(f"{when} fine-tuning", set()) for when in ("before", "after"))
    return len(before & after) / len(after), effect(verdict)


def single_removal(rows: pd.DataFrame, verdict: Verdict) -> tuple[float, float]:
    return core_minus_others(rows, "change"), effect(verdict)


def core_removal(rows: pd.DataFrame, verdict: Verdict) -> tuple[float, float]:
    judged = rows[rows["measure"] == verdict["measure"].removesuffix(", nats")]
    change = judged.groupby("removed")["change"].mean()
    return change["core"] - change["matched group"], effect(verdict)


def dependency(rows: pd.DataFrame, verdict: Verdict) -> tuple[float, float]:
    """Every edge that is drawn stands out: its excess and the interval's end are above 0."""
    return float((rows["excess"] > 0.01).mean()), 1.0


def effect(verdict: Verdict) -> float:
    return float(verdict["effect"])


def said(verdict: Verdict, pattern: str) -> float:
    return float(re.search(pattern, verdict["reason"]).group(1))


def generalisation_range(rows: pd.DataFrame, verdict: Verdict) -> tuple[float, float]:
    faithful = rows[rows["match"] == "within the bound"].set_index(["aim", "seed"])["held_out_auc"]
    difference = (faithful["well"] - faithful["badly"]).dropna()
    return float(difference.mean()), effect(verdict)


def repulsion(rows: pd.DataFrame, verdict: Verdict) -> tuple[float, float]:
    """The index at the highest weight at which all subnetworks are faithful."""
    last = rows[rows["faithful"]].sort_values("repel").iloc[-1]
    return round(last["jaccard"], 2), said(verdict, r"Jaccard index is ([\d.]+)")


def necessity(rows: pd.DataFrame, verdict: Verdict) -> tuple[float, float]:
    heads = rows[rows["unit"].map(lambda unit: Unit.parse(unit).is_head)]
    core = heads[heads["times"] == heads["times"].max()]
    return float(core["needed"].mean()), effect(verdict)


#: For every question with figures.
BY_HAND: dict[str, Callable[[pd.DataFrame, Verdict], tuple[float, float]]] = {
    function.__name__: function
    for function in (
        spread,
        discrimination,
        smoothness,
        core,
        disjoint,
        effective_size,
        learning_order,
        emergence,
        attention_patterns,
        repeated_tokens,
        single_removal,
        core_removal,
        dependency,
        generalisation_range,
        repulsion,
        necessity,
    )
}
