"""How figures look: their colours, the styles of series, and the sizes of figures and texts."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace

#: Text and lines: stands for ``currentColor``, so that a figure suits a light and a dark page.
INK = "#010203"
#: Colours that differ for any kind of colour vision, on light and dark ground.
ORANGE, BLUE, GREY, PURPLE, GREEN = "#e0671c", "#2f86cf", "#8a8f98", "#a06ab4", "#2c9a7a"
#: The same by name, as a palette changes them.
COLOURS = {"orange": ORANGE, "blue": BLUE, "grey": GREY, "purple": PURPLE, "green": GREEN}

#: Points: the usual size of text, the usual size at a chosen width, and the least there.
USUAL, SMALL, LEAST = 9.5, 7.5, 7.0
#: Inches that a letter of a text in points takes on average.
_LETTER = 0.56 / 72


@dataclass(frozen=True)
class Style:
    """How the marks of a series look.

    Args:
        colour: Their colour.
        marker: Their shape.
        leading: Whether they are large and stand before all others.
    """

    colour: str
    marker: str = "o"
    leading: bool = False

    @property
    def hollow(self) -> bool:
        """Whether marks are outlines, so that what is behind them is seen."""
        return self.leading and self.colour == INK


_SERIES = {
    "": Style(INK),  # where there are no series
    "full model": Style(INK, "D", True),
    "subnetwork": Style(GREY),
    "core": Style(ORANGE, "D", True),
    "matched group": Style(GREY),
    "95 % of matched groups": Style(GREY, "|"),
    "in-domain": Style(INK),
    "adversarial": Style(ORANGE, "^"),
    "friendly": Style(BLUE, "s"),
    "shift": Style(ORANGE, "v"),
    "balanced": Style(GREY, "D"),
    "balanced AUROC": Style(GREY, "d"),
    "balanced OOD": Style(GREY, "D"),
    "mixed": Style(PURPLE, "v"),
    "before fine-tuning": Style(BLUE, "s"),
    "after fine-tuning": Style(ORANGE),
    "highest in adversarial mean": Style(ORANGE, "^"),
    "lowest in adversarial mean": Style(BLUE, "v"),
    "within the margin": Style(BLUE),
    "outside the margin": Style(ORANGE, "X"),
    "query": Style(BLUE),
    "key": Style(ORANGE),
    "value": Style(GREY),
}
#: For series of other names.
_CYCLE = (
    Style(ORANGE, "^"),
    Style(BLUE, "v"),
    Style(PURPLE, "s"),
    Style(GREEN, "P"),
    Style(GREY, "X"),
    Style(INK),
)


@dataclass(frozen=True, kw_only=True)
class Look:
    """How large a figure is, and its font and colours.

    Args:
        width: Inches across; as its content takes if not given.
        height: Inches down; as its content takes if not given.
        font: A font's name; the report's own if empty.
        font_size: Points of usual text; headings are larger, and numbers in cells smaller, but
            nothing is below 7 points where a width is given.
        palette: Other colours, by the name of a series or of one of ``COLOURS``.
    """

    width: float | None = None
    height: float | None = None
    font: str = ""
    font_size: float | None = None
    palette: Mapping[str, str] = field(default_factory=dict)

    @property
    def usual(self) -> float:
        """Points of usual text."""
        return self.font_size or (USUAL if self.width is None else SMALL)

    @property
    def scale(self) -> float:
        """How much larger or smaller text is than usual."""
        return self.usual / USUAL

    def points(self, size: float) -> float:
        """Return the size of a text that usually has so many points."""
        return size * self.scale if self.width is None else max(LEAST, size * self.scale)

    def inches(self, letters: int, size: float = USUAL) -> float:
        """Estimate how wide a text is.

        Args:
            letters: Its number of letters.
            size: Its usual size in points.
        """
        return letters * _LETTER * self.points(size)

    def letters(self, inches: float, size: float = USUAL) -> int:
        """Estimate how many letters of a text fit into a width."""
        return max(4, int(inches / (_LETTER * self.points(size))))

    def colour(self, usual: str) -> str:
        """Return what stands for one of the report's colours."""
        named = {colour: name for name, colour in COLOURS.items()}
        return self.palette.get(named.get(usual, ""), usual)

    def styles(self, names: Iterable[str]) -> dict[str, Style]:
        """Choose a style for each series, in this look's colours."""
        return {
            name: replace(look, colour=self.palette.get(name, self.colour(look.colour)))
            for name, look in series_styles(names).items()
        }


def series_styles(names: Iterable[str]) -> dict[str, Style]:
    """Choose a style for each series: the usual one of its name, else the next that is free."""
    distinct = dict.fromkeys(names)
    used = {_SERIES[name] for name in distinct if name in _SERIES}
    free = [style for style in _CYCLE if style not in used] or list(_CYCLE)
    others = [name for name in distinct if name not in _SERIES]
    chosen = {name: free[i % len(free)] for i, name in enumerate(others)}
    return {name: _SERIES.get(name) or chosen[name] for name in distinct}


def short(text: str, limit: int = 34) -> str:
    """Cut a name that would not fit beside a figure, keeping its end, where names differ."""
    return text if len(text) <= limit else f"{text[: limit // 2]}…{text[-limit // 2 + 1 :]}"
