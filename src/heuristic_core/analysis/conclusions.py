"""From what a study measured to its verdicts and the tables behind them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import pandas as pd

from ..tables import VERDICTS
from .evidence import Evidence
from .question import Question, Row


@dataclass(frozen=True, eq=False)
class Conclusions:
    """What a study's questions come to.

    Args:
        verdicts: Rows as in ``tables.VERDICTS``.
        tables: Rows by the names of the questions' tables; every one is there, maybe without rows.
    """

    verdicts: pd.DataFrame
    tables: Mapping[str, pd.DataFrame]


def conclude(evidence: Evidence, questions: Sequence[Question]) -> Conclusions:
    """Answer questions.

    Args:
        evidence: What was measured.
        questions: The questions.

    Returns:
        Their verdicts, in the order of the questions, and the rows of their tables.
    """
    verdicts: list[Row] = []
    tables: dict[str, pd.DataFrame] = {}
    for question in questions:
        answers = question.answer(evidence)
        for answer in answers:
            about = {"question": question.key, "caveat": answer.caveat, **answer.subject}
            verdicts.append(about | vars(answer.verdict))
        for table in question.tables:
            rows = [
                {**answer.subject, **row}
                for answer in answers
                for row in answer.rows.get(table.name, ())
            ]
            tables[table.name] = table.frame(rows)
    return Conclusions(VERDICTS.frame(verdicts), tables)
