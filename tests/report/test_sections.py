"""Questions with their verdicts, and what a verdict is about in words."""

from __future__ import annotations

from dataclasses import replace

import pytest

from heuristic_core.report.sections import sections, varied, where
from heuristic_core.report.wording import SPACE
from heuristic_core.tables import SUBJECT
from report.made_up import QUESTION, concluded
from report.synthetic import synthetic

NOTHING = dict.fromkeys(column.name for column in SUBJECT)
ALL = frozenset({"finetune_seed", "checkpoint", "method"})


@pytest.mark.parametrize(
    ("subject", "several", "words"),
    [
        ({"checkpoint": 300}, frozenset(), ""),
        ({"checkpoint": 300}, ALL, "step 300"),
        (
            {"finetune_seed": 1, "checkpoint": 300, "method": "learned", "sparsity": 0.5},
            ALL,
            f"50{SPACE}% sparsity, method learned, fine-tuning 1, step 300",
        ),
        ({"sparsity": None, "finetune_seed": 1}, frozenset(), "all sparsities together"),
        ({"readout": "model", "checkpoint": 300}, ALL, "step 300"),
        ({"readout": "probe", "checkpoint": 0}, ALL, "a probe on the frozen encoder, step 0"),
        (
            {"suite": "hans", "weighting": "value_norm"},
            ALL,
            "hans, attention times value norm",
        ),
        ({"data": "mixed", "group": None}, ALL, "mixed data"),
        ({"group": "mine"}, ALL, "group mine"),
        (
            {"sparsity": 0.5, "other_sparsity": 0.7},
            ALL,
            f"50{SPACE}% sparsity, compared with 70{SPACE}% sparsity",
        ),
        (
            {"finetune_seed": 1, "checkpoint": 9, "other_finetune_seed": 2, "other_checkpoint": 9},
            ALL,
            "fine-tuning 1, step 9, compared with fine-tuning 2 and step 9",
        ),
    ],
)
def test_subjects_in_words(subject, several, words):
    assert where(list(subject), NOTHING | subject, several) == words


def test_only_what_a_run_has_several_of_is_named():
    assert varied(synthetic(seeds=(1, 2))) == {"checkpoint"}
    assert varied(synthetic(seeds=(), checkpoints=(300,))) == frozenset()


def test_questions_without_a_verdict_are_left_out():
    results = replace(synthetic(seeds=()), conclusions=concluded())
    (section,) = sections(results, (QUESTION, replace(QUESTION, key="other")))
    assert section.question is QUESTION
    assert section.decisions == {
        "not decided by these data": 2,
        "supported": 1,
        "contradicted": 1,
    }
    assert [card.caveat for card in section.cards] == ["", "", "These data leave it open.", ""]
    assert set(section.tables) == {table.name for table in QUESTION.tables}
    assert sections(results, ()) == []
