"""When does a model learn its task, and when does it generalise? (paper, section 6)"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
from jaxtyping import Bool, Float
from scipy import stats

from .accuracies import CASE, CASE_KINDS, means_by_kind
from .covariances import AurocCovariances, full_covariances
from .design import Design
from .evidence import Evidence
from .intervals import EQUAL, Estimate, wilson
from .learning_order_tables import TABLES
from .learning_times import CLEAR, above_learned, order_of_rise
from .power import too_few_planned
from .question import Answer, Figure, Question, Verdict, decide
from .separation import auc_interval, auc_z

#: Fewer trained checkpoints decide nothing.
_ENOUGH_CHECKPOINTS = 3
#: In a random order fewer cases may all rise on one side: three do so in one model of seven.
_ENOUGH_CASES = 4
#: Cases of which a larger share clearly rises on one side are not hidden by a few unclear ones.
_MOST = 0.8
#: The suite and the name of a case.
Case = tuple[str, str]


def learning_order(evidence: Evidence) -> list[Answer]:
    """Ask of each fine-tuning whether the model learns its task before it generalises.

    Returns:
        One answer per fine-tuning; nothing is decided where discrimination was not measured.
    """
    full = evidence["evaluations"]
    by_seed = full[full["kind"] == "full"].groupby("finetune_seed")
    return [_answer(evidence, int(seed), rows) for seed, rows in by_seed]


def rises(evidence: Evidence) -> dict[int, dict[Case, int | None]]:
    """Find when the AUROC of each adversarial case rises over fine-tuning.

    Returns:
        By fine-tuning seed and case: the first trained checkpoint from which on the full model's
        AUROC stays above 0.5, interval included, and above its lowest value, beyond sampling
        noise; ``None`` if there is none. Cases whose AUROC was not measured at a trained
        checkpoint are absent.
    """
    times: dict[int, dict[Case, int | None]] = {}
    evaluations, aurocs = evidence["evaluations"], evidence.once(_aurocs)
    known = evidence.once(full_covariances)
    for seed, rows in evaluations[evaluations["kind"] == "full"].groupby("finetune_seed"):
        trained = aurocs[(aurocs["finetune_seed"] == seed) & (aurocs["checkpoint"] > 0)]
        by_case = dict(iter(trained.groupby(CASE)))
        # In each case, every trained checkpoint but one can seem higher than that one.
        n_tests = len(by_case) * (trained["checkpoint"].nunique() - 1)
        cases = rows.loc[rows["case_kind"] == "adversarial", CASE].drop_duplicates()
        times[int(seed)] = {
            case: _rise(by_case[case], n_tests, _alike(known, int(seed), by_case[case]))
            for case in cases.itertuples(index=False, name=None)
            if case in by_case
        }
    return times


def since(steps: Sequence[int], holds: Bool[np.ndarray, " step"]) -> int | None:
    """Find the first step from which on something holds; ``None`` if it does not at the last.

    Args:
        steps: The steps, ascending.
        holds: Whether it holds at each.
    """
    first = len(steps) - int(np.logical_and.accumulate(holds[::-1]).sum())
    return steps[first] if first < len(steps) else None


def _aurocs(evidence: Evidence) -> pd.DataFrame:
    """Return the rows of full models, by checkpoint, with the AUROC as an estimate."""
    aurocs = evidence["discrimination"]
    aurocs = aurocs[aurocs["kind"] == "full"].sort_values("checkpoint")
    estimates = [auc_interval(a.auc, a.n, a.n_friendly, a.auc_se) for a in aurocs.itertuples()]
    return aurocs.assign(estimate=estimates)


def _alike(
    known: Mapping[Any, AurocCovariances], seed: int, aurocs: pd.DataFrame
) -> Float[np.ndarray, "step step"] | None:
    """Return how one case's AUROCs at its checkpoints correlate, where that is known."""
    if (seed,) not in known:
        return None
    case = tuple(aurocs[CASE].iloc[0])
    return known[(seed,)].alike(case, aurocs["checkpoint"].tolist())


def _rise(
    aurocs: pd.DataFrame, n_tests: int, alike: Float[np.ndarray, "step step"] | None
) -> int | None:
    auc, error = (aurocs[name].to_numpy(dtype=float) for name in ("auc", "auc_se"))
    n, n_friendly = (int(aurocs[name].iloc[0]) for name in ("n", "n_friendly"))
    lowest = int(auc.argmin())
    variances = error**2 + error[lowest] ** 2
    r = 0.0 if alike is None else alike[lowest]
    start = np.full_like(auc, auc[lowest])
    p_value = stats.norm.sf(auc_z(auc, start, n, n_friendly, variances, r))
    low = np.array([estimate.low for estimate in aurocs["estimate"]])
    noise = (p_value * n_tests >= 0.05) | (low <= 0.5) | (np.arange(len(auc)) <= lowest)
    return since(aurocs["checkpoint"].tolist(), ~noise)


def _answer(evidence: Evidence, seed: int, rows: pd.DataFrame) -> Answer:
    times, tables = evidence.once(rises)[seed], (evidence.once(_aurocs), evidence["finetuning"])
    aurocs, logged = (table[table["finetune_seed"] == seed] for table in tables)
    loss = logged.sort_values("step").set_index("step")["loss"]
    means = means_by_kind(rows, "checkpoint").reindex(columns=list(CASE_KINDS))
    full = means.assign(training_loss=loss.asof(means.index)).reset_index()
    above = above_learned(rows[rows["checkpoint"] > 0])
    before, after = _around(above)
    by_case = dict(iter(aurocs[aurocs["checkpoint"] > 0].groupby(CASE)))
    known = evidence.once(full_covariances)

    def order(case: Case) -> str | None:
        return order_of_rise(by_case[case], before, after, _alike(known, seed, by_case[case]))

    cases = [
        {
            "suite": case[0],
            "case": case[1],
            "rises_at": time,
            "not_learned_at": before,
            "learned_at": after,
            "order": None if time is None else order(case),
        }
        for case, time in times.items()
    ]
    return Answer(
        subject={"finetune_seed": seed},
        verdict=_verdict(cases, before, after, len(above)),
        rows={
            "full-model": full.to_dict("records"),
            "learning-order": cases,
            "learning-cases": _cases(rows, aurocs, means, times),
        },
    )


def _around(above: pd.Series) -> tuple[int | None, int | None]:
    """Find the last step at which the task is clearly not learned, and from which on it is."""
    steps, z = above.index.tolist(), above.to_numpy()
    before = [step for step, at in zip(steps, z, strict=True) if at < -CLEAR]
    return (before[-1] if before else None), since(steps, z > CLEAR)


def _cases(
    rows: pd.DataFrame, aurocs: pd.DataFrame, means: pd.DataFrame, times: dict[Case, int | None]
) -> list[dict]:
    """List the means of every kind of case, then its cases, those with the best end first."""
    auc = aurocs.set_index([*CASE, "checkpoint"])["estimate"]
    rows = rows.assign(share=rows["correct"] / rows["n"]).sort_values("checkpoint")
    rows["final"] = -rows.groupby(CASE)["share"].transform("last")
    listed: list[dict] = []
    for kind, words in CASE_KINDS.items():
        listed += [
            {"cases": words, "checkpoint": step, "accuracy": Estimate(mean), "drawn": True}
            for step, mean in means[kind].dropna().items()
        ]
        of_kind = rows[rows["case_kind"] == ("id" if kind == "in_domain" else kind)]
        listed += [
            {
                "cases": words,
                "suite": row.suite,
                "case": row.case,
                "checkpoint": row.checkpoint,
                "accuracy": wilson(row.correct, row.n),
                "auc": auc.get((row.suite, row.case, row.checkpoint)),
                "drawn": times.get((row.suite, row.case)) is not None,
            }
            for row in of_kind.sort_values(["final", "case", "suite", "checkpoint"]).itertuples()
        ]
    return listed


def _power(before: int | None, after: int | None) -> str:
    """Say what leaves the order of cases open: checkpoints between which the task is learned."""
    if after is None:
        return "a checkpoint at which the task is clearly learned"
    if before is None:
        return "a trained checkpoint at which the task is clearly not learned yet"
    return f"more checkpoints, or more in-domain examples, between steps {before} and {after}"


def _verdict(cases: list[dict], before: int | None, after: int | None, n_trained: int) -> Verdict:
    rising = [case for case in cases if case["rises_at"] is not None]
    open_because = ""
    if n_trained < _ENOUGH_CHECKPOINTS:
        open_because = f"this takes {_ENOUGH_CHECKPOINTS} trained checkpoints with in-domain cases"
    elif not cases:
        open_because = "without friendly cases no rise can be separated from label bias"
    elif not rising:
        open_because = f"the AUROC rises in none of {len(cases)} adversarial cases"
    if open_because:
        return decide(QUESTION.claim, "", open_because=open_because, measure=_MEASURE)
    later, earlier = (
        sum(case["order"] == order for case in rising) for order in ("later", "earlier")
    )
    enough = _MOST * len(rising) + EQUAL
    learned = [f"clearly learned from step {after} on"] if after is not None else []
    learned += [f"clearly not yet at step {before}"] if before is not None else []
    return decide(
        QUESTION.claim,
        f"the task is {' and '.join(learned) or 'not clearly learned at any step'}; the AUROC "
        f"rises in {len(rising)} of {len(cases)} adversarial cases: in {earlier} clearly earlier, "
        f"in {later} clearly later",
        open_because=f"this takes {_ENOUGH_CASES} cases that rise"
        if len(rising) < _ENOUGH_CASES
        else "",
        supported=later > enough and not earlier,
        contradicted=earlier > enough and not later,
        measure=_MEASURE,
        effect=Estimate(later / len(rising)),
        power=_power(before, after),
    )


_MEASURE = "share of rising cases that rise clearly after the task is learned"


def _plan(design: Design) -> str:
    if not design.steps:
        return ""
    return too_few_planned(design.steps, _ENOUGH_CHECKPOINTS, "trained checkpoints") or (
        too_few_planned(design.ood_cases, _ENOUGH_CASES, "out-of-domain cases")
    )


QUESTION = Question(
    key="learning_order",
    asks="Does the model fit its task first and generalise later?",
    claim="the model fits its task first and generalises to adversarial cases later",
    source="section 6, finding 5",
    page="learning_order",
    subject=("finetune_seed",),
    needs=("evaluations", "discrimination", "finetuning", "predictions"),
    answer=learning_order,
    tables=TABLES,
    figures=(
        Figure(
            kind="lines",
            table="learning-cases",
            columns={"x": "checkpoint", "y": "accuracy", "series": "cases", "detail": "case"},
            where={"drawn": True},
            title="Accuracy over fine-tuning",
            caption=(
                "Mean accuracy of the full model over cases. Faint lines are the adversarial cases "
                "whose AUROC against friendly cases rises beyond sampling noise."
            ),
        ),
        Figure(
            kind="heatmap",
            table="learning-cases",
            columns={"x": "checkpoint", "y": "case", "value": "accuracy", "section": "cases"},
            title="Every case at every checkpoint",
            caption=(
                "Accuracy of the full model: the mean of each group, then its cases, the highest "
                "final accuracy first. Heuristics fail on adversarial cases, not on friendly ones."
            ),
        ),
    ),
    limits=(
        "Times are known to the nearest checkpoint only; each verdict is about one fine-tuning.",
        "A shift towards one label raises adversarial accuracy too, so that the AUROC decides.",
    ),
    plan=_plan,
)
