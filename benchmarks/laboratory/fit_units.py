"""Fits what a world says of units: heads kept, removals, attention, dependency, disjointness."""

from __future__ import annotations

import numpy as np
import pandas as pd

from heuristic_core.analysis.attention_patterns import SHALLOW
from heuristic_core.units import Unit

from .measured import Numbers, Tables, accuracies, last


def units(study: Tables) -> Numbers:
    """Fit all numbers on units, each with its source.

    Args:
        study: The tables.
    """
    numbers: Numbers = {}
    for part in (_heads, _removals, _attention, _dependency, _disjoint):
        numbers |= part(study)
    return numbers


def _heads(study: Tables) -> Numbers:
    rows = last(study["subnetworks"])
    rows = rows[(rows["head"] >= 0) & (rows["sparsity"] == rows["sparsity"].max())]
    kept = rows.pivot_table(index="seed", columns=["layer", "unit"], values="kept", aggfunc="first")
    by_layer = kept.astype(float).T.groupby("layer")
    times = kept.astype(bool).all().groupby("layer").sum()
    grid = study["grid_subnetworks"]
    first = grid[(grid["head"] >= 0) & (grid["checkpoint"] == grid["checkpoint"].min())]
    first = first[np.isclose(first["sparsity"], rows["sparsity"].iloc[0])]
    early = first.pivot_table(
        index="seed", columns=["layer", "unit"], values="kept", aggfunc="first"
    )
    source = "subnetworks, last step, highest sparsity"
    alike = "correlation of two searches' choices within layers, made one of normal scores"
    return {
        "layer_heads": (tuple(map(float, by_layer.size())), "subnetworks: heads by layer"),
        "kept": (
            tuple(map(float, by_layer.mean().mean(axis=1) * by_layer.size())),
            f"{source}: heads kept by layer, mean over search seeds",
        ),
        "core": (tuple(map(float, times)), f"{source}: heads that all keep, by layer"),
        "preference": (_preference(kept), f"{source}: {alike}"),
        "early_preference": (
            _preference(early),
            f"grid_subnetworks, first trained step, same sparsity: {alike}",
        ),
    }


def _preference(kept: pd.DataFrame) -> float:
    """How two searches' choices correlate within layers, as normal scores at one half."""
    values = kept.astype(float).T
    within = (values - values.groupby("layer").transform("mean")).to_numpy()
    r = np.corrcoef(within, rowvar=False)[np.triu_indices(within.shape[1], 1)]
    return float(np.sin(np.pi / 2 * max(0.0, float(r.mean()))))


def _removals(study: Tables) -> Numbers:
    rows = last(study["removal"].query("readout == 'model'"))
    single = rows[(rows["group"] == "single") & ~rows["removed"].str.contains("MLP")]
    kinds = {"id": "id", "adversarial": "adversarial", "friendly": "friendly"}
    change = single.pivot_table(index="removed", columns="case_kind", values="margin_change")[
        [*kinds]
    ]
    noise = single.assign(squared=single["margin_change_se"] ** 2, one=1.0)
    by_kind = noise.groupby(["removed", "case_kind"])
    variance = (by_kind["squared"].sum() / by_kind["one"].sum() ** 2).unstack("case_kind").mean()
    sd_examples = float((single["margin_change_se"] ** 2 * single["n"]).mean() ** 0.5)
    lean = (change["adversarial"] - change["friendly"]) / 2
    distance = change["adversarial"] + change["friendly"]
    ood = float(variance["adversarial"] + variance["friendly"])
    core = rows[(rows["group"] == "core") & (rows["role"] == "ood")]
    source = "removal, last step, model, single heads"
    effects = {
        "head_lean_sd": (lean, ood / 4, "lean"),
        "head_distance_sd": (distance, ood, "distance"),
        "head_id_sd": (change["id"], float(variance["id"]), "in-domain margin"),
    }
    numbers: Numbers = {
        name: (
            float(max(0.0, values.var(ddof=1) - error) ** 0.5),
            f"{source}: sd over heads of the change of {of}, nats, beyond errors over examples",
        )
        for name, (values, error, of) in effects.items()
    }
    size = float(np.square(change.to_numpy()).mean() ** 0.5)
    return numbers | {
        "change_noise": (
            sd_examples / size,
            f"{source}: root mean square over examples of a change, over that over heads",
        ),
        "interaction_noise": (
            float((core["interaction_se"] ** 2 * core["n"]).mean() ** 0.5),
            "removal, last step, model, core: sd over examples of the interaction, nats",
        ),
    }


def _attention(study: Tables) -> Numbers:
    rows = last(study["attention"].query("weighting == 'attention'"))
    shallow = rows[rows["pattern"].isin(SHALLOW)]
    shallow = shallow.assign(log2=np.log2(shallow["score"].clip(lower=1)))
    by_suite = shallow.groupby(["layer", "unit", "suite"])["log2"].max().unstack("suite")
    strength = by_suite.mean(axis=1)
    within = strength - strength.groupby("layer").transform("mean")
    free = len(strength) - strength.index.unique("layer").size
    corr = by_suite.corr().to_numpy()[np.triu_indices(by_suite.shape[1], 1)]
    share = rows["score_se"] * rows["n"] ** 0.5 / rows["score"]
    source = "attention, last step: log2 of attention over chance of the strongest shallow pattern"
    return {
        "strength": (float(strength.mean()), f"{source}, mean over heads"),
        "strength_sd": (
            float((np.square(within).sum() / free) ** 0.5),
            f"{source}, sd over the heads of a layer",
        ),
        "suites_alike": (float(corr.mean()), f"{source}, mean correlation of suites over heads"),
        "score_noise": (
            float(share.median()),
            "attention, last step: sd over examples of a score over the score, median",
        ),
    }


def _dependency(study: Tables) -> Numbers:
    rows = study["dependency"].query("path == 'direct'").dropna(subset="excess")
    layer = {unit: Unit.parse(unit).layer for unit in {*rows["sender"], *rows["receiver"]}}
    rows = rows.assign(layer=rows["sender"].map(layer), above=rows["receiver"].map(layer))
    rows = rows[rows["above"] > rows["layer"]]
    numbers: Numbers = {}
    names = {"reads_sd": ("change", "edge_sd", "edge_noise")}
    names["margin_reads_sd"] = ("margin_excess", "margin_edge_sd", "margin_noise")
    for name, (column, edge, noise) in names.items():
        some = rows.dropna(subset=column)
        sender = some.groupby(["layer", "sender"])[column].mean()
        within = sender - sender.groupby("layer").transform("mean")
        free = len(sender) - sender.index.unique("layer").size
        left = some["excess" if column == "change" else column]
        left = left - left.groupby([some["sender"], some["layer"]]).transform("mean")
        error = some["excess_se" if column == "change" else "margin_excess_se"]
        numbers |= {
            name: (
                float((np.square(within).sum() / free) ** 0.5),
                f"dependency, direct: {column}, sd over the senders of a layer",
            ),
            edge: (
                float(left.std(ddof=1)),
                f"dependency, direct: sd of an edge's {column} beyond its sender's mean",
            ),
            noise: (float(error.mean()), f"dependency, direct: mean standard error of {column}"),
        }
    return {"reads": (float(rows["change"].mean()), "dependency, direct: mean change")} | numbers


def _disjoint(study: Tables) -> Numbers:
    full = last(study["grid"].query("kind == 'full'"))
    reference = float(accuracies(full, ["checkpoint"])["id"].iloc[0])
    rows = study["disjoint"]
    rows = rows[(rows["sparsity"] == rows["sparsity"].max()) & (rows["heads"] > 0)]
    points = 100 * (accuracies(rows, ["forbidden", "seed"])["id"] - reference)
    ordinary, forbidden = (points.xs(x, level="forbidden") for x in (0.0, 1.0))
    source = "disjoint, highest sparsity: in-domain accuracy minus the full model's, points"
    return {
        "ordinary": (float(ordinary.mean()), f"{source}, ordinary ones, mean"),
        "ordinary_sd": (float(ordinary.std(ddof=1)), f"{source}, ordinary ones, sd over seeds"),
        "forbidden": (
            float(forbidden.mean()),
            f"{source}, all heads forbidden, mean",
        ),
        "forbidden_sd": (
            float(forbidden.std(ddof=1)),
            f"{source}, all heads forbidden, sd over seeds",
        ),
    }
