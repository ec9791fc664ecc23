"""Do subnetworks differ in how well they separate cases, or only in label bias?"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pandas as pd

from ..writing import p_text
from .accuracies import (
    CASE,
    SparsityKey,
    case_labels,
    distinct_subnetworks,
    full_model,
    subnetwork_means,
)
from .bounded import mean_share
from .covariances import (
    AurocCovariances,
    Covariance,
    auroc_variances,
    shared,
    subnetwork_covariances,
)
from .design import Design
from .discrimination_tables import TABLES, WIDE
from .equality import auroc_equivalence, auroc_errors, auroc_homogeneity, cohen_h
from .evidence import Evidence
from .intervals import EQUAL, Estimate, correlation, holm
from .power import ErrorSource, outlook, too_few_planned
from .question import Answer, Figure, Question, Row, Verdict, decide
from .separation import auc_interval, conservative_variance
from .systems import BY_SPARSITY, by_system

_WIDE_SAID = f"{WIDE:g} or more in Cohen's h (10 points about one half, 1 from 1)"
#: Fewer subnetworks cannot show that there is no difference.
ENOUGH_SUBNETWORKS = 3

#: How many of the widest cases are drawn, and what is drawn of them.
_MOST_DRAWN = 10
_MEASURES = {"auc": "AUROC", "bias": "label bias, nats"}


def separation_cases(evidence: Evidence) -> dict[SparsityKey, pd.DataFrame]:
    """Compare the subnetworks of each model and sparsity in each adversarial case.

    Returns:
        For each fine-tuning, checkpoint, method and sparsity the rows of the table
        ``separation-cases``, widest first; the suite and the case are their index.
    """
    table, known = evidence["discrimination"], evidence.once(subnetwork_covariances)
    return {
        key: _cases(rows, full_model(table, key[0], key[1]), key[-1], known.get(key[:-1]))
        for key, rows in by_system(distinct_subnetworks(evidence, "discrimination"), BY_SPARSITY)
    }


def discrimination(evidence: Evidence) -> list[Answer]:
    """Compare how well the subnetworks of each model and sparsity separate cases.

    Returns:
        One answer per fine-tuning, checkpoint, method and sparsity.
    """
    table, accuracies = evidence["discrimination"], evidence.once(subnetwork_means)
    answers = []
    for key, rows in by_system(distinct_subnetworks(evidence, "discrimination"), BY_SPARSITY):
        full, cases = full_model(table, key[0], key[1]), evidence.once(separation_cases)[key]
        known = evidence.once(subnetwork_covariances).get(key[:-1])
        of_mean = None if known is None else known.of_mean
        tables = {
            "separation": [_overview(rows, full, accuracies.get(key, pd.DataFrame()), of_mean)],
            "separation-cases": cases.drop(columns="error").reset_index().to_dict("records"),
            "separation-marks": list(_marks(pd.concat([full, rows]), cases)),
        }
        subject = dict(zip(BY_SPARSITY, key, strict=True))
        verdict = _verdict(rows["seed"].nunique(), cases)
        answers.append(Answer(subject=subject, verdict=verdict, rows=tables))
    return answers


def _overview(
    rows: pd.DataFrame,
    full: pd.DataFrame,
    accuracies: pd.DataFrame,
    covariance: Covariance | None,
) -> Row:
    means = rows.groupby("seed")[list(_MEASURES)].mean()
    systems = [(rows["sparsity"].iloc[0], seed) for seed in means.index]
    error = shared(covariance, systems)
    error = auroc_variances(rows).mean() if error is None else error
    both = means.join(accuracies.reindex(columns=["adversarial"]), how="inner").dropna().to_numpy()
    return {
        "n": len(means),
        "full": full["auc"].mean() if len(full) else None,
        "auc": mean_share(means["auc"], error),
        "r_auc": correlation(both[:, 2], both[:, 0]),
        "r_bias": correlation(both[:, 2], both[:, 1]),
    }


def _cases(
    rows: pd.DataFrame, full: pd.DataFrame, sparsity: float, known: AurocCovariances | None
) -> pd.DataFrame:
    groups, of_full = rows.groupby(CASE), full.set_index(CASE)
    cases = groups[["case_group", "n", "n_friendly"]].first()
    cases = cases.join(groups["auc"].agg(lowest="min", highest="max"))
    cases["span"] = cases["highest"] - cases["lowest"]
    cases["h"] = cohen_h(cases["highest"]) - cohen_h(cases["lowest"])
    tests, means = [], []
    for case, some in groups:
        systems = [(sparsity, seed) for seed in some["seed"]]
        auc, errors = (some[name].to_numpy(dtype=float) for name in ("auc", "auc_se"))
        sizes = int(some["n"].iloc[0]), int(some["n_friendly"].iloc[0])
        alike = None if known is None else known.alike(case, systems)
        differ = auroc_homogeneity(auc, *sizes, errors, alike)
        equal = auroc_equivalence(auc, *sizes, WIDE, errors, alike)
        error = np.median(auroc_errors(auc, *sizes, errors, alike)) if len(auc) > 1 else np.nan
        tests.append((differ, equal, alike is not None, float(error)))
        both = None if known is None else shared(known.by_case[case], systems)
        if both is None:
            both = float(conservative_variance(float(auc.mean()), *sizes, errors))
        means.append(mean_share(some["auc"], both))
    cases["p"], cases["mean"] = holm(np.array([p for p, *_ in tests])), means
    of_cases = zip(*tests, strict=True)
    _, cases["p_equal"], cases["paired"], cases["error"] = (list(some) for some in of_cases)
    cases = cases.join(groups[["d_prime", "bias"]].mean())
    cases["bias_sd"] = groups["bias"].std()
    cases["full_bias"] = of_full["bias"]
    intervals = {
        case: auc_interval(*one)
        for case, one in of_full[["auc", "n", "n_friendly", "auc_se"]].iterrows()
    }
    cases["full"] = [intervals.get(case) for case in cases.index]
    return cases.sort_values("h", ascending=False, kind="stable")


def _marks(rows: pd.DataFrame, cases: pd.DataFrame) -> Iterator[Row]:
    """List what the figure draws, strip by strip: the full model, then every subnetwork."""
    of_cases = dict(iter(rows.groupby(CASE)))
    drawn = cases.index[:_MOST_DRAWN]
    labels = case_labels(cases.index)[:_MOST_DRAWN]
    strips = {"mean over cases": rows} | {
        label: of_cases[case] for label, case in zip(labels, drawn, strict=True)
    }
    for measure, name in _MEASURES.items():
        for label, some in strips.items():
            for seed, score in some.groupby("seed")[measure].mean().items():
                series = "subnetwork" if seed >= 0 else "full model"
                strip = {"measure": name, "mean_or_case": label}
                yield strip | {"series": series, "seed": seed, "score": score}


def _verdict(n: int, cases: pd.DataFrame) -> Verdict:
    if n < 2:
        return decide(QUESTION.claim, "", open_because="this takes at least two subnetworks")
    top = cases.iloc[0]
    wide = (cases["h"] > WIDE - EQUAL) & (cases["p"] < 0.05)
    mean = cohen_h(np.array([estimate.value for estimate in cases["mean"]]))
    no_room = int((np.minimum(mean, np.pi - mean) < WIDE).sum())
    alike = cases["p_equal"].max()
    excluded = "" if wide.any() else f"; {p_text(alike)} if some two differed by {WIDE:g}"
    if no_room and not wide.any():
        excluded += (
            f"; in {no_room} of {len(cases)} cases the mean AUROC is within {WIDE:g} of the end of "
            "the scale, where there is no room for a difference"
        )
    how = "on the same examples" if cases["paired"].all() else "as if on different examples"
    return decide(
        QUESTION.claim,
        f"AUROCs of {n} subnetworks, compared {how}, span {_WIDE_SAID} beyond noise in "
        f"{wide.sum()} of {len(cases)} cases; the widest, {top.name[1]}, goes from "
        f"{top['lowest']:.2f} to {top['highest']:.2f} ({p_text(top['p'])}){excluded}",
        supported=wide.any(),
        contradicted=n >= ENOUGH_SUBNETWORKS and alike < 0.05 and not no_room,
        measure="AUROC span of the widest case, Cohen's h",
        effect=Estimate(top["h"]),
        p=top["p"],
        power=outlook(
            f"a difference of {WIDE:g} in one case",
            WIDE,
            ErrorSource("examples of each case", top["error"] ** 2, int(top["n"]), counted=False),
            p=0.05 / len(cases),
        ),
    )


def _plan(design: Design) -> str:
    return too_few_planned(design.different, 2, "searches with different results")


QUESTION = Question(
    key="discrimination",
    asks="Do subnetworks differ in how well they separate cases, or only in label bias?",
    claim="subnetworks differ in how well they separate adversarial from friendly cases, and not "
    "only in label bias",
    page="discrimination",
    subject=BY_SPARSITY,
    needs=("discrimination", "evaluations", "subnetworks", "predictions"),
    answer=discrimination,
    tables=TABLES,
    figures=(
        Figure(
            kind="strips",
            table="separation-marks",
            columns={"x": "score", "y": "mean_or_case", "series": "series", "panel": "measure"},
            reference={"AUROC": 0.5, "label bias, nats": 0.0},
            title="Separation and label bias",
            caption="Subnetworks that differ in label bias alone differ in the second panel but "
            "not in the first. At most the 10 cases whose AUROCs span most are drawn.",
        ),
    ),
    limits=("Each adversarial case is compared with friendly cases of its group only.",),
    plan=_plan,
)
