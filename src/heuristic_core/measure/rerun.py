"""Outputs of a model without some units; only layers that a removal can change are run again."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from ..models.ablation import AblationValues
from ..models.classifier import Classifier
from ..models.device import widened
from ..models.encoding import Encoded
from ..models.hooks import on_readout
from ..models.trace import starting_at, tracing
from ..progress import Progress
from ..units import Unit

#: Maps features, which the last layer reads, of shape (example, width), to logits.
Readout = Callable[[Tensor], Tensor]
#: From the number of a batch and what computes its arrays to these arrays.
Keep = Callable[[int, Callable[[], Mapping[str, np.ndarray]]], Mapping[str, np.ndarray]]


@dataclass(frozen=True, eq=False)
class Outputs:
    """Outputs of a model without some units; run 0 is the full model.

    Args:
        logits: The logits.
        change: Norm of the change of the features that the classification layer reads, over their
            norm in the full model.
    """

    logits: Float[np.ndarray, "run example label"]
    change: Float[np.ndarray, "run example"]


def outputs_without(
    model: Classifier,
    encoded: Encoded,
    sets: Sequence[frozenset[Unit]],
    values: AblationValues,
    *,
    n_labels: int,
    readout: Readout | None = None,
    batch_size: int | None = None,
    keep: Keep | None = None,
    progress: Progress | None = None,
) -> Outputs:
    """Run the full model, and the model without each of some sets of units.

    The layers below the lowest layer of a set are run once per batch.

    Args:
        model: The full model.
        encoded: The tokenised examples.
        sets: The sets of units to remove, at least one unit each.
        values: Ablation values, which replace the outputs of removed units.
        n_labels: Number of classes.
        readout: A last layer that replaces the model's own.
        batch_size: Examples per forward pass; if not given, as many as suit the device.
        keep: Called with the number of each batch and a function that computes its outputs;
            returns these, or what it has kept of them.
        progress: Called with (examples done, examples in all), summed over all runs.

    Returns:
        The outputs; runs 1 and up are in the order of the sets.
    """
    by_layer: dict[int, list[int]] = {}
    for run, units in enumerate(sets, start=1):
        by_layer.setdefault(min(unit.layer for unit in units), []).append(run)
    kept = np.array([~model.space.mask(units) for units in (frozenset[Unit](), *sets)])
    masks = torch.tensor(kept, dtype=torch.float32, device=model.device)
    logits = np.empty((len(masks), len(encoded), n_labels))
    change = np.zeros((len(masks), len(encoded)))
    done, total = 0, len(masks) * len(encoded)

    with model.inference(), model.gated(values) as gates, reading(model) as read:

        def report(more: int) -> None:
            nonlocal done
            done += more
            if progress is not None:
                progress(done, total)

        def run_batch(rows: np.ndarray) -> dict[str, np.ndarray]:
            of_batch = np.empty((len(masks), len(rows), n_labels))
            changed = np.zeros((len(masks), len(rows)))
            batch = encoded.batch(rows, model.device)

            def run_once(run: int) -> Tensor:
                gates.z = masks[run]
                own = model(**batch).logits
                features = widened(read[0])
                used = own if readout is None else readout(features)
                of_batch[run] = used.cpu().double().numpy()
                report(len(rows))
                return features

            with tracing(model.anatomy) as trace:
                full = run_once(0)
            length = full.norm(dim=-1).clamp(min=torch.finfo(full.dtype).tiny)
            for layer, runs in by_layer.items():
                with starting_at(model.anatomy, layer, trace.outputs):
                    for run in runs:
                        difference = (run_once(run) - full).norm(dim=-1)
                        changed[run] = (difference / length).cpu().numpy()
            return {"logits": of_batch, "change": changed}

        for i, rows in enumerate(model.batches(encoded, batch_size)):
            compute, before = partial(run_batch, rows), done
            found = compute() if keep is None else keep(i, compute)
            logits[:, rows], change[:, rows] = found["logits"], found["change"]
            if more := before + len(masks) * len(rows) - done:
                report(more)
    return Outputs(logits, change)


def features_of(
    model: Classifier, encoded: Encoded, *, batch_size: int | None = None
) -> Float[np.ndarray, "example width"]:
    """Compute the features that a model's last layer reads, in float64."""
    features = np.empty((len(encoded), 0))
    with model.inference(), reading(model) as read:
        for rows in model.batches(encoded, batch_size):
            model(**encoded.batch(rows, model.device))
            if not features.shape[1]:
                features = np.empty((len(encoded), read[0].shape[-1]))
            features[rows] = read[0].cpu().double().numpy()
    return features


@contextmanager
def reading(model: Classifier) -> Iterator[list[Tensor]]:
    """Record what a model's last layer reads in each forward pass of a ``with`` block.

    Yields:
        A list of one tensor of shape (batch, width), which each forward pass replaces.
    """
    seen: list[Tensor] = []

    def see(read: Tensor) -> None:
        seen[:] = [read]

    handle = on_readout(model.anatomy, see)
    try:
        yield seen
    finally:
        handle.remove()
