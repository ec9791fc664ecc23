"""The options of how figures look, which every function that draws one takes."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING, Any, TypedDict, TypeVar

from ..errors import InputError, expect_known, one_line

if TYPE_CHECKING:  # loads matplotlib
    from .figures.look import Look

Size = float | tuple[float, float]
_Function = TypeVar("_Function", bound=Callable[..., Any])


class LookOptions(TypedDict, total=False):
    """How a figure looks, as keywords.

    Attributes:
        size: Inches: its width, or width and height. At a width, no text is below 7 points.
        font: A font's name.
        font_size: Points of usual text.
        palette: Other colours: by the name of a series of the figure, or for ``orange``, ``blue``,
            ``grey``, ``purple`` and ``green``.
    """

    size: Size | None
    font: str
    font_size: float | None
    palette: Mapping[str, str] | None


def takes_look(function: _Function) -> _Function:
    """Show the options in a function's signature, in place of the keywords that take them."""
    signature = inspect.signature(function)
    options = [
        inspect.Parameter(
            name,
            inspect.Parameter.KEYWORD_ONLY,
            default="" if name == "font" else None,
            annotation=annotation.__forward_arg__,  # as the function's own, a text
        )
        for name, annotation in LookOptions.__annotations__.items()
    ]
    *rest, keywords = signature.parameters.values()
    # Keywords that say something else besides, such as which figure is meant, stay.
    more = [] if keywords.name == "look" else [keywords]
    function.__signature__ = signature.replace(  # type: ignore[attr-defined]
        parameters=[*rest, *options, *more]
    )
    return function


def look_of(options: LookOptions, series: Iterable[str] = ()) -> Look:
    """Put together how figures look.

    Args:
        options: The options.
        series: The names of their series, which a palette may give colours.

    Raises:
        InputError: If a size is none, or a font, a colour or what it is for is unknown.
    """
    from matplotlib.colors import is_color_like
    from matplotlib.font_manager import findfont

    from .figures.look import COLOURS, Look

    expect_known("option of a figure", options, LookOptions.__annotations__)
    size, font_size = options.get("size"), options.get("font_size")
    font, palette = options.get("font", ""), options.get("palette")
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
    known = dict.fromkeys([*COLOURS, *filter(None, series)])
    expect_known("name in the palette", palette or {}, known)
    for name, colour in (palette or {}).items():
        if not is_color_like(colour):
            raise InputError(f"{colour!r} of {name!r} is no colour; give one such as '#2f86cf'")
    width, height = size if isinstance(size, tuple) else (size, None)
    return Look(
        width=width, height=height, font=font, font_size=font_size, palette=dict(palette or {})
    )
