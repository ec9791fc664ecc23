"""The first screen: which findings hold, and where effects lie between none and the claim."""

from __future__ import annotations

import math

import pytest

from heuristic_core.analysis import (
    attention_patterns,
    core,
    core_overlap,
    dependency,
    discrimination,
    emergence,
    label_bias,
    learning_order,
    overlap,
    power,
    removal_effects,
    sparser,
    spread,
)
from heuristic_core.analysis.across.questions import ACROSS
from heuristic_core.analysis.effective_size import PLANNED_FALL
from heuristic_core.analysis.questions import QUESTIONS
from heuristic_core.report.page.findings import FINDINGS, SCALES
from heuristic_core.report.page.measures import MEASURES
from heuristic_core.report.page.overview import REACH, effect_text, overview
from heuristic_core.report.sections import sections, varied
from heuristic_core.tables import UNDECIDED
from report.page import read


@pytest.fixture(scope="module")
def screen(further):
    verdicts = {"": further.conclusions.verdicts}
    return overview({"": sections(further)}, verdicts, varied(further), {"": 3.0})


@pytest.fixture(scope="module")
def rows(screen):
    return {row.key: row for group in screen.groups for row in group.rows}


def test_every_question_has_a_row_its_verdicts_and_a_place_among_the_findings(rows, further):
    found = sections(further)
    assert sorted(rows) == sorted(section.question.key for section in found)
    for section in found:
        outcome = rows[section.question.key].outcomes[0]
        of_question = further.conclusions.verdicts.query("question == @section.question.key")
        assert {bar.decision for bar in outcome.bars} <= set(of_question["decision"])
        assert len(outcome.bars) + rows[section.question.key].more == len(of_question)


def test_effects_are_written_and_placed_as_the_table_has_them(rows, further):
    held = 0
    for verdict in further.conclusions.verdicts.dropna(subset="effect").to_dict("records"):
        scale, row = SCALES[verdict["question"]], rows[verdict["question"]]
        text = effect_text(verdict["effect"])
        mine = [bar for bar in row.outcomes[0].bars if bar.text.split()[0] == text]
        for bar in mine:
            if bar.at is None or isinstance(scale.none, str | tuple) or scale.beyond:
                continue
            asked = scale.asked if not isinstance(scale.asked, dict) else None
            if asked is None:
                asked = scale.asked.get(verdict["measure"], scale.asked[""])
            effect = scale.none + bar.at * (asked - scale.none)
            if scale.ratio:
                effect = scale.none * (asked / scale.none) ** bar.at
            if math.isclose(effect, verdict["effect"], rel_tol=1e-9, abs_tol=1e-12):
                held += 1
                assert bar.low <= bar.at <= bar.high
    assert held > 5


def test_the_row_says_what_would_decide_what_is_open(rows):
    for row in rows.values():
        some_open = any(bar.decision == UNDECIDED for bar in row.outcomes[0].bars)
        assert bool(row.needs) <= some_open


def test_the_page_counts_the_questions(screen, further_folder, rows):
    text = read(further_folder / "report.html").text
    assert sum(n for _, n, _ in screen.counts) == len(rows)
    for _, n, word in screen.counts:
        assert f"{n} {word}" in text
    for group in screen.groups:
        assert group.title in text
    assert screen.held in text


def test_the_ends_of_the_scales_are_those_of_the_analyses():
    asked = {key: scale.asked for key, scale in SCALES.items()}
    loss = {"AUROC": -removal_effects.PLANNED_AUROC, "": -removal_effects.PLANNED_NATS}
    assert asked == asked | {
        "spread": spread.WIDE,
        "discrimination": discrimination.WIDE,
        "sparser": -sparser.PLANNED_POINTS,
        "core": core.PLANNED_CORE,
        "overlap": overlap.PLANNED_EXCESS,
        "effective_size": -PLANNED_FALL,
        "learning_order": learning_order._MOST,
        "emergence": emergence.PLANNED_SHARE,
        "attention_patterns": attention_patterns.PLANNED_DOUBLINGS,
        "single_removal": loss,
        "additivity": loss,
        "core_removal": loss,
        "group_removal": loss,
        "core_overlap": power.PLANNED_SHARE,
        "core_of_models": power.PLANNED_SHARE,
        "helpful_removal": {measure: -change for measure, change in loss.items()},
        "label_bias": label_bias._LEAST_BIAS,
        "dependency": dependency.LEAST_DIFFERENCE,
    }
    for key, line in (("core_overlap", core_overlap.MOST), ("emergence", emergence._THERE)):
        assert SCALES[key].none == line
    assert REACH > 1


def test_scales_and_findings_know_every_question():
    assert set(SCALES) == {question.key for question in (*QUESTIONS, *ACROSS)}
    assert {scale.shown_by for scale in SCALES.values()} <= {"", *(m.key for m in MEASURES)}
    listed = [key for finding in FINDINGS for key in finding.holds]
    assert len(listed) == len(set(listed))
    assert [finding.number for finding in FINDINGS] == list(range(1, 10))
