"""Causal gating: gates fitted once pushed open and once pushed shut, and what that says of units.

Nam et al. (2025), "Causal Head Gating", with MLP layers as well as heads and with units gated
towards their ablation values instead of zero.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from jaxtyping import Bool, Float
from pydantic import BaseModel, ConfigDict, Field
from torch import Tensor

from ..models.classifier import Classifier, Progress
from .data import SearchData
from .gate_gradients import Target, log_probability, target_classes
from .ranking import Ranking, by_label

#: Log-odds beyond which a gate is not pushed further: 0.982 open or shut, as in Nam et al.
CLIP = 4.0


class TwoSidedOptions(BaseModel):
    """Settings of causal gating."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    steps: int = Field(80, ge=1, description="Steps of each of the three fits.")
    batch_size: int = Field(16, ge=1, description="Examples a step.")
    learning_rate: float = Field(0.2, gt=0, description="Step size of the gates' log-odds.")
    strength: float = Field(
        0.1, gt=0, description="Weight of the mean log-odds that push gates open or shut."
    )
    target: Target = Field(
        "label", description="Class whose loss is followed: the right label, or the prediction."
    )


def two_sided(
    model: Classifier,
    data: SearchData,
    sparsities: Sequence[float],
    seed: int,
    prunable: Bool[np.ndarray, " unit"],
    options: TwoSidedOptions,
    progress: Progress | None = None,
) -> list[Ranking]:
    """Fit gates to the task, go on from there pushed open and pushed shut, and rank by the mean.

    Args:
        model: The full model; its weights stay frozen.
        data: Examples and ablation values.
        sparsities: Shares of the prunable units to drop, rising.
        seed: Where start values and data order come from.
        prunable: Which units have a gate; the others stay open.
        options: Settings.
        progress: Called with (steps done, steps in all) after each step.

    Returns:
        The same ranking for every sparsity, each unit's causal roles among its facts.
    """
    classes, followed = target_classes(data, options.target)
    gated_units = torch.from_numpy(np.flatnonzero(prunable)).to(model.device)
    done = 0

    def fit(start: Float[Tensor, " gate"], push: float) -> Float[Tensor, " gate"]:
        nonlocal done
        log_odds = start.clone().requires_grad_()
        optimiser = torch.optim.Adam([log_odds], lr=options.learning_rate)
        # The same batches in every fit, so that the push is all that differs.
        rng = np.random.default_rng(seed)
        for rows in data.encoded.shuffled(options.batch_size, options.steps, rng):
            z = torch.ones(len(prunable), device=model.device)
            gates.z = z.index_copy(0, gated_units, log_odds.sigmoid())
            logits = model(**data.encoded.batch(rows, model.device)).logits
            loss = -log_probability(logits, classes[rows]).mean()
            loss = loss - push * log_odds.clamp(-CLIP, CLIP).mean()
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
            done += 1
            if progress is not None:
                progress(done, 3 * options.steps)
        return log_odds.detach()

    generator = torch.Generator(model.device).manual_seed(seed)
    uniform = torch.rand(len(gated_units), generator=generator, device=model.device)
    with model.frozen(), model.gated(data.values) as gates:
        start = fit(torch.logit(uniform).clamp(-CLIP, CLIP), 0.0)
        fits = [fit(start, push) for push in (options.strength, -options.strength)]
    opened, shut = (_spread(torch.sigmoid(x.double()), prunable) for x in fits)
    facts: dict[str, Any] = {"followed": followed, "roles": {}}
    named = {name: by_label(model.space, v, prunable) for name, v in roles(opened, shut).items()}
    for label in next(iter(named.values())):
        facts["roles"][label] = {name: values[label] for name, values in named.items()}
    return [Ranking((opened + shut) / 2, facts=facts)] * len(sparsities)


def roles(
    opened: Float[np.ndarray, " unit"], shut: Float[np.ndarray, " unit"]
) -> dict[str, Float[np.ndarray, " unit"]]:
    """Score the causal roles of units.

    Args:
        opened: Gates fitted while pushed open (G+).
        shut: Gates fitted while pushed shut (G-).

    Returns:
        By name: ``facilitation`` (open although pushed shut), ``interference`` (shut although
        pushed open) and ``irrelevance`` (the gate goes where it is pushed), each in [0, 1].

    Source:
        Nam et al. (2025).
    """
    return {
        "facilitation": shut,
        "interference": 1 - opened,
        "irrelevance": opened * (1 - shut),
    }


def _spread(
    gates: Float[Tensor, " gate"], prunable: Bool[np.ndarray, " unit"]
) -> Float[np.ndarray, " unit"]:
    """Put gates at their units' places, with 1 for the units that have none."""
    result = np.ones(len(prunable))
    result[prunable] = gates.cpu().numpy()
    return result
