"""Logits of a model under many choices of units, which share the layers that they agree on."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from typing import Any

import numpy as np
import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from ..precision import check_precision
from .ablation import AblationValues
from .classifier import Classifier
from .encoding import Encoded
from .gates import Gates
from .hooks import repeated_at_first_token
from .lean import lean, may_cut
from .trace import Trace, starting_at, tracing

#: Bytes of layers' outputs that are kept, unless told otherwise.
MEMORY = 1_000_000_000
#: Rows of the last layer's MLP that run at once: choices times examples.
_ROWS = 4096


class MaskedRuns:
    """A model on fixed examples, run with any choice of units kept.

    What a layer returns depends on the units up to this layer alone. Outputs of earlier runs are
    kept, those used last, so that a run starts at the first layer in which its choice is new.
    Choices that differ in the last layer alone share its attention too, where the classifier reads
    the first token only.

    Args:
        model: The full model.
        encoded: The tokenised examples.
        values: What replaces the outputs of dropped units.
        batch_size: Examples per forward pass; if not given, as many as suit the device.
        precision: What to compute in, as for ``measure.accuracy.predict``.
        memory: Bytes of layers' outputs to keep, at most.
    """

    def __init__(
        self,
        model: Classifier,
        encoded: Encoded,
        values: AblationValues,
        *,
        batch_size: int | None = None,
        precision: str = "float32",
        memory: int = MEMORY,
    ) -> None:
        self.model = model
        self.encoded = encoded
        self.values = values
        self.precision = check_precision(precision)
        self._batches = [
            (rows, encoded.batch(rows, model.device)) for rows in model.batches(encoded, batch_size)
        ]
        self._cache = _Outputs(memory)

    def logits(
        self, masks: Bool[np.ndarray, "choice unit"]
    ) -> Float[np.ndarray, "choice example label"]:
        """Compute logits under each of some choices of units.

        Args:
            masks: For each choice which units are kept.

        Returns:
            The logits, in float32, in the order of the choices and examples.
        """
        given = np.atleast_2d(np.asarray(masks, dtype=bool))
        n_labels = len(self.model.labels)
        result = np.empty((len(given), len(self.encoded), n_labels), dtype=np.float32)
        with self._running() as (gates, trace):
            for i, (rows, batch) in enumerate(self._batches):
                for choices in self._groups(given, _ROWS // len(rows)):
                    logits = self._run(given[choices], i, batch, gates, trace)
                    result[choices[:, None], rows] = logits.float().cpu().numpy()
        return result

    def _groups(
        self, masks: Bool[np.ndarray, "choice unit"], size: int
    ) -> Iterator[Int[np.ndarray, " choice"]]:
        """Yield choices that run at once: where possible, those that differ in the last layer."""
        # In this order neighbours agree on as many of the lower layers as possible.
        order = np.lexsort(masks.T[::-1])
        family = self.model.family
        # What is repeated must come before the gates of the heads.
        if not may_cut(self.model.hf, family) or not family.out_after_first_token:
            size = 1
        lower = masks[order, : self.model.space.offsets[-1]]
        new = np.flatnonzero((lower[1:] != lower[:-1]).any(1)) + 1
        for alike in np.split(order, new):
            for start in range(0, len(alike), max(1, size)):
                yield alike[start : start + max(1, size)]

    @contextmanager
    def _running(self) -> Iterator[tuple[Gates, Trace]]:
        model = self.model
        with ExitStack() as stack:
            stack.enter_context(model.inference())
            stack.enter_context(model.computing_in(self.precision))
            gates = stack.enter_context(model.gated(self.values))
            stack.enter_context(lean(model.hf, model.family, precision=self.precision))
            yield gates, stack.enter_context(tracing(model.anatomy))

    def _run(
        self,
        masks: Bool[np.ndarray, "choice unit"],
        number: int,
        batch: dict[str, Tensor],
        gates: Gates,
        trace: Trace,
    ) -> Float[Tensor, "choice example label"]:
        """Run one batch under choices of one group, from the first layer on that is not known."""
        model = self.model
        ends = model.space.offsets[1:]  # the last layer is always run: what reads it is not kept
        names = [(number, masks[0, :end].tobytes()) for end in ends]
        start, output = 0, None
        for layer in reversed(range(len(names))):
            output = self._cache.get(names[layer])
            if output is not None:
                start = layer + 1
                break
        z = torch.tensor(masks, dtype=torch.float32, device=model.device)
        gates.z = z[0]
        with ExitStack() as stack:
            stack.enter_context(
                starting_at(model.anatomy, start, dict.fromkeys(range(start), output))
            )
            if len(masks) > 1:
                n = len(next(iter(batch.values())))

                def open_each() -> None:
                    gates.z = z.repeat_interleave(n, 0)

                stack.enter_context(
                    repeated_at_first_token(model.hf, model.family, len(masks), open_each)
                )
            logits: Tensor = model(**batch).logits
        for layer in range(start, len(names)):
            self._cache.put(names[layer], trace.outputs[layer])
        return logits.unflatten(0, (len(masks), -1))


class _Outputs:
    """Outputs of layers by name; when they take too much memory, those used last stay."""

    def __init__(self, memory: int) -> None:
        self._memory = memory
        self._used = 0
        self._held: OrderedDict[Any, Any] = OrderedDict()

    def get(self, name: Any) -> Any:
        """Return an output, or ``None`` if it is not kept."""
        output = self._held.get(name)
        if output is not None:
            self._held.move_to_end(name)
        return output

    def put(self, name: Any, output: Any) -> None:
        """Keep an output."""
        self._used += _size(output) - _size(self._held.pop(name, None))
        self._held[name] = output
        while self._used > self._memory and self._held:
            _, oldest = self._held.popitem(last=False)
            self._used -= _size(oldest)


def _size(output: Any) -> int:
    """Count the bytes of all tensors in what a layer returned."""
    if isinstance(output, Tensor):
        return output.numel() * output.element_size()
    if isinstance(output, Sequence) and not isinstance(output, str):
        return sum(map(_size, output))
    return 0
