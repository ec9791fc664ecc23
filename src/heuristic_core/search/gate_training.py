"""Training hard-concrete gates under a sparsity target: the engine of learned and paper mode.

The objective is that of the paper (section 3.1): the KL divergence from the full model's
predictions plus a Lagrangian that holds the sparsity at a rising target. Every difference between
the published procedure and the fast one is an option here.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import numpy as np
import torch
from jaxtyping import Float, Int
from pydantic import Field
from torch import Tensor

from ..models.classifier import Classifier
from ..models.gates import Gates
from .data import SearchData
from .hard_concrete import open_probability, sample_gates
from .options import Count, CountOrZero, Fraction, MethodOptions, Positive, PositiveOrZero
from .problem import Problem


class GateOptions(MethodOptions):
    """Settings of gate training; the methods built on it choose their own defaults."""

    batch_size: Count = Field(16, description="Examples a forward and backward pass.")
    accumulate: Count = Field(1, description="Passes an optimiser step.")
    learning_rate: Positive = Field(0.1, description="Step size of the gates.")
    multiplier_rate: Positive = Field(0.1, description="Step size of the Lagrange multipliers.")
    warmup_steps: CountOrZero = Field(0, description="Steps in which step sizes rise linearly.")
    decay: bool = Field(False, description="Let step sizes fall linearly to 0 after that.")
    second_beta: Fraction = Field(0.98, description="Adam's memory of squared gradients.")
    weight_decay: PositiveOrZero = Field(0.0, description="AdamW's, on gates and multipliers.")
    clip_norm: Positive | None = Field(
        None, description="Bound on the joint norm of all gradients; none if unset."
    )
    start: float = Field(3.0, description="Mean of log alpha at the start; larger is more open.")
    start_spread: PositiveOrZero = Field(
        0.1, description="Standard deviation of log alpha at the start."
    )
    shared_noise: bool = Field(False, description="One draw of gates for all examples of a pass.")
    antithetic: bool = Field(
        False, description="Pair every draw of noise u with 1 - u, on the next example."
    )
    sampled_penalty: bool = Field(
        False, description="Measure sparsity on the sampled gates, not as an expectation."
    )
    averaged: bool = Field(
        False, description="Read the mean of log alpha over the steps at a target, not its last."
    )
    dropout: bool = Field(False, description="Leave dropout on in the gated model.")
    by_length: bool = Field(
        True, description="Make batches of examples of similar length, to save padding."
    )
    full_padding: bool = Field(False, description="Pad every batch to the longest input allowed.")
    cached_reference: bool = Field(
        True, description="Compute the full model's predictions once, not at every step."
    )


def train_gates(
    problem: Problem, schedule: Sequence[tuple[float, bool]], options: GateOptions
) -> list[Float[Tensor, " gate"]]:
    """Train one gate per prunable unit along a schedule of target sparsities.

    Args:
        problem: Model, data and prunable units; start values, data order and noise come from its
            seed.
        schedule: For each optimiser step its target and whether to read the gates after it.
        options: Settings.

    Returns:
        For each reading log alpha of the prunable units, in float64 on the CPU.

    Source:
        Paper, section 3.1; Louizos, Welling and Kingma (2018).
    """
    model, data, n_gates = problem.model, problem.data, problem.n_prunable
    generator = torch.Generator(model.device).manual_seed(problem.seed)
    # Named dtypes: a seed's noise must not depend on torch's default one.
    noise = torch.randn(n_gates, generator=generator, device=model.device, dtype=torch.float32)
    # In float64, which costs nothing at this size and leaves only the model's own rounding.
    log_alpha = (options.start + options.start_spread * noise.double()).requires_grad_()
    multipliers = torch.zeros(2, dtype=torch.float64, device=model.device, requires_grad=True)
    optimiser, rates = _optimiser(log_alpha, multipliers, len(schedule), options)
    n_passes = len(schedule) * options.accumulate
    order = np.random.default_rng(problem.seed)
    batches = data.encoded.shuffled(
        options.batch_size, n_passes, order, by_length=options.by_length
    )
    length = model.max_length if options.full_padding else None
    readings: list[Tensor] = []
    total, n_summed, last_target = torch.zeros_like(log_alpha), 0, -1.0
    with _running(model, options, problem.seed), model.gated(data.values) as gates:
        for step, (target, read_here) in enumerate(schedule):
            for _ in range(options.accumulate):
                rows = next(batches)
                batch = data.encoded.batch(rows, model.device, length)
                reference = _reference(model, gates, data, rows, batch, options)
                uniform = _uniform(len(rows), n_gates, generator, options)
                sampled = sample_gates(log_alpha, uniform)
                z = problem.gates(sampled)
                gates.z = z[0] if options.shared_noise else z
                divergence = kl_divergence(reference, model(**batch).logits).mean()
                openness = sampled if options.sampled_penalty else open_probability(log_alpha)
                gap = target - (1 - openness.mean())
                loss = divergence + multipliers[0] * gap + multipliers[1] * gap**2
                (loss / options.accumulate).backward()
            if options.clip_norm is not None:
                torch.nn.utils.clip_grad_norm_([log_alpha, multipliers], options.clip_norm)
            optimiser.step()
            rates.step()
            optimiser.zero_grad()
            if target != last_target or not options.averaged:
                total, n_summed, last_target = torch.zeros_like(log_alpha), 0, target
            total, n_summed = total + log_alpha.detach(), n_summed + 1
            if read_here:
                readings.append((total / n_summed).detach().cpu())
            problem.progress(step + 1, len(schedule))
    return readings


def kl_divergence(
    reference: Float[Tensor, "batch label"], logits: Float[Tensor, "*candidate batch label"]
) -> Float[Tensor, "*candidate batch"]:
    """Compute KL(full model || subnetwork) of each example, in nats.

    Args:
        reference: The full model's log-probabilities.
        logits: The subnetwork's logits, or those of several.
    """
    dtype = torch.promote_types(logits.dtype, torch.float32)
    difference = reference - torch.log_softmax(logits.to(dtype), dim=-1)
    return (reference.exp() * difference).sum(-1)


def _optimiser(
    log_alpha: Tensor, multipliers: Tensor, n_steps: int, options: GateOptions
) -> tuple[torch.optim.Optimizer, torch.optim.lr_scheduler.LRScheduler]:
    """Build the optimiser, which descends on the gates and ascends on the multipliers."""
    optimiser = torch.optim.AdamW(
        [
            {"params": [log_alpha], "lr": options.learning_rate, "maximize": False},
            {"params": [multipliers], "lr": options.multiplier_rate, "maximize": True},
        ],
        betas=(0.9, options.second_beta),
        weight_decay=options.weight_decay,
    )

    def factor(step: int) -> float:
        if step < options.warmup_steps:
            return step / options.warmup_steps
        if not options.decay:
            return 1.0
        return max(0.0, (n_steps - step) / max(1, n_steps - options.warmup_steps))

    return optimiser, torch.optim.lr_scheduler.LambdaLR(optimiser, factor)


def _uniform(
    n_rows: int, n_gates: int, generator: torch.Generator, options: GateOptions
) -> Float[Tensor, "row gate"]:
    """Draw the noise of one pass."""
    n = 1 if options.shared_noise else n_rows
    half = (n + 1) // 2 if options.antithetic and not options.shared_noise else n
    drawn = torch.rand(
        half, n_gates, generator=generator, device=generator.device, dtype=torch.float32
    )
    # Neighbours in a batch have similar lengths, so a pair's noise partly cancels.
    if half < n:
        drawn = torch.stack([drawn, 1 - drawn], 1).flatten(0, 1)[:n]
    return drawn.double()


def _reference(
    model: Classifier,
    gates: Gates,
    data: SearchData,
    rows: Int[np.ndarray, " row"],
    batch: dict[str, Tensor],
    options: GateOptions,
) -> Float[Tensor, "row label"]:
    """Return the full model's log-probabilities, from the data or computed now."""
    if options.cached_reference:
        return data.reference[rows].to(model.device)
    gates.z = torch.ones(len(model.space), dtype=torch.float32, device=model.device)
    with model.inference():
        logits = model(**batch).logits.float()
    return torch.log_softmax(logits, dim=-1).clone()  # no inference tensor may enter the graph


@contextmanager
def _running(model: Classifier, options: GateOptions, seed: int) -> Iterator[None]:
    """Freeze the weights; dropout, if wanted, draws from torch's global generator, restored."""
    if not options.dropout:
        with model.frozen():
            yield
        return
    with torch.random.fork_rng(), model.frozen(dropout=True):
        torch.manual_seed(seed)
        yield
