"""Further analyses on the page."""

from __future__ import annotations

import copy
import re
from dataclasses import replace

import pytest

from heuristic_core.analysis import analyze
from heuristic_core.report.findings import findings
from heuristic_core.tables import MEASURED
from report.page import Page, read, write
from report.synthetic import MANIFEST, synthetic


def test_everything_is_on_the_page_and_the_four_first_questions_come_first(further, further_folder):
    page = read(further_folder / "report.html")
    asked = [finding.question for finding in findings(further)]
    assert len(asked) == len([v for v in further.analysis.values() if v]) == 20
    assert page.text.count("What this cannot tell") == len(asked)
    places = [page.text.index(question) for question in asked]
    assert places == sorted(places)
    assert places[3] < page.text.index("Each question opens") < places[4]
    assert page.tags.count("svg") == len(list((further_folder / "figures").glob("*.svg"))) == 20
    for path in (further_folder / "tables").glob("*.csv"):
        assert len(path.read_text().splitlines()) > 1
    ids = [value for key, value in page.attributes if key == "id"]
    assert len(ids) == len(set(ids))
    assert not [ref for k, v in page.attributes if k == "href" and (ref := v[1:]) not in ids]


@pytest.mark.parametrize(
    "absent",
    [
        {"grid", "removal_discrimination"},
        {*MEASURED} - {"grid", "removal_discrimination", "disjoint"},
    ],
    ids=lambda absent: "+".join(sorted(absent)),
)
def test_what_was_not_measured_is_left_out(absent, tmp_path):
    whole = synthetic(further=True, seeds=(1, 2), sparsities=(0.5,))
    tables = {key: table for key, table in whole.measured.items() if key not in absent}
    analysis = analyze(whole.evaluations, whole.subnetworks, tables)
    results = replace(whole, measured=tables, analysis=analysis)
    page = write(results, tmp_path)
    assert page.text.count("What this cannot tell") == len([v for v in analysis.values() if v])
    for path in (tmp_path / "figures").glob("*.svg"):
        assert "nan" not in re.sub(r"<text.*?</text>", "", path.read_text(), flags=re.DOTALL)


@pytest.mark.parametrize(
    "shape",
    [{"checkpoints": (300,), "seeds": (1,)}, {"seeds": (), "ood": False}],
    ids=str,
)
def test_further_analyses_of_little(shape, tmp_path):
    write(synthetic(further=True, **shape), tmp_path)


def test_names_in_further_analyses_are_text(tmp_path):
    evil = "<script>$x^2$</script>\x1b[31m"
    names = {"ln_passive": evil, "hans-grammar": f"{evil}2", "previous": f"{evil}3", "cls": "漢"}
    page = write(synthetic(further=True, seeds=(1, 2), rename=names), tmp_path)
    assert "script" not in page.tags
    assert "<script>$x^2$</script>" in page.text
    for path in tmp_path.rglob("*.*"):
        assert "\x1b" not in path.read_text(encoding="utf-8")
        if path.suffix == ".svg":
            assert "script" not in Page(path.read_text(encoding="utf-8")).tags


@pytest.mark.parametrize(
    ("counts", "said"),
    [
        (
            {"measured": 2, "of": 5},
            "3 of 5 measurements that further analyses take from the model have not been made; "
            "hcore analyze RUN makes them",
        ),
        (
            {"measured": 0, "of": 1},
            "1 of 1 measurement that further analyses take from the model has",
        ),
        ({"measured": 5, "of": 5}, ""),
        ({"measured": 0, "of": 0}, ""),
        ({"measured": "x"}, ""),
        (None, ""),
    ],
    ids=str,
)
def test_what_has_not_been_computed_is_said(counts, said, tmp_path):
    manifest = copy.deepcopy(MANIFEST) | {"analyses": counts}
    page = write(synthetic(seeds=(), ood=False, manifest=manifest), tmp_path)
    assert said in page.text
    assert ("hcore analyze" in page.text) == bool(said)
