"""From what a study measured to its verdicts and the tables behind them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd

from ..errors import InputError, expect_known
from ..tables import VERDICTS
from .question import Answer, Question, Row


@dataclass(frozen=True, eq=False)
class Conclusions:
    """What a study's questions come to.

    Args:
        verdicts: Rows as in ``tables.VERDICTS``.
        tables: Rows by the names of the questions' tables; every one is there, maybe without rows.
    """

    verdicts: pd.DataFrame
    tables: Mapping[str, pd.DataFrame]

    def __repr__(self) -> str:
        return f"Conclusions({len(self.verdicts)} verdicts, {len(self.tables)} tables)"


def conclude(evidence: Any, questions: Sequence[Question]) -> Conclusions:
    """Answer questions.

    Args:
        evidence: What was measured, as the questions take it: a study's ``Evidence``, or several
            runs.
        questions: The questions.

    Returns:
        Their verdicts, in the order of the questions, and the rows of their tables.

    Raises:
        InputError: If an answer names a table or a column that its question does not declare, or
            holds a value that its table does not admit.
    """
    return collect({question: question.answer(evidence) for question in questions})


def collect(answered: Mapping[Question, Sequence[Answer]]) -> Conclusions:
    """Put the answers of questions into tables.

    Args:
        answered: The answers by question.

    Raises:
        InputError: If an answer names a table or a column that its question does not declare, or
            holds a value that its table does not admit, or if two rows have one key.
    """
    verdicts: list[Row] = []
    tables: dict[str, pd.DataFrame] = {}
    for question, answers in answered.items():
        names = [table.name for table in question.tables]
        for answer in answers:
            if set(answer.subject) != set(question.subject):
                named = map(", ".join, (answer.subject, question.subject))
                raise InputError(f"an answer of {question.key} is about {' and not '.join(named)}")
            expect_known(f"table of the question {question.key}", answer.rows, names)
            about = {"question": question.key, "caveat": answer.caveat, **answer.subject}
            verdicts.append(about | vars(answer.verdict))
        for table in question.tables:
            rows = [
                {**answer.subject, **row}
                for answer in answers
                for row in answer.rows.get(table.name, ())
            ]
            tables[table.name] = table.frame(rows)
            table.check_key(tables[table.name])
    frame = VERDICTS.frame(verdicts)
    VERDICTS.check_key(frame)
    return Conclusions(frame, tables)
