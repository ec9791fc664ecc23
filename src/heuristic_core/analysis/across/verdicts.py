"""What do the runs come to, side by side?"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import Any

import numpy as np
import pandas as pd

from ...columns import Column, Table
from ...tables import CONTRADICTED, SUPPORTED, UNDECIDED
from ..accuracies import full_model, judged_by, means_by_kind, subnetwork_means
from ..bounded import mean_share
from ..cores import cores
from ..intervals import Estimate, student
from ..question import Answer, Figure, Question, Row, Verdict, decide
from ..systems import BY_SPARSITY
from .runs import ComparedRun, Runs

#: What may tell verdicts on one claim apart within a run, besides its models and methods.
_ABOUT = ("sparsity", "other_sparsity", "readout", "suite", "weighting", "data", "group")
_SHORT = {SUPPORTED: "supported", CONTRADICTED: "contradicted", UNDECIDED: "not decided"}


def verdicts_of_runs(runs: Runs) -> list[Answer]:
    """Put the runs' verdicts side by side, and what they found.

    Args:
        runs: The runs.

    Returns:
        One answer: whether any claim is supported in one run and contradicted in another.
    """
    rows = {"verdicts-by-run": list(_by_claim(runs)), "sizes-by-run": list(_sizes(runs))}
    return [Answer(subject={}, verdict=_verdict(runs), rows=rows)]


def _by_claim(runs: Runs) -> Iterator[Row]:
    """Count the decisions on every claim in every run, in the order of the questions."""
    counts: dict[tuple[str, str], dict[str, Counter[str]]] = {}
    for run in runs.runs:
        for question, claim, decision in zip(
            *(run.verdicts[name] for name in ("question", "claim", "decision")), strict=True
        ):
            by_run = counts.setdefault((question, claim), {})
            by_run.setdefault(run.name, Counter())[_SHORT[decision]] += 1
    order = {question: i for i, (question, _) in enumerate(counts)}
    for question, claim in sorted(counts, key=lambda key: order[key[0]]):
        for run in runs.runs:
            decided = counts[question, claim].get(run.name, Counter())
            several = decided.total() > 1
            words = (f"{word} ({n})" if several else word for word, n in decided.items())
            yield {
                "question": question,
                "claim": claim,
                "run": run.name,
                "decisions": ", ".join(words) or "not asked",
            }


def _verdict(runs: Runs) -> Verdict:
    decided: dict[tuple[Any, ...], dict[str, set[str]]] = {}
    for run in runs.runs:
        for row in run.verdicts.to_dict("records"):
            if row["decision"] != UNDECIDED:
                about = (None if pd.isna(row[name]) else row[name] for name in _ABOUT)
                by_run = decided.setdefault((row["question"], row["claim"], *about), {})
                by_run.setdefault(run.name, set()).add(row["decision"])
    both = {key: by_run for key, by_run in decided.items() if len(by_run) > 1}
    opposed = [key for key, by_run in both.items() if _opposed(list(by_run.values()))]
    claims = list(dict.fromkeys(claim for _, claim, *_ in opposed))
    named = f": {'; '.join(claims)}" if claims else ""
    return decide(
        QUESTION.claim,
        f"{len(both)} claims on one sparsity or kind of data are decided in several runs, "
        f"{len(opposed)} of them in opposite ways{named}",
        supported=bool(both) and not opposed,
        contradicted=bool(opposed),
        open_because="" if both else "no claim is decided in two runs",
        measure="claims decided in opposite ways",
        effect=Estimate(float(len(opposed))),
    )


def _opposed(decisions: list[set[str]]) -> bool:
    """Whether what one run says always is said never by another."""
    return any(a != b and len(a) == len(b) == 1 for a in decisions for b in decisions)


def _sizes(runs: Runs) -> Iterator[Row]:
    for run in runs.runs:
        accuracies = run.evidence.once(subnetwork_means)
        for core in run.evidence.once(cores):
            if core.sparsity is not None:
                key = (*core.model, core.method, core.sparsity)
                yield {
                    "run": run.name,
                    **dict(zip(BY_SPARSITY, key, strict=True)),
                    "n": len(core.kept.masks),
                    "heads": student(core.kept.masks.sum(axis=1), (0, len(core.kept.heads))),
                    "of": len(core.kept.heads),
                    "core": len(core.heads),
                    "expected": core.in_layers.expected,
                    **_accuracies(run, key, accuracies.get(key)),
                }


def _accuracies(run: ComparedRun, key: tuple[Any, ...], means: pd.DataFrame | None) -> Row:
    of_full = full_model(run.evidence["evaluations"], key[0], key[1])
    if means is None or of_full.empty:
        return {}
    full = means_by_kind(of_full).iloc[0]
    row: Row = {}
    measure = judged_by(means)
    for name, column in (("in_domain", "in_domain"), ("ood", measure)):
        if column in means:
            values = means[column].to_numpy()
            row |= {f"full_{name}": full[column], name: mean_share(means[column])}
            if name == "ood":
                row |= {"lowest": values.min(), "highest": values.max(), "measure": measure}
                row["spread"] = float(np.std(values, ddof=1)) if len(values) > 1 else None
    return row


def _share(name: str, meaning: str, title: str = "", interval: bool = False) -> Column:
    return Column(
        name, meaning, title=title, digits=1, form="percent", interval=interval, optional=True
    )


QUESTION = Question(
    key="verdicts_of_runs",
    asks="What do the runs come to, side by side?",
    claim="no claim is supported in one run and contradicted in another",
    page="across-runs",
    subject=(),
    needs=("evaluations", "subnetworks"),
    answer=verdicts_of_runs,
    tables=(
        Table(
            "verdicts-by-run",
            "What one run came to on one claim.",
            Column("question", "the question's key", "str", "question", key=True),
            Column("claim", "the claim", "str", "claim", brief=True, key=True),
            Column("run", "the run", "str", "run", key=True),
            Column(
                "decisions",
                "decisions of that run, with how many there are of each",
                "str",
                "decisions",
                brief=True,
            ),
            title="The verdicts of all questions",
            across=("run", "decisions"),
        ),
        Table(
            "sizes-by-run",
            "The subnetworks of one run, model, method and sparsity: how large they and their core "
            "are, and how accurate. Intervals are over searches.",
            Column("run", "the run", "str", "run", brief=True, key=True),
            Column("finetune_seed", "seed of the fine-tuning", "int", "fine-tuning", key=True),
            Column("checkpoint", "optimiser step of the model", "int", "step", key=True),
            Column("method", "how subnetworks were found", "str", "method", key=True),
            Column("sparsity", "sparsity asked for", title="sparsity", brief=True, key=True),
            Column("n", "different subnetworks", "int", "n", brief=True),
            Column("heads", "heads kept, mean", title="heads", digits=1, interval=True, low=0),
            Column("of", "heads of the model", "int", "of"),
            Column("core", "heads that all subnetworks keep", "int", "core", brief=True),
            Column(
                "expected",
                "the same by chance, if each kept its number of heads in every layer",
                title="by chance",
                form="expectation",
            ),
            _share("full_in_domain", "in-domain accuracy of the full model", "full ID"),
            _share("in_domain", "in-domain accuracy, mean over subnetworks", "ID", True),
            Column(
                "measure",
                "what OOD accuracy is: balanced, or adversarial where there are no friendly cases",
                "str",
                choices=("balanced", "adversarial"),
                optional=True,
            ),
            _share("full_ood", "OOD accuracy of the full model, mean over cases", "full OOD"),
            Column(
                "ood",
                "OOD accuracy, mean over cases and subnetworks (balanced, or adversarial where "
                "there are no friendly cases)",
                title="OOD",
                digits=1,
                form="percent",
                interval=True,
                optional=True,
                brief=True,
            ),
            _share("lowest", "lowest OOD accuracy of a subnetwork", "lowest"),
            _share("highest", "highest OOD accuracy of a subnetwork", "highest"),
            _share("spread", "standard deviation of OOD accuracy over subnetworks", "SD"),
            title="Cores, sizes and accuracies",
        ),
    ),
    figures=(
        Figure(
            kind="strips",
            table="sizes-by-run",
            columns={"y": "run", "x": "ood", "section": "sparsity", "series": "method"},
            title="OOD accuracy of the subnetworks of each run",
            caption="The mean over subnetworks with its 95 % interval over searches. Accuracies of "
            "different tasks are not comparable.",
        ),
    ),
    limits=(
        "Supported in one run and not decided in another is no difference between them: that takes "
        "a test of the difference, such as those below.",
        "The runs' verdicts are not corrected for their number: of twenty claims without an "
        "effect, one may be decided by chance in some run.",
        "Sizes of cores are not tested. A core is one number, and shrinks with every further "
        "search; sizes are only comparable for equal numbers of searches and sparsities.",
    ),
)
