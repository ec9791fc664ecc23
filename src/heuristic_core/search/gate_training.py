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
from ..models.device import widened
from ..models.gates import Gates
from .aimed_gates import AimedGates
from .data import SearchData
from .hard_concrete import open_probability, sample_gates
from .options import Count, CountOrZero, Fraction, MethodOptions, Positive, PositiveOrZero
from .problem import Problem
from .rows import at_once, noise, ordered, passes


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
    rows_per_pass: Count | None = Field(
        None,
        description="Examples that run at once, at most, those of similar length together; if "
        "unset, all of a step; on a processor 32.",
    )


def train_gates(
    problems: Sequence[Problem],
    schedule: Sequence[tuple[float, bool]],
    options: GateOptions,
    *,
    repel: float = 0.0,
) -> list[list[Float[Tensor, " gate"]]]:
    """Train one gate per prunable unit along a schedule of target sparsities, for several seeds.

    The seeds share the passes through the model and, unless they repel each other, nothing else:
    each has its own start values, order of examples, noise, gradients, bound on their norm,
    multipliers and moments. Up to rounding it ends where it would alone.

    Args:
        problems: The same problem once for each seed; start values, data order and noise come
            from it. The first reports the progress.
        schedule: For each optimiser step its target and whether to read the gates after it.
        options: Settings.
        repel: What a seed pays if all others keep all of its units, in nats.

    Returns:
        For each seed and each reading log alpha of the prunable units, in float64 on the CPU.

    Source:
        Paper, section 3.1; Louizos, Welling and Kingma (2018).
    """
    problem, n_seeds = problems[0], len(problems)
    model, data, n_gates = problem.model, problem.data, problem.n_prunable
    generators = [torch.Generator(model.device).manual_seed(one.seed) for one in problems]
    # Named dtypes: a seed's noise must not depend on torch's default one.
    normal = torch.stack(
        [
            torch.randn(n_gates, generator=g, device=g.device, dtype=torch.float32)
            for g in generators
        ]
    )
    # In float64, which costs nothing at this size and leaves only the model's own rounding.
    log_alpha = (options.start + options.start_spread * widened(normal)).requires_grad_()
    multipliers = torch.zeros(
        n_seeds, 2, dtype=log_alpha.dtype, device=model.device, requires_grad=True
    )
    optimiser, rates = _optimiser(log_alpha, multipliers, len(schedule), options)
    n_passes = len(schedule) * options.accumulate
    lengths = data.encoded.lengths
    limit = at_once(options.rows_per_pass, model.device)
    orders = [
        ordered(
            data.encoded,
            n_passes,
            one.seed,
            batch_size=options.batch_size,
            by_length=options.by_length,
        )
        for one in problems
    ]
    drawing = {"shared": options.shared_noise, "antithetic": options.antithetic}
    aimed = None
    if problem.aim is not None:
        aimed = AimedGates(problems, n_passes, options.batch_size, limit)
    readings: list[list[Tensor]] = [[] for _ in problems]
    total, n_summed, last_target = torch.zeros_like(log_alpha), 0, -1.0
    with _running(model, options, problem.seed), model.gated(data.values) as gates:
        for step, (target, read_here) in enumerate(schedule):
            for _ in range(options.accumulate):
                rows = np.stack([next(order) for order in orders])
                n_rows = rows.shape[1]
                uniform = torch.stack([noise(n_rows, n_gates, g, **drawing) for g in generators])
                sampled = sample_gates(log_alpha[:, None], uniform)
                z = problem.gates(sampled).expand(-1, n_rows, -1)
                flat = rows.ravel()
                some = passes(lengths[flat], limit)
                slopes, divergences = _slopes(
                    problem, gates, flat, z.detach().flatten(0, 1), some, options
                )
                openness = sampled if options.sampled_penalty else open_probability(log_alpha)
                gap = target - (1 - openness.flatten(1).mean(-1))
                penalty = multipliers[:, 0] * gap + multipliers[:, 1] * gap**2
                if repel and n_seeds > 1:
                    penalty = penalty + repel * _sharing(open_probability(log_alpha), problem)
                share = n_rows * options.accumulate
                torch.autograd.backward(
                    [z, penalty.sum() / options.accumulate],
                    [slopes.view_as(z) / share, None],
                )
                if aimed is not None:
                    aimed.add_gradients(gates, log_alpha, divergences.view(n_seeds, -1).mean(1))
            if options.clip_norm is not None:
                _clip(log_alpha, multipliers, options.clip_norm)
            optimiser.step()
            rates.step()
            optimiser.zero_grad()
            if target != last_target or not options.averaged:
                total, n_summed, last_target = torch.zeros_like(log_alpha), 0, target
            total, n_summed = total + log_alpha.detach(), n_summed + 1
            if read_here:
                means = (total / n_summed).cpu().double()
                for reading, mean in zip(readings, means, strict=True):
                    reading.append(mean)
            problem.progress(step + 1, len(schedule))
    return readings


def _slopes(
    problem: Problem,
    gates: Gates,
    rows: Int[np.ndarray, " row"],
    z: Float[Tensor, "row unit"],
    split: Sequence[np.ndarray],
    options: GateOptions,
) -> tuple[Float[Tensor, "row unit"], Float[Tensor, " row"]]:
    """Differentiate each row's divergence from the full model with respect to its gates.

    Args:
        problem: The model and the data.
        gates: The model's gates.
        rows: The example of each row.
        z: The gates of each row.
        split: The rows of each pass.
        options: Settings.

    Returns:
        The slopes and the divergences.
    """
    model, data = problem.model, problem.data
    length = model.max_length if options.full_padding else None
    slopes = torch.empty_like(z)
    divergences = z.new_empty(len(z))
    for some in split:
        batch = data.encoded.batch(rows[some], model.device, length)
        reference = _reference(model, gates, data, rows[some], batch, options)
        gates.z = z[some].requires_grad_()
        divergence = kl_divergence(reference, model(**batch).logits)
        (slopes[some],) = torch.autograd.grad(divergence.sum(), gates.z)
        divergences[some] = divergence.detach().to(divergences)
    return slopes, divergences


def _sharing(openness: Float[Tensor, "seed gate"], problem: Problem) -> Tensor:
    """Sum over seeds the expected share of a seed's units that another seed keeps too.

    The units of a seed are as many as it will keep, so that the cost is that of ``exchange``.
    """
    n_seeds = len(openness)
    total = openness.sum(0)
    pairs = (openness * (total - openness)).sum()
    return pairs / ((n_seeds - 1) * max(1, problem.keep[-1]))


def _clip(log_alpha: Tensor, multipliers: Tensor, bound: float) -> None:
    """Bound the joint norm of each seed's gradients, as ``clip_grad_norm_`` does for one."""
    gradients = [p.grad for p in (log_alpha, multipliers) if p.grad is not None]
    norms = torch.stack([torch.linalg.vector_norm(g, dim=-1) for g in gradients])
    factor = (bound / (torch.linalg.vector_norm(norms, dim=0) + 1e-6)).clamp(max=1.0)
    for gradient in gradients:
        gradient.mul_(factor[:, None])


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
