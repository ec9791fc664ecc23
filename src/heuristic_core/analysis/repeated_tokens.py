"""Do the core's heads attend to repeated tokens before fine-tuning? (left open by the paper)"""

from __future__ import annotations

from collections.abc import Collection

import numpy as np
import pandas as pd
from jaxtyping import Float

from ..columns import Column, Table
from .attention_patterns import CLEAR
from .cores import supported_cores
from .design import Design
from .evidence import Evidence
from .intervals import Estimate, holm
from .power import ErrorSource, outlook
from .question import Answer, Figure, Question, Verdict, decide
from .scores import mean_interval, p_above

#: The score, in multiples of chance, of a head whose power is reported.
PLANNED_SCORE = 2.0
_EXAMPLES = ["suite", "weighting"]
_SUBJECT = ("finetune_seed", "checkpoint", *_EXAMPLES)
BEFORE, AFTER = "before fine-tuning", "after fine-tuning"


def repeated_tokens(evidence: Evidence) -> list[Answer]:
    """Ask whether the core's heads for repeated tokens are such in the pretrained model.

    Returns:
        One answer per fine-tuning, suite and weighting that has a checkpoint 0 and a later one.
    """
    attention, cores = evidence["attention"], evidence.once(supported_cores)
    rows = attention[(attention["pattern"] == "repeated") & np.isfinite(attention["score"])]
    answers = []
    for finetune_seed, of_model in rows.groupby("finetune_seed"):
        last = of_model.groupby(_EXAMPLES)["checkpoint"].transform("max")
        later = of_model[(of_model["checkpoint"] == last) & (last > 0)]
        raw = of_model[of_model["checkpoint"] == 0]
        names = ["finetune_seed", *_EXAMPLES, "unit"]
        both = later.merge(raw, on=names, suffixes=("_after", "_before"))
        core = cores.get(int(finetune_seed), ())
        groups = _tested(both, core).groupby(["finetune_seed", "checkpoint_after", *_EXAMPLES])
        answers += [_answer(key, group, bool(core)) for key, group in groups]
    return answers


def _tested(both: pd.DataFrame, core: Collection[str]) -> pd.DataFrame:
    """Test core heads that attend to repeated tokens after fine-tuning for whether they did before.

    A head is tested on several suites in several weightings; all these tests are one family.
    """
    follows = holm(_p_values(both, "after", 1)) < 0.05
    heads = both[follows & both["unit"].isin(list(core))]
    # Each head is tested in both directions.
    above = holm(_p_values(heads, "before", 1)) < 0.025
    below = holm(_p_values(heads, "before", -1)) < 0.025
    clear = np.select([above, below], ["yes", "no"], "unclear")
    return both.assign(clear=pd.Series(clear, heads.index, dtype=object))


def _p_values(rows: pd.DataFrame, when: str, sign: int) -> Float[np.ndarray, " row"]:
    score, error, n = (rows[f"{x}_{when}"].to_numpy() for x in ("score", "score_se", "n"))
    return p_above(sign * score, error, n, sign * CLEAR)


def _answer(key: tuple, group: pd.DataFrame, has_core: bool) -> Answer:
    heads = group[group["clear"].notna()]
    rows = [
        {"unit": str(row.unit), "when": when, "score": score, "clear": clear}
        for row in heads.itertuples()
        for when, score, clear in (
            (BEFORE, mean_interval(row.score_before, row.score_se_before, row.n_before), row.clear),
            (AFTER, mean_interval(row.score_after, row.score_se_after, row.n_after), "yes"),
        )
    ]
    return Answer(
        subject=dict(zip(_SUBJECT, key, strict=True)),
        verdict=_verdict(heads, has_core),
        rows={"repeated": rows},
    )


def _verdict(heads: pd.DataFrame, has_core: bool) -> Verdict:
    if not has_core:
        return decide(QUESTION.claim, "this fine-tuning has no supported core")
    n = len(heads)
    if not n:
        reason = "no core head clearly attends to repeated tokens after fine-tuning"
        return decide(QUESTION.claim, reason)
    already, not_yet = (int((heads["clear"] == clear).sum()) for clear in ("yes", "no"))
    widest = heads.loc[heads["score_se_before"].idxmax()]
    return decide(
        QUESTION.claim,
        f"of {n} core head{'s' * (n > 1)} that clearly attend to repeated tokens, {already} "
        f"clearly did so before fine-tuning and {not_yet} clearly did not",
        supported=already > n / 2,
        contradicted=not_yet >= n / 2,
        measure="share of these heads that clearly did so before",
        effect=Estimate(already / n, np.nan, np.nan),
        power=outlook(
            f"a head at {PLANNED_SCORE:g} times chance",
            PLANNED_SCORE - CLEAR,
            ErrorSource(
                "examples", widest["score_se_before"] ** 2, int(widest["n_before"]), counted=False
            ),
            p=0.05 / n,
        ),
    )


def _plan(design: Design) -> str:
    return "" if design.before else "checkpoint 0, the model before fine-tuning, is not kept"


QUESTION = Question(
    key="repeated_tokens",
    asks="Did the core's heads for repeated tokens attend to them before fine-tuning?",
    claim="most of the core's heads for repeated tokens attend to them before fine-tuning",
    page="attention",
    subject=_SUBJECT,
    needs=("attention", "subnetworks"),
    answer=repeated_tokens,
    tables=(
        Table(
            "repeated",
            "How much a core head that clearly attends to repeated tokens after fine-tuning "
            "attends to them before or after it.",
            Column("unit", "the head", "str", "head", key=True),
            Column(
                "when",
                "before or after fine-tuning",
                "str",
                "when",
                choices=("before fine-tuning", "after fine-tuning"),
                key=True,
            ),
            Column(
                "score",
                "attention to repeated tokens in multiples of chance",
                title="times chance",
                digits=1,
                interval=True,
            ),
            Column(
                "clear",
                "whether that is clearly above 1.5 (yes), clearly below (no), or neither",
                "str",
                "above 1.5",
                choices=("yes", "no", "unclear"),
            ),
            title="Core heads for repeated tokens, before and after fine-tuning",
        ),
    ),
    figures=(
        Figure(
            kind="strips",
            table="repeated",
            columns={"y": "unit", "x": "score", "series": "when"},
            title="Repeated tokens, before and after fine-tuning",
            caption="The core's heads that clearly attend to repeated tokens after fine-tuning, "
            "with 95 % intervals. The line is 1.5 times chance, from which on a head counts.",
            reference=CLEAR,
            label="attention to repeated tokens, times chance",
        ),
    ),
    limits=("What a head attends to does not say what it does with it.",),
    plan=_plan,
)
