"""Do the same subnetworks do well in all cases? (paper, section 4, finding 1)"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
import pandas as pd
from scipy import stats

from ..columns import Column, Table
from ..writing import p_text
from .accuracies import CASE, SparsityKey, case_labels, distinct_subnetworks, subnetwork_means
from .covariances import AurocCovariances, subnetwork_covariances
from .design import Design
from .discrimination import separation_cases
from .equality import cohen_h
from .evidence import Evidence
from .intervals import EQUAL, Estimate, correlation
from .power import ErrorSource, outlook, too_few_planned
from .predictions import answers_by_case
from .question import Answer, Question, Row, Verdict, decide
from .rank_reversals import Differences, Values, accuracy_z, index_pairs, rank_reversals
from .separation import auc_z
from .systems import BY_SPARSITY, by_system

#: From this concordance on, cases rank subnetworks alike.
ALIKE = 0.7
#: Fewer subnetworks give no ranking that could be compared.
ENOUGH_SUBNETWORKS = 4
N_PERMUTATIONS = 4000
#: The reversal whose power is reported: each of the two is better by so much, in Cohen's h.
PLANNED_H = 0.2


def ranks(evidence: Evidence) -> list[Answer]:
    """Compare the adversarial cases' rankings of the subnetworks of each model and sparsity.

    Returns:
        One answer per fine-tuning, checkpoint, method and sparsity with an adversarial case.
    """
    aurocs = dict(by_system(distinct_subnetworks(evidence, "discrimination"), BY_SPARSITY))
    return [
        _answer(evidence, key, rows[rows["case_kind"] == "adversarial"], aurocs.get(key))
        for key, rows in by_system(distinct_subnetworks(evidence, "evaluations"), BY_SPARSITY)
        if (rows["case_kind"] == "adversarial").any()
    ]


def kendall_w(values: Values) -> float:
    """Compute Kendall's coefficient of concordance with the correction for ties.

    Args:
        values: What each case (a judge) ranks subnetworks by; no case may be constant.

    Returns:
        W in [0, 1].
    """
    ranked = _centred_ranks(values)
    return float(np.square(ranked.sum(1)).sum() / _most(ranked))


def _answer(
    evidence: Evidence, key: SparsityKey, rows: pd.DataFrame, aurocs: pd.DataFrame | None
) -> Answer:
    if aurocs is None:
        measure, differ = "accuracy", True
        correct, n = (_by_case(rows, column) for column in ("correct", "n"))
        both = _both_correct(correct, evidence.once(answers_by_case).get(key, {}))
        values, z = correct / n, accuracy_z(correct.to_numpy(), n.to_numpy(), both)
    else:
        measure, values = "AUROC", _by_case(aurocs, "auc")
        z = _auroc_z(values, aurocs, evidence.once(subnetwork_covariances).get(key[:-1]), key[-1])
        # The cases of a group share friendly examples, so noise alone makes them rank alike.
        differ = (evidence.once(separation_cases)[key]["p"] < 0.05).any()
    shares = values.to_numpy(dtype=np.float64)
    ranking = shares[:, np.ptp(shares, axis=0) > 0] if len(shares) else shares[:, :0]
    reversals, p_reversal = rank_reversals(
        shares, z, values.index.tolist(), case_labels(values.columns)
    )
    summary = {
        "measure": measure,
        "n": len(values),
        "n_cases": ranking.shape[1],
        "n_reversals": len(reversals),
        "p_reversal": p_reversal,
    }
    if len(values) >= ENOUGH_SUBNETWORKS and summary["n_cases"] >= 2:
        summary |= _concordance(ranking, evidence.seed)
    tables = {
        "ranks": [summary],
        "rank-reversals": reversals,
        "id-ood-correlations": list(_correlations(evidence.once(subnetwork_means)[key])),
    }
    subject = dict(zip(BY_SPARSITY, key, strict=True))
    return Answer(
        subject=subject,
        verdict=_verdict(summary, differ, power=_outlook(shares, z, int(rows["n"].min()))),
        rows=tables,
    )


def _by_case(rows: pd.DataFrame, column: str) -> pd.DataFrame:
    """Return a column by subnetwork and case, of subnetworks measured on all cases."""
    return rows.pivot(index="seed", columns=CASE, values=column).dropna()


def _both_correct(values: pd.DataFrame, answers: Mapping[Any, pd.DataFrame]) -> Differences:
    """Count what both of every two subnetworks answer correctly; not a number where unknown."""
    one, other = index_pairs(len(values))
    both = np.full((len(one), values.shape[1]), np.nan)
    for i, case in enumerate(values.columns):
        if case in answers and set(values.index) <= set(answers[case].index):
            right = answers[case].loc[values.index].to_numpy()
            both[:, i] = (right[one] & right[other]).sum(axis=1)
    return both


def _auroc_z(
    values: pd.DataFrame, aurocs: pd.DataFrame, known: AurocCovariances | None, sparsity: float
) -> Differences:
    """Compute differences of every two subnetworks' AUROCs in standard errors."""
    one, other = index_pairs(len(values))
    sizes = aurocs.groupby(CASE)[["n", "n_friendly"]].min()
    variances = aurocs.pivot(index="seed", columns=CASE, values="auc_se") ** 2
    systems = [(sparsity, seed) for seed in values.index]
    z = []
    for case, of_case in values.items():
        x, v = of_case.to_numpy(), variances.loc[values.index, case].to_numpy()
        n, n_friendly = (int(size) for size in sizes.loc[case])
        alike = None if known is None else known.alike(case, systems)
        r = 0.0 if alike is None else alike[one, other]
        z.append(auc_z(x[one], x[other], n, n_friendly, v[one] + v[other], r))
    return np.stack(z, axis=1)


def _centred_ranks(values: Values) -> Values:
    return stats.rankdata(values, axis=0) - (len(values) + 1) / 2


def _most(ranked: Values) -> float:
    """Return the sum of squared rank sums if all cases ranked alike, ties allowed for."""
    return float(ranked.shape[1] * np.square(ranked).sum())


def _concordance(values: Values, seed: int) -> dict[str, float]:
    """Compute Kendall's W and what it is by chance, by permutations within each case."""
    ranked = _centred_ranks(values)
    drawn = np.random.default_rng(seed).permuted(
        np.broadcast_to(ranked, (N_PERMUTATIONS, *ranked.shape)), axis=1
    )
    w = kendall_w(values)
    by_chance = np.square(drawn.sum(2)).sum(1) / _most(ranked)
    # What was observed counts as one of the draws.
    p = (1 + (by_chance >= w - EQUAL).sum()) / (1 + N_PERMUTATIONS)
    return {"concordance": w, "by_chance": float(np.quantile(by_chance, 0.95)), "p": float(p)}


def _correlations(means: pd.DataFrame) -> Iterator[Row]:
    for kind in ("adversarial", "balanced"):
        known = means.reindex(columns=["in_domain", kind]).dropna().to_numpy()
        r = correlation(known[:, 0], known[:, 1])
        if r is not None:
            yield {"accuracy": kind, "r": r}


def _verdict(summary: Row, differ: bool, *, power: str) -> Verdict:
    n, n_cases, n_reversals = (summary[name] for name in ("n", "n_cases", "n_reversals"))
    claim = QUESTION.claim
    if summary["measure"] == "accuracy":
        claim = claim.replace("generalises best", "is most accurate")
    if "p" not in summary:
        takes = f"this takes {ENOUGH_SUBNETWORKS} subnetworks and 2 cases in which they differ"
        return decide(claim, f"{n} subnetworks, {n_cases} such cases", open_because=takes)
    w, p = summary["concordance"], summary["p"]
    n_pairs, p_reversal = n * (n - 1) // 2, summary["p_reversal"]
    return decide(
        claim,
        f"{n_reversals} of {n_pairs} pairs of subnetworks reverse their order between cases beyond "
        f"noise ({p_text(p_reversal)} for the clearest); by {summary['measure']}, Kendall's W of "
        f"{n_cases} cases over {n} subnetworks, 1 if all order them alike, is {w:.2f} "
        f"({p_text(p)} by chance)",
        supported=n_reversals > 0,
        contradicted=w >= ALIKE and p < 0.05 and differ,
        measure="pairs of subnetworks that reverse their order, %",
        effect=Estimate(100 * n_reversals / n_pairs),
        p=p_reversal,
        power=power,
    )


def _outlook(values: Values, z: Differences, n: int) -> str:
    """Say what would find a reversal, at the error that a difference has in the median.

    Args:
        values: What subnetworks are compared by.
        z: For every two of them, the difference in standard errors.
        n: Examples of a case, at least.
    """
    one, other = index_pairs(len(values))
    differences = cohen_h(values[one]) - cohen_h(values[other])
    known = z != 0
    if not known.any():
        return ""
    variance = float(np.median((differences[known] / z[known]) ** 2))
    return outlook(
        f"a reversal by {PLANNED_H:g} in Cohen's h each way",
        PLANNED_H,
        ErrorSource("examples of each case", variance, n, counted=False),
        p=0.05 / z.size,
        both_sides=True,
    )


def _plan(design: Design) -> str:
    return too_few_planned(
        design.different, ENOUGH_SUBNETWORKS, "searches with different results"
    ) or too_few_planned(design.ood_cases, 2, "out-of-domain cases")


QUESTION = Question(
    key="ranks",
    asks="Does it depend on the case which subnetwork is best?",
    claim="which subnetwork generalises best depends on the case",
    source="section 4, finding 1",
    page="spread",
    subject=BY_SPARSITY,
    needs=("evaluations", "discrimination", "subnetworks", "predictions"),
    answer=ranks,
    tables=(
        Table(
            "ranks",
            "How alike the adversarial cases rank the subnetworks of one sparsity.",
            Column(
                "measure",
                "what subnetworks are ranked by: AUROC if it was measured, else accuracy",
                "str",
                "by",
                choices=("AUROC", "accuracy"),
            ),
            Column("n", "subnetworks measured in all cases", "int", "n"),
            Column("n_cases", "cases in which subnetworks differ at all", "int", "cases"),
            Column(
                "concordance",
                "Kendall's W over these cases, corrected for ties: 1 if all rank alike",
                title="W",
                optional=True,
                low=0,
                high=1,
            ),
            Column(
                "by_chance",
                "95 % quantile of W if rankings were unrelated",
                title="by chance",
                optional=True,
                low=0,
                high=1,
            ),
            Column(
                "p",
                "probability of as high a W if rankings were unrelated, by permutation",
                title="p",
                form="probability",
                optional=True,
            ),
            Column(
                "n_reversals",
                "pairs of subnetworks of which each is better in some case beyond sampling noise",
                "int",
                "reversals",
            ),
            Column(
                "p_reversal",
                "probability of the clearest reversal if the pair were equal in one of the two "
                "cases (Holm-corrected over pairs and cases)",
                title="p of reversal",
                form="probability",
            ),
            title="Do all cases rank the subnetworks alike?",
        ),
        Table(
            "rank-reversals",
            "Two subnetworks of which each is better in one of two cases, widest first.",
            Column("seed", "seed of one subnetwork", "int", "seed", key=True),
            Column("case", "the case in which it is better", "str", "better in"),
            Column(
                "points",
                "its advantage there, in points of accuracy or hundredths of AUROC",
                title="by",
                digits=0,
                low=0,
                high=100,
            ),
            Column("other_seed", "seed of the other", "int", "other seed", key=True),
            Column("other_case", "the case in which the other is better", "str", "other better in"),
            Column(
                "other_points",
                "its advantage there, likewise",
                title="other by",
                digits=0,
                low=0,
                high=100,
            ),
            title="Pairs of subnetworks whose order depends on the case",
            folded=True,
        ),
        Table(
            "id-ood-correlations",
            "How in-domain accuracy goes with accuracy out of domain, over subnetworks.",
            Column(
                "accuracy",
                "mean accuracy over adversarial cases, or balanced: mean of that and the "
                "friendly mean",
                "str",
                "accuracy",
                choices=("adversarial", "balanced"),
                key=True,
            ),
            Column(
                "r",
                "Pearson's correlation of it with in-domain accuracy over subnetworks",
                title="r",
                form="signed",
                interval=True,
                low=-1,
                high=1,
            ),
            title="Correlation of in-domain with out-of-domain accuracy",
        ),
    ),
    limits=("The data do not tell what makes a subnetwork good at a case.",),
    plan=_plan,
)
