"""Logits of a model under many choices of units, each run without the units that it drops."""

from __future__ import annotations

import numpy as np
from jaxtyping import Bool, Float

from ..measure.accuracy import predict
from ..models.ablation import AblationValues
from ..models.classifier import Classifier
from ..models.encoding import Encoded
from ..subnetwork import Subnetwork


class CompactRuns:
    """A model on fixed examples, run as a smaller model for each choice of units kept.

    This is faster than ``MaskedRuns`` where choices drop many units and agree on no lower layers,
    as random ones do.

    Args:
        model: The full model.
        encoded: The tokenised examples.
        values: What replaces the outputs of dropped units.
        precision: What to compute in, as for ``measure.accuracy.predict``.
    """

    def __init__(
        self,
        model: Classifier,
        encoded: Encoded,
        values: AblationValues,
        *,
        precision: str = "float32",
    ) -> None:
        self.model = model
        self.encoded = encoded
        self.precision = precision
        self._values = values.arrays()

    def logits(
        self, masks: Bool[np.ndarray, "choice unit"]
    ) -> Float[np.ndarray, "choice example label"]:
        """Compute logits under each of some choices of units.

        Args:
            masks: For each choice which units are kept.

        Returns:
            The logits, in float32, in the order of the choices and examples.
        """
        space = self.model.space
        given = np.atleast_2d(np.asarray(masks, dtype=bool))
        result = np.empty((len(given), len(self.encoded), len(self.model.labels)), np.float32)
        for choice, mask in enumerate(given):
            result[choice] = predict(
                self.model,
                self.encoded,
                subnetwork=Subnetwork(space, space.from_mask(mask), values=self._values),
                precision=self.precision,
            )
        return result
