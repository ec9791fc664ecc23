"""A model's answers without units, running again only the layers that a removal can change."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from ..models.ablation import AblationValues
from ..models.classifier import Classifier, Progress
from ..models.encoding import Encoded
from ..models.hooks import on_readout
from ..models.trace import starting_at, tracing
from ..units import Unit

#: From what the last layer reads, of shape (example, width), to logits.
Readout = Callable[[Tensor], Tensor]


@dataclass(frozen=True, eq=False)
class Answers:
    """What a model says without units; run 0 is the full model.

    Args:
        logits: The logits.
        change: Length of the change of what the classification layer reads, over the length of
            what it reads in the full model.
    """

    logits: Float[np.ndarray, "run example label"]
    change: Float[np.ndarray, "run example"]


def answers_without(
    model: Classifier,
    encoded: Encoded,
    sets: Sequence[frozenset[Unit]],
    values: AblationValues,
    *,
    n_labels: int,
    readout: Readout | None = None,
    batch_size: int = 64,
    progress: Progress | None = None,
) -> Answers:
    """Run a model once as it is and once without each of some sets of units.

    Of each batch the layers below a set's lowest are not run again.

    Args:
        model: The full model.
        encoded: The examples as tokens.
        sets: What to remove, at least one unit each.
        values: What stands in for removed units.
        n_labels: Number of classes.
        readout: What gives the logits in place of the model's own last layer.
        batch_size: Examples a forward pass.
        progress: Called with (examples done, examples in all), over all runs together.

    Returns:
        The answers, runs 1 and up in the order of the sets.
    """
    by_layer: dict[int, list[int]] = {}
    for run, units in enumerate(sets, start=1):
        by_layer.setdefault(min(unit.layer for unit in units), []).append(run)
    gates_open = torch.ones(len(model.space), device=model.device)
    masks = [
        gates_open,
        *(torch.tensor(~model.space.mask(units)).to(gates_open) for units in sets),
    ]
    logits = np.empty((len(masks), len(encoded), n_labels))
    change = np.zeros((len(masks), len(encoded)))
    done, total = 0, len(masks) * len(encoded)

    with model.inference(), model.gated(values) as gates, reading(model) as read:

        def run_once(run: int, batch: dict[str, Tensor], rows: np.ndarray) -> Tensor:
            nonlocal done
            gates.z = masks[run]
            answer = model(**batch).logits
            features = read[0].double()
            given = answer if readout is None else readout(features)
            logits[run, rows] = given.double().cpu().numpy()
            done += len(rows)
            if progress is not None:
                progress(done, total)
            return features

        for rows in encoded.by_length(batch_size):
            batch = encoded.batch(rows, model.device)
            with tracing(model) as trace:
                full = run_once(0, batch, rows)
            length = full.norm(dim=-1).clamp(min=torch.finfo(full.dtype).tiny)
            for layer, runs in by_layer.items():
                with starting_at(model, layer, trace.outputs):
                    for run in runs:
                        difference = (run_once(run, batch, rows) - full).norm(dim=-1)
                        change[run, rows] = (difference / length).cpu().numpy()
    return Answers(logits, change)


def features_of(
    model: Classifier, encoded: Encoded, *, batch_size: int = 64
) -> Float[np.ndarray, "example width"]:
    """Give what a model's last layer reads of each example, in float64."""
    found = np.empty((len(encoded), 0))
    with model.inference(), reading(model) as read:
        for rows in encoded.by_length(batch_size):
            model(**encoded.batch(rows, model.device))
            if not found.shape[1]:
                found = np.empty((len(encoded), read[0].shape[-1]))
            found[rows] = read[0].double().cpu().numpy()
    return found


@contextmanager
def reading(model: Classifier) -> Iterator[list[Tensor]]:
    """See what a model's last layer reads in each forward pass of a ``with`` block.

    Yields:
        A list of one tensor of shape (batch, width), exchanged by each forward pass.
    """
    seen: list[Tensor] = []

    def see(read: Tensor) -> None:
        seen[:] = [read]

    handle = on_readout(model, see)
    try:
        yield seen
    finally:
        handle.remove()
