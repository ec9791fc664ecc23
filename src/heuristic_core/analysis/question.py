"""What a question is, and what answers it: verdicts and rows of tables.

Every file of this folder that answers a question defines a function from ``Evidence`` to
answers and one :class:`Question`; ``QUESTIONS`` lists them. All that reports on a study loops over
that tuple.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from ..columns import Table
from ..errors import expect_known
from ..tables import CONTRADICTED, SUBJECT, SUPPORTED, TABLES, UNDECIDED, Decision
from .design import Design
from .intervals import Estimate

#: A row of a table: values by column.
Row = dict[str, Any]

#: Kinds of drawing; the report has one function for each.
DrawingKind = Literal["strips", "lines", "heatmap", "units", "graph"]


@dataclass(frozen=True, kw_only=True)
class Verdict:
    """What the data say of a claim, and why.

    Args:
        claim: The claim, as a sentence without its full stop.
        decision: Supported, contradicted, or not decided by these data.
        reason: The numbers behind the decision.
        measure: What the effect is measured in, such as ``balanced margin, nats``.
        effect: The effect that decides, with its 95 % interval.
        p: Its p-value, corrected where several are tested.
        power: Where it is open, what data would find the effect that the claim asks for.
    """

    claim: str
    decision: Decision
    reason: str
    measure: str = ""
    effect: Estimate | None = None
    p: float | None = None
    power: str = ""


def decide(
    claim: str,
    reason: str,
    *,
    supported: bool = False,
    contradicted: bool = False,
    open_because: str = "",
    measure: str = "",
    effect: Estimate | None = None,
    p: float | None = None,
    power: str = "",
) -> Verdict:
    """Build a verdict.

    Args:
        claim: The claim.
        reason: The numbers behind the decision; may be empty if ``open_because`` is not.
        supported: Whether they support it.
        contradicted: Whether they contradict it; support comes first.
        open_because: What keeps it undecided whatever the numbers are; it follows the reason.
        measure: What the effect is measured in.
        effect: The effect.
        p: Its p-value.
        power: What data would find the effect that the claim asks for; kept if it is undecided.
    """
    decision = SUPPORTED if supported else CONTRADICTED if contradicted else UNDECIDED
    decision = UNDECIDED if open_because else decision
    return Verdict(
        claim=claim,
        decision=decision,
        reason="; ".join(filter(None, (reason, open_because))),
        measure=measure,
        effect=effect,
        p=p,
        power=power if decision == UNDECIDED else "",
    )


@dataclass(frozen=True, kw_only=True)
class Answer:
    """What the data answer about one subject.

    Args:
        subject: What it is about: values of some columns of ``tables.SUBJECT``.
        verdict: The verdict.
        rows: Rows by the name of one of the question's tables, without the subject's columns.
        caveat: What these very data leave open, as sentences; may be empty.
    """

    subject: Mapping[str, Any]
    verdict: Verdict
    rows: Mapping[str, Sequence[Mapping[str, Any]]] = field(default_factory=dict)
    caveat: str = ""


@dataclass(frozen=True, kw_only=True)
class Figure:
    """A figure as data: which columns of a table are drawn, and how.

    Args:
        kind: The kind of drawing; :mod:`heuristic_core.report.figures` says what each draws.
        table: The name of the table whose rows it draws.
        columns: From what is drawn (such as ``x``, ``y`` or ``series``) to the column that says it.
        title: What it shows, in a few words.
        caption: How to read it.
        where: Only rows with these values are drawn.
        last: Whether only the last checkpoint of each fine-tuning is drawn.
        percent: Whether values are shares of 1, written in per cent.
        reference: A value that a thin line marks, such as chance; or one for each panel.
        label: What the axis of values is called; the column's title if empty.
    """

    kind: DrawingKind
    table: str
    columns: Mapping[str, str]
    title: str
    caption: str
    where: Mapping[str, Any] = field(default_factory=dict)
    last: bool = False
    percent: bool = False
    reference: float | Mapping[str, float] | None = None
    label: str = ""


@dataclass(frozen=True, kw_only=True, eq=False)
class Question:
    """One question of a study.

    Args:
        key: Its name, also in files and in JSON.
        asks: The question.
        claim: The claim that verdicts are on, in general; a verdict's own may name its subject.
        source: Where the paper asks it; empty if it does not.
        page: Its page in ``docs/questions``, without the ending.
        subject: The columns of ``tables.SUBJECT`` that its answers are about.
        needs: The measured tables that it reads.
        answer: From what was measured to the answers: from a study's ``Evidence``, or, for a
            question of :mod:`heuristic_core.analysis.across`, from several runs.
        tables: The tables that it answers with; the subject's columns, which are key columns, are
            put before their own. A table without key columns has one row for each subject.
        figures: What is drawn of them.
        limits: What its verdicts cannot tell, whatever the data.
        plan: Why a study as planned can hardly decide it, as a clause; empty if it can, or does
            not ask it.
    """

    key: str
    asks: str
    claim: str
    source: str = ""
    page: str
    subject: tuple[str, ...]
    needs: tuple[str, ...]
    answer: Callable[[Any], list[Answer]]
    tables: tuple[Table, ...] = ()
    figures: tuple[Figure, ...] = ()
    limits: tuple[str, ...] = ()
    plan: Callable[[Design], str] | None = None

    def __post_init__(self) -> None:
        subject = tuple(column for column in SUBJECT if column.name in self.subject)
        tables = (table.with_columns((*subject, *table.columns)) for table in self.tables)
        object.__setattr__(self, "tables", tuple(tables))
        expect_known("column of tables.SUBJECT", self.subject, [column.name for column in SUBJECT])
        expect_known("measured table", self.needs, TABLES)
        for figure in self.figures:
            table = self.table(figure.table)
            for name in (*figure.columns.values(), *figure.where):
                table[name]

    def table(self, name: str) -> Table:
        """Return one of the tables that it answers with.

        Raises:
            InputError: If there is none of the name.
        """
        tables = {table.name: table for table in self.tables}
        expect_known(f"table of the question {self.key}", (name,), tables)
        return tables[name]
