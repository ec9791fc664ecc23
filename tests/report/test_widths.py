"""Figures at a paper's width: text that can be read, labels that do not lie on each other."""

from __future__ import annotations

import inspect
import itertools

import matplotlib
import numpy as np
import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.text import Text

from heuristic_core.errors import InputError
from heuristic_core.report import write_report
from heuristic_core.report.attention_map import AttentionMap
from heuristic_core.report.figures import draw
from heuristic_core.report.figures.look import Look
from heuristic_core.report.gallery import Figures, Plotter
from heuristic_core.report.look_options import LookOptions, look_of
from heuristic_core.report.sections import sections, varied
from heuristic_core.study.loaded import LoadedRun
from report.made_up import QUESTION, concluded

COLUMN = 3.3


def _first(drawings):
    """One of each figure: subjects differ in their numbers only."""
    return list({(d.kind, d.plot.spec.title, d.plot.spec.caption): d for d in drawings}.values())


def test_text_is_large_enough_and_labels_are_apart():
    drawings = _first(draw(QUESTION, concluded().tables, frozenset({"checkpoint"})))
    assert {one.kind for one in drawings} == {"strips", "lines", "heatmap", "units", "graph"}
    _check(drawings)


@pytest.mark.slow
def test_the_same_of_all_figures_of_a_study(further):
    several = varied(further)
    drawings = [one for s in sections(further) for one in draw(s.question, s.tables, several)]
    assert len(_first(drawings)) > 12
    _check(_first(drawings))


def _check(drawings) -> None:
    for drawing in drawings:
        figure = drawing.figure(Look(width=COLUMN))
        assert figure.get_figwidth() == pytest.approx(COLUMN, abs=0.03), drawing.name
        texts = [text for text in figure.findobj(Text) if text.get_text().strip()]
        assert texts
        assert min(text.get_fontsize() for text in texts) >= 7, drawing.name
        assert not _touching(figure), drawing.name
        assert _inside(figure), drawing.name


def _boxes(figure: Figure):
    """The ticks' labels of each axis, and all texts that are drawn, with where they are."""
    renderer = FigureCanvasAgg(figure).get_renderer()
    figure.draw(renderer)
    for axes in figure.axes:
        for axis in (axes.xaxis, axes.yaxis):
            low, high = sorted(axis.get_view_interval())
            places = list(zip(axis.get_ticklocs(), axis.get_ticklabels(), strict=False))
            shown = [t for at, t in places if low <= at <= high and axes.axison]
            seen = [t for t in shown if t.get_visible() and t.get_text().strip()]
            yield [(t.get_text(), t.get_window_extent(renderer)) for t in seen]
        yield [
            (t.get_text(), t.get_window_extent(renderer))
            for t in axes.texts
            if t.get_text().strip() and not (t.get_gid() or "").startswith("row-")
        ]


def _touching(figure: Figure) -> list[tuple[str, str]]:
    """Pairs of labels of which one hides more than a fifth of the other."""
    found = []
    for boxes in _boxes(figure):
        for (one, a), (other, b) in itertools.combinations(boxes, 2):
            across = min(a.x1, b.x1) - max(a.x0, b.x0)
            down = min(a.y1, b.y1) - max(a.y0, b.y0)
            area = max(across, 0) * max(down, 0)
            if area > 0.2 * min(a.width * a.height, b.width * b.height):
                found.append((one, other))
    return found


def _inside(figure: Figure) -> bool:
    box = figure.get_tightbbox(FigureCanvasAgg(figure).get_renderer())
    width, height = figure.get_size_inches()
    return min(box.x0, box.y0) > -0.06 and box.x1 < width + 0.06 and box.y1 < height + 0.06


def test_labels_that_touch_are_noticed():
    figure = Figure(figsize=(2, 1))
    axes = figure.add_axes((0.2, 0.3, 0.7, 0.6))
    axes.set(xlim=(0, 1))
    axes.set_xticks([0.5, 0.52], ["one label", "another label"])
    assert _touching(figure) == [("one label", "another label")]


def test_a_figure_is_drawn_into_given_axes(further):
    figures = Figures(further)
    single = [d for d in figures.drawings if len(list(d.plot.panels())) == 1]
    by_kind = {drawing.kind: drawing for drawing in single}
    assert set(by_kind) >= {"strips", "heatmap", "units", "graph"}
    for drawing in by_kind.values():
        mine = Figure(figsize=(7, 4))
        left, right = mine.subplots(1, 2)
        assert figures[drawing.name](ax=right) is mine
        assert not left.has_data()
        assert not left.texts
        assert right.has_data() or right.texts
        assert len(mine.axes) == 2
    panels = next(d for d in figures.drawings if len(list(d.plot.panels())) > 1)
    with pytest.raises(InputError, match=r"has \d+ panels; leave out ax"):
        figures[panels.name](ax=Figure().subplots())


def test_size_font_and_palette_are_taken(further):
    figures, before = Figures(further), dict(matplotlib.rcParams)
    name = next(d.name for d in figures.drawings if d.kind == "strips" and d.plot.has("series"))
    series = figures[name].drawings[0].plot.texts("series").iloc[0]
    listed = ", ".join(dict.fromkeys(figures[name].drawings[0].plot.texts("series")))
    wide = figures[name](size=(6, 3), font="DejaVu Serif", font_size=9, palette={series: "#123456"})
    assert wide.get_figwidth() == pytest.approx(6, abs=0.03)
    assert {t.get_fontfamily()[0] for t in wide.findobj(Text)} == {"DejaVu Serif"}
    lines = [line for axes in wide.axes for line in axes.get_lines()]
    assert any(line.get_color() == "#123456" for line in lines)
    assert wide._repr_png_().startswith(b"\x89PNG")
    assert dict(matplotlib.rcParams) == before
    for wrong, message in (
        ({"size": 0}, "0 is no size"),
        ({"size": "wide"}, "'wide' is no size"),
        ({"palette": "viridis"}, "'viridis' names no colours; give a dict"),
        ({"font": "No Such Font"}, "no font 'No Such Font' here"),
        ({"palette": {"blue": "no colour"}}, "'no colour' of 'blue' is no colour"),
        ({"palette": {"bleu": "red"}}, r"palette 'bleu'; did you mean 'blue'\? known: orange, b"),
        ({"palette": {"corr": "red"}}, f"unknown name in the palette 'corr'.* green, {listed}$"),
        ({"colour": 1}, "unknown choice of a figure 'colour'"),
    ):
        with pytest.raises(InputError, match=message):
            figures[name](**wrong)


def test_the_figure_that_is_meant_is_named(further):
    figures = Figures(further)
    several = next(p for p in figures.values() if len(p.drawings) > 1)
    with pytest.raises(InputError, match=f"of the figures {several.__name__} fit; choose one with"):
        several()
    for drawing in several.drawings[:2]:
        about = {k: None if v != v else v for k, v in drawing.subject.items()}
        assert several(**about).get_figwidth() > 1
    assert set(dir(figures)) >= set(figures)
    with pytest.raises(InputError, match="unknown figure 'cor'; did you mean 'core'"):
        figures["cor"]
    with pytest.raises(AttributeError, match="unknown figure"):
        figures.cor  # noqa: B018


def test_files_of_a_report_have_formats_and_a_width(further, tmp_path):
    question = next(s.question for s in sections(further) if s.question.key == "core")
    look = look_of({"size": COLUMN})
    page = write_report(further, tmp_path, [question], formats=["pdf"], look=look)
    files = list((tmp_path / "figures").iterdir())
    assert files
    assert {path.suffix for path in files} == {".pdf"}
    drawing = Figures(further)[files[0].stem].drawings[0]
    assert files[0].read_bytes() == drawing.file("pdf", Look(width=COLUMN))
    assert files[0].read_bytes().startswith(b"%PDF")
    assert drawing.file("png", Look(width=COLUMN)).startswith(b"\x89PNG")
    assert "<svg" in page.read_text(encoding="utf-8")
    with pytest.raises(InputError, match="unknown format of figures 'gif'"):
        write_report(further, tmp_path, [question], formats=["gif"])


def test_a_palette_of_all_figures_names_series_of_any(further, tmp_path):
    run = LoadedRun(further, tmp_path)
    with pytest.raises(
        InputError, match="unknown name in the palette 'cores'; did you mean 'core'"
    ):
        run.save_figures(tmp_path / "figures", palette={"cores": "red"})
    assert not (tmp_path / "figures").exists()
    by_series = {}
    for one in run.figures.drawings:
        by_series.setdefault("core" in set(one.plot.texts("series")), one.name)
    assert run.figures[by_series[True]](palette={"core": "red"}).axes
    with pytest.raises(InputError, match="unknown name in the palette 'core'"):
        run.figures[by_series[False]](palette={"core": "red"})


def test_all_that_draws_shows_the_same_options():
    drawing = (Plotter.__call__, AttentionMap.figure, LoadedRun.save_figures)
    for function in drawing:
        shown = inspect.signature(function).parameters
        assert {name: shown[name].default for name in LookOptions.__annotations__} == {
            "size": None,
            "font": "",
            "font_size": None,
            "palette": None,
        }
        assert "look" not in shown
    seen = AttentionMap("L0H0", ("a", "b"), np.eye(2))
    for wrong, message in (
        (
            {"palette": {"core": "red"}},
            "unknown name in the palette 'core'.* known: orange, .* green$",
        ),
        ({"colour": 1}, "unknown option of a figure 'colour'"),
    ):
        with pytest.raises(InputError, match=message):
            seen.figure(**wrong)
