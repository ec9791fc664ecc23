"""What a test reads off a figure, and holds against the rows that it draws."""

from __future__ import annotations

import itertools
import re
from xml.etree import ElementTree

import numpy as np
import pandas as pd
import pytest

from heuristic_core.analysis.question import Figure, Question
from heuristic_core.report.figures import Drawing
from heuristic_core.report.figures.plot import VALUES
from heuristic_core.report.wording import SPACE

_SPACE = "{http://www.w3.org/2000/svg}"
Element = ElementTree.Element


class Svg:
    """A figure.

    Args:
        text: Its SVG.
    """

    def __init__(self, text: str) -> None:
        self.root = ElementTree.fromstring(text)

    @property
    def words(self) -> list[str]:
        """All texts that are drawn, in their order."""
        return ["".join(text.itertext()).strip() for text in self.root.iter(f"{_SPACE}text")]

    def groups(self, pattern: str, within: Element | None = None) -> dict[str, Element]:
        """Find the groups whose id ends as a pattern with one group says, by what that matches."""
        source = self.root if within is None else within
        matches = [
            (re.search(f"-{pattern}$", group.get("id") or ""), group)
            for group in source.iter(f"{_SPACE}g")
        ]
        return {match[1]: group for match, group in matches if match}


def place(group: Element) -> tuple[float, float]:
    """Return where a group's first mark or text is."""
    for element in group.iter():
        if element.get("x") is not None and element.tag in (f"{_SPACE}use", f"{_SPACE}text"):
            return float(element.get("x", "")), float(element.get("y", ""))
    raise AssertionError("neither a mark nor a text")


def points(group: Element) -> list[tuple[float, float]]:
    """Return the points of a group's first path."""
    path = next(group.iter(f"{_SPACE}path")).get("d", "")
    pairs = re.findall(r"[ML] (\S+) (\S+)", path)
    return [(float(x), float(y)) for x, y in pairs]


def width(group: Element) -> float:
    """Return the width of a group's first stroke."""
    style = next(group.iter(f"{_SPACE}path")).get("style", "")
    match = re.search(r"stroke-width: ([\d.]+)", style)
    return float(match[1]) if match else 1.0


def read(text: str) -> float:
    """Read a number as it is written; per cent as a share."""
    plain = text.replace("−", "-").replace(SPACE, "").replace(" ", "")
    return float(plain.removesuffix("%")) / (100 if plain.endswith("%") else 1)


def rows_of(
    question: Question, spec: Figure, tables: dict[str, pd.DataFrame], drawing: Drawing
) -> pd.DataFrame:
    """Return the rows that a drawing has to draw, from its subject in its name's order."""
    rows = all_rows(spec, tables)
    subject = [name for name in question.subject if name not in spec.columns.values()]
    numbers = {int(row) for row in _numbers(Svg(drawing.svg))}
    mine = rows[rows.index.isin(numbers)]
    assert len(mine) == len(numbers) > 0
    if subject:  # all rows of one subject, and of no other
        assert len(mine[subject].drop_duplicates()) == 1
        same = pd.MultiIndex.from_frame(rows[subject].astype(object).fillna("none"))
        own = pd.MultiIndex.from_frame(mine[subject].astype(object).fillna("none"))
        assert len(rows[same.isin(own)]) == len(mine)
    else:
        assert len(mine) == len(rows)
    return mine


def all_rows(spec: Figure, tables: dict[str, pd.DataFrame]) -> pd.DataFrame:
    """Return the rows that a figure's drawings have to draw together."""
    rows = tables[spec.table]
    for column, value in spec.where.items():
        rows = rows[(rows[column] == value).fillna(False)]
    if spec.last:
        last = rows.groupby("finetune_seed")["checkpoint"].transform("max")
        rows = rows[rows["checkpoint"] == last]
    return rows[rows[spec.columns[VALUES[spec.kind]]].notna()]


def _numbers(svg: Svg) -> list[str]:
    lines = [number for key in svg.groups(r"line-([\d-]+)") for number in key.split("-")]
    return list(dict.fromkeys([*svg.groups(r"row-(\d+)"), *lines]))


def hold(question: Question, spec: Figure, drawing: Drawing, rows: pd.DataFrame) -> None:
    """Hold every value that a figure draws against its row.

    Args:
        question: The question that the figure is of.
        spec: The figure as it is declared.
        drawing: The figure.
        rows: The rows that it draws.
    """
    table = next(table for table in question.tables if table.name == spec.table)
    value = spec.columns.get("value", "")  # written in the cells
    if value and (spec.percent or table[value].form == "percent"):
        rows = rows.assign(**{value: 100 * rows[value]})
    {
        "strips": _hold_marks,
        "lines": _hold_marks,
        "heatmap": _hold_cells,
        "units": _hold_cells,
        "graph": _hold_widths,
    }[spec.kind](spec, Svg(drawing.svg), rows)


class _Scale:
    """From places to values on an axis, by its labelled ticks."""

    def __init__(self, svg: Svg, axes: Element, which: str, labels: dict[int, float]) -> None:
        at = {"x": 0, "y": 1}[which]
        ticks = svg.groups(rf"({which}tick_\d+)", axes).values()
        pairs = [(_tick(tick)[at], labels[i]) for i, tick in enumerate(ticks) if i in labels]
        assert len(pairs) > 1
        self.slope, self.offset = np.polyfit(*zip(*pairs, strict=True), 1)
        assert [self(p) for p, _ in pairs] == pytest.approx([v for _, v in pairs], abs=1e-3)

    def __call__(self, pixel: float) -> float:
        return self.slope * pixel + self.offset

    def check(self, pixel: float, value: float) -> None:
        """Hold a place against a value, to a fiftieth of a point of print."""
        assert abs(self(pixel) - value) <= 0.02 * abs(self.slope) + 1e-9


def _tick(group: Element) -> tuple[float, float]:
    """Return where a tick is: by its mark, or else by the line of the grid."""
    marks = [use for use in group.iter(f"{_SPACE}use") if use.get("x") is not None]
    return place(group) if marks else points(group)[0]


def _labels(svg: Svg, axes: Element, which: str) -> dict[int, float]:
    """Read the labels of an axis, by the number of their tick."""
    texts = [
        "".join("".join(text.itertext()).strip() for text in tick.iter(f"{_SPACE}text"))
        for tick in svg.groups(rf"({which}tick_\d+)", axes).values()
    ]
    return {i: read(text) for i, text in enumerate(texts) if text}


def _hold_marks(spec: Figure, svg: Svg, rows: pd.DataFrame) -> None:
    axes = svg.groups(r"(axes_\d+)")
    # Panels of lines share their axes, which only the outer ones label.
    shared = {which: {} for which in "xy"}
    along = "x" if spec.kind == "strips" else "y"
    for panel in axes.values():
        for which in "xy" if spec.kind == "lines" else "":
            shared[which] = shared[which] or _labels(svg, panel, which)
    held = set()
    for panel in axes.values():
        marks = svg.groups(r"row-(\d+)", panel)
        lines = svg.groups(r"line-([\d-]+)", panel)
        if not marks and not lines:
            continue
        scale = _Scale(svg, panel, along, shared[along] or _labels(svg, panel, along))
        across = _Scale(svg, panel, "x", shared["x"]) if spec.kind == "lines" else None
        places = {int(key): place(mark) for key, mark in marks.items()}
        for key, line in lines.items():
            numbers, vertices = list(map(int, key.split("-"))), points(line)
            assert len(numbers) == len(vertices)
            places |= dict(zip(numbers, vertices, strict=True))
        value = spec.columns[along]
        for row, at in places.items():
            scale.check(at["xy".index(along)], rows.loc[row, value])
            if across:
                across.check(at[0], float(rows.loc[row, spec.columns["x"]]))
        for key, bar in svg.groups(r"interval-(\d+)", panel).items():
            for end, at in zip(("low", "high"), points(bar), strict=True):
                scale.check(at["xy".index(along)], rows.loc[int(key), f"{value}_{end}"])
        bars = set(map(int, svg.groups(r"interval-(\d+)", panel)))
        estimates = [row for row in map(int, marks) if f"{value}_low" in rows]
        assert bars == {row for row in estimates if pd.notna(rows.loc[row, f"{value}_low"])}
        held |= set(places)
        if "panel" in spec.columns:
            assert rows.loc[list(places), spec.columns["panel"]].nunique(dropna=False) == 1
    assert held == set(rows.index)
    if spec.kind == "strips":
        _hold_lines(spec, svg, rows)


def _hold_lines(spec: Figure, svg: Svg, rows: pd.DataFrame) -> None:
    """Marks of one category stand around one line, apart from those of others."""
    height = {row: place(svg.groups(rf"row-({row})")[str(row)])[1] for row in rows.index}
    names = [spec.columns[role] for role in ("section", "y") if role in spec.columns]
    panels = [spec.columns["panel"]] if "panel" in spec.columns else []
    for _, panel in rows.groupby(panels, dropna=False) if panels else [((), rows)]:
        ranges = sorted(
            (min(height[row] for row in some.index), max(height[row] for row in some.index))
            for _, some in panel.groupby(names, dropna=False)
        )
        assert all(low[1] < high[0] for low, high in itertools.pairwise(ranges))


def _hold_cells(spec: Figure, svg: Svg, rows: pd.DataFrame) -> None:
    cells = {int(key): cell for key, cell in svg.groups(r"row-(\d+)").items()}
    assert set(cells) == set(rows.index)
    for row, cell in cells.items():
        text = "".join("".join(t.itertext()) for t in cell.iter(f"{_SPACE}text")).strip()
        value = float(rows.loc[row, spec.columns["value"]])
        digits = len(text.partition(".")[2])
        assert abs(read(text) - value) <= 0.5 * 10**-digits + 1e-9
    if "outline" in spec.columns:
        outlined = rows.index[rows[spec.columns["outline"]].eq(True).fillna(False)]
        assert set(map(int, svg.groups(r"outline-(\d+)"))) == set(outlined)
    places = {row: place(cell) for row, cell in cells.items()}
    for role, axis in (("x", 0), ("y", 1)) if spec.kind == "heatmap" else ():
        names = [spec.columns[r] for r in ("section", role) if r in spec.columns]
        names = names if role == "y" else names[-1:]
        centres = [
            {round(places[row][axis]) for row in some.index}
            for _, some in rows.groupby(names, dropna=False)
        ]
        assert all(len(one) == 1 for one in centres)  # a category has one line of cells
        assert len(set.union(*centres)) == len(centres)


def _hold_widths(spec: Figure, svg: Svg, rows: pd.DataFrame) -> None:
    arrows = {int(key): width(arrow) for key, arrow in svg.groups(r"row-(\d+)").items()}
    assert set(arrows) == set(rows.index)
    weights = rows[spec.columns["weight"]].abs()
    for row, drawn in arrows.items():
        assert drawn == pytest.approx(0.8 + 3.2 * weights[row] / weights.max(), abs=1e-3)
    nodes = {*rows[spec.columns["source"]], *rows[spec.columns["target"]]}
    texts = svg.groups(r"(text_\d+)").values()
    named = {"".join(text.itertext()).strip(): place(text) for text in texts}
    for row, arrow in svg.groups(r"row-(\d+)").items():
        path = next(arrow.iter(f"{_SPACE}path")).get("d", "")
        numbers = list(map(float, re.findall(r"-?\d+\.?\d*", path)))
        for role, at in (("source", numbers[:2]), ("target", numbers[-2:])):
            nearest = min(nodes, key=lambda node: np.hypot(*np.subtract(named[node], at)))
            assert nearest == rows.loc[int(row), spec.columns[role]]
