"""The report's figures: one function for each kind of drawing; importing this loads matplotlib.

Every kind draws rows of a table. What the columns of an ``analysis.question.Figure`` may name is
said beside each kind's function. Every mark, cell and edge has the id ``row-NUMBER``, where the
number is its row's in the table.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure as Canvas

from ...analysis.question import DrawingKind, Figure, Question
from ...errors import InputError
from ..sections import where
from .canvas import fitted, look_within, style, to_file, to_svg
from .graph import graph
from .heatmap import heatmap
from .lines import lines
from .look import Look
from .plot import Plot
from .strips import strips
from .units import units

_KINDS: dict[DrawingKind, Callable[[Plot, Look, Axes | None], Canvas]] = {
    "strips": strips,
    "lines": lines,
    "heatmap": heatmap,
    "units": units,
    "graph": graph,
}
_INITIALS = {"finetune_seed": "f", "checkpoint": "s"}
#: What a figure can be written as.
FORMATS = ("svg", "pdf", "png")


@dataclass(frozen=True, kw_only=True)
class Drawing:
    """One figure of a run, drawn when it is asked for.

    Args:
        name: Its file name without an ending, unique on the page.
        kind: The kind of drawing.
        title: What it shows, in a few words.
        caption: How to read it.
        subject: What it is about: values of columns of ``tables.SUBJECT``.
        plot: The rows that are drawn.
    """

    name: str
    kind: DrawingKind
    title: str
    caption: str
    subject: Mapping[str, Any]
    plot: Plot

    def __repr__(self) -> str:
        return f"Drawing({self.name!r}, {self.kind})"[:300]

    @cached_property
    def svg(self) -> str:
        """The figure as the page holds it."""
        look = Look()
        with style(look):
            return self._svg(_KINDS[self.kind](self.plot, look, None))

    def figure(self, look: Look | None = None, into: Axes | None = None) -> Canvas:
        """Draw it.

        Args:
            look: Its size, font and colours.
            into: Axes to draw it into, for a figure that has one panel.

        Raises:
            InputError: If it has several panels and is to be drawn into given axes.
        """
        look, draw = look or Look(), _KINDS[self.kind]
        with style(look):
            if into is not None:
                panels = len(list(self.plot.panels()))
                if panels > 1:
                    raise InputError(
                        f"the figure {self.name} has {panels} panels; leave out ax, and it makes "
                        "a figure of its own"
                    )
                return draw(self.plot, look_within(into, look), into)
            return fitted(lambda one: draw(self.plot, one, None), look)

    def file(self, kind: str, look: Look | None = None) -> bytes:
        """Return it as a file of one of ``FORMATS``."""
        if kind == "svg" and look is None:
            return self.svg.encode()
        figure = self.figure(look)
        with style(look):
            return self._svg(figure).encode() if kind == "svg" else to_file(figure, kind)

    def _svg(self, figure: Canvas) -> str:
        return to_svg(figure, self.name, self.title, self.plot.description())


def draw(
    question: Question,
    tables: Mapping[str, pd.DataFrame],
    several: frozenset[str] = frozenset(),
) -> list[Drawing]:
    """List the figures of a question, each once for each subject.

    Args:
        question: The question.
        tables: Rows of its tables by name; what is absent is not drawn.
        several: What the run has several of, which titles then name.
    """
    drawings: list[Drawing] = []
    taken: Counter[str] = Counter()
    for number, spec in enumerate(question.figures, start=1):
        key = figure_key(question, number)
        for subject, plot in _plots(question, spec, tables):
            place = where(list(subject), subject, several)
            title = f"{spec.title} ({place})" if place else spec.title
            name = "-".join([key, *_parts(subject)])
            taken[name] += 1
            name += f"-{taken[name]}" if taken[name] > 1 else ""
            drawings.append(
                Drawing(
                    name=name,
                    kind=spec.kind,
                    title=title,
                    caption=spec.caption,
                    subject=subject,
                    plot=plot,
                )
            )
    return drawings


def figure_files(
    drawings: Sequence[Drawing], folder: Path, formats: Sequence[str], look: Look | None = None
) -> dict[Path, bytes]:
    """Draw figures as files.

    Args:
        drawings: The figures.
        folder: The folder of the files, which are not written yet.
        formats: What each is drawn as.
        look: Their size, font and colours.

    Returns:
        The files' contents by path.
    """
    return {
        folder / f"{one.name}.{kind}": one.file(kind, look) for one in drawings for kind in formats
    }


def figure_key(question: Question, number: int) -> str:
    """Return the name of one of a question's figures, counted from 1."""
    return f"{question.key}-{number}" if len(question.figures) > 1 else question.key


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
