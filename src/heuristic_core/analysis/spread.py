"""Do subnetworks that agree in-domain differ out of domain? (paper, section 4, finding 1)"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator
from typing import Any

import numpy as np
import pandas as pd

from ..writing import p_text
from .accuracies import (
    CASE,
    CASE_KINDS,
    case_labels,
    distinct_subnetworks,
    full_model,
    means_by_kind,
    subnetwork_means,
    worst_groups,
)
from .bounded import mean_share
from .covariances import measure_covariances, shared
from .design import Design
from .equality import accuracy_errors, cohen_h, equivalence, homogeneity
from .evidence import Evidence
from .intervals import EQUAL, Estimate, change_text, correlation, holm, wilson
from .power import ErrorSource, outlook, too_few_planned
from .predictions import answers_by_case
from .question import Answer, Figure, Question, Row, Verdict, decide
from .size_rule import variances
from .spread_tables import NARROW, OUTSIDE, TABLES, WORST
from .systems import BY_SPARSITY, by_system

#: A case is spread out if its accuracies span at least so much in Cohen's h: 20 points about one
#: half.
WIDE = 0.4
_WIDE_SAID = "0.4 or more in Cohen's h (20 points about one half, 4 from 0)"
#: Fewer subnetworks cannot show that there is no spread.
ENOUGH_SUBNETWORKS = 3

#: What the claim is about, but for studies without such cases.
_TESTED = "adversarial and friendly cases"
#: How many of the widest cases of each kind are drawn.
_MOST_DRAWN = {"adversarial": 12, "friendly": 4, "shift": 12}


def spread(evidence: Evidence) -> list[Answer]:
    """Compare the accuracies of all subnetworks of each model and sparsity.

    Returns:
        One answer per fine-tuning, checkpoint, method and sparsity whose full model was evaluated.
    """
    accuracies = evidence.once(subnetwork_means)
    rows, distinct = (
        table.assign(accuracy=table["correct"] / table["n"])
        for table in (evidence["evaluations"], distinct_subnetworks(evidence, "evaluations"))
    )
    sizes, answered = _sizes(evidence["subnetworks"]), evidence.once(answers_by_case)
    paired = evidence.once(measure_covariances)
    answers = []
    for key, some in by_system(distinct, BY_SPARSITY):
        of_full = full_model(rows, key[0], key[1])
        if of_full.empty:
            continue
        full = means_by_kind(of_full)
        points = 100 * (accuracies[key]["in_domain"] - full["in_domain"].iloc[0])
        systems = accuracies[key].assign(
            difference=points,
            matches=points.abs() <= evidence.margin_points + EQUAL,
            kl=some[some["role"] == "id"].groupby("seed")["kl"].mean(),
        )
        worst = worst_groups(pd.concat([of_full, some])).reindex([*full.index, *systems.index])
        if worst["accuracy"].notna().any():  # tables of earlier versions lack groups
            systems["worst_group"] = worst["accuracy"]
        both = pd.concat([full, systems])
        own = variances(some, "seed")
        alike = {
            kind: shared(paired.get(key[:-1], {}).get(kind), [(key[-1], s) for s in systems.index])
            for kind in CASE_KINDS
        }
        # At most, all subnetworks answer alike.
        errors = {
            name: float(own[name].mean()) if (known := alike[kind]) is None else known
            for kind, name in CASE_KINDS.items()
        }
        means = {name: both[kind].dropna() for kind, name in CASE_KINDS.items() if kind in systems}
        if -1 in worst.dropna().index:
            means[WORST] = worst["accuracy"].dropna()
            errors[WORST] = float((means[WORST] * (1 - means[WORST]) / worst["n"]).mean())
        within = some["seed"].isin(systems.index[systems["matches"]])
        ood = some[within & (some["role"] == "ood")]
        cases = _cases(ood, of_full, answered.get(key, {}))
        shown = [*(kind for kind in (*CASE_KINDS, "worst_group") if kind in systems)]
        shown += ["difference", "kl"]
        tables = {
            "by-sparsity": list(_overview(means, systems["matches"].sum(), errors)),
            "cases": cases.drop(columns="error").reset_index().to_dict("records"),
            "subnetwork-accuracies": [
                {"seed": seed, **row, **sizes.get((*key, seed), {})}
                for seed, row in systems[[*shown]].to_dict("index").items()
            ],
            "worst-groups": list(_worst(worst)),
            "spread-marks": list(_marks(pd.concat([of_full, some]), means, cases, systems)),
        }
        subject = dict(zip(BY_SPARSITY, key, strict=True))
        verdict = _verdict(systems, cases, evidence.margin_points)
        answers.append(
            Answer(subject=subject, verdict=verdict, rows=tables, caveat=_caveat(systems))
        )
    return answers


def _sizes(subnetworks: pd.DataFrame) -> dict[Any, dict[str, int]]:
    """Count the heads and MLPs of each subnetwork, by the columns that name it."""
    counts: dict[str, pd.Series] = {}
    for name, is_part in (("heads", subnetworks["head"] >= 0), ("mlps", subnetworks["head"] < 0)):
        kept = subnetworks[is_part].groupby([*BY_SPARSITY, "seed"])["kept"]
        counts |= {f"{name}_kept": kept.sum(), name: kept.size()}
    return pd.DataFrame(counts).to_dict("index")


def _cases(
    rows: pd.DataFrame, of_full: pd.DataFrame, answers: dict[Any, pd.DataFrame]
) -> pd.DataFrame:
    """Compare subnetworks case by case, the widest first."""
    groups = rows.groupby(CASE)
    cases = groups[["case_kind", "n"]].first()
    cases = cases.join(groups["accuracy"].agg(lowest="min", mean="mean", highest="max"))
    cases = cases.join(of_full.set_index(CASE)["accuracy"].rename("full"))
    cases["span"] = 100 * (cases["highest"] - cases["lowest"])
    cases["h"] = cohen_h(cases["highest"]) - cohen_h(cases["lowest"])
    tests = [_tests(some, answers.get(case)) for case, some in groups]
    cases["p"] = holm(np.array([p for p, *_ in tests]))
    cases["p_equal"], cases["error"] = ([test[i] for test in tests] for i in (1, 2))
    return cases.sort_values("h", ascending=False, kind="stable")


def _tests(some: pd.DataFrame, answers: pd.DataFrame | None) -> tuple[float, float, float]:
    """Test whether the subnetworks of one case are equally accurate, and whether almost.

    Returns:
        The p-values, and the error of the difference between two subnetworks in Cohen's h.
    """
    known = answers is not None and set(some["seed"]) <= set(answers.index)
    of_seeds = answers.loc[some["seed"]].to_numpy() if answers is not None and known else None
    n = int(some["n"].iloc[0])
    return (
        homogeneity(some["correct"].to_numpy(), n, of_seeds),
        equivalence(some["accuracy"].to_numpy(), n, NARROW, of_seeds),
        float(np.median(accuracy_errors(len(some), n, of_seeds))) if len(some) > 1 else np.nan,
    )


def _overview(
    means: dict[str, pd.Series], matching: int, errors: dict[str, float]
) -> Iterator[Row]:
    for name, both in means.items():
        full, values = both[-1], both.drop(-1)
        yield {
            "mean_over": name,
            "n": len(values),
            "matching": matching if name == "in-domain" else None,
            "full": full,
            "accuracy": mean_share(values, errors[name]),
            "lowest": values.min(),
            "highest": values.max(),
            "difference": 100 * (values - full).mean(),
        }


def _worst(worst: pd.DataFrame) -> Iterator[Row]:
    """List each system's worst group, the full model's first, then from the lowest accuracy on."""
    known = worst.dropna().sort_values(["accuracy", "n"], kind="stable")
    for seed, row in sorted(known.to_dict("index").items(), key=lambda pair: pair[0] != -1):
        yield {
            "seed": seed,
            **{name: row[name] for name in ("suite", "case", "label", "n")},
            "accuracy": wilson(row["correct"], row["n"]),
        }


def _marks(
    rows: pd.DataFrame,
    means: dict[str, pd.Series],
    cases: pd.DataFrame,
    systems: pd.DataFrame,
) -> Iterator[Row]:
    """List what the figure draws, strip by strip: the full model, then every subnetwork."""
    strips = {("means over cases", name): values for name, values in means.items()}
    accuracies = dict(iter(rows.set_index("seed").groupby(CASE)["accuracy"]))
    labels = pd.Series(case_labels(cases.index), cases.index, dtype=str)
    for kind, limit in _MOST_DRAWN.items():
        for case, label in labels[cases["case_kind"] == kind].head(limit).items():
            strips[f"{kind} cases, widest first", label] = accuracies[case]
    for (section, label), values in strips.items():
        strip = {"section": section, "mean_or_case": label}
        for seed, name in _series(means, systems["matches"]).items():
            if seed in values:
                yield strip | {"series": name, "seed": seed, "accuracy": values[seed]}


def _series(means: dict[str, pd.Series], matches: pd.Series) -> dict[int, str]:
    """Name the series of each seed; those at the ends of the adversarial mean come first."""
    series = {-1: "full model"}
    inside = matches.index[matches]
    if "adversarial" in means:
        ranked = means["adversarial"].reindex(inside).dropna().sort_values(kind="stable")
        if len(ranked) >= 3 and ranked.iloc[0] != ranked.iloc[-1]:
            series[ranked.index[-1]] = "highest in adversarial mean"
            series[ranked.index[0]] = "lowest in adversarial mean"
    others = {seed: "subnetwork" if here else OUTSIDE for seed, here in matches.items()}
    return series | {seed: name for seed, name in others.items() if seed not in series}


def _verdict(systems: pd.DataFrame, cases: pd.DataFrame, margin: float) -> Verdict:
    n, matching = len(systems), int(systems["matches"].sum())
    within = f"{matching} of {n} subnetworks are within {margin:g} points in-domain"
    shifted = not cases.empty and set(cases["case_kind"]) == {"shift"}
    claim = QUESTION.claim.replace(_TESTED, "shifted cases") if shifted else QUESTION.claim
    if matching < 2 or cases.empty:
        takes = "this takes two subnetworks that are, and an out-of-domain case"
        return decide(claim, within, open_because=takes)
    top = cases.iloc[0]
    wide = (cases["h"] > WIDE - EQUAL) & (cases["p"] < 0.05)
    alike = cases["p_equal"].max()
    mean = cohen_h(cases["mean"])
    no_room = not wide.any() and (np.minimum(mean, np.pi - mean) < NARROW).all()
    excluded = f"; {p_text(alike)} if some two differed by {NARROW:g}" if not wide.any() else ""
    return decide(
        claim,
        f"{within}; {wide.sum()} of {len(cases)} cases span {_WIDE_SAID} beyond noise; the widest, "
        f"{top.name[1]}, goes from {top['lowest']:.1%} to {top['highest']:.1%} "
        f"({p_text(top['p'])}){excluded}",
        supported=wide.any(),
        contradicted=matching >= ENOUGH_SUBNETWORKS and alike < 0.05,
        open_because=f"every mean accuracy is within {NARROW:g} of the end of its scale, where "
        "there is no room for a difference"
        if no_room
        else "",
        measure="span of the widest case, Cohen's h",
        effect=Estimate(top["h"]),
        p=top["p"],
        power="cases on which the model is right at times and wrong at times"
        if no_room
        else outlook(
            f"a difference of {WIDE:g} in one case",
            WIDE,
            ErrorSource("examples of each case", top["error"] ** 2, int(top["n"]), counted=False),
            p=0.05 / len(cases),
        ),
    )


def _caveat(systems: pd.DataFrame) -> str:
    r = correlation(*systems.reindex(columns=["adversarial", "friendly"]).dropna().to_numpy().T)
    if r is None or r.high >= 0:
        return ""
    return (
        "Subnetworks better on adversarial cases are worse on friendly ones "
        f"(r = {change_text(r, 2)}), so part of the spread can be label bias."
    )


def _plan(design: Design) -> str:
    if not design.ood_cases:
        return "it takes an out-of-domain case"
    return too_few_planned(
        design.different, 2, "searches with different results"
    ) or too_few_planned(design.examples, least_examples(design.ood_cases), "examples of each case")


def least_examples(n_cases: int) -> int:
    """Return how many examples of a case it takes that any difference in it can be significant.

    Of two subnetworks one is right on all of them and the other on none, which Fisher's exact test
    gives two in all ways to choose half of the answers; Holm's correction is over the cases.

    Args:
        n_cases: The cases tested.
    """
    return next(n for n in itertools.count(1) if 2 / math.comb(2 * n, n) < 0.05 / n_cases)


QUESTION = Question(
    key="spread",
    asks="Do subnetworks that agree in-domain differ out of domain?",
    claim="subnetworks that match the model in-domain differ from each other in accuracy on "
    + _TESTED,
    source="section 4, finding 1",
    page="spread",
    subject=BY_SPARSITY,
    needs=("evaluations", "subnetworks", "predictions"),
    answer=spread,
    tables=TABLES,
    figures=(
        Figure(
            kind="strips",
            table="spread-marks",
            columns={
                "x": "accuracy",
                "y": "mean_or_case",
                "series": "series",
                "section": "section",
            },
            title="Accuracy of the full model and of each subnetwork",
            caption="At most the 12 widest adversarial and the 4 widest friendly cases are drawn. "
            "The subnetworks highest and lowest in adversarial mean are marked throughout; those "
            "outside the margin in-domain are not compared.",
        ),
    ),
    limits=(
        "Accuracy does not separate generalisation from label bias: a subnetwork biased to the "
        "adversarial label is more accurate on every adversarial case.",
        "The data do not tell why subnetworks differ, nor whether those of other models would.",
        "The worst of many groups is low by chance too, the more so the smaller groups are: their "
        "sizes and intervals are given.",
    ),
    plan=_plan,
)
