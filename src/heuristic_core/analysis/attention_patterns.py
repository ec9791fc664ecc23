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
from .power import by_interval, outlook
from .question import Answer, Figure, Question, Verdict, decide
from .scores import mean_interval, p_above

#: What the paper sees the core's heads attend to.
SHALLOW = ("repeated", "previous", "next", "sep")
#: A pattern counts where its score is above this beyond noise; chance is 1.
CLEAR = 1.5
#: The difference, in doublings, whose power is reported.
PLANNED_DOUBLINGS = 0.8
#: The type of a head that clearly follows no pattern.
NONE = "none"
OTHERS = "other heads, mean"

_SUBJECT = ("finetune_seed", "checkpoint", "weighting")


def attention_patterns(evidence: Evidence) -> list[Answer]:
    """Ask what every head attends to, and whether the core's heads differ from their layers.

    Returns:
        One answer per fine-tuning, checkpoint and weighting.
    """
    answers = []
    attention, members = evidence["attention"], evidence.once(supported_cores)
    known = attention[np.isfinite(attention["score"])]
    for finetune_seed, of_model in known.groupby("finetune_seed"):
        core, last = members.get(int(finetune_seed), ()), of_model["checkpoint"].max()
        for checkpoint, rows in of_model.groupby("checkpoint"):
            by_weighting = [
                (name, _described(some, core)) for name, some in rows.groupby("weighting")
            ]
            contrasts = [_contrast(group, core, evidence.seed) for _, group in by_weighting]
            # Weightings are several looks at one claim; each checkpoint is a claim of its own.
            corrected = iter(holm(np.array([c.p for c in contrasts if c])))
            for (name, group), contrast in zip(by_weighting, contrasts, strict=True):
                shallow = replace(contrast, p=float(next(corrected))) if contrast else None
                subject = dict(zip(_SUBJECT, (finetune_seed, checkpoint, name), strict=True))
                claim = _claim(int(checkpoint), int(last))
                answers.append(_answer(subject, claim, group, shallow))
    return answers


def _claim(checkpoint: int, last: int) -> str:
    if checkpoint == last:
        return QUESTION.claim
    when = f"at step {checkpoint}" if checkpoint else "before fine-tuning"
    return f"already {when}, {QUESTION.claim}"


def _described(rows: pd.DataFrame, core: Sequence[str]) -> pd.DataFrame:
    """Add what is core, clearly above chance, a head's highest score in a suite, and strength."""
    score, error, n = (rows[name].to_numpy() for name in ("score", "score_se", "n"))
    p_values = pd.Series(p_above(score, error, n, CLEAR), rows.index)
    log2_score = _log2(rows["score"])
    return rows.assign(
        in_core=rows["unit"].isin(list(core)),
        clear=p_values.groupby(rows["suite"]).transform(lambda p: holm(p.to_numpy())) < 0.05,
        best=rows.index.isin(rows.groupby(["suite", "unit"])["score"].idxmax()),
        log2_score=log2_score,
    )


def _log2(scores: pd.Series) -> pd.Series:
    # Below chance no feature is attended to, however far below.
    return np.log2(scores.clip(lower=1))


def _strengths(rows: pd.DataFrame) -> pd.Series:
    """Return every head's strongest shallow pattern, mean over suites; none without any."""
    shallow = rows[rows["pattern"].isin(SHALLOW)]
    return (
        shallow.groupby(["unit", "suite"], sort=False)["log2_score"]
        .max()
        .groupby("unit", sort=False)
        .mean()
    )


def _contrast(rows: pd.DataFrame, core: Sequence[str], seed: int) -> Contrast | None:
    # Most heads follow no pattern and a few follow one entirely.
    return core_within_layers("shallow", _strengths(rows).to_dict(), core, seed, ranks=True)


def _answer(subject: dict, claim: str, rows: pd.DataFrame, shallow: Contrast | None) -> Answer:
    suites = dict(list(rows.groupby("suite", sort=False)))
    strengths = _strengths(rows)
    core = strengths.index.isin(rows.loc[rows["in_core"], "unit"])
    return Answer(
        subject=subject,
        verdict=_verdict(claim, rows, shallow),
        rows={
            "head-types": [{"suite": name} | _types(some) for name, some in suites.items()],
            "shallow-strengths": [
                {"unit": unit, "strength": float(strength), "in_core": bool(mine)}
                for (unit, strength), mine in zip(strengths.items(), core, strict=True)
            ],
            "attention-by-head": [
                {"suite": name} | row for name, some in suites.items() for row in _rows(some)
            ],
        },
    )


def _follow(rows: pd.DataFrame) -> set[str]:
    """Name the heads that clearly follow a shallow pattern."""
    return set(rows.loc[rows["clear"] & rows["pattern"].isin(SHALLOW), "unit"])


def _types(rows: pd.DataFrame) -> dict:
    """Count the types of core heads and of others on one suite."""
    heads = rows[rows["best"]]
    heads = heads.assign(
        type=heads["pattern"].where(heads["clear"], NONE),
        shallow=heads["unit"].isin(_follow(rows)),
    )
    summary: dict = {}
    for name, some in (("core", heads[heads["in_core"]]), ("other", heads[~heads["in_core"]])):
        types = Counter(some["type"]).most_common()
        summary[f"{name}_types"] = ", ".join(f"{pattern} {n}" for pattern, n in types)
        if len(some):
            summary[f"{name}_shallow"] = wilson(int(some["shallow"].sum()), len(some))
    return summary


def _rows(rows: pd.DataFrame) -> list[dict]:
    """Return a row per core head and pattern of a suite, then one per pattern for all others."""
    core, others = rows[rows["in_core"]], rows[~rows["in_core"]]
    if core.empty:
        return []
    listed = [
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
    return listed + [
        {"unit": OTHERS, "pattern": pattern, "score": Estimate(score), "log2_score": log2_score}
        for pattern, score, log2_score in zip(means.index, means, _log2(means), strict=True)
    ]


def _verdict(claim: str, rows: pd.DataFrame, shallow: Contrast | None) -> Verdict:
    of_core = rows[rows["in_core"]]
    if of_core.empty:
        return decide(claim, "this fine-tuning has no supported core")
    measured = [name for name in SHALLOW if name in set(rows["pattern"])]
    if not measured:
        return decide(claim, "no shallow pattern has a target in these examples")
    kinds = " or ".join(", ".join(measured).replace("sep", "[SEP]").rsplit(", ", 1))
    suites = list(of_core.groupby("suite", sort=False))
    counts = [f"{len(_follow(some))} ({name})" for name, some in suites]
    n_clear = ", ".join(counts) if len(suites) > 1 else f"{len(_follow(of_core))}"
    clear = f"{n_clear} of {of_core['unit'].nunique()} core heads clearly attend to {kinds} tokens"
    if shallow is None:
        return decide(claim, f"{clear}, but no layer has both core heads and others")
    difference, p = shallow.difference, shallow.p
    return decide(
        claim,
        f"{clear}; log2 of attention over chance of their strongest such pattern"
        f"{', mean over suites,' if len(suites) > 1 else ''} exceeds that of other heads of the "
        f"same layers by {change_text(difference, 2)} ({p_text(p)})",
        supported=p < 0.05 and difference.value > 0,
        contradicted=p < 0.05,
        measure="strongest shallow pattern, log2 of attention over chance",
        effect=difference,
        p=p,
        power=outlook(
            f"a difference of {PLANNED_DOUBLINGS:g} doublings",
            PLANNED_DOUBLINGS,
            by_interval(
                "core heads (further fine-tunings have theirs)",
                difference,
                shallow.n_heads,
                freedom=rows["unit"].nunique() - 1,
            ),
        ),
    )


_SUITE = Column("suite", "the suite of examples", "str", "suite", key=True, brief=True)

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
            _SUITE,
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
            title="What the core's heads attend to",
        ),
        Table(
            "shallow-strengths",
            "How strongly one head attends to shallow features: log2 of attention over chance of "
            "its strongest shallow pattern, mean over suites.",
            Column("unit", "the head", "str", "head", key=True),
            Column("strength", "log2 of attention over chance; 0 below chance", low=0, digits=1),
            Column("in_core", "whether it is a core head", "bool", "in the core"),
            title="How strongly every head attends to shallow features",
            folded=True,
        ),
        Table(
            "attention-by-head",
            "How much a core head, or all other heads on average, attend to one pattern.",
            replace(_SUITE, brief=False),
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
            kind="units",
            table="shallow-strengths",
            columns={"unit": "unit", "value": "strength", "outline": "in_core"},
            last=True,
            title="How strongly every head attends to shallow features",
            caption="Log2 of attention over chance of a head's strongest pattern among repeated, "
            "previous, next and [SEP] tokens, mean over suites: 2 is four times as much as uniform "
            "attention gives. The core's heads are outlined.",
            label="log2 of attention over chance",
        ),
        Figure(
            kind="heatmap",
            table="attention-by-head",
            columns={
                "x": "pattern",
                "y": "unit",
                "value": "log2_score",
                "outline": "is_type",
                "section": "suite",
            },
            last=True,
            title="What the core's heads attend to",
            caption="Log2 of the mean attention to a kind of token over what uniform attention "
            "gives: 2 is four times as much. Outlined: the head's type, whose score is clearly "
            "above 1.5.",
        ),
    ),
    limits=("What a head attends to does not say what it does with it.",),
)
