"""A run's figures in Python: one function each, which returns a matplotlib figure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd

from .. import notebook
from ..errors import InputError, expect_known, one_line, unknown
from ..storage import check_writable, write_bytes
from ..tables import SUBJECT
from .results import Results
from .sections import sections, varied

if TYPE_CHECKING:  # loads matplotlib
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from .figures import Drawing
    from .figures.look import Look

Size = float | tuple[float, float]


def look_of(
    size: Size | None,
    font: str,
    font_size: float | None,
    palette: Mapping[str, str] | None,
) -> Look:
    """Put together how figures look.

    Raises:
        InputError: If a size is none, or a font or a colour is unknown.
    """
    from matplotlib.colors import is_color_like
    from matplotlib.font_manager import findfont

    from .figures.look import Look

    numbers = [*(size if isinstance(size, tuple) else (size,)), font_size]
    for number in numbers:
        right = isinstance(number, int | float) and not isinstance(number, bool)
        if number is not None and not (right and 0 < number < 1000):
            raise InputError(
                f"{number!r} is no size: give size in inches, a width or (width, height), and "
                "font_size in points"
            )
    if font:
        try:
            findfont(font, fallback_to_default=False)
        except ValueError as error:
            raise InputError(
                f"there is no font {one_line(str(font), 80)!r} here; install it, or give another"
            ) from error
    if palette is not None and not isinstance(palette, Mapping):
        raise InputError(
            f"the palette {one_line(str(palette), 80)!r} names no colours; give a dict such as "
            "{'blue': '#225588'}"
        )
    for name, colour in (palette or {}).items():
        if not is_color_like(colour):
            raise InputError(f"{colour!r} of {name!r} is no colour; give one such as '#2f86cf'")
    width, height = size if isinstance(size, tuple) else (size, None)
    return Look(
        width=width, height=height, font=font, font_size=font_size, palette=dict(palette or {})
    )


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

    def __call__(
        self,
        *,
        ax: Axes | None = None,
        size: Size | None = None,
        font: str = "",
        font_size: float | None = None,
        palette: Mapping[str, str] | None = None,
        **subject: Any,
    ) -> Figure:
        """Draw the figure.

        Args:
            ax: Axes to draw it into, for a figure of one panel; a new figure if not given.
            size: Inches: its width, or width and height. At a width, no text is below 7 points.
            font: A font's name.
            font_size: Points of usual text.
            palette: Other colours: by the name of a series, or for ``orange``, ``blue``, ``grey``,
                ``purple`` and ``green``.
            **subject: Which one, where there are several: values such as ``sparsity=0.5``,
                ``checkpoint=4000`` or ``method="learned"``; ``sparsity=None`` is all together.

        Returns:
            The figure.

        Raises:
            InputError: If several or none are meant, or an argument does not fit.
        """
        known = [column.name for column in SUBJECT]
        expect_known("choice of a figure", subject, known)
        chosen = [one for one in self.drawings if _is_about(one, subject)]
        if len(chosen) != 1:
            raise InputError(
                f"{len(chosen) or 'none'} of the figures {self.__name__} fit; choose one with "
                f"{self._choices(chosen or self.drawings)}"
            )
        return chosen[0].figure(look_of(size, font, font_size, palette), ax)

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

    def save(
        self,
        folder: Path,
        formats: Sequence[str],
        look: Look,
    ) -> list[Path]:
        """Write all figures into a folder, made if needed.

        Args:
            folder: The folder.
            formats: What each is written as: ``svg``, ``pdf``, ``png``.
            look: Their size, font and colours.

        Returns:
            The files.

        Raises:
            InputError: If a format is unknown, or the folder cannot be written.
        """
        from .figures import FORMATS, figure_files

        expect_known("format of figures", formats, FORMATS)
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
