"""The findings in a terminal."""

from __future__ import annotations

import io
import re
import subprocess
import sys
from dataclasses import replace

import pytest
from rich.console import Console

from heuristic_core.analysis.across.questions import ACROSS
from heuristic_core.analysis.questions import QUESTIONS
from heuristic_core.claims import CLAIMS
from heuristic_core.report import render
from heuristic_core.report.sections import needs_in_short, sections
from heuristic_core.report.wording import SPACE, estimate, prose, unbroken
from heuristic_core.tables import CONTRADICTED, SUPPORTED, UNDECIDED
from report.made_up import NOTED, QUESTION, concluded
from report.synthetic import synthetic

NAN = float("nan")


def shown(results, width: int = 80, questions=None, **options) -> str:
    stream = io.StringIO()
    render(results, Console(file=stream, width=width, highlight=False, **options), questions)
    return stream.getvalue()


@pytest.fixture(scope="module")
def results():
    return replace(synthetic(), conclusions=concluded())


def test_eighty_columns_hold_every_verdict(further):
    text = shown(further)
    assert max(map(len, text.splitlines())) <= 80
    joined = " ".join(text.split())
    for verdict in further.conclusions.verdicts.to_dict("records"):
        claim = prose(verdict["claim"]).replace(f"{SPACE}%", "%")
        assert f"{verdict['decision'].upper()} {claim}" in joined
        for text in (verdict["reason"], verdict["caveat"]):
            assert prose(text).replace(f"{SPACE}%", "%") in joined


def in_lines(text: str) -> list[str]:
    """The lines of the verdicts in short."""
    return text.split("effect [95% interval]")[1].split("\n\n")[0].splitlines()[1:]


def test_all_questions_have_their_claim_in_short():
    assert CLAIMS.keys() == {question.key for question in (*QUESTIONS, *ACROSS)}
    # Beside the decision, effect and p-value they fit into 80 columns.
    assert max(len(f"{key} {says}") for key, says in CLAIMS.items()) <= 27


def test_the_verdicts_in_short_come_first(further):
    text = shown(further)
    lines = in_lines(text)
    decided = [line for line in lines if line[0] in "✓✕?"]
    verdicts = further.conclusions.verdicts
    keys = verdicts.drop_duplicates(["question", "decision"])
    order = {question.key: i for i, question in enumerate(QUESTIONS)}
    expected = zip(keys["question"], keys["decision"], strict=True)
    found = []
    for line in decided:
        word, key = re.match(r". (not decided|\w+)(?: \d+)?  +(\w+)", line).groups()
        found.append((key, UNDECIDED if word == "not decided" else word))
    assert sorted(found) == sorted(expected)
    assert [order[key] for key, _ in found] == sorted(order[key] for key, _ in found)
    # One line each at 80 columns, and only what is open or differs has another one.
    assert all(len(line) <= 80 for line in decided)
    n = verdicts["decision"].value_counts()
    assert (
        f"{n['supported']} supported, {n.get('contradicted', 0)} contradicted, "
        f"{n['not decided by these data']} not decided"
    ) in text


def test_a_line_is_about_the_last_of_verdicts_alike(results):
    lines = in_lines(shown(results, questions=(QUESTION,)))
    verdicts = results.conclusions.verdicts
    assert verdicts["decision"].tolist() == [UNDECIDED, SUPPORTED, CONTRADICTED, UNDECIDED]
    first = verdicts["effect"].tolist()
    assert [line.split() for line in lines if "made_up" in line] == [
        ["?", "not", "decided", "2", "made_up", f"{first[3]:.3f}", "0.01"],
        ["✓", "supported", "made_up", f"{first[1]:.3f}", "0.01"],
        ["✕", "contradicted", "made_up", f"{first[2]:.3f}", "0.01"],
    ]
    # The decisions differ, so each says where it holds.
    (section,) = sections(results, (QUESTION,))
    joined = " ".join(" ".join(lines).split())
    for i in (3, 1, 2):
        assert f"({unbroken(section.cards[i].where)})" in joined


@pytest.mark.parametrize(
    ("power", "reason", "expected"),
    [
        (
            "with 9 search seeds instead of 3, a fall of 20 % of the units would be found in 80% "
            "of such studies; now in 22%",
            "a reason",
            "Would take 9 search seeds instead of 3.",
        ),
        (
            "a change of 5 points would have been found in 100% of such studies",
            "a reason",
            "Such an effect is unlikely: a change of 5 points would have been found in 100% of "
            "studies.",
        ),
        (
            "a loss would be found in 16% of such studies; matched groups differ too much",
            "a reason",
            "A loss would be found in 16% of studies.",
        ),
        (
            "hcore analyze with its run folder measures it",
            "",
            "hcore analyze with its run folder measures it.",
        ),
        ("", "numbers; more numbers; this takes 3 checkpoints", "This takes 3 checkpoints."),
        (
            "with 9 search seeds instead of 3, a fall of 20% of the units would be found in 80% of "
            "such studies; now in 22%",
            "numbers; a rise of at least 10 points is needed",
            "A rise of at least 10 points is needed.",
        ),
        ("", "", ""),
    ],
)
def test_what_an_open_verdict_needs_in_short(power, reason, expected):
    assert needs_in_short(power, reason) == expected


@pytest.mark.parametrize(
    ("numbers", "expected"),
    [
        ((24.0, NAN, NAN), "24"),
        ((-0.2705, -0.3418, -0.1993), "−0.271 [−0.342, −0.199]"),
        ((-40.1, -46.7, -33.5), "−40.1 [−46.7, −33.5]"),
        ((0.00035, -0.00164, 0.00234), "0.0003 [−0.0016, 0.0023]"),
        ((123.4, 100.2, 150.7), "123 [100, 151]"),
        ((0.0, NAN, NAN), "0"),
        ((NAN, NAN, NAN), "–"),
    ],
)
def test_estimates_of_any_size_take_few_digits(numbers, expected):
    assert estimate(*numbers) == expected


def test_where_a_verdict_holds_and_its_caveat_are_said(results):
    joined = " ".join(shown(results, questions=(QUESTION,)).split())
    for i, noted in enumerate(NOTED):
        assert f"reason {i} with {noted}" in joined
    assert (
        "CONTRADICTED the claim is true (12.5% sparsity, step 4000) reason 2 with 3 numbers These "
        "data leave it open."
    ) in joined


def test_brief_tables_hold_the_first_rows_of_the_last_checkpoint(results):
    lines = shown(results, 100, (QUESTION,)).splitlines()
    start = next(i for i, line in enumerate(lines) if "Forms of numbers" in line)
    assert lines[start + 1].split() == ["sparsity", "readout", "name", "plain", "share", "%", "p",
                                        "score"]  # fmt: skip
    cells = [line.split()[:3] for line in lines[start + 3 : start + 9]]
    assert cells == [
        ["50%", "probe", "first"],
        ["50%", "probe", "second"],
        ["12.5%", "model", "first"],
        ["12.5%", "model", "second"],
        ["all", "model", "first"],
        ["all", "model", "second"],
    ]
    # A table without brief columns of its own is not in the terminal.
    assert "Every unit" not in "".join(lines)
    assert "score: an estimate." in " ".join(" ".join(lines).split())


def test_a_percentage_stays_on_one_line(results):
    for width in range(50, 100, 4):
        lines = shown(results, width, (QUESTION,)).splitlines()
        assert not [line for line in lines if line.strip().startswith("% sparsity")]


def test_no_number_is_cut_where_there_is_little_room(results):
    text = shown(results, 62, (QUESTION,))
    assert max(map(len, text.splitlines())) <= 62
    for number in ("−1.333", "1.0e−9", "1.50", "1.52]", "75.7"):
        assert number in text


def test_what_has_not_been_measured_is_said():
    counts = {"analyses": {"measured": 1, "of": 3}}
    text = " ".join(shown(synthetic(seeds=(1, 2), manifest=counts)).split())
    assert "2 of 3 measurements for the further questions" in text
    assert "hcore analyze RUN" in text
    assert "hcore analyze" not in shown(synthetic(seeds=(1, 2)))


def test_without_colour_there_are_no_control_codes(results):
    assert "\x1b" not in shown(results, questions=(QUESTION,))
    coloured = shown(results, questions=(QUESTION,), force_terminal=True, color_system="standard")
    assert "\x1b[" in coloured


def test_names_are_no_markup_and_no_control_codes():
    rename = {"cn_embedded_under_verb": "[bold]a\x1b[31m", "sn_NP/S": "[/]"}
    text = shown(synthetic(name="[red]x[/] [/nope]", seeds=(1, 2), rename=rename, further=True))
    assert "[red]x[/] [/nope]" in text
    assert "\x1b" not in text


@pytest.mark.parametrize(
    "shape",
    [
        {"seeds": ()},
        {"checkpoints": (300,)},
        {"ood": False},
        {"ood": False, "seeds": (), "checkpoints": (0,)},
        {"seeds": (1,), "sparsities": (0.5,)},
        {"manifest": {}},
        {"further": True, "checkpoints": (300,)},
        {"further": True, "ood": False},
    ],
    ids=str,
)
def test_what_is_not_there_is_left_out(shape):
    text = shown(synthetic(**shape))
    assert "nan" not in text
    assert "None" not in text


@pytest.mark.parametrize("module", ["matplotlib", "torch", "scipy", "jinja2"])
def test_importing_the_report_is_cheap(module):
    code = f"import sys, heuristic_core.report; assert {module!r} not in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True)
