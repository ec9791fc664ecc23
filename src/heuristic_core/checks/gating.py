"""Checks of gates and compaction: exact, and differentiable."""

from __future__ import annotations

import tempfile
from typing import Any

import torch
from torch import Tensor

from ..models.ablation import AblationValues
from ..models.loading import load_model
from .editing import edited
from .results import Failed, Measured, largest_difference
from .subject import Subject, logits_of
from .wide import AllDouble

#: Step of the finite differences.
STEP = 1e-6


def open_gates_change_no_bit(subject: Subject) -> Measured:
    """Compare the model with itself under open gates, shared and one vector per example."""
    model, plain = subject.model, subject.plain
    with model.gated(subject.values) as gates:
        shared = logits_of(model, subject.batch)
        gates.z = gates.z.expand(len(shared), -1)
        each = logits_of(model, subject.batch)
    return Measured(max(largest_difference(shared, plain), largest_difference(each, plain)))


def zeros_equal_edited_weights(subject: Subject) -> Measured:
    """Compare units at zero with weights set to zero."""
    return _edited_weights(subject, AblationValues.zeros(subject.model.anatomy))


def means_equal_edited_weights(subject: Subject) -> Measured:
    """Compare units at their means with weights that compute these."""
    return _edited_weights(subject, subject.values)


def _edited_weights(subject: Subject, values: AblationValues) -> Measured:
    model, difference, effect = subject.model, 0.0, 0.0
    options: dict[str, Any] = {"use_cache": False} if model.family.kind != "encoder" else {}
    for seed in range(2):
        mask = subject.mask(seed)
        with model.gated(values) as gates:
            gates.z = torch.tensor(mask).to(gates.z)
            gated = logits_of(model, subject.batch)
        expected = logits_of(edited(model.anatomy, mask, values), {**subject.batch, **options})
        difference = max(difference, largest_difference(gated, expected))
        effect = max(effect, largest_difference(expected, subject.plain))
    _check_effect(subject, effect)
    return Measured(difference, subject.tolerance, f"this changes logits by {effect:.2g}")


def _check_effect(subject: Subject, effect: float) -> None:
    """Fail where replaced units change nothing, so that no difference would show."""
    if effect <= subject.tolerance:
        raise Failed("replacing half of the units changes no answer, so that nothing can be seen")


def gradients_are_exact(subject: Subject) -> Measured:
    """Compare gradients of gates with finite differences, in float64.

    One direction changes all gates; others change one head's or one MLP's.
    """
    model = subject.wide
    n, generator = len(model.space), torch.Generator().manual_seed(2)
    start = 0.25 + 0.5 * torch.rand(n, dtype=torch.float64, generator=generator)
    units = [0, model.space.heads[0], n - 2, n - 1]
    directions = torch.eye(n, dtype=torch.float64)[units]
    every = torch.randn(1, n, dtype=torch.float64, generator=generator)
    directions = torch.cat([directions, every / every.norm()]).to(model.device)
    batch = {name: rows[:2] for name, rows in subject.batch.items()}
    values = subject.values.to(torch.float64)
    with model.frozen(), AllDouble(), model.gated(values) as gates:

        def loss(z: Tensor) -> Tensor:
            gates.z = z
            return model(**batch).logits.sin().sum()

        z = start.to(model.device).requires_grad_()
        (gradient,) = torch.autograd.grad(loss(z), z)
        with torch.no_grad():
            slopes = [(loss(z + STEP * d) - loss(z - STEP * d)) / (2 * STEP) for d in directions]
    expected = torch.stack(slopes)
    largest = float(expected.abs().max())
    if not largest > 0:
        raise Failed("no gate changes any answer")
    difference = largest_difference(directions @ gradient, expected)
    return Measured(difference / largest, 1e-5, "relative, in float64")


def compaction_equals_gating(subject: Subject) -> Measured:
    """Compare smaller models with gated ones, and with themselves once saved and loaded."""
    model, difference, effect = subject.model, 0.0, 0.0
    n_before = _n_weights(model.anatomy.layers)
    for seed, ablation in enumerate(("zero", "mean")):
        half = subject.subnetwork(seed, ablation)
        small = half.compact(model)
        logits = logits_of(small, subject.batch)
        with half.applied(model):
            gated = logits_of(model, subject.batch)
        difference = max(difference, largest_difference(logits, gated))
        effect = max(effect, largest_difference(gated, subject.plain))
        n_left = _n_weights(small.family.layer_list(small.hf))
        if n_left >= n_before:
            raise Failed(f"the compacted layers have {n_left:,} weights of {n_before:,}")
        with tempfile.TemporaryDirectory() as folder:
            back = load_model(small.save(folder), device=model.device, dtype=subject.dtype)
            if not torch.equal(logits_of(back, subject.batch), logits):
                raise Failed("saved and loaded, a compacted model gives other answers")
    _check_effect(subject, effect)
    note = f"{n_left:,} of {n_before:,} weights of the layers left"
    return Measured(difference, subject.tolerance, note)


def _n_weights(layers: Any) -> int:
    """Count the layers' weights, shared ones in every layer."""
    return sum(p.numel() for layer in layers for p in layer.parameters())
