"""Fits a world to the tables of a study."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
from scipy.special import ndtri
from scipy.stats import norm

from heuristic_core.analysis.attention_patterns import SHALLOW
from heuristic_core.analysis.predictions import unpacked
from heuristic_core.errors import InputError
from heuristic_core.tables import SYSTEM_NAMES
from heuristic_core.units import Unit

from .world import Value

#: Correlations of answers where single predictions were not kept: a stated default.
DEFAULT_ALIKE = (0.5, 0.5)
#: Accuracies nearer to the ends are cut before they are made scores.
_END = 0.005
Numbers = dict[str, tuple[Value, str]]


class Study:
    """The tables of one study.

    Args:
        folder: A run folder, or one with the folder ``tables``.

    Raises:
        InputError: If it has no tables.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder / "tables"
        if not (self._folder / "evaluations.parquet").is_file():
            raise InputError(f"{folder} has no tables; name a run folder")

    def __getitem__(self, name: str) -> pd.DataFrame:
        path = self._folder / f"{name}.parquet"
        return pd.read_parquet(path) if path.is_file() else pd.DataFrame()


def fit(folder: Path) -> Numbers:
    """Fit all numbers of a world, each with its source.

    Args:
        folder: A run folder.
    """
    study = Study(folder)
    parts = (_full, _answers, _subnetworks, _divergence, _grid, _heads, _removals)
    numbers: Numbers = {}
    for part in (*parts, _attention, _dependency, _disjoint):
        numbers |= part(study)
    return numbers


def _z(share: pd.Series | pd.DataFrame) -> pd.Series | pd.DataFrame:
    return share.clip(_END, 1 - _END).apply(ndtri)


def _last(rows: pd.DataFrame) -> pd.DataFrame:
    return rows[rows["checkpoint"] == rows["checkpoint"].max()]


def _accuracies(rows: pd.DataFrame, by: list[str]) -> pd.DataFrame:
    """Mean accuracies by kind of case."""
    share = (rows["correct"] / rows["n"]).groupby([*(rows[x] for x in by), rows["case_kind"]])
    return share.mean().unstack("case_kind")


def _full(study: Study) -> Numbers:
    rows = study["evaluations"].query("kind == 'full'")
    last, areas = _last(rows), _last(study["discrimination"].query("kind == 'full'"))
    z = _z(_accuracies(last, ["checkpoint"])).iloc[0]
    margins = last.groupby("case_kind")["margin"].mean()
    distance = z["adversarial"] + z["friendly"]
    trained = _accuracies(rows[rows["checkpoint"] > 0], ["checkpoint"])
    of = "evaluations, full model, last step"
    spread = float(np.std(2**0.5 * _z(areas["auc"]), ddof=1))
    return {
        "id_score": (float(z["id"]), f"{of}: probit of mean in-domain accuracy"),
        "distance": (
            float(distance),
            f"{of}: sum of the probits of mean adversarial and friendly accuracy",
        ),
        "lean": (
            float(z["adversarial"] - z["friendly"]) / 2,
            f"{of}: half the difference of these probits",
        ),
        "nats": (
            float((margins["adversarial"] + margins["friendly"]) / distance),
            f"{of}: sum of mean adversarial and friendly margins over the distance",
        ),
        "id_nats": (float(margins["id"] / z["id"]), f"{of}: mean in-domain margin over id_score"),
        "case_spread": (
            spread,
            "discrimination, full model, last step: sd over cases of root 2 x probit of AUROC",
        ),
        "steps": (tuple(map(float, trained.index)), "evaluations: trained checkpoints"),
        "id_by_step": (
            tuple(map(float, trained["id"])),
            "evaluations, full model: mean in-domain accuracy",
        ),
    }


def _answers(study: Study) -> Numbers:
    rows = study["predictions"]
    if rows.empty:
        source = "design choice: single predictions were not kept"
        full, others = DEFAULT_ALIKE
        return {"alike_full": (full, source), "alike": (others, source)}
    rows = _last(rows).drop_duplicates([*SYSTEM_NAMES, "suite", "case"])
    with_full, with_others = [], []
    for _, some in rows.groupby(["suite", "case"]):
        answers = unpacked(some)
        varied = (answers.mean(axis=1) > 0.02) & (answers.mean(axis=1) < 0.98)
        some, answers = some[varied], answers[varied]
        # The correlation of normal scores that gives this correlation of answers, at one half.
        r = np.sin(np.pi / 2 * np.corrcoef(answers)) if len(some) > 1 else np.ones((1, 1))
        full, seed = (some["kind"] == "full").to_numpy(), some["seed"].to_numpy()
        sparsity = some["sparsity"].to_numpy()
        pair = (seed[:, None] < seed) & (sparsity[:, None] == sparsity) & ~full[:, None] & ~full
        with_full += r[full][:, ~full].ravel().tolist()
        with_others += r[pair].tolist()
    source = "predictions, last step: mean correlation of answers, made one of normal scores"
    full_r, others_r = float(np.mean(with_full)), float(np.mean(with_others))
    return {
        "alike_full": (min(full_r, others_r), f"{source}; at most that of two subnetworks"),
        "alike": (others_r, source),
    }


def _subnetworks(study: Study) -> Numbers:
    rows, areas = (_last(study[name]) for name in ("evaluations", "discrimination"))
    full = _z(_accuracies(rows[rows["kind"] == "full"], ["seed"])).iloc[0]
    some, areas = (x[x["kind"] == "subnetwork"] for x in (rows, areas))
    z = _z(_accuracies(some, ["sparsity", "seed"]))
    of = {
        "id": z["id"] - full["id"],
        "distance": z["adversarial"] + z["friendly"] - full["adversarial"] - full["friendly"],
        "lean": (z["adversarial"] - z["friendly"] - full["adversarial"] + full["friendly"]) / 2,
    }
    levels = sorted(z.index.unique("sparsity"))
    low, high = levels[0], levels[-1]
    source = "evaluations, last step, at the lowest and highest sparsity"
    numbers: Numbers = {
        "dense": (float(low), "evaluations: lowest sparsity of the main searches"),
        "sparse": (float(high), "evaluations: highest sparsity of the main searches"),
    }
    for name, values in of.items():
        by_level = [values.xs(level, level="sparsity") for level in (low, high)]
        means = tuple(float(x.mean()) for x in by_level)
        spread = tuple(float(x.std(ddof=1)) for x in by_level)
        numbers[f"{name}_change"] = (means, f"{source}: subnetworks minus full model, in probits")
        numbers[f"{name}_sd"] = (spread, f"{source}: sd over search seeds, in probits")
    numbers["own_sd"] = (
        tuple(_own(areas[areas["sparsity"] == level]) for level in (low, high)),
        "discrimination, last step: sd over search seeds of root 2 x probit of AUROC, beyond the "
        "seed's mean and the errors over examples, cases between 0.05 and 0.95",
    )
    return numbers


def _own(areas: pd.DataFrame) -> float:
    """What subnetworks differ by in single cases beyond their mean, in distance."""
    auc, error = (areas.pivot_table(index="seed", columns="case", values=x) for x in AREAS)
    inside = ((auc > 0.05) & (auc < 0.95)).all()
    auc, error = auc.loc[:, inside], error.loc[:, inside]
    distance = 2**0.5 * _z(auc)
    left = distance.sub(distance.mean(axis=1), axis=0)
    left -= left.mean()
    free = (len(auc) - 1) * (auc.shape[1] - 1)
    noise = 2 * np.square(error / norm.pdf(ndtri(auc))).to_numpy().mean()
    return float(max(0.0, np.square(left.to_numpy()).sum() / free - noise) ** 0.5)


AREAS = ("auc", "auc_se")


def _divergence(study: Study) -> Numbers:
    rows = _last(study["evaluations"].query("kind == 'subnetwork'"))
    rows = rows[rows["sparsity"] == rows["sparsity"].max()]
    kl = np.log(rows.groupby(["seed", "role"])["kl"].mean().unstack("role")[["id", "ood"]])
    source = "evaluations, last step, highest sparsity: log KL in-domain and out of domain"
    return {
        "kl": (tuple(map(float, kl.mean())), f"{source}, mean over search seeds"),
        "kl_sd": (tuple(map(float, kl.std(ddof=1))), f"{source}, sd over search seeds"),
        "kl_alike": (float(kl.corr().iloc[0, 1]), f"{source}, correlation over search seeds"),
    }


def _grid(study: Study) -> Numbers:
    rows = study["grid"].query("kind == 'subnetwork' and checkpoint > 0")
    kinds = _accuracies(rows, ["checkpoint", "seed", "sparsity"])
    curves = (kinds["adversarial"] + kinds["friendly"]).unstack("sparsity") * 50
    n = rows[rows["role"] == "ood"].groupby(["case_kind", "case"])["n"].first()
    by_case = n.groupby("case_kind").sum()
    # Of balanced accuracy in points, if systems answered independently at one half.
    binomial = 50**2 * float((0.25 / by_case).sum())
    left = curves - curves.groupby("checkpoint").transform("mean")
    free = (curves.groupby("checkpoint").size() - 1).sum()
    variance = float(np.square(left).sum().mean() / free)
    pairs = np.corrcoef(left.iloc[:, :-1].to_numpy().ravel(), left.iloc[:, 1:].to_numpy().ravel())
    source = "grid: balanced accuracy by search seed, beyond the mean over seeds"
    return {
        "grid_sd": (
            max(0.25 * variance, variance - binomial / 2) ** 0.5,
            f"{source}: sd in points, less half the binomial variance as answers correlate",
        ),
        "grid_alike": (float(pairs[0, 1]), f"{source}: correlation at neighbouring sparsities"),
    }


def _heads(study: Study) -> Numbers:
    rows = _last(study["subnetworks"])
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


def _removals(study: Study) -> Numbers:
    rows = _last(study["removal"].query("readout == 'model'"))
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


def _attention(study: Study) -> Numbers:
    rows = _last(study["attention"].query("weighting == 'attention'"))
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


def _dependency(study: Study) -> Numbers:
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


def _disjoint(study: Study) -> Numbers:
    full = _last(study["grid"].query("kind == 'full'"))
    reference = float(_accuracies(full, ["checkpoint"])["id"].iloc[0])
    rows = study["disjoint"]
    rows = rows[(rows["sparsity"] == rows["sparsity"].max()) & (rows["heads"] > 0)]
    points = 100 * (_accuracies(rows, ["forbidden", "seed"])["id"] - reference)
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
