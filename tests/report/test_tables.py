"""Tables as CSV, as LaTeX and as cells."""

from __future__ import annotations

import io

import pandas as pd
import pytest

from heuristic_core.columns import Column, Table
from heuristic_core.report.tables import text, to_csv, to_latex, view
from heuristic_core.report.wording import SPACE
from heuristic_core.tables import SUBJECT, VERDICTS
from report.made_up import QUESTION, concluded

FORMS = QUESTION.tables[0]


@pytest.fixture(scope="module")
def frame():
    return concluded().tables["forms"]


def test_every_form_is_written_as_it_says(frame):
    seen = view(FORMS, frame)
    assert seen.headings == [
        "step", "sparsity", "readout", "name", "n", "clear", "plain", "share %", "change", "p",
        "score", "accuracy %",
    ]  # fmt: skip
    first = ["1000", f"50{SPACE}%", "model"]
    assert [row[:3] for row in seen.rows[:3]] == [first] * 3
    assert [row[3:] for row in seen.rows[:3]] == [
        ["first", "1000", "yes", "−0.333", "75.7", "−0.50", "1.0e−9", "–",
         "90.00 [88.00, 92.00]"],
        ["second", "1001", "", "0.000", "65.7", "+0.50", "0.012", "1.50 [1.48, 1.52]",
         "80.00 [78.00, 82.00]"],
        ["third", "1002", "", "0.333", "55.6", "–", "0.5", "2.00", "70.00 [68.00, 72.00]"],
    ]  # fmt: skip
    assert [row[1] for row in seen.rows[-3:]] == ["all"] * 3


def test_columns_without_a_title_or_of_one_subject_are_in_files_only(frame):
    one = view(FORMS, frame[frame["checkpoint"] == 1000])
    assert one.headings[:2] == ["name", "n"]
    assert "sparsity_level" not in one.legend
    empty = view(FORMS, frame[frame["name"] == "first"])
    assert "score" not in empty.headings
    brief = view(FORMS, frame, brief=True)
    assert brief.headings[3:] == ["name", "plain", "share %", "p", "score"]


def test_the_legend_takes_the_meaning_of_the_shown_columns(frame):
    assert view(FORMS, frame, brief=True).legend == (
        "name: what is measured; plain: a number; share %: a share; p: its p-value, "
        "Holm-corrected; score: an estimate."
    )
    column = Column("score", "score", title="score")
    assert view(FORMS.with_columns([column]), frame).legend == ""


def test_csv_holds_full_values(frame):
    read = pd.read_csv(io.StringIO(to_csv(FORMS, frame)))
    assert read.columns.tolist() == FORMS.names
    for name in ("plain", "share", "p", "score", "in_percent_high", "sparsity"):
        assert read[name].tolist() == pytest.approx(frame[name].tolist(), abs=0, nan_ok=True)
    assert read["clear"].tolist() == frame["clear"].tolist()
    verdicts = pd.read_csv(io.StringIO(to_csv(VERDICTS, concluded().verdicts)))
    assert verdicts["decision"].tolist() == concluded().verdicts["decision"].tolist()
    assert verdicts["effect"].tolist() == concluded().verdicts["effect"].tolist()


def test_texts_in_files_have_no_control_characters():
    table = Table("t", "", Column("case", "the case", "str", "case"))
    frame = table.frame([{"case": "a\x1b[31m\nb"}])
    assert "\x1b" not in to_csv(table, frame)
    assert len(to_csv(table, frame).splitlines()) == 2
    assert "\x1b" not in view(table, frame).rows[0][0]


def test_latex_is_escaped_and_ready_for_a_paper():
    columns = (
        Column("case", "the case", "str", "case_name"),
        Column("change", "change, nats", title="change", form="signed"),
        Column("share", "a share", title="share", form="percent", interval=True),
    )
    table = Table("t", "", *columns, title="Cases")
    frame = pd.DataFrame(
        {"case": ["a_b & 5 %"], "change": [-0.5]}
        | {"share": [0.5], "share_low": [0.4], "share_high": [0.6]}
    )
    assert to_latex(table, frame).splitlines() == [
        "% Cases",
        "% case_name: the case; change: change, nats; share %: a share.",
        r"\begin{tabular}{lrr}",
        r"\toprule",
        r"case\_name & change & share \% \\",
        r"\midrule",
        r"a\_b \& 5 \% & $-$0.50 & 50.00 [40.00, 60.00] \\",
        r"\bottomrule",
        r"\end{tabular}",
    ]


def test_sparsities_are_written_as_short_as_they_can_be():
    sparsity = next(column for column in SUBJECT if column.name == "sparsity")
    assert [text(sparsity, value) for value in (0.5, 0.125, None)] == [
        f"50{SPACE}%",
        f"12.5{SPACE}%",
        "all",
    ]
    own = Column("steepest_sparsity", "where it falls most", optional=True)
    assert [text(own, value) for value in (0.7, None)] == [f"70{SPACE}%", "–"]
