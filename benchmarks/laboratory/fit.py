"""Fits a world to the tables of a study: what systems answer, and all that units do."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
from scipy.optimize import brentq
from scipy.special import ndtri
from scipy.stats import multivariate_normal, norm

from heuristic_core.analysis.predictions import unpacked
from heuristic_core.tables import SYSTEM_NAMES

from .fit_units import units
from .measured import Numbers, Study, Tables, accuracies, last

#: Correlations of answers where single predictions were not kept: a stated default.
DEFAULT_ALIKE = (0.5, 0.5)
#: Accuracies nearer to the ends are cut before they are made scores.
_END = 0.005


def fit(folder: Path) -> Numbers:
    """Fit all numbers of a world, each with its source.

    Args:
        folder: A run folder.
    """
    study = Study(folder)
    return systems(study) | _divergence(study) | _grid(study) | units(study)


def systems(study: Tables) -> Numbers:
    """Fit the numbers on scores of the full model and of subnetworks, each with its source.

    Args:
        study: The tables.
    """
    return _full(study) | _answers(study) | _subnetworks(study)


def _z(share: pd.Series | pd.DataFrame) -> pd.Series | pd.DataFrame:
    return share.clip(_END, 1 - _END).apply(ndtri)


def _full(study: Tables) -> Numbers:
    rows = study["evaluations"].query("kind == 'full'")
    end, areas = last(rows), last(study["discrimination"].query("kind == 'full'"))
    z = _z(accuracies(end, ["checkpoint"])).iloc[0]
    margins = end.groupby("case_kind")["margin"].mean()
    distance = z["adversarial"] + z["friendly"]
    trained = accuracies(rows[rows["checkpoint"] > 0], ["checkpoint"])
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


def _answers(study: Tables) -> Numbers:
    rows = study["predictions"]
    if rows.empty:
        source = "design choice: single predictions were not kept"
        full, others = DEFAULT_ALIKE
        return {"alike_full": (full, source), "alike": (others, source)}
    rows = last(rows).drop_duplicates([*SYSTEM_NAMES, "suite", "case"])
    with_full: list[float] = []
    with_others: list[float] = []
    for _, some in rows.groupby(["suite", "case"]):
        answers = unpacked(some)
        share = answers.mean(axis=1)
        varied = (share > 0.02) & (share < 0.98)
        some, answers = some[varied], answers[varied]
        if len(some) < 2:
            continue
        r, limit = np.corrcoef(answers), float(ndtri(share[varied]).mean())
        full, seed = (some["kind"] == "full").to_numpy(), some["seed"].to_numpy()
        sparsity = some["sparsity"].to_numpy()
        pair = (seed[:, None] < seed) & (sparsity[:, None] == sparsity) & ~full[:, None] & ~full
        for found, chosen in (
            (with_full, full[:, None] & ~full),
            (with_others, pair),
        ):
            if chosen.any():
                found.append(_of_scores(float(r[chosen].mean()), limit))
    source = "predictions, last step: mean correlation of answers, made one of normal scores"
    full_r, others_r = float(np.mean(with_full)), float(np.mean(with_others))
    return {
        "alike_full": (min(full_r, others_r), f"{source}; at most that of two subnetworks"),
        "alike": (others_r, source),
    }


def _of_scores(r: float, limit: float) -> float:
    """Find the correlation of normal scores whose signs above a limit correlate by r."""
    share = float(norm.cdf(limit))

    def excess(of_scores: float) -> float:
        both = multivariate_normal([0, 0], [[1, of_scores], [of_scores, 1]]).cdf([limit, limit])
        return (both - share**2) / (share * (1 - share)) - r

    return float(brentq(excess, 0.0, 0.999)) if excess(0.999) > 0 > excess(0.0) else max(0.0, r)


def _subnetworks(study: Tables) -> Numbers:
    rows, areas = (last(study[name]) for name in ("evaluations", "discrimination"))
    full = _z(accuracies(rows[rows["kind"] == "full"], ["seed"])).iloc[0]
    some, areas = (x[x["kind"] == "subnetwork"] for x in (rows, areas))
    z = _z(accuracies(some, ["sparsity", "seed"]))
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
    auc, error = (
        areas.pivot_table(index="seed", columns="case", values=x) for x in ("auc", "auc_se")
    )
    inside = ((auc > 0.05) & (auc < 0.95)).all()
    auc, error = auc.loc[:, inside], error.loc[:, inside]
    distance = 2**0.5 * _z(auc)
    left = distance.sub(distance.mean(axis=1), axis=0)
    left -= left.mean()
    free = (len(auc) - 1) * (auc.shape[1] - 1)
    noise = 2 * np.square(error / norm.pdf(ndtri(auc))).to_numpy().mean()
    return float(max(0.0, np.square(left.to_numpy()).sum() / free - noise) ** 0.5)


def _divergence(study: Tables) -> Numbers:
    rows = last(study["evaluations"].query("kind == 'subnetwork'"))
    rows = rows[rows["sparsity"] == rows["sparsity"].max()]
    kl = np.log(rows.groupby(["seed", "role"])["kl"].mean().unstack("role")[["id", "ood"]])
    source = "evaluations, last step, highest sparsity: log KL in-domain and out of domain"
    return {
        "kl": (tuple(map(float, kl.mean())), f"{source}, mean over search seeds"),
        "kl_sd": (tuple(map(float, kl.std(ddof=1))), f"{source}, sd over search seeds"),
        "kl_alike": (float(kl.corr().iloc[0, 1]), f"{source}, correlation over search seeds"),
    }


def _grid(study: Tables) -> Numbers:
    rows = study["grid"].query("kind == 'subnetwork' and checkpoint > 0")
    kinds = accuracies(rows, ["checkpoint", "seed", "sparsity"])
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
