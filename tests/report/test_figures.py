"""Every figure draws what its rows say, for each kind of drawing."""

from __future__ import annotations

import re
from dataclasses import replace

import numpy as np
import pytest

from heuristic_core.report.figures import draw
from heuristic_core.report.figures.look import series_styles
from report.made_up import EDGES, N_HEADS, N_LAYERS, QUESTION, concluded
from report.svg import Svg, hold, place, points, rows_of


@pytest.fixture(scope="module")
def tables():
    return dict(concluded().tables)


@pytest.fixture(scope="module")
def drawings(tables):
    return draw(QUESTION, tables, frozenset({"checkpoint"}))


def one(drawings, number: int) -> Svg:
    """The drawing of a figure, by its number, of the first subject."""
    return Svg(next(d for d in drawings if d.name == f"made_up-{number}-f1-s1000-50pc-model").svg)


@pytest.mark.parametrize("number", range(len(QUESTION.figures)))
def test_every_value_that_is_drawn_is_its_row_s(drawings, tables, number):
    spec = QUESTION.figures[number]
    mine = [d for d in drawings if d.name.startswith(f"made_up-{number + 1}-")]
    assert [d.kind for d in mine] == [spec.kind] * 4
    for drawing in mine:
        hold(QUESTION, spec, drawing, rows_of(QUESTION, spec, tables, drawing))


def test_a_value_that_is_not_its_row_s_is_noticed(drawings, tables):
    for number in (0, 3, 5, 7, 9):
        spec = QUESTION.figures[number]
        drawing = next(d for d in drawings if d.name.startswith(f"made_up-{number + 1}-"))
        rows = rows_of(QUESTION, spec, tables, drawing).copy()
        column = {"strips": "x", "lines": "y", "graph": "weight"}.get(spec.kind, "value")
        rows.loc[rows.index[1], spec.columns[column]] += 0.06
        with pytest.raises(AssertionError):
            hold(QUESTION, spec, drawing, rows)


def test_the_effects_of_verdicts_are_drawn(drawings, tables):
    verdicts = concluded().verdicts
    spec = QUESTION.figures[0]
    mine = [d for d in drawings if d.name.startswith("made_up-1-")]
    for drawing, effect in zip(mine, verdicts["effect"], strict=True):
        rows = rows_of(QUESTION, spec, tables, drawing)
        (full,) = rows[(rows["case"] == "in-domain") & (rows["series"] == "full model")].index
        assert rows.loc[full, "accuracy"] == effect


def test_titles_and_names_say_the_subject(drawings):
    first = [d for d in drawings if d.name.startswith("made_up-1-")]
    assert [d.title.removeprefix("Subnetworks beside the full model ") for d in first] == [
        "(50\u00a0% sparsity, step 1000)",
        "(a probe on the frozen encoder, 50\u00a0% sparsity, step 4000)",
        "(12.5\u00a0% sparsity, step 4000)",
        "(all sparsities together, step 4000)",
    ]
    assert [d.name for d in first] == [
        "made_up-1-f1-s1000-50pc-model",
        "made_up-1-f1-s4000-50pc-probe",
        "made_up-1-f1-s4000-12_5pc-model",
        "made_up-1-f1-s4000-model",
    ]
    assert len({d.name for d in drawings}) == len(drawings) == 40


def test_a_subject_s_column_that_is_drawn_does_not_split_the_figure(tables):
    spec = replace(
        QUESTION.figures[8],
        kind="heatmap",
        columns={"x": "checkpoint", "y": "unit", "value": "count"},
    )
    question = replace(
        QUESTION,
        figures=(spec,),
        tables=tuple(t.without(QUESTION.subject) for t in QUESTION.tables),
    )
    named = [d.name for d in draw(question, tables)]
    assert named == [
        "made_up-f1-50pc-model",
        "made_up-f1-50pc-probe",
        "made_up-f1-12_5pc-model",
        "made_up-f1-model",
    ]


def test_only_the_last_checkpoint_is_drawn_where_a_figure_says_so(tables):
    question = replace(
        QUESTION,
        figures=(replace(QUESTION.figures[0], last=True),),
        tables=tuple(t.without(QUESTION.subject) for t in QUESTION.tables),
    )
    spec = QUESTION.figures[0]
    steps = set(tables[spec.table]["checkpoint"])
    assert len(steps) > 1
    names = [d.name for d in draw(question, tables)]
    assert names
    assert all(f"-s{max(steps)}-" in name for name in names)


def test_names_that_would_be_the_same_are_numbered(tables):
    rows = tables["edges"].copy()
    rows["readout"] = rows["readout"].replace({"model": "漢", "probe": "字"})
    rows[["checkpoint", "sparsity"]] = [1, 0.5]
    question = replace(
        QUESTION,
        figures=QUESTION.figures[-1:],
        tables=tuple(t.without(QUESTION.subject) for t in QUESTION.tables),
    )
    assert [d.name for d in draw(question, {"edges": rows})] == [
        "made_up-f1-s1-50pc-_",
        "made_up-f1-s1-50pc-_-2",
    ]


def test_marks_of_one_line_do_not_overlap(drawings, tables):
    for number in (1, 2):
        for drawing in (d for d in drawings if d.name.startswith(f"made_up-{number}-")):
            svg = Svg(drawing.svg)
            places = np.array([place(mark) for mark in svg.groups(r"row-(\d+)").values()])
            gaps = np.linalg.norm(places[:, None] - places[None], axis=-1)
            gaps = gaps[np.triu_indices(len(places), 1)]
            # A mark is 4.8 points wide; only in high piles are marks pressed together.
            assert gaps.min() > 2.4
            assert (gaps < 4.8).sum() < 0.2 * len(places)


def test_panels_with_the_same_lines_stand_side_by_side(drawings, tables):
    beside, below = one(drawings, 2), one(drawings, 3)
    assert beside.words.count("sn_NP/S") == 1
    assert {"AUROC", "label bias, nats"} < set(beside.words)
    places = [points(axes)[0] for axes in beside.groups(r"(axes_\d+)").values()]
    assert places[0][0] < places[1][0]
    assert (
        len(below.groups(r"(axes_\d+)"))
        == tables["units"].query("clear and checkpoint == 1000")["in_core"].nunique()
    )


def test_faint_lines_are_there_and_main_ones_have_names_at_their_ends(drawings):
    svg = one(drawings, 4)
    assert len(svg.groups(r"line-([\d-]+)")) == 3 * (3 + 1)
    ends = [word for word in svg.words if re.fullmatch(r"\S+ +[\d.]+\u00a0%", word)]
    assert [word.split()[0] for word in ends] == ["adversarial", "in-domain", "friendly"]
    panels = one(drawings, 5)
    assert [word for word in panels.words if word.startswith("fine-tuning step")] == [
        f"fine-tuning step {step}" for step in (250, 500, 1000, 2000, 4000)
    ]
    assert {"in-domain", "adversarial", "friendly", "effective size", "sparsity"} < set(
        panels.words
    )


def test_a_heat_map_names_its_rows_columns_and_sections(drawings):
    words = one(drawings, 6).words
    assert words[:6] == ["repeated", "same", "previous", "punctuation", "core", "other heads"]
    assert words[6:9] == ["L1H2", "L2H5", "mean"]
    steps = one(drawings, 7).words
    assert steps[:6] == ["250", "500", "1000", "2000", "4000", "fine-tuning step"]


def test_a_grid_of_units_has_all_of_them(drawings):
    svg = one(drawings, 8)
    labels = [f"L{i}" for i in range(N_LAYERS)] + [f"H{i}" for i in range(N_HEADS)] + ["MLP"]
    assert svg.words[: len(labels)] == labels
    assert len(svg.groups(r"row-(\d+)")) == N_LAYERS * (N_HEADS + 1)
    places = {label: place(text) for label, text in zip(labels, _texts(svg), strict=False)}
    cells = list(svg.groups(r"row-(\d+)").values())
    for i, cell in enumerate(cells):
        layer, head = divmod(i, N_HEADS + 1)
        column = "MLP" if head == N_HEADS else f"H{head}"
        assert place(cell)[0] == pytest.approx(places[column][0], abs=0.5)
        assert place(cell)[1] == pytest.approx(places[f"L{layer}"][1], abs=3)


def _texts(svg: Svg):
    return [g for g in svg.root.iter("{http://www.w3.org/2000/svg}g") if "text_" in g.get("id", "")]


def test_a_graph_names_what_its_colours_and_shapes_mean(drawings):
    words = one(drawings, 10).words
    names = [EDGES["sender"].title, EDGES["receiver"].title]
    names += [f"reads: {name}" for name in ("query", "key", "value")]
    assert sorted(words[-5:]) == sorted(names)
    assert {"layer 0", "layer 1", "layer 2", "layer 3"} < set(words)


def test_descriptions_are_made_from_the_rows(drawings, tables):
    accuracy = tables["strips"].query("checkpoint == 1000 and measure == 'AUROC'")["accuracy"]
    said = next(d for d in drawings if d.name == "made_up-1-f1-s1000-50pc-model").svg
    said = said.partition("<desc")[2].partition("</desc>")[0]
    assert "accuracy. 60 values, from " in said
    for end in (accuracy.min(), accuracy.max()):
        assert f": {100 * end:.1f}\u00a0%" in said
    edges = next(d for d in drawings if d.name == "made_up-10-f1-s1000-50pc-model").svg
    assert "excess. query, L0H1, L1H2: 0.200; key, L0H1, L3H0: 0.400; " in edges


def test_series_have_styles_of_their_own():
    styles = series_styles(["full model", "subnetwork", "some other", "yet another", "full model"])
    assert len(styles) == len(set(styles.values())) == 4
    assert styles["full model"].hollow
    assert not styles["subnetwork"].leading
    assert series_styles(["core"])["core"] == series_styles(["matched group", "core"])["core"]


def test_rows_without_a_value_are_not_drawn(tables):
    rows = tables["lines"].copy()
    rows["size"] = rows["size"].where(rows["step"] != 250)
    spec = QUESTION.figures[3]
    question = replace(
        QUESTION,
        figures=(spec,),
        tables=tuple(t.without(QUESTION.subject) for t in QUESTION.tables),
    )
    drawings = draw(question, {"lines": rows})
    assert len(drawings) == 4
    for drawing in drawings:
        mine = rows_of(question, spec, {"lines": rows}, drawing)
        assert 250 not in set(mine["step"])
        hold(question, spec, drawing, mine)
    assert draw(question, {}) == []
    assert draw(question, {"lines": rows.assign(size=np.nan)}) == []
