"""The report's figures: one function for each kind of drawing; importing this loads matplotlib.

Every kind draws rows of a table. What the columns of a :class:`~heuristic_core.analysis.question.
Figure` may name is said beside each kind's function. Every mark, cell and edge has the id
``row-NUMBER``, where the number is its row's in the table.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import pandas as pd
from matplotlib.figure import Figure as Canvas

from ...analysis.question import DrawingKind, Figure, Question
from ..sections import where
from .canvas import style, to_svg
from .graph import graph
from .heatmap import heatmap
from .lines import lines
from .plot import Plot
from .strips import strips
from .units import units

_KINDS: dict[DrawingKind, Callable[[Plot], Canvas]] = {
    "strips": strips,
    "lines": lines,
    "heatmap": heatmap,
    "units": units,
    "graph": graph,
}
_INITIALS = {"finetune_seed": "f", "checkpoint": "s"}


@dataclass(frozen=True, kw_only=True)
class Drawing:
    """A finished figure.

    Args:
        name: Its file name without an ending, unique on the page.
        kind: The kind of drawing.
        title: What it shows, in a few words.
        caption: How to read it.
        svg: The figure.
    """

    name: str
    kind: DrawingKind
    title: str
    caption: str
    svg: str


def draw(
    question: Question,
    tables: Mapping[str, pd.DataFrame],
    several: frozenset[str] = frozenset(),
) -> list[Drawing]:
    """Draw the figures of a question, each once for each subject.

    Args:
        question: The question.
        tables: Rows of its tables by name; what is absent is not drawn.
        several: What the run has several of, which titles then name.
    """
    drawings: list[Drawing] = []
    taken: Counter[str] = Counter()
    for number, spec in enumerate(question.figures, start=1):
        key = f"{question.key}-{number}" if len(question.figures) > 1 else question.key
        for subject, plot in _plots(question, spec, tables):
            place = where(list(subject), subject, several)
            title = f"{spec.title} ({place})" if place else spec.title
            name = "-".join([key, *_parts(subject)])
            taken[name] += 1
            name += f"-{taken[name]}" if taken[name] > 1 else ""
            with style():
                svg = to_svg(_KINDS[spec.kind](plot), name, title, plot.description())
            words = {"title": title, "caption": spec.caption}
            drawings.append(Drawing(name=name, kind=spec.kind, svg=svg, **words))
    return drawings


def _plots(
    question: Question, spec: Figure, tables: Mapping[str, pd.DataFrame]
) -> Iterator[tuple[dict[str, Any], Plot]]:
    """Split the rows of a figure by those columns of the subject that it does not draw."""
    table = question.table(spec.table)
    rows = tables.get(spec.table, table.empty())
    for column, value in spec.where.items():
        rows = rows[rows[column].eq(value).fillna(False).astype(bool)]
    if spec.last:
        last = rows.groupby("finetune_seed")["checkpoint"].transform("max")
        rows = rows[rows["checkpoint"] == last]
    plot = Plot(spec, table, rows)
    rows = rows[plot.values.notna()]
    names = [name for name in question.subject if name not in spec.columns.values()]
    groups = rows.groupby(names, dropna=False, sort=False) if names else [((), rows)]
    for values, some in groups:
        if len(some):
            yield dict(zip(names, values, strict=True)), plot.part(some)


def _parts(subject: Mapping[str, Any]) -> Iterator[str]:
    for column, value in subject.items():
        if pd.isna(value):
            continue
        text = f"{100 * value:g}pc" if column.endswith("sparsity") else str(value)
        clean = "".join(c if c.isascii() and c.isalnum() else "_" for c in text)
        yield _INITIALS.get(column, "") + clean
