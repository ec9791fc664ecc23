"""Checks of gates and compaction: exact, differentiable, and gone afterwards."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Any

import torch
from torch import Tensor

from ..measure.removal import without
from ..models.ablation import AblationValues
from ..models.classifier import Classifier
from ..models.loading import load_model
from .editing import edited
from .results import Failed, Measured, apart
from .state import state_of
from .subject import Subject, answers
from .wide import AllDouble

#: Distance of the finite differences.
STEP = 1e-6


def open_gates_change_no_bit(subject: Subject) -> Measured:
    """Compare the model with itself under open gates, the same for all and one for each."""
    model = subject.model
    with model.gated(subject.values) as gates:
        one = answers(model, subject.batch)
        gates.z = gates.z.expand(len(one), -1)
        each = answers(model, subject.batch)
    return Measured(max(apart(one, subject.plain), apart(each, subject.plain)), 0.0)


def zeros_equal_edited_weights(subject: Subject) -> Measured:
    """Compare units at zero with weights set to zero."""
    return _replaced(subject, AblationValues.zeros(subject.model))


def means_equal_edited_weights(subject: Subject) -> Measured:
    """Compare units at their means with weights that give these."""
    return _replaced(subject, subject.values)


def _replaced(subject: Subject, values: AblationValues) -> Measured:
    model, difference, effect = subject.model, 0.0, 0.0
    options: dict[str, Any] = {"use_cache": False} if model.family.kind != "encoder" else {}
    for seed in range(2):
        mask = subject.mask(seed)
        with model.gated(values) as gates:
            gates.z = torch.tensor(mask).to(gates.z)
            gated = answers(model, subject.batch)
        plainly = answers(edited(model, mask, values), {**subject.batch, **options})
        difference = max(difference, apart(gated, plainly))
        effect = max(effect, apart(plainly, subject.plain))
    return _telling(subject, difference, effect)


def _telling(subject: Subject, difference: float, effect: float) -> Measured:
    """Fail where replaced units change nothing, so that no difference could be seen."""
    if effect <= subject.tolerance:
        raise Failed("replacing half of the units changes no answer, so that nothing can be seen")
    return Measured(difference, subject.tolerance, f"this changes logits by {effect:.2g}")


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
    with model.frozen(), AllDouble(), model.gated(_double(subject.values)) as gates:

        def loss(z: Tensor) -> Tensor:
            gates.z = z
            return model(**batch).logits.sin().sum()

        z = start.to(model.device).requires_grad_()
        (gradient,) = torch.autograd.grad(loss(z), z)
        with torch.no_grad():
            slopes = [(loss(z + STEP * d) - loss(z - STEP * d)) / (2 * STEP) for d in directions]
    expected = torch.stack(slopes)
    if not expected.abs().max() > 0:
        raise Failed("no gate changes any answer")
    largest = float(expected.abs().max())
    return Measured(apart(directions @ gradient, expected) / largest, 1e-5, "relative, in float64")


def _double(values: AblationValues) -> AblationValues:
    return AblationValues(
        tuple(v.double() for v in values.heads), tuple(v.double() for v in values.mlps)
    )


def compaction_equals_gating(subject: Subject) -> Measured:
    """Compare smaller models with gated ones, and with themselves once saved and loaded."""
    model, difference, effect = subject.model, 0.0, 0.0
    whole = _n_weights(model.family.layer_list(model.hf))
    for seed, ablation in enumerate(("zero", "mean")):
        half = subject.subnetwork(seed, ablation)
        small = half.compact(model)
        found = answers(small, subject.batch)
        with half.applied(model):
            gated = answers(model, subject.batch)
        difference = max(difference, apart(found, gated))
        effect = max(effect, apart(gated, subject.plain))
        left = _n_weights(small.layers)
        if left >= whole:
            raise Failed(f"the compacted layers have {left:,} weights of {whole:,}")
        with tempfile.TemporaryDirectory() as folder:
            dtype = str(model.hf.dtype).removeprefix("torch.")
            back = load_model(small.save(folder), device=model.device, dtype=dtype)
            if not torch.equal(answers(back, subject.batch), found):
                raise Failed("saved and loaded, a compacted model gives other answers")
    measured = _telling(subject, difference, effect)
    return Measured(
        difference, measured.tolerance, f"{left:,} of {whole:,} weights of the layers left"
    )


def _n_weights(layers: Any) -> int:
    """Count the layers' weights, each layer's for itself, shared or not."""
    return sum(p.numel() for layer in layers for p in layer.parameters())


def left_as_found_by_errors(
    model: Classifier, values: AblationValues, run: Callable[[], Any]
) -> None:
    """Make sure that no block leaves anything behind in a model as an error ends it.

    Args:
        model: The model, in any mode.
        values: What stands in for units.
        run: Runs the model.

    Raises:
        Failed: If something of the model is not as it was.
    """
    before = state_of(model)
    blocks: dict[str, Callable[[], AbstractContextManager[Any]]] = {
        "gates": lambda: model.gated(values),
        "a removal": lambda: without(model, "L0H0", means=values),
        "freezing": model.frozen,
        "inference": model.inference,
    }
    for name, block in blocks.items():
        try:
            with block():
                run()
                raise InterruptedError
        except InterruptedError:
            pass
        check_state(model, before, f"{name} ended by an error")


def check_state(model: Classifier, before: dict[str, Any], what: str) -> None:
    """Make sure that a model is as it was.

    Args:
        model: The model.
        before: What :func:`.state_of` gave before.
        what: What was done in between.

    Raises:
        Failed: If it is not.
    """
    after = state_of(model)
    changed = [name for name in before if before[name] != after[name]]
    if changed:
        raise Failed(f"{what} left other {', '.join(changed)}")


def errors_leave_the_model_as_found(subject: Subject) -> Measured:
    """Look for what blocks that end by an error leave behind."""
    left_as_found_by_errors(
        subject.model, subject.values, lambda: answers(subject.model, subject.batch)
    )
    return Measured()
