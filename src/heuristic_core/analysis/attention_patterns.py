"""Does the core attend to shallow features? (paper, section 5, finding 6)"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pandas as pd

from ..columns import Column, Table
from ..writing import p_text
from .cores import supported_cores
from .evidence import Evidence
from .intervals import Estimate, change_text, holm, wilson
from .matched import Contrast, core_within_layers
from .question import Answer, Figure, Question, Verdict, decide
from .scores import mean_interval, p_above

#: What the paper sees the core's heads attend to.
SHALLOW = ("repeated", "previous", "next", "sep")
#: A pattern counts where its score is above this beyond noise; chance is 1.
CLEAR = 1.5
#: The type of a head that clearly follows no pattern.
NONE = "none"
OTHERS = "other heads, mean"

_SUBJECT = ("finetune_seed", "checkpoint", "suite", "weighting")


def attention_patterns(evidence: Evidence) -> list[Answer]:
    """Ask what every head attends to, and whether the core's heads differ from their layers.

    Returns:
        One answer per fine-tuning, checkpoint, suite and weighting.
    """
    answers = []
    attention, members = evidence["attention"], evidence.once(supported_cores)
    known = attention[np.isfinite(attention["score"])]
    for finetune_seed, of_model in known.groupby("finetune_seed"):
        core = members.get(int(finetune_seed), ())
        groups = [(key, _described(g, core)) for key, g in of_model.groupby(list(_SUBJECT))]
        contrasts = [_contrast(group, core, evidence.seed) for _, group in groups]
        corrected = iter(holm(np.array([c.p for c in contrasts if c])))
        for (key, group), contrast in zip(groups, contrasts, strict=True):
            shallow = replace(contrast, p=float(next(corrected))) if contrast else None
            answers.append(_answer(dict(zip(_SUBJECT, key, strict=True)), group, shallow))
    return answers


def _described(group: pd.DataFrame, core: Sequence[str]) -> pd.DataFrame:
    """Add what is core, clearly above chance and a head's highest score, and the strength."""
    score, error, n = (group[name].to_numpy() for name in ("score", "score_se", "n"))
    return group.assign(
        in_core=group["unit"].isin(list(core)),
        clear=holm(p_above(score, error, n, CLEAR)) < 0.05,
        best=group.index.isin(group.groupby("unit")["score"].idxmax()),
        log2_score=_log2(group["score"]),
    )


def _log2(scores: pd.Series) -> pd.Series:
    # Below chance no feature is attended to, however far below.
    return np.log2(scores.clip(lower=1))


def _contrast(group: pd.DataFrame, core: Sequence[str], seed: int) -> Contrast | None:
    """Compare heads' strongest shallow patterns."""
    shallow = group["pattern"].isin(SHALLOW)
    if not shallow.any():
        return None
    strength = (
        group["log2_score"].where(shallow, 0.0).groupby([group["layer"], group["unit"]]).max()
    )
    return core_within_layers("shallow", strength.droplevel("layer").to_dict(), core, seed)


def _answer(subject: dict, group: pd.DataFrame, shallow: Contrast | None) -> Answer:
    heads = group[group["best"]]
    follow = group.loc[group["clear"] & group["pattern"].isin(SHALLOW), "unit"]
    heads = heads.assign(
        type=heads["pattern"].where(heads["clear"], NONE), shallow=heads["unit"].isin(follow)
    )
    summary: dict = {}
    for name, some in (("core", heads[heads["in_core"]]), ("other", heads[~heads["in_core"]])):
        types = Counter(some["type"]).most_common()
        summary[f"{name}_types"] = ", ".join(f"{pattern} {n}" for pattern, n in types)
        if len(some):
            summary[f"{name}_shallow"] = wilson(int(some["shallow"].sum()), len(some))
    if shallow:
        summary |= {"difference": shallow.difference, "p": shallow.p}
    measured = [name for name in SHALLOW if name in set(group["pattern"])]
    return Answer(
        subject=subject,
        verdict=_verdict(heads.loc[heads["in_core"], "shallow"], measured, shallow),
        rows={"head-types": [summary], "attention-by-head": _rows(group)},
    )


def _rows(group: pd.DataFrame) -> list[dict]:
    """Return a row per core head and pattern, then one per pattern for all other heads."""
    core, others = group[group["in_core"]], group[~group["in_core"]]
    if core.empty:
        return []
    rows = [
        {
            "unit": row.unit,
            "pattern": row.pattern,
            "score": mean_interval(row.score, row.score_se, row.n),
            "log2_score": row.log2_score,
            "attention": row.attention,
            "confidence": row.wins,
            "clear": row.clear,
            "is_type": row.best and row.clear,
        }
        for row in core.itertuples()
    ]
    means = others.groupby("pattern", sort=False)["score"].mean()
    return rows + [
        {"unit": OTHERS, "pattern": pattern, "score": Estimate(score), "log2_score": log2_score}
        for pattern, score, log2_score in zip(means.index, means, _log2(means), strict=True)
    ]


def _verdict(of_core: pd.Series, measured: list[str], shallow: Contrast | None) -> Verdict:
    if not len(of_core):
        return decide(QUESTION.claim, "this fine-tuning has no supported core")
    if not measured:
        return decide(QUESTION.claim, "no shallow pattern has a target in these examples")
    kinds = " or ".join(", ".join(measured).replace("sep", "[SEP]").rsplit(", ", 1))
    clear = f"{of_core.sum()} of {len(of_core)} core heads clearly attend to {kinds} tokens"
    if shallow is None:
        return decide(QUESTION.claim, f"{clear}, but no layer has both core heads and others")
    difference, p = shallow.difference, shallow.p
    return decide(
        QUESTION.claim,
        f"{clear}; log2 of attention over chance of their strongest such pattern exceeds that of "
        f"other heads of the same layers by {change_text(difference, 2)} (corrected {p_text(p)})",
        supported=p < 0.05 and difference.value > 0,
        contradicted=p < 0.05,
        measure="strongest shallow pattern, log2 of attention over chance",
        effect=difference,
        p=p,
    )


QUESTION = Question(
    key="attention_patterns",
    asks="Do the core's heads attend to shallow features?",
    claim="the core's heads attend to shallow features more than other heads of their layers",
    source="section 5, finding 6",
    page="attention",
    subject=_SUBJECT,
    needs=("attention", "subnetworks"),
    answer=attention_patterns,
    tables=(
        Table(
            "head-types",
            "What heads attend to most, if clearly above 1.5 times chance. Shallow: repeated "
            "tokens (in pairs of texts), the previous token, the next one, or [SEP].",
            Column("core_types", "core heads by type", "str", "core", brief=True),
            Column("other_types", "other heads by type", "str", "others"),
            Column(
                "core_shallow",
                "share of core heads that clearly follow a shallow pattern",
                title="shallow",
                digits=0,
                form="percent",
                interval=True,
                optional=True,
                brief=True,
            ),
            Column(
                "other_shallow",
                "share of other heads that clearly follow one",
                title="others' share",
                digits=0,
                form="percent",
                interval=True,
                optional=True,
                brief=True,
            ),
            Column(
                "difference",
                "strength of core heads minus that of other heads of their layers; strength: log2 "
                "of attention over chance, of a head's strongest shallow pattern",
                title="difference",
                interval=True,
                optional=True,
            ),
            Column(
                "p",
                "two-sided, corrected over checkpoints, suites and weightings",
                title="p",
                form="probability",
                optional=True,
                brief=True,
            ),
            title="What the core's heads attend to",
        ),
        Table(
            "attention-by-head",
            "How much a core head, or all other heads on average, attend to one pattern.",
            Column("unit", "the head, or other heads", "str", "head", key=True),
            Column("pattern", "the pattern", "str", "pattern", key=True),
            Column(
                "score",
                "attention to it in multiples of chance, mean over examples",
                title="score",
                digits=1,
                interval=True,
            ),
            Column(
                "log2_score",
                "log2 of that; 0 below chance",
                title="log2 of attention over chance",
                low=0,
            ),
            Column(
                "attention",
                "share of attention that goes to it",
                title="attention",
                digits=0,
                form="percent",
                optional=True,
            ),
            Column(
                "confidence",
                "share of bootstrap draws of examples in which it scores highest",
                title="confidence",
                digits=0,
                form="percent",
                optional=True,
            ),
            Column(
                "clear",
                "whether the score is clearly above 1.5",
                "bool",
                "clear",
                optional=True,
            ),
            Column(
                "is_type",
                "whether the pattern is the head's type: clear, and its highest score",
                "bool",
                "type",
                optional=True,
            ),
            title="What each core head attends to",
            folded=True,
        ),
    ),
    figures=(
        Figure(
            kind="heatmap",
            table="attention-by-head",
            columns={"x": "pattern", "y": "unit", "value": "log2_score", "outline": "is_type"},
            last=True,
            title="What the core's heads attend to",
            caption="Log2 of the mean attention to a kind of token over what uniform attention "
            "gives: 2 is four times as much. Outlined: the head's type, whose score is clearly "
            "above 1.5.",
        ),
    ),
    limits=("What a head attends to does not say what it does with it.",),
)
