"""Logits of a model under many choices of units, which share the layers that they agree on."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from typing import Any

import numpy as np
import torch
from jaxtyping import Bool, Float
from torch import Tensor

from ..precision import check_precision
from .ablation import AblationValues
from .classifier import Classifier
from .encoding import Encoded
from .gates import Gates
from .lean import lean
from .trace import Trace, starting_at, tracing

#: Bytes of layers' outputs that are kept, unless told otherwise.
MEMORY = 1_000_000_000


class MaskedRuns:
    """A model on fixed examples, run with any choice of units kept.

    What a layer returns depends on the units up to this layer alone. Outputs of earlier runs are
    kept, those used last, so that a run starts at the first layer in which its choice is new.

    Args:
        model: The full model.
        encoded: The tokenised examples.
        values: What replaces the outputs of dropped units.
        batch_size: Examples per forward pass.
        precision: What to compute in, as for ``measure.accuracy.predict``.
        memory: Bytes of layers' outputs to keep, at most.
    """

    def __init__(
        self,
        model: Classifier,
        encoded: Encoded,
        values: AblationValues,
        *,
        batch_size: int = 64,
        precision: str = "float32",
        memory: int = MEMORY,
    ) -> None:
        self.model = model
        self.encoded = encoded
        self.values = values
        self.precision = check_precision(precision)
        self._batches = [
            (rows, encoded.batch(rows, model.device)) for rows in encoded.by_length(batch_size)
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
        # In this order neighbours agree on as many of the lower layers as possible.
        order = np.lexsort(given.T[::-1])
        n_labels = len(self.model.labels)
        result = np.empty((len(given), len(self.encoded), n_labels), dtype=np.float32)
        with self._running() as (gates, trace):
            for i, (rows, batch) in enumerate(self._batches):
                for choice in order:
                    logits = self._run(given[choice], i, batch, gates, trace)
                    result[choice, rows] = logits.float().cpu().numpy()
        return result

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
        self, mask: np.ndarray, number: int, batch: dict[str, Tensor], gates: Gates, trace: Trace
    ) -> Tensor:
        """Run one batch under one choice, from the first layer on whose output is not known."""
        space = self.model.space
        ends = [*space.offsets[1:], len(space)]
        # The last layer is always run: what reads it is not kept.
        names = [(number, mask[:end].tobytes()) for end in ends[:-1]]
        start, output = 0, None
        for layer in reversed(range(len(names))):
            output = self._cache.get(names[layer])
            if output is not None:
                start = layer + 1
                break
        gates.z = torch.tensor(mask, dtype=torch.float32, device=self.model.device)
        with starting_at(self.model.anatomy, start, dict.fromkeys(range(start), output)):
            logits: Tensor = self.model(**batch).logits
        for layer in range(start, len(names)):
            self._cache.put(names[layer], trace.outputs[layer])
        return logits


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
