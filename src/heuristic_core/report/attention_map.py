"""What one head attends to in one example: numbers, and a figure with the tokens on both axes."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any, Unpack

import numpy as np
import pandas as pd
from jaxtyping import Float

from .look_options import LookOptions, look_of, takes_look

if TYPE_CHECKING:  # loads matplotlib
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure


@dataclass(frozen=True, eq=False)
class AttentionMap:
    """What one head attends to in one text or pair; a notebook shows it as a figure.

    Args:
        head: The head.
        tokens: The tokens, special ones too.
        array: The attention from each token (row) to each token (column); rows sum to 1, but for
            rounding and for tokens that are cut.
    """

    head: str
    tokens: tuple[str, ...]
    array: Float[np.ndarray, "query key"]

    @cached_property
    def weights(self) -> pd.DataFrame:
        """The attention from each token (row) to each token (column)."""
        return pd.DataFrame(self.array, index=list(self.tokens), columns=list(self.tokens))

    @takes_look
    def figure(
        self,
        *,
        ax: Axes | None = None,
        **look: Unpack[LookOptions],
    ) -> Figure:
        """Draw it: from the tokens downwards to the tokens across.

        Args:
            ax: Axes to draw it into; a new figure if not given.
            **look: How it looks, as ``LookOptions`` lists it; ``blue`` of a palette is the
                colour of the cells.

        Raises:
            InputError: If an option does not fit.
        """
        from .figures.tokens import draw_tokens

        return draw_tokens(self.head, self.tokens, self.array, look_of(look), ax)

    def __repr__(self) -> str:
        return f"AttentionMap({self.head}, {len(self.tokens)} tokens)"

    def _repr_png_(self) -> bytes:
        from .figures.canvas import to_file

        return to_file(self.figure(), "png")


def stored_map(row: Mapping[Any, Any], tokens: str) -> AttentionMap:
    """Unpack a map.

    Args:
        row: A row of ``tables.ATTENTION_MAPS``.
        tokens: The tokens of its example, as ``tables.ATTENTION_EXAMPLES`` holds them.
    """
    n = int(row["n"])
    weights = np.frombuffer(row["weights"], np.uint8).reshape(n, n) / 255
    return AttentionMap(str(row["unit"]), tuple(json.loads(tokens)), weights)
