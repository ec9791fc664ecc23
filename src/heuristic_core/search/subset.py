"""Differentiable subset pruning: importances trained through samples of exactly k units."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import torch
from jaxtyping import Bool, Float
from pydantic import BaseModel, ConfigDict, Field

from ..models.classifier import Classifier, Progress
from ..units import n_kept
from .data import SearchData
from .gate_training import kl_divergence
from .ranking import Ranking, by_label, from_scores
from .top_k import gumbel, hard_top_k, relaxed_top_k


class SubsetOptions(BaseModel):
    """Settings of differentiable subset pruning."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    steps: int = Field(200, ge=1, description="Steps for each sparsity.")
    batch_size: int = Field(16, ge=1, description="Examples a step.")
    learning_rate: float = Field(0.1, gt=0, description="Step size of the importances.")
    temperature_start: float = Field(1.0, gt=0, description="Temperature of the first step.")
    temperature_end: float = Field(0.1, gt=0, description="Temperature of the last step.")
    straight_through: bool = Field(
        False, description="Run forward with exactly k units, backward as if they were relaxed."
    )


def subset(
    model: Classifier,
    data: SearchData,
    sparsities: Sequence[float],
    seed: int,
    prunable: Bool[np.ndarray, " unit"],
    options: SubsetOptions,
    progress: Progress | None = None,
) -> list[Ranking]:
    """Train one importance per unit, separately for each sparsity.

    Every sparsity starts from the same seed, so that its subnetwork does not depend on which
    others are asked for.

    Args:
        model: The full model; its weights stay frozen.
        data: Examples, reference predictions and ablation values.
        sparsities: Shares of the prunable units to drop, rising.
        seed: Where data order and gate noise come from.
        prunable: Which units have a gate; the others stay open.
        options: Settings.
        progress: Called with (steps done, steps in all) after each step.

    Returns:
        One ranking per sparsity, the importances among its facts.

    Source:
        Li, Cotterell and Sachan (2021). Theirs minimises the task's loss and trains the weights
        too; here the weights are frozen and the loss is the divergence from the full model, as in
        the learned search, with noise of its own for every example and gates that end at 1.
    """
    rankings = []
    for i, sparsity in enumerate(sparsities):

        def tell(done: int, i: int = i) -> None:
            if progress is not None:
                progress(i * options.steps + done, len(sparsities) * options.steps)

        k = n_kept(int(prunable.sum()), sparsity)
        scores = np.zeros(len(prunable))
        if 0 < k < prunable.sum():
            scores[prunable] = _fit(model, data, k, seed, prunable, options, tell)
        else:  # nothing to choose
            tell(options.steps)
        facts = {"scores": by_label(model.space, scores, prunable)}
        rankings.append(from_scores(scores, prunable, facts=facts))
    return rankings


def _fit(
    model: Classifier,
    data: SearchData,
    k: int,
    seed: int,
    prunable: Bool[np.ndarray, " unit"],
    options: SubsetOptions,
    tell: Callable[[int], None],
) -> Float[np.ndarray, " gate"]:
    """Train the importances of the prunable units for exactly k of them kept."""
    generator = torch.Generator(model.device).manual_seed(seed)
    gated_units = torch.from_numpy(np.flatnonzero(prunable)).to(model.device)
    n_gates = len(gated_units)
    importance = torch.zeros(n_gates, device=model.device, requires_grad=True)
    optimiser = torch.optim.Adam([importance], lr=options.learning_rate)
    rng = np.random.default_rng(seed)
    batches = data.encoded.shuffled(options.batch_size, options.steps, rng)
    with model.frozen(), model.gated(data.values) as gates:
        for step, rows in enumerate(batches):
            uniform = torch.rand(len(rows), n_gates, generator=generator, device=model.device)
            keys = importance + gumbel(uniform)
            # The relaxation can choose a unit more than once over. Gates past 1 disturb the model
            # as those below do, so training would come to prefer units that do nothing.
            chosen = relaxed_top_k(keys, k, temperature(options, step)).clamp(max=1)
            if options.straight_through:
                chosen = hard_top_k(keys, k) + chosen - chosen.detach()
            z = torch.ones(len(rows), len(prunable), device=model.device)
            gates.z = z.index_copy(1, gated_units, chosen)
            logits = model(**data.encoded.batch(rows, model.device)).logits
            loss = kl_divergence(data.reference[rows].to(logits.device), logits).mean()
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
            tell(step + 1)
    return importance.detach().cpu().double().numpy()


def temperature(options: SubsetOptions, step: int) -> float:
    """Give a step's temperature: from start to end along a geometric series."""
    share = step / max(1, options.steps - 1)
    return float(
        options.temperature_start * (options.temperature_end / options.temperature_start) ** share
    )
