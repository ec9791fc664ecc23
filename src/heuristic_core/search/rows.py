"""Which examples and which noise each pass of gate training takes."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor

from ..models.device import widened
from ..models.encoding import Encoded

#: Rows that run at once: on a processor, or of each seed.
ROWS = 32


def ordered(
    encoded: Encoded, n_passes: int, seed: int, *, batch_size: int, by_length: bool
) -> Iterator[Int[np.ndarray, " row"]]:
    """Order the examples of all passes of a seed.

    Args:
        encoded: The examples.
        n_passes: How many passes.
        seed: The seed.
        batch_size: Examples of a pass.
        by_length: Whether examples of similar length come together.
    """
    rng = np.random.default_rng(seed)
    return encoded.shuffled(batch_size, n_passes, rng, by_length=by_length)


def at_once(given: int | None, device: torch.device) -> int | None:
    """Return how many rows may run at once; any number if ``None``.

    On a processor what a pass computes should fit its cache: 256 rows of MiniLM at 40 tokens took
    3.5 times as long as eight passes of 32.

    Args:
        given: What was asked for, if anything.
        device: Where they run.
    """
    return given or (ROWS if device.type == "cpu" else None)


def passes(lengths: Int[np.ndarray, " row"], limit: int | None) -> list[np.ndarray]:
    """Split rows into passes of similar length; one pass, in order, where they are not too many.

    Args:
        lengths: Tokens of each row.
        limit: Rows of a pass at most; no limit if ``None``.
    """
    if limit is None or len(lengths) <= limit:
        return [np.arange(len(lengths))]
    order = np.argsort(lengths, kind="stable")
    return [order[i : i + limit] for i in range(0, len(order), limit)]


def noise(
    n_rows: int,
    n_gates: int,
    generator: torch.Generator,
    *,
    shared: bool,
    antithetic: bool,
) -> Float[Tensor, "row gate"]:
    """Draw the noise of one pass.

    Args:
        n_rows: Examples.
        n_gates: Gates.
        generator: The generator of the noise.
        shared: Whether all examples have one draw.
        antithetic: Whether every second example has the mirror image of the one before.
    """
    n = 1 if shared else n_rows
    half = (n + 1) // 2 if antithetic and not shared else n
    drawn = torch.rand(
        half, n_gates, generator=generator, device=generator.device, dtype=torch.float32
    )
    # Neighbours in a batch have similar lengths, so a pair's noise partly cancels.
    if half < n:
        drawn = torch.stack([drawn, 1 - drawn], 1).flatten(0, 1)[:n]
    return widened(drawn)
