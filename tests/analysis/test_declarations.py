"""A question's declaration and its answers have to agree."""

from __future__ import annotations

from dataclasses import replace

import pytest

from heuristic_core.analysis.across.questions import ACROSS
from heuristic_core.analysis.conclusions import collect
from heuristic_core.analysis.question import Answer, Figure, Question, decide
from heuristic_core.analysis.questions import QUESTIONS
from heuristic_core.columns import Column, Table
from heuristic_core.errors import InputError

QUESTION = Question(
    key="made_up",
    asks="Is it so?",
    claim="it is so",
    page="made_up",
    subject=("finetune_seed", "checkpoint"),
    needs=("evaluations",),
    answer=lambda evidence: [],
    tables=(
        Table(
            "things",
            "One thing.",
            Column("case", "the case", "str", key=True),
            Column("share", "a share", form="percent"),
        ),
    ),
    figures=(
        Figure(
            kind="strips",
            table="things",
            columns={"y": "case", "x": "share"},
            title="Things",
            caption="Each mark is a thing.",
        ),
    ),
)
SUBJECT = {"finetune_seed": 1, "checkpoint": 300}
ROW = {"case": "a", "share": 0.5}


def answer(subject=SUBJECT, rows=(ROW,), table="things"):
    return Answer(subject=subject, verdict=decide("it is so", "why"), rows={table: rows})


def test_answers_become_tables():
    made = collect({QUESTION: [answer()]})
    assert made.tables["things"].to_dict("records") == [SUBJECT | ROW]
    assert made.verdicts["question"].tolist() == ["made_up"]


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        (answer(table="thing"), "table of the question made_up 'thing'; did you mean 'things'"),
        (answer(subject=SUBJECT | {"step": 3}), "checkpoint, step and not finetune_seed, ch"),
        (answer(subject={"finetune_seed": 1}), "finetune_seed and not finetune_seed, ch"),
        (answer(rows=[ROW | {"shar": 0.5}]), "the table things 'shar'; did you mean 'share'"),
        (answer(rows=[{"case": "a"}]), "lacks the column share"),
        (answer(rows=[ROW | {"share": 1.5}]), "share lies within 0 and 1"),
        (answer(rows=[ROW, ROW]), "two rows of one finetune_seed, checkpoint, case"),
    ],
)
def test_answers_that_do_not_fit_are_refused(wrong, message):
    with pytest.raises(InputError, match=message):
        collect({QUESTION: [wrong]})


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"subject": ("finetune_seeds",)}, "did you mean 'finetune_seed'"),
        ({"needs": ("evaluation",)}, "did you mean 'evaluations'"),
        ({"table": "thing"}, "did you mean 'things'"),
        ({"columns": {"y": "case", "x": "shares"}}, "did you mean 'share'"),
        ({"where": {"cas": "a"}}, "did you mean 'case'"),
    ],
)
def test_declarations_that_do_not_fit_are_refused(changes, message):
    own = {name: value for name, value in changes.items() if name in ("subject", "needs")}
    figure = {name: value for name, value in changes.items() if name not in own}
    with pytest.raises(InputError, match=message):
        replace(QUESTION, **own, figures=(replace(QUESTION.figures[0], **figure),))


def test_texts_of_few_values_are_choices():
    """What names a kind of thing is declared with its choices, so that a typo is refused."""
    free = {
        *("suite", "case", "case_group", "mean_or_case", "section", "unit", "units", "members"),
        *("subnetworks", "label", "other_case", "core_types", "other_types", "pattern", "over"),
        *("measure", "removed", "sender", "receiver"),
        *("question", "claim", "run", "decisions", "held_by", "test", "method"),
        *("passed", "failed"),  # names of tests
    }
    for question in (*QUESTIONS, *ACROSS):
        for table in question.tables:
            for column in table.columns:
                texts = column.type == "str" and column.name not in question.subject
                assert not texts or column.choices or column.name in free, (table.name, column)


@pytest.mark.parametrize("question", [*QUESTIONS, *ACROSS], ids=lambda question: question.key)
def test_every_table_has_a_key_that_it_holds(question):
    for table in question.tables:
        assert set(question.subject) <= set(table.key) <= set(table.names)
