"""A run's figures in Python: one function each, which returns a matplotlib figure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd

from .. import notebook
from ..errors import InputError, expect_known, unknown
from ..storage import check_writable, write_bytes
from ..tables import SUBJECT
from .look_options import LookOptions, look_of, takes_look
from .results import Results
from .sections import sections, varied

if TYPE_CHECKING:  # loads matplotlib
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from .figures import Drawing


class Plotter:
    """One of a run's figures, or several of one kind; called, it draws one.

    Args:
        name: Its name in Python.
        drawings: Those that it may draw.
    """

    def __init__(self, name: str, drawings: Sequence[Drawing]) -> None:
        self.__name__ = name
        self.drawings = tuple(drawings)
        self.__doc__ = "\n".join(f"{one.name}: {one.title}. {one.caption}" for one in drawings)

    @takes_look
    def __call__(self, *, ax: Axes | None = None, **subject: Any) -> Figure:
        """Draw the figure.

        Args:
            ax: Axes to draw it into, for a figure of one panel; a new figure if not given.
            **subject: Which one, where there are several: values such as ``sparsity=0.5``,
                ``checkpoint=4000`` or ``method="learned"``; ``sparsity=None`` is all together.
                And how it looks, as ``LookOptions`` lists it.

        Returns:
            The figure.

        Raises:
            InputError: If several or none are meant, or an argument does not fit.
        """
        look: Any = {key: subject.pop(key) for key in LookOptions.__annotations__ if key in subject}
        expect_known("choice of a figure", subject, [column.name for column in SUBJECT])
        chosen = [one for one in self.drawings if _is_about(one, subject)]
        if len(chosen) != 1:
            raise InputError(
                f"{len(chosen) or 'none'} of the figures {self.__name__} fit; choose one with "
                f"{self._choices(chosen or self.drawings)}"
            )
        return chosen[0].figure(look_of(look, chosen[0].plot.texts("series")), ax)

    def _choices(self, drawings: Sequence[Drawing]) -> str:
        values: dict[str, list[str]] = {}
        for one in drawings:
            for key, value in one.subject.items():
                text = (
                    "None" if pd.isna(value) else repr(getattr(value, "item", lambda v=value: v)())
                )
                if text not in values.setdefault(key, []):
                    values[key].append(text)
        varied = {key: of for key, of in values.items() if len(of) > 1} or values
        return ", ".join(f"{key}={' or '.join(of)}" for key, of in varied.items())

    def __repr__(self) -> str:
        n = len(self.drawings)
        return f"<figure {self.__name__}>" if n == 1 else f"<{n} figures {self.__name__}>"

    def _repr_html_(self) -> str:
        return notebook.table(("figure", "shows"), [(d.name, d.title) for d in self.drawings])


class Figures(Mapping[str, Plotter]):
    """A run's figures by name: ``figures.core(sparsity=0.5)``, or with its whole name.

    Args:
        results: The run's results.
    """

    def __init__(self, results: Results) -> None:
        self._results = results
        self._made: dict[str, Plotter] | None = None

    @property
    def _plotters(self) -> dict[str, Plotter]:
        if self._made is None:
            from .figures import draw, figure_key

            several, made = varied(self._results), {}
            for section in sections(self._results):
                question, drawings = (
                    section.question,
                    draw(section.question, section.tables, several),
                )
                for number in range(1, len(question.figures) + 1):
                    key = figure_key(question, number)
                    mine = [one for one in drawings if f"{one.name}-".startswith(f"{key}-")]
                    if mine:
                        made[_python(key)] = Plotter(_python(key), mine)
                made |= {_python(d.name): Plotter(_python(d.name), [d]) for d in drawings}
            self._made = made
        return self._made

    @property
    def drawings(self) -> list[Drawing]:
        """All figures, each once."""
        whole = {one.name: one for plotter in self._plotters.values() for one in plotter.drawings}
        return list(whole.values())

    def __getitem__(self, name: str) -> Plotter:
        """Return a figure.

        Raises:
            InputError: If there is none of the name; the message suggests the nearest.
        """
        if _python(name) not in self._plotters:
            raise unknown("figure", name, self._plotters)
        return self._plotters[_python(name)]

    def __getattr__(self, name: str) -> Plotter:
        if name.startswith("_") or name not in self._plotters:
            raise AttributeError(str(unknown("figure", name, self._plotters)))
        return self._plotters[name]

    def __iter__(self) -> Any:
        return iter(self._plotters)

    def __len__(self) -> int:
        return len(self._plotters)

    def __dir__(self) -> list[str]:
        return [*super().__dir__(), *self._plotters]

    def _ipython_key_completions_(self) -> list[str]:
        return list(self._plotters)

    def __repr__(self) -> str:
        return f"Figures({len(self.drawings)})"

    def _repr_html_(self) -> str:
        rows = [(_python(one.name), one.title) for one in self.drawings]
        return notebook.table(("figure", "shows"), rows, "run.figures.NAME() draws one")

    def save(self, folder: Path, formats: Sequence[str], options: LookOptions) -> list[Path]:
        """Write all figures into a folder, made if needed.

        Args:
            folder: The folder.
            formats: What each is written as: ``svg``, ``pdf``, ``png``.
            options: How they look.

        Returns:
            The files.

        Raises:
            InputError: If a format is unknown, an option does not fit, or the folder cannot be
                written.
        """
        from .figures import FORMATS, figure_files

        expect_known("format of figures", formats, FORMATS)
        series = (name for one in self.drawings for name in one.plot.texts("series"))
        look = look_of(options, series)
        check_writable(folder)
        files = figure_files(self.drawings, folder, formats, look)
        for path, content in files.items():
            write_bytes(path, content)
        return list(files)


def _python(name: str) -> str:
    return name.replace("-", "_")


def _is_about(drawing: Drawing, subject: Mapping[str, Any]) -> bool:
    for key, wanted in subject.items():
        if key not in drawing.subject:
            return False
        value = drawing.subject[key]
        missing = bool(pd.isna(value))
        if missing != (wanted is None) or (not missing and value != wanted):
            return False
    return True
