"""The paper's findings in one picture, beside what each model's verdicts on them come to."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from typing import Literal, NamedTuple

import pandas as pd
from matplotlib import colormaps
from matplotlib.axes import Axes
from matplotlib.patches import FancyBboxPatch, Rectangle

from heuristic_core.published.markdown import to_markdown
from heuristic_core.report.figures.canvas import Drawn, style, to_svg
from heuristic_core.report.figures.look import BLUE, GREY, INK, ORANGE, PURPLE
from heuristic_core.report.page.overview import REACH
from heuristic_core.report.wording import count
from published_columns import Column
from published_pictures import on_white
from published_verdicts import FINDINGS, Verdict, about, word

#: Findings of the paper; those beyond it are not on the poster.
PAPER = FINDINGS[:9]
#: Pixels: margins, the findings' texts, a column, what is above and below the rows.
_EDGE, _TEXTS, _COLUMN, _HEAD, _FOOT = 28, 436, 250, 266, 142
#: Pixels: a line of text, the word of a verdict, a mark, what is free in a row, a head's cell.
_LINE, _WORD, _MARK, _FREE, _CELL = 17, 22, 5.5, 26, 14
_PALE = "#5f646c"
#: The colour of a word's symbol, and that of its text, which is darker.
_LOOKS = {
    "holds": (BLUE, "#1c6aab"),
    "does not hold": (ORANGE, "#b04a0c"),
    "in part": (PURPLE, "#7f4a94"),
    "mostly not decided": (GREY, "#4d5159"),
    "not decided": (GREY, "#4d5159"),
}
_SHAPES = {"holds": "o", "does not hold": "X", "not decided": "o"}
_TITLE = "The Heuristic Core in one picture"
_SAYS = (
    "What Bhaskar, Friedman and Chen (ACL 2024) found in BERT, and what the same questions give "
    "here. A model learns whether one sentence follows from another (MNLI) or says the same "
    "(QQP). In-domain, pairs are like those in training; out of domain, they mislead whoever "
    "counts shared words (the hard pairs of HANS and PAWS). A subnetwork is what is left of a "
    "model when some of its attention heads and MLPs are switched off; its sparsity is their "
    "share."
)
_MARKS = (
    "Each small mark is the effect in one test, with its 95 % interval where it has one; full "
    "marks are decided, open ones are not. Not decided: the data allow both, or do not allow "
    "the question; mostly: so are more than half of the tests. Not recomputed: no masks and no "
    "models were published."
)


class Part(NamedTuple):
    """The verdicts on a finding in a part of a model's data."""

    name: str
    word: str
    verdicts: tuple[Verdict, ...]

    @property
    def placed(self) -> list[tuple[Verdict, tuple[float, float, float]]]:
        """Those whose effect has a place on the common scale, with it."""
        return [(verdict, verdict.toward) for verdict in self.verdicts if verdict.toward]

    @property
    def height(self) -> float:
        """How high it is."""
        return _WORD + (max(3, len(self.placed)) * _MARK + 14 if self.verdicts else 0)


def cells(number: int, column: Column) -> list[Part]:
    """Return the parts of a column's cell; parts with the same verdicts are one."""
    parts: dict[tuple[Verdict, ...], list[str]] = {}
    for name, by_key in column.parts.items():
        if found := tuple(about(number, by_key)):
            parts.setdefault(found, []).append(name)
    listed = [
        Part("" if len(names) == len(column.parts) else " and ".join(names), word(found), found)
        for found, names in parts.items()
    ]
    return listed or [Part("", column.absent, ())]


def in_words(columns: Sequence[Column]) -> str:
    """Write the poster as a table."""
    rows = [
        [f"{i}. {asked['title']}", asked["paper"], *(said(i, column) for column in columns)]
        for i, asked in enumerate(PAPER, start=1)
    ]
    names = [f"{column.name}, {column.note}" for column in columns]
    return to_markdown(["finding", "the paper", *names], rows)


def said(number: int, column: Column) -> str:
    """Write what a cell says."""
    return "; ".join(
        f"{part.name}: {part.word}" if part.name else part.word for part in cells(number, column)
    )


def poster(columns: Sequence[Column], units: pd.DataFrame) -> str:
    """Draw the poster.

    Args:
        columns: The models.
        units: How many subnetworks keep each unit, as ``published_pictures.kept_units`` counts.

    Returns:
        The SVG.
    """
    table = [[cells(number, column) for column in columns] for number in range(1, len(PAPER) + 1)]
    texts = [_wrapped(asked["paper"], _TEXTS - 64, 12.5) for asked in PAPER]
    heights = [
        _FREE + max(26 + _LINE * len(text), *(sum(p.height for p in cell) for cell in row))
        for text, row in zip(texts, table, strict=True)
    ]
    width = 2 * _EDGE + _TEXTS + _COLUMN * len(columns)
    height = _HEAD + sum(heights) + _FOOT
    with style():
        figure = Drawn(figsize=(width / 96, height / 96))
        axis = figure.add_axes((0, 0, 1, 1))
        axis.set(xlim=(0, width), ylim=(height, 0))
        axis.axis("off")
        axis.add_patch(Rectangle((0, 0), width, height, facecolor="#ffffff", edgecolor="none"))
        _heads(axis, width - _EDGE - 12 * _CELL, 30, units)
        _top(axis, columns, width - 2 * _EDGE - 12 * _CELL - 40)
        y = float(_HEAD)
        for i, (asked, text, row) in enumerate(zip(PAPER, texts, table, strict=True)):
            if i % 2 == 0:
                _band(axis, y, width, heights[i])
            _write(axis, _EDGE + 10, y + 31, str(i + 1), 25, bold=True, colour=BLUE)
            _write(axis, _EDGE + 42, y + 28, asked["title"], 16, bold=True)
            for line, words in enumerate(text):
                _write(axis, _EDGE + 42, y + 50 + _LINE * line, words, 12.5)
            for j, cell in enumerate(row):
                _parts(axis, _EDGE + _TEXTS + _COLUMN * j, y + _FREE / 2, cell)
            y += heights[i]
        _bottom(axis, y + 14, width)
        described = (f"{i}. {PAPER[i - 1]['title']}: {_row(i, columns)}." for i in range(1, 10))
        svg = to_svg(figure, "paper-in-one-picture", _TITLE, " ".join(described))
    return on_white(svg)


def _row(number: int, columns: Sequence[Column]) -> str:
    return ", ".join(f"{column.name} ({column.note}) {said(number, column)}" for column in columns)


def _top(axis: Axes, columns: Sequence[Column], width: float) -> None:
    """Write the title, what it is about, and the columns' headings."""
    _write(axis, _EDGE, 54, _TITLE, 32, bold=True)
    for i, line in enumerate(_wrapped(_SAYS, width, 13.5)):
        _write(axis, _EDGE, 84 + 20 * i, line, 13.5)
    _write(axis, _EDGE + 10, _HEAD - 12, "The paper’s findings, with its numbers", 14, bold=True)
    for j, column in enumerate(columns):
        x = _EDGE + _TEXTS + _COLUMN * j
        _write(axis, x, _HEAD - 62, column.name, 19, bold=True)
        for i, line in enumerate((column.note, *column.accuracies)):
            _write(axis, x, _HEAD - 44 + 16 * i, line, 12 - i / 2, colour=_PALE if i else INK)


def _heads(axis: Axes, x: float, y: float, units: pd.DataFrame) -> None:
    """Draw the heads that the last study's subnetworks share, as a small grid."""
    heads = units[units["head"] >= 0]
    shades = colormaps["Blues"]
    for head in heads.itertuples():
        colour = ORANGE if head.in_all else shades(0.05 + 0.75 * head.kept / head.of)
        place = (x + _CELL * head.head, y + _CELL * head.layer)
        cell = Rectangle(place, _CELL - 2, _CELL - 2, facecolor=colour, edgecolor="none")
        axis.add_patch(cell)
    below = y + _CELL * (heads["layer"].max() + 1)
    said = (
        f"MiniLM’s {count(len(heads), 'head')}: orange, the",
        f"{heads['in_all'].sum()} in all {heads['of'].max()} subnetworks",
    )
    for i, line in enumerate(said):
        _write(axis, x, below + 13 + 14 * i, line, 11, colour=_PALE)


def _parts(axis: Axes, x: float, y: float, parts: Sequence[Part]) -> None:
    """Draw a cell: for each part its word and its effects."""
    for part in parts:
        _word(axis, x, y + 12, part.word)
        _write(axis, x + _COLUMN - 26, y + 16, part.name, 11.5, colour=_PALE, align="right")
        if part.placed:
            _strip(axis, x, y + _WORD + 2, part.placed)
        elif part.verdicts:
            _write(axis, x + 22, y + _WORD + 12, "no single effect to draw", 11, colour=_PALE)
        y += part.height


def _word(axis: Axes, x: float, y: float, said: str) -> None:
    """Draw a verdict's word after a symbol, so that it does not rest on colour alone."""
    colour, text = _LOOKS.get(said, (GREY, _PALE))
    axis.plot([x + 8], [y], "o", markersize=12.5, color=colour, markeredgecolor="none")
    strokes: list[tuple[list[float], list[float]]] = []
    if said == "holds":
        strokes = [([x + 4.5, x + 7.2, x + 11.8], [y + 0.3, y + 3.2, y - 3])]
    elif said == "does not hold":
        strokes = [([x + 5, x + 11], [y - 3, y + 3]), ([x + 5, x + 11], [y + 3, y - 3])]
    elif said == "in part":
        strokes = [([x + 4.5, x + 11.5], [y, y])]
    elif said.endswith("not decided"):
        _write(axis, x + 8, y + 4.6, "?", 12.5, bold=True, colour="#ffffff", align="center")
    else:
        axis.plot([x + 8], [y], "o", markersize=9, color="#ffffff", markeredgecolor="none")
    for along, down in strokes:
        axis.plot(along, down, color="#ffffff", linewidth=1.8, solid_capstyle="round")
    _write(axis, x + 22, y + 4.6, said, 13.5, bold=said in _LOOKS, colour=text)


def _strip(
    axis: Axes, x: float, y: float, placed: Sequence[tuple[Verdict, tuple[float, float, float]]]
) -> None:
    """Draw effects: to the right they speak for the finding, to the left against it."""
    high = max(3, len(placed)) * _MARK + 4
    _scale(axis, x, y, high)
    top = y + 2 + (high - len(placed) * _MARK) / 2
    for i, (verdict, (effect, low, high_end)) in enumerate(placed):
        colour, level = _LOOKS[verdict.held][0], top + i * _MARK
        ends = [_at(x, low), _at(x, high_end)]
        axis.plot(ends, [level] * 2, color=colour, linewidth=1.5)
        beyond = abs(effect) > REACH
        hollow = verdict.held == "not decided"
        axis.plot(
            [_at(x, effect)],
            [level],
            (">" if effect > 0 else "<") if beyond else _SHAPES[verdict.held],
            markersize=4.6,
            color=colour,
            markerfacecolor="#ffffff" if hollow else colour,
            markeredgewidth=1.1,
        )


def _scale(axis: Axes, x: float, y: float, high: float) -> None:
    """Draw the common scale, with lines at no effect and at that which the claim asks for."""
    ends = [_at(x, -REACH), _at(x, REACH)]
    axis.plot(ends, [y + high] * 2, color=INK, alpha=0.25, linewidth=0.7)
    axis.plot([_at(x, 0)] * 2, [y, y + high], color=INK, alpha=0.7, linewidth=0.9)
    axis.plot([_at(x, 1)] * 2, [y, y + high], color=INK, alpha=0.6, linewidth=0.9, dashes=(3, 2))


def _at(x: float, effect: float) -> float:
    """Return where an effect lies in the column that begins at a place."""
    return x + 4 + (_COLUMN - 34) * (min(REACH, max(-REACH, effect)) + REACH) / (2 * REACH)


def _bottom(axis: Axes, y: float, width: float) -> None:
    """Explain the symbols and the marks."""
    axis.plot([_EDGE, width - _EDGE], [y] * 2, color=INK, alpha=0.25, linewidth=0.8)
    x = float(_EDGE)
    for said in ("holds", "does not hold", "in part", "not decided", "not recomputed or measured"):
        _word(axis, x, y + 24, said)
        x += 52 + 8.5 * len(said)
    last = width - _EDGE - _COLUMN
    for i, line in enumerate(_wrapped(_MARKS, last - _EDGE - 110, 12)):
        _write(axis, _EDGE, y + 58 + _LINE * i, line, 12)
    _scale(axis, last, y + 46, 32)
    for effect, above, words in (
        (-1.5, True, "against the"),
        (-1.5, False, "finding"),
        (2.1, True, "for the"),
        (2.1, False, "finding"),
    ):
        place = y + (58 if above else 71)
        _write(axis, _at(last, effect), place, words, 11, colour=_PALE, align="center")
    _write(axis, _at(last, 0), y + 40, "no effect", 11, align="right")
    _write(axis, _at(last, 0) + 6, y + 40, "as large as claimed", 11)
    _write(axis, _at(last, REACH), y + 94, "an arrow lies beyond", 11, colour=_PALE, align="right")


def _band(axis: Axes, y: float, width: float, height: float) -> None:
    place = (_EDGE - 12, y + 3)
    box = FancyBboxPatch(
        place,
        width - 2 * _EDGE + 24,
        height - 6,
        boxstyle="round,pad=0,rounding_size=8",
        linewidth=0,
        facecolor="#f3f5f8",
    )
    axis.add_patch(box)


def _wrapped(words: str, width: float, size: float) -> list[str]:
    """Break words into lines of a width, in letters of a size, both in pixels."""
    return textwrap.wrap(words, int(width / (0.56 * size)), break_on_hyphens=False)


def _write(
    axis: Axes,
    x: float,
    y: float,
    words: str,
    size: float,
    *,
    bold: bool = False,
    colour: str = INK,
    align: Literal["left", "center", "right"] = "left",
) -> None:
    """Write words on a line, in letters of a size in pixels."""
    weight = "bold" if bold else "normal"
    axis.text(x, y, words, fontsize=0.75 * size, fontweight=weight, color=colour, ha=align)
