"""Path patching in one batch: the effect of a head's output on other heads and the margin."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import nullcontext

import numpy as np
import torch
from jaxtyping import Bool, Float
from torch import Tensor

from ..errors import InputError
from ..models.ablation import AblationValues
from ..models.classifier import Classifier
from ..models.device import widened
from ..models.encoding import Encoded
from ..models.patching import READS, freezing, reading, writing
from ..models.trace import Trace, starting_at, tracing
from ..units import Unit
from .accuracy import log_odds

PATHS = ("direct", "total")


class CleanRun:
    """A clean run on one batch, and patched runs that start from it.

    Args:
        model: The model, without dropout and gradients.
        values: Mean outputs, which replace the senders' outputs and are the reference of the
            receivers' changes.
        encoded: All examples.
        others: All counterfactual examples. If given, their outputs replace the senders'.
        right: Which of the model's classes are right for each of the examples.
        rows: Positions of the examples in the batch.

    Raises:
        InputError: If the model's logits are not finite.
    """

    def __init__(
        self,
        model: Classifier,
        values: AblationValues,
        encoded: Encoded,
        others: Encoded | None,
        right: Bool[np.ndarray, "example label"],
        rows: np.ndarray,
    ) -> None:
        self._model, self._anatomy = model, model.anatomy
        self._values = values.to(model.device)
        self._batch = encoded.batch(rows, model.device)
        self._real = self._batch["attention_mask"].bool()
        self._right = right[rows]
        self._other: Trace | None = None
        if others is not None:
            with tracing(self._anatomy) as self._other:
                model(**others.batch(rows, model.device))
        with tracing(self._anatomy) as self._clean:
            self._margin = self._log_odds()
        if not np.isfinite(self._margin).all():
            raise InputError(
                "the model's logits are not finite numbers, or all its labels count as right; "
                "check its weights and the suite's label map, or try float32"
            )

    def outputs_after(self, sender: Unit, path: str) -> Iterator[dict[int, Tensor]]:
        """Compute heads' outputs if one projection reads the input that a changed sender causes.

        Args:
            sender: The head whose output is replaced.
            path: ``direct`` or ``total``.

        Yields:
            For queries, then keys, then values: the concatenated outputs of all heads, for each
            layer above the sender's.
        """
        first = sender.layer + 1
        changed = self._reads_after(sender, path)
        reads = {layer: changed[layer] for layer in range(first, self._anatomy.space.n_layers)}
        for name in READS:
            with (
                starting_at(self._anatomy, first, self._clean.outputs),
                reading(self._anatomy, name, reads),
                tracing(self._anatomy) as trace,
                # Outputs are reset after they are recorded, so that every layer reads clean input.
                freezing(self._anatomy, self._clean),
            ):
                self._model(**self._batch)
            yield trace.z

    def _reads_after(self, sender: Unit, path: str) -> dict[int, Tensor]:
        direct = path == "direct"
        with (
            starting_at(self._anatomy, sender.layer, self._clean.outputs),
            freezing(self._anatomy, self._clean) if direct else nullcontext(),
            writing(self._anatomy, sender, self._replacement(sender)),
            tracing(self._anatomy) as trace,
        ):
            self._model(**self._batch)
        return trace.reads

    def _replacement(self, sender: Unit) -> Tensor:
        if self._other is not None:
            return self._other.z[sender.layer][..., self._anatomy.slice_of(sender)]
        return self._values.heads[sender.layer][sender.head]

    def change(self, receiver: Unit, z: Tensor) -> Float[np.ndarray, " example"]:
        """Compute the norm of a receiver's change over the distance of its output from its mean.

        Args:
            receiver: The head.
            z: The new outputs of the heads of its layer, concatenated.

        Returns:
            The ratio; the norms are over dimensions and all tokens but padding.
        """
        own = self._anatomy.slice_of(receiver)
        clean, new = self._clean.z[receiver.layer][..., own], z[..., own]
        size = self._norm(clean - self._values.heads[receiver.layer][receiver.head].to(clean))
        # The distance of a head with constant output is rounding error, so it gets a lower bound.
        floor = torch.finfo(clean.dtype).eps ** 0.5 * torch.maximum(
            self._norm(clean), self._norm(new)
        )
        size = torch.maximum(size, floor)
        ratio = self._norm(new - clean) / torch.where(size > 0, size, 1)
        return ratio.cpu().numpy()

    def margin_change(self, receiver: Unit, z: Tensor) -> Float[np.ndarray, " example"]:
        """Compute the change of the right label's log-odds if a head's new output is patched in.

        Args:
            receiver: The head.
            z: The new outputs of the heads of its layer, concatenated.

        Returns:
            The change, in nats.
        """
        own = self._anatomy.slice_of(receiver)
        if torch.equal(z[..., own], self._clean.z[receiver.layer][..., own]):
            return np.zeros(len(self._margin))
        with (
            starting_at(self._anatomy, receiver.layer, self._clean.outputs),
            writing(self._anatomy, receiver, z[..., own]),
        ):
            return self._log_odds() - self._margin

    def _log_odds(self) -> Float[np.ndarray, " example"]:
        return log_odds(self._model(**self._batch).logits.cpu().double().numpy(), self._right)

    def _norm(self, z: Float[Tensor, "example position d_head"]) -> Float[Tensor, " example"]:
        real = widened(z) * self._real[..., None]
        return torch.linalg.vector_norm(real, dim=(1, 2))
