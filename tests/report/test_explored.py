"""What the page's charts draw: every number is its table's, and how it reaches the browser."""

from __future__ import annotations

import base64
import json
import zlib
from dataclasses import replace

import numpy as np
import pytest
from altair import FacetChart, LayerChart

from heuristic_core.report.page import charts
from heuristic_core.report.page.explored import as_json, explored
from heuristic_core.report.page.maps import maps
from heuristic_core.report.page.measures import MEASURES
from heuristic_core.tables import TABLES
from report.maps_by_hand import maps_by_hand
from report.page import read


@pytest.fixture(scope="module")
def page(further_folder):
    return read(further_folder / "report.html").explored


def table_of(results, measure):
    frames = results.measured if measure.table in TABLES else results.conclusions.tables
    return frames[measure.table]


@pytest.mark.parametrize("measure", MEASURES, ids=lambda measure: measure.key)
def test_every_number_of_a_unit_is_its_table_s(measure, further, page):
    rows = table_of(further, measure).dropna(subset=measure.column)
    if rows.empty:
        assert measure.key not in page["measures"]
        return
    (run,) = page["runs"]
    drawn = [
        (page["units"][i], variant["step"], value)
        for variant in run["values"][measure.key]
        for i, value in enumerate(variant["value"])
        if value is not None
    ]
    columns = ["unit", *measure.over, measure.column]
    steps = ["checkpoint"] if measure.steps and "checkpoint" in rows else []
    rows = rows.drop_duplicates([*columns, *steps])
    of_rows = zip(
        rows["unit"],
        rows["checkpoint"].tolist() if steps else [None] * len(rows),
        rows[measure.column].astype(float),
        strict=True,
    )
    order = lambda one: (one[0], one[1] or 0, one[2])  # noqa: E731
    found, wanted = sorted(drawn, key=order), sorted(of_rows, key=order)
    assert [one[:2] for one in found] == [one[:2] for one in wanted]
    assert np.allclose([o[2] for o in found], [o[2] for o in wanted], rtol=1e-6, atol=0)
    low, high = page["measures"][measure.key]["domain"]
    assert all(low - 1e-6 <= value <= high + 1e-6 for *_, value in drawn)


def test_edges_are_the_rows_of_the_dependencies(further, page):
    rows = further.measured["dependency"].dropna(subset="change")
    units = page["units"]
    drawn = {
        (units[s], units[r], group["of"][-4:], group["of"][:3]): (change, excess)
        for group in page["runs"][0]["edges"]
        for s, r, change, excess in zip(
            *(group[name] for name in ("sender", "receiver", "change", "excess")), strict=True
        )
    }
    ends = {"q": "ries", "k": "keys", "v": "lues"}
    assert len(drawn) == len(rows) > 0
    for row in rows.to_dict("records"):
        path = "dir" if row["path"] == "direct" else "all"
        found = drawn[row["sender"], row["receiver"], ends[row["reads"]], path]
        assert found == pytest.approx((row["change"], row["excess"]), rel=1e-6)


def test_units_stand_in_the_order_of_the_model(page):
    layers = page["layers"]
    assert layers == sorted(layers)
    for i, (layer, head) in enumerate(zip(layers, page["heads"], strict=True)):
        assert page["units"][i] == (f"L{layer}MLP" if head is None else f"L{layer}H{head}")


def test_runs_share_colours(further):
    both = explored({"one": further, "other": further})
    alone = explored({"": further})
    assert [run["name"] for run in both["runs"]] == ["one", "other"]
    assert both["measures"] == alone["measures"]
    assert both["axes"] == alone["axes"]


def test_what_has_no_units_is_not_explored(further):
    empty = {name: frame.iloc[:0] for name, frame in further.measured.items()}
    tables = {name: frame.iloc[:0] for name, frame in further.conclusions.tables.items()}
    nothing = replace(
        further, measured=empty, conclusions=replace(further.conclusions, tables=tables)
    )
    assert explored({"": nothing}) is None


def test_data_cannot_end_a_script():
    text = as_json({"a": "</script><!--\u2028"})
    assert "<" not in text
    assert "\u2028" not in text
    assert json.loads(text) == {"a": "</script><!--\u2028"}


def test_the_library_can_stand_in_a_script():
    library = charts.library()
    assert "</script" not in library.lower()
    assert "<!--" not in library


def test_charts_are_vega_lite():
    """Altair checks the names and the values of all that a chart is made of."""
    made = charts.charts()
    for name in ("grid", "course", "profile", "maps", "scatter", "graph"):
        chart = (FacetChart if "facet" in made[name] else LayerChart).from_dict(made[name])
        assert chart.to_dict()["$schema"].startswith("https://vega.github.io/schema/vega-lite/")


def test_maps_are_packed_and_whole_cases_are_left_out(further):
    found, examples = maps_by_hand(3, 5)
    measured = {**further.measured, "attention_maps": found, "attention_examples": examples}
    results = replace(further, measured=measured)
    units = ["L0H0", "L0H1", "L0MLP"]
    blocks = list(maps(results, units))
    assert [(b["case"], b["step"]) for b in blocks] == [
        (f"hans: case {case}", step) for case in range(3) for step in (0, 300)
    ]
    unpacked = b"".join(zlib.decompress(base64.b64decode(b["weights"])) for b in blocks)
    assert unpacked == b"".join(found["weights"])
    assert all(b["heads"] == [0, 1] and len(b["tokens"]) == b["n"] == 5 for b in blocks)
    room = 2 * sum(len(b["weights"]) for b in blocks[:2])
    assert len(list(maps(results, units, room))) == 4
    assert list(maps(further, units)) == []
