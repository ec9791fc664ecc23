"""The paper in one picture: its columns, its cells, and the verdicts on the authors' accuracies."""

from __future__ import annotations

import pandas as pd
import pytest

import published_columns
from heuristic_core.report.page.overview import Bar
from heuristic_core.report.sections import Card
from published_authors import authors_accuracies, authors_conclusions, keep_authors
from published_by_hand import MNLI, QQP, real_folder, write
from published_columns import MARGIN, Column, columns
from published_poster import cells, in_words, poster, said
from published_study import PLACE
from published_verdicts import Verdict, about, in_all, verdicts_of

KEPT = PLACE.with_name("published")


TEXTS = dict.fromkeys(("where", "claim", "reason", "caveat", "power", "effect", "p", "needs"), "")


def verdict(held: str, supports: bool = True, at: float | None = 2.0) -> Verdict:
    low, high = (None, None) if at is None else (at - 1, at + 0.5)
    bar = Bar(decision="", where="", text="", at=at, low=low, high=high)
    return Verdict("spread", supports, held, Card(decision="", **TEXTS), "points", bar)


def test_effects_lie_on_the_side_of_the_finding():
    assert verdict("holds").toward == (2.0, 1.0, 2.5)
    assert verdict("holds", supports=False).toward == (-2.0, -2.5, -1.0)
    assert verdict("holds", at=None).toward is None


def test_a_cell_joins_parts_with_the_same_verdicts():
    yes, no = {"spread": [verdict("holds")]}, {"spread": [verdict("does not hold")]}
    alike = Column("Model", "data", (), {"unseen": yes, "seen": yes})
    assert said(1, alike) == "holds"
    apart = Column("Model", "data", (), {"unseen": no, "seen": yes})
    assert said(1, apart) == "unseen: does not hold; seen: holds"
    # A part without verdicts does not make the other one stand for all.
    assert said(1, Column("Model", "data", (), {"MNLI": yes, "QQP": {}})) == "MNLI: holds"
    assert said(8, alike) == "not measured"
    assert [part.verdicts for part in cells(8, alike)] == [()]


def test_a_poster_shows_every_column_and_every_finding():
    units = pd.DataFrame(
        {"layer": [0, 0], "head": [0, 1], "kept": [3, 1], "of": 3, "in_all": [True, False]}
    )
    some = [
        Column(name, "data", ("right on 80 %",), {"": {"spread": [verdict("holds", at=at)]}})
        for name, at in (("One", 2.0), ("Other", None), ("Third", -40.0))
    ]
    svg = poster(some, units)
    for words in ("One", "Other", "Third", "holds", "not measured", "no single effect to draw"):
        assert f">{words}<" in svg
    assert "1. Same in-domain, different out of domain: One (data) holds" in svg
    assert "MiniLM’s 2 heads" in svg
    table = in_words(some).splitlines()
    assert len(table) == 2 + 9
    assert table[0].endswith("| One, data | Other, data | Third, data |")
    # A column more makes the picture wider, not denser.
    width, narrower = (
        float(text.split('width="')[1].split("pt")[0]) for text in (svg, poster(some[:2], units))
    )
    assert width == pytest.approx(narrower + 250 * 0.75, abs=0.1)


def test_a_study_that_is_not_kept_is_no_column(monkeypatch):
    monkeypatch.setattr(published_columns, "COLUMNS", (("New", "data", "new/arm"),))
    (only,) = columns(PLACE, {}, {})
    assert only.name == "BERT-base"
    assert list(only.parts) == ["MNLI", "QQP"]


def test_verdicts_on_the_authors_accuracies_are_kept(tmp_path):
    keep_authors(write(tmp_path / "files", MNLI | QQP), tmp_path)
    drawn = authors_conclusions(tmp_path)
    assert set(drawn) == {"mnli", "qqp"}
    asked = set(drawn["mnli"].verdicts["question"])
    assert asked >= {"spread", "sparser", "effective_size"}
    of = authors_accuracies(tmp_path)
    # The matched set alone is there, and one of both adversarial cases is right nine times in ten.
    assert of["mnli", "in-domain"] == pytest.approx(0.8334, abs=1e-4)
    assert of["mnli", "adversarial"] == pytest.approx((0.9 + 0.1) / 2)
    assert of["qqp", "adversarial"] == pytest.approx(2_174 / 8_696)


def test_kept_verdicts_are_those_on_the_authors_files(tmp_path):
    keep_authors(real_folder(), tmp_path)
    pd.testing.assert_series_equal(authors_accuracies(tmp_path), authors_accuracies(KEPT))
    now, kept = (verdicts_of(authors_conclusions(place), MARGIN) for place in (tmp_path, KEPT))
    assert {task: [in_all(about(i, by)) for i in range(1, 12)] for task, by in now.items()} == {
        task: [in_all(about(i, by)) for i in range(1, 12)] for task, by in kept.items()
    }
