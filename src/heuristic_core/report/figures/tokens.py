"""Attention from token to token."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from jaxtyping import Float
from matplotlib import colormaps
from matplotlib.axes import Axes
from matplotlib.colors import Colormap, LinearSegmentedColormap
from matplotlib.figure import Figure

from .canvas import axes_of, fitted, look_within, style
from .look import BLUE, Look, short

#: Inches of a token where no width is given.
_TOKEN = 0.24
_LETTERS = 16


def draw_tokens(
    head: str,
    tokens: Sequence[str],
    weights: Float[np.ndarray, "query key"],
    look: Look,
    into: Axes | None = None,
) -> Figure:
    """Draw the attention of one head from each token, downwards, to each token, across.

    Args:
        head: The head's name, for the title.
        tokens: The tokens.
        weights: The attention; darker is more, from 0 to 1.
        look: The figure's size, font and colours.
        into: Axes to draw it into; a new figure if not given.
    """
    look = look if into is None else look_within(into, look)
    with style(look):
        if into is not None:
            return _draw(head, tokens, weights, look, into)
        return fitted(lambda one: _draw(head, tokens, weights, one, None), look)


def _draw(
    head: str,
    tokens: Sequence[str],
    weights: Float[np.ndarray, "query key"],
    look: Look,
    into: Axes | None,
) -> Figure:
    side = _TOKEN * look.scale * len(tokens) if look.width is None else look.width
    figure, axis = axes_of(into, (side, look.height or side))
    axis.imshow(weights, cmap=_ramp(look), vmin=0, vmax=1, aspect="auto")
    # Names that would touch are left out.
    every = max(1, int(np.ceil(1.15 * look.usual / 72 * len(tokens) / side - 1e-9)))
    places = list(range(0, len(tokens), every))
    names = [short(tokens[i], _LETTERS) for i in places]
    axis.set_xticks(places, names, rotation=90)
    axis.set_yticks(places, names)
    axis.xaxis.tick_top()
    for spine in axis.spines.values():
        spine.set_visible(False)
    axis.set_ylabel("from")
    axis.set_title(f"{head}: attention to", fontsize=look.points(10), fontweight="bold")
    return figure


def _ramp(look: Look) -> Colormap:
    if look.colour(BLUE) == BLUE:
        return colormaps["Blues"]
    return LinearSegmentedColormap.from_list("one colour", ["#ffffff", look.colour(BLUE)])
