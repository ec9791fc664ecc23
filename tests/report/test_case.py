"""What is shown of one case."""

from __future__ import annotations

import io
from dataclasses import replace

import pytest
from rich.console import Console

from heuristic_core.errors import InputError
from heuristic_core.report.case import render_case
from heuristic_core.tables import TABLES
from report.synthetic import synthetic

CASE = "ln_passive"


def shown(results, case: str = CASE, width: int = 80) -> str:
    stream = io.StringIO()
    render_case(results, Console(file=stream, width=width, highlight=False), case)
    return stream.getvalue()


def lines_of(text: str, title: str) -> list[str]:
    """The rows of one table, at a width where none is broken."""
    return text.split(f"\n{title}\n")[1].split("\n\n")[0].splitlines()[2:]


def of_case(results, table: str):
    rows = results.measured[table]
    return rows[rows["case"] == CASE]


def test_every_system_has_its_row(further):
    text = shown(further, width=200)
    own, aucs = of_case(further, "evaluations"), of_case(further, "discrimination")
    rows = [x for x in lines_of(text, "Answers") if " full model " in x or ", seed " in x]
    assert len(rows) == len(own)
    last = own["checkpoint"].max()
    full = own[(own["kind"] == "full") & (own["checkpoint"] == last)].iloc[0]
    (row,) = [x.split() for x in rows if "full model" in x and x.split()[0] == str(last)]
    assert row[3] == f"{100 * full['correct'] / full['n']:.1f}"
    auc = aucs[(aucs["kind"] == "full") & (aucs["checkpoint"] == last)]["auc"].iloc[0]
    assert f"{auc:.3f}" in row
    assert text.splitlines()[0] == CASE
    assert f"adversarial, {full['n']:,} examples of the suite {full['suite']}" in text


def test_the_removals_that_matter_most_are_shown(further):
    removal = of_case(further, "removal")
    some = removal[(removal["group"] == "single") & (removal["readout"] == "model")]
    some = some[some["checkpoint"] == some["checkpoint"].max()]
    size = some.set_index("removed")["margin_change"].abs()
    expected = size.sort_values(ascending=False, kind="stable").index[:3].tolist()
    rows = [x.split() for x in lines_of(shown(further, width=200), "Removals")]
    found = [x[x.index("single") + 1] for x in rows if "single" in x and "probe" not in x]
    assert found[-3:] == expected


def test_eighty_columns_hold_a_case(further):
    text = shown(further)
    assert max(map(len, text.splitlines())) <= 80
    assert "nan" not in text


def test_the_example_of_the_maps_is_shown():
    results = synthetic(seeds=(1, 2))
    suite = of_case(results, "evaluations")["suite"].iloc[0]
    row = {
        "finetune_seed": 1,
        "checkpoint": 300,
        "suite": suite,
        "case": CASE,
        "n": 3,
        "label": "entailment",
        "answer": "[red]other[/]",
        "length": 3,
        "tokens": '["[CLS]", "a\\u001b", "[SEP]"]',
    }
    frame = TABLES["attention_examples"].frame([row])
    text = shown(replace(results, measured={**results.measured, "attention_examples": frame}))
    joined = " ".join(text.split())
    assert "such as: [CLS] a" in joined
    assert "(entailment; the model of step 300 says [red]other[/])" in joined
    assert "\x1b" not in text


def test_what_was_not_measured_is_left_out():
    text = shown(synthetic(seeds=()))
    assert "full model" in text
    assert "Removals" not in text
    assert "nan" not in text


def test_an_unknown_case_names_the_nearest(further):
    with pytest.raises(InputError, match="unknown case 'ln_pasive'; did you mean 'ln_passive'"):
        shown(further, "ln_pasive")
