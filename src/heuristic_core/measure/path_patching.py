"""Path patching in one batch: what a head's output changes in others, and in the answers."""

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
from ..models.encoding import Encoded
from ..models.patching import READS, freezing, reading, slice_of, writing
from ..models.trace import Trace, starting_at, tracing
from ..units import Unit
from .accuracy import log_odds

PATHS = ("direct", "total")


class CleanRun:
    """A run on one batch in which nothing is changed, and what becomes of it if something is.

    Args:
        model: The model, without dropout and gradients.
        values: What replaces heads' outputs, and what receivers' changes are compared with.
        encoded: All examples.
        others: All counterfactual examples, whose outputs then replace the senders'.
        right: For all examples which of the model's classes count as right.
        rows: Positions of the batch's examples.

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
        self._model = model
        self._values = values.to(model.device)
        self._batch = encoded.batch(rows, model.device)
        self._real = self._batch["attention_mask"].bool()
        self._right = right[rows]
        self._other: Trace | None = None
        if others is not None:
            with tracing(model) as self._other:
                model(**others.batch(rows, model.device))
        with tracing(model) as self._clean:
            self._margin = self._log_odds()
        if not np.isfinite(self._margin).all():
            raise InputError(
                "the model's logits are not finite numbers, or all its labels count as right; "
                "check its weights and the suite's label map, or try float32"
            )

    def outputs_after(self, sender: Unit, path: str) -> Iterator[dict[int, Tensor]]:
        """Give heads' outputs as one of their projections reads what a changed sender leaves.

        Args:
            sender: The head whose output is replaced.
            path: ``direct`` or ``total``.

        Yields:
            For queries, then keys, then values: all heads' outputs side by side, for each layer
            above the sender's.
        """
        first = sender.layer + 1
        changed = self._reads_after(sender, path)
        reads = {layer: changed[layer] for layer in range(first, self._model.space.n_layers)}
        for name in READS:
            with (
                starting_at(self._model, first, self._clean.outputs),
                reading(self._model, name, reads),
                tracing(self._model) as trace,
                # Outputs are put back once seen, so that each layer's input is the clean one.
                freezing(self._model, self._clean),
            ):
                self._model(**self._batch)
            yield trace.z

    def _reads_after(self, sender: Unit, path: str) -> dict[int, Tensor]:
        direct = path == "direct"
        with (
            starting_at(self._model, sender.layer, self._clean.outputs),
            freezing(self._model, self._clean) if direct else nullcontext(),
            writing(self._model, sender, self._replacement(sender)),
            tracing(self._model) as trace,
        ):
            self._model(**self._batch)
        return trace.reads

    def _replacement(self, sender: Unit) -> Tensor:
        if self._other is not None:
            return self._other.z[sender.layer][..., slice_of(self._model, sender)]
        return self._values.heads[sender.layer][sender.head]

    def change(self, receiver: Unit, z: Tensor) -> Float[np.ndarray, " example"]:
        """Give the size of a receiver's change over how far its output was from its mean.

        Args:
            receiver: The head.
            z: The new outputs of its layer's heads, side by side.

        Returns:
            The ratio of two norms over real tokens and dimensions.
        """
        part = slice_of(self._model, receiver)
        clean, new = self._clean.z[receiver.layer][..., part], z[..., part]
        size = self._norm(clean - self._values.heads[receiver.layer][receiver.head].to(clean))
        # A head that writes a constant is as far from its mean as rounding: no measure of change.
        floor = torch.finfo(clean.dtype).eps ** 0.5 * torch.maximum(
            self._norm(clean), self._norm(new)
        )
        size = torch.maximum(size, floor)
        ratio = self._norm(new - clean) / torch.where(size > 0, size, 1)
        return ratio.cpu().numpy()

    def margin_change(self, receiver: Unit, z: Tensor) -> Float[np.ndarray, " example"]:
        """Give the change of the right label's log-odds as a head's new output is put in.

        Args:
            receiver: The head.
            z: The new outputs of its layer's heads, of which its own is taken.

        Returns:
            The change, in nats.
        """
        part = slice_of(self._model, receiver)
        if torch.equal(z[..., part], self._clean.z[receiver.layer][..., part]):
            return np.zeros(len(self._margin))
        with (
            starting_at(self._model, receiver.layer, self._clean.outputs),
            writing(self._model, receiver, z[..., part]),
        ):
            return self._log_odds() - self._margin

    def _log_odds(self) -> Float[np.ndarray, " example"]:
        return log_odds(self._model(**self._batch).logits.double().cpu().numpy(), self._right)

    def _norm(self, z: Float[Tensor, "example position d_head"]) -> Float[Tensor, " example"]:
        real = z.double() * self._real[..., None]
        return torch.linalg.vector_norm(real, dim=(1, 2))
