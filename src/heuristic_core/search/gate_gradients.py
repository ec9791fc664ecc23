"""Gradients of each example's outputs with respect to gates of its own."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Literal

import torch
from jaxtyping import Float, Int
from pydantic import Field
from torch import Tensor

from ..models.classifier import Classifier
from ..progress import Progress
from .data import SearchData
from .options import Count, DeterministicOptions
from .problem import Problem, no_progress

Target = Annotated[
    Literal["label", "prediction"],
    Field(description="Class whose probability is followed: the right label, or the prediction."),
]


class GradientSettings(DeterministicOptions):
    """Settings of all searches that score units by gradients of their gates."""

    examples: Count = Field(2000, description="Use at most so many examples.")
    batch_size: Count = Field(32, description="Examples a pass.")
    target: Target = "label"

    def n_examples(self, sparsities: Sequence[float]) -> int:
        """Return the number of examples: each is run once, whatever the sparsities."""
        return self.examples


def target_classes(data: SearchData, target: Target) -> tuple[Int[Tensor, " example"], Target]:
    """Return the class whose probability a search follows, for each example.

    Args:
        data: The search's data.
        target: The right ``label``, or the full model's ``prediction``. Where the labels are not
            the model's, the prediction is followed in any case.

    Returns:
        The classes, and which of the two they are.
    """
    if target == "label" and data.labels is not None:
        return data.labels, "label"
    return data.reference.argmax(-1), "prediction"


def log_probability(
    logits: Float[Tensor, "batch label"], classes: Int[Tensor, " batch"]
) -> Float[Tensor, " batch"]:
    """Return the log-probability of one class for each example: minus its cross-entropy."""
    # Half precision would lose small differences; double is kept.
    dtype = torch.promote_types(logits.dtype, torch.float32)
    logs = torch.log_softmax(logits.to(dtype), dim=-1)
    return logs.gather(-1, classes.to(logs.device)[:, None]).squeeze(-1)


def mean_gradients(
    problem: Problem, settings: GradientSettings, levels: Sequence[float] = (1.0,)
) -> tuple[Float[Tensor, "example unit"], Target]:
    """Average each example's gradients over levels to which all prunable gates are opened.

    Args:
        problem: What is searched.
        settings: How many examples, and which class is followed.
        levels: Values of the prunable gates, in [0, 1]; the other gates stay open.

    Returns:
        The gradients of the log-probability in nats, in float64 on the CPU, and which class was
        followed.
    """
    data = problem.sample(settings)
    classes, followed = target_classes(data, settings.target)
    total = torch.zeros(len(data.encoded), len(problem.prunable), dtype=torch.float64)
    for i, level in enumerate(levels):
        total += gate_gradients(
            problem.model,
            data,
            classes,
            torch.where(torch.from_numpy(problem.prunable), level, 1.0),
            batch_size=settings.batch_size,
            progress=problem.stage(i, len(levels)),
        )
    return total / len(levels), followed


def gate_gradients(
    model: Classifier,
    data: SearchData,
    classes: Int[Tensor, " example"],
    z: Float[Tensor, " unit"],
    *,
    batch_size: int = 32,
    progress: Progress = no_progress,
) -> Float[Tensor, "example unit"]:
    """Differentiate the log-probability of each example's class with respect to its gates.

    Examples do not influence each other, so one backward pass through separate gates gives every
    example's gradient.

    Args:
        model: The full model; its weights stay frozen.
        data: Examples and ablation values.
        classes: The class followed, for each example.
        z: The gates at which to differentiate, the same for all examples.
        batch_size: Examples a pass.
        progress: Called with (examples done, examples in all) after each batch.

    Returns:
        The gradients in the examples' order, in float64 on the CPU, so that sums over many
        examples lose nothing.
    """
    dtype = torch.promote_types(model.hf.dtype, torch.float32)
    at = z.to(model.device, dtype)
    result = torch.empty(len(data.encoded), len(z), dtype=torch.float64)
    done = 0
    with model.frozen(), model.gated(data.values) as gates:
        for rows in data.encoded.by_length(batch_size):
            gates.z = at.repeat(len(rows), 1).requires_grad_()
            logits = model(**data.encoded.batch(rows, model.device)).logits
            total = log_probability(logits, classes[rows]).sum()
            result[rows] = torch.autograd.grad(total, gates.z)[0].cpu().double()
            done += len(rows)
            progress(done, len(data.encoded))
    return result


def logit_slopes(
    model: Classifier,
    data: SearchData,
    z: Float[Tensor, "*example unit"],
    *,
    batch_size: int = 32,
) -> tuple[Float[Tensor, "example label"], Float[Tensor, "example label unit"]]:
    """Compute every example's logits and their derivatives with respect to its gates.

    Only differences of logits matter, so the derivatives are those of each logit minus the first:
    one backward pass for each further class.

    Args:
        model: The full model; its weights stay frozen.
        data: Examples and ablation values.
        z: The gates, the same for all examples or each example's own.
        batch_size: Examples a pass.

    Returns:
        The logits and the slopes, in float32 or better on the model's device, in the examples'
        order.
    """
    dtype = torch.promote_types(model.hf.dtype, torch.float32)
    n, n_labels = data.reference.shape
    at = z.to(model.device, dtype).expand(n, -1)
    logits = torch.empty(n, n_labels, dtype=dtype, device=model.device)
    slopes = torch.zeros(n, n_labels, at.shape[1], dtype=dtype, device=model.device)
    with model.frozen(), model.gated(data.values) as gates:
        for rows in data.encoded.by_length(batch_size):
            gates.z = at[rows].requires_grad_()
            output = model(**data.encoded.batch(rows, model.device)).logits.to(dtype)
            logits[rows] = output.detach()
            for label in range(1, n_labels):
                total = (output[:, label] - output[:, 0]).sum()
                more = label < n_labels - 1
                (slope,) = torch.autograd.grad(total, gates.z, retain_graph=more)
                slopes[rows, label] = slope
    return logits, slopes
