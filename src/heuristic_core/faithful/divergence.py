"""How far subnetworks are from the full model: the divergence of many choices of units."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from jaxtyping import Bool, Float

from ..errors import InputError
from ..models.classifier import Classifier
from ..models.encoding import Encoded
from ..models.masked_runs import MEMORY, MaskedRuns
from ..search.data import SearchData
from ..search.gate_training import kl_divergence
from ..subnetwork import Subnetwork
from .compact_runs import CompactRuns

#: No bound is lower, in nats: below it, divergences are as good as equal.
LEAST_BOUND = 1e-3
#: A bound is above the divergence of the least faithful known subnetwork by this factor: searches
#: see other examples than those that judge.
ROOM = 1.25

Masks = Bool[np.ndarray, "choice unit"]


def check_finite(logits: Float[np.ndarray, "*shape"]) -> None:
    """Refuse logits of subnetworks that are not finite.

    Raises:
        InputError: If one is not.
    """
    if not np.isfinite(logits).all():
        raise InputError(
            "without some of its units the model gives logits that are not finite numbers; compute "
            "in float32"
        )


class Divergences:
    """The divergence of a model's subnetworks from the model itself, on fixed examples.

    Args:
        model: The full model.
        data: The examples, the model's predictions and the ablation values.
        batch_size: Examples per forward pass, where choices share layers; if not given, as many as
            suit the device.
        precision: What to compute in, as for ``measure.accuracy.predict``.
        memory: Bytes of layers' outputs to keep, at most; see ``MaskedRuns``.
        compact: Run each choice as a model without the units that it drops, as ``CompactRuns``
            does, rather than share lower layers.
    """

    def __init__(
        self,
        model: Classifier,
        data: SearchData,
        *,
        batch_size: int | None = None,
        precision: str = "float32",
        memory: int = MEMORY,
        compact: bool = False,
    ) -> None:
        self.space = model.space
        self._model, self._values, self._compact = model, data.values, compact
        self._precision = precision
        self._batch_size, self._memory = batch_size, memory
        self.runs = self.elsewhere(data.encoded)
        self._reference = data.reference.double().cpu()

    def elsewhere(self, encoded: Encoded) -> MaskedRuns | CompactRuns:
        """Return the same runs of the model on other examples."""
        given = (self._model, encoded, self._values)
        if self._compact:
            return CompactRuns(*given, precision=self._precision)
        return MaskedRuns(
            *given,
            batch_size=self._batch_size,
            precision=self._precision,
            memory=self._memory,
        )

    def per_example(self, masks: Masks) -> Float[np.ndarray, "choice example"]:
        """Compute each example's KL divergence from the full model, in nats.

        Args:
            masks: For each choice which units are kept.
        """
        return self.of_logits(self.runs.logits(masks))

    def of_logits(
        self, logits: Float[np.ndarray, "choice example label"]
    ) -> Float[np.ndarray, "choice example"]:
        """Compute each example's KL divergence from the full model, in nats, of given logits.

        Raises:
            InputError: If they are not finite.
        """
        check_finite(logits)
        there = torch.from_numpy(logits).double()
        # Rounding may leave a divergence a little below zero.
        return kl_divergence(self._reference, there).clamp(min=0).numpy()

    def of(self, masks: Masks) -> Float[np.ndarray, " choice"]:
        """Compute the mean KL divergence over examples, in nats.

        Args:
            masks: For each choice which units are kept.
        """
        return self.per_example(masks).mean(1)

    def bound(self, subnetworks: Sequence[Subnetwork]) -> float:
        """Return the divergence up to which others are as faithful as some subnetworks, in nats.

        Args:
            subnetworks: Subnetworks that match the model. The least faithful of them decides; the
                bound is a quarter above it.
        """
        worst = self.of(np.array([one.mask for one in subnetworks])).max()
        return max(ROOM * float(worst), LEAST_BOUND)
