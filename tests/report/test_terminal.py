"""The findings in a terminal."""

from __future__ import annotations

import io
import subprocess
import sys

import pytest
from rich.console import Console

from heuristic_core.report import render
from heuristic_core.report.tables import tables
from report.synthetic import synthetic


def shown(results, width: int = 80, **options) -> str:
    stream = io.StringIO()
    render(results, Console(file=stream, width=width, highlight=False, **options))
    return stream.getvalue()


@pytest.fixture(scope="module")
def results():
    return synthetic()


def test_eighty_columns_hold_every_verdict_and_core_head(results):
    text = shown(results)
    assert max(map(len, text.splitlines())) <= 80
    joined = " ".join(text.split())
    for entries in results.analysis.values():
        for entry in entries:
            verdict = entry["verdict"]
            assert f"{verdict['decision'].upper()} {verdict['claim']}" in joined
            assert verdict["reason"] in joined
            for head in entry.get("core", ()):
                assert head in joined
    for words in ("8.4e−22", "cn_embedded_under_verb", "full model", "19.1 (14–26)"):
        assert words in text


def test_the_most_useful_of_the_further_analyses_is_there(further):
    text = shown(further)
    assert max(map(len, text.splitlines())) <= 80
    joined = " ".join(text.split())
    assert joined.index("Does the model fit its task first") < joined.index("Further analyses")
    (dependency,) = further.analysis["dependency"]
    last = [found for found in further.analysis["core_removal"] if found["checkpoint"] == 300]
    area = last[0]["measures"][0]["core"]
    size = further.analysis["size"][0]["sizes"][-1]["size"]["value"]
    for words in (
        "Effective size over fine-tuning",
        f"in-domain 300 97.0 {size:.1f} [",
        f"{area['value']:.3f}".replace("-", "−"),
        "cls 2, repeated 2, previous 2",
        f"3 of {dependency['n_tested']}",
    ):
        assert words in joined


def test_notes_explain_the_columns_that_are_shown(further):
    joined = " ".join(shown(further).split())
    assert "“diff.” is the mean ID difference to the full model in points." in joined
    assert "[SEP] tokens. p is corrected." in joined
    assert "Edges: core head, added head and projection" in joined
    for absent in ("“match”", "Difference:", "Worse:", "Margin:"):
        assert absent not in joined
    # The page has all columns and so all of the note.
    made = {t.name: t for some in tables(further).values() for t in some}
    for name in ("core-removal", "dependency", "head-types"):
        assert made[name].note_on(made[name].columns) == made[name].note


def test_a_percentage_stays_on_one_line_and_nothing_is_said_twice(further):
    for width in range(60, 100, 4):
        lines = shown(further, width).splitlines()
        assert not [line for line in lines if line.strip().startswith("% sparsity")]
    joined = " ".join(shown(further).split())
    assert "accuracy falls smoothly with sparsity (step 300)" in joined
    assert "(balanced" not in joined


def test_no_number_is_cut_where_there_is_little_room(further):
    text = shown(further, width=72)
    assert max(map(len, text.splitlines())) <= 72
    last = [found for found in further.analysis["core_removal"] if found["checkpoint"] == 300]
    for measure in last[0]["measures"]:
        for end, mark in (("low", ","), ("high", "]")):
            assert f"{measure['core'][end]:.3f}{mark}".replace("-", "−") in text
        assert f"{measure['highest']:.3f})".replace("-0.000", "0.000").replace("-", "−") in text


def test_what_has_not_been_computed_is_said():
    counts = {"analyses": {"measured": 1, "of": 3}}
    text = " ".join(shown(synthetic(seeds=(1, 2), manifest=counts)).split())
    assert "2 of 3 measurements that further analyses take from the model" in text
    assert "hcore analyze RUN" in text
    assert "hcore analyze" not in shown(synthetic(seeds=(1, 2)))


def test_without_colour_there_are_no_control_codes(results):
    assert "\x1b" not in shown(results)
    assert "\x1b[" in shown(results, force_terminal=True, color_system="standard")


def test_names_are_no_markup_and_no_control_codes():
    text = shown(
        synthetic(
            name="[red]x[/] [/nope]",
            seeds=(1, 2),
            rename={"cn_embedded_under_verb": "[bold]a\x1b[31m", "sn_NP/S": "[/]"},
        )
    )
    assert "[red]x[/] [/nope]" in text
    assert "[bold]a" in text
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


def test_importing_the_report_loads_no_matplotlib():
    code = "import sys, heuristic_core.report; assert 'matplotlib' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True)
