"""Divergences of many choices of units, none of which is run twice."""

from __future__ import annotations

import numpy as np
from jaxtyping import Float

from ..progress import Progress
from .divergence import Divergences, Masks

#: Choices between two reports of progress.
_CHUNK = 20


class Remembered:
    """Each example's divergence under each choice of units that was asked for so far.

    Args:
        divergences: What runs the model.
        progress: Called with (choices run, choices in all) of those asked for together.
    """

    def __init__(self, divergences: Divergences, progress: Progress) -> None:
        self._divergences = divergences
        self._progress = progress
        self._known: dict[bytes, Float[np.ndarray, " example"]] = {}

    def per_example(self, masks: Masks) -> Float[np.ndarray, "choice example"]:
        """Return each example's KL divergence from the full model, in nats.

        Args:
            masks: For each choice which units are kept; at least one choice.

        Raises:
            InputError: If the model gives no finite logits under a choice.
        """
        # In this order neighbours agree on as many of the lower layers as possible.
        distinct = np.unique(masks, axis=0)
        new = distinct[[mask.tobytes() not in self._known for mask in distinct]]
        for start in range(0, len(new), _CHUNK):
            chunk = new[start : start + _CHUNK]
            for mask, values in zip(chunk, self._divergences.per_example(chunk), strict=True):
                self._known[mask.tobytes()] = values
            self._progress(min(start + _CHUNK, len(new)), len(new))
        return np.stack([self._known[mask.tobytes()] for mask in masks])

    def of(self, masks: Masks) -> Float[np.ndarray, " choice"]:
        """Return the mean KL divergence over examples, in nats.

        Args:
            masks: For each choice which units are kept; at least one choice.
        """
        return self.per_example(masks).mean(1)
