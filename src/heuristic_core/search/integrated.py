"""Integrated gradients over the gates: what each unit adds on the way from all shut to all open."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from jaxtyping import Bool, Float, Int
from pydantic import Field
from torch import Tensor

from ..models.classifier import Classifier, Progress
from .data import SearchData
from .gate_gradients import GradientSettings, gate_gradients, target_classes
from .ranking import Ranking, by_label, from_scores


class IntegratedOptions(GradientSettings):
    """Settings of the search by integrated gradients."""

    steps: int = Field(10, ge=10, description="Points on the way from shut to open.")
    examples: int = Field(300, ge=1, description="Use at most so many examples.")


def integrated(
    model: Classifier,
    data: SearchData,
    sparsities: Sequence[float],
    seed: int,
    prunable: Bool[np.ndarray, " unit"],
    options: IntegratedOptions,
    progress: Progress | None = None,
) -> list[Ranking]:
    """Score each unit by its share of the log-probability that the prunable units add together.

    Scores have a sign: units that speak against the target are dropped before units that do
    nothing.

    Args:
        model: The full model; its weights stay frozen.
        data: Examples and ablation values.
        sparsities: Shares of the prunable units to drop, rising.
        seed: Which examples are used, where there are more than asked for.
        prunable: Which units may be dropped.
        options: Settings.
        progress: Called with (passes of an example done, passes in all) after each batch.

    Returns:
        The same ranking for every sparsity, the scores in nats among its facts.

    Source:
        Sundararajan, Taly and Yan (2017), with gates in place of inputs.
    """
    data = data.sample(options.examples, seed)
    classes, followed = target_classes(data, options.target)
    shares = integrated_gradients(
        model,
        data,
        classes,
        prunable,
        steps=options.steps,
        batch_size=options.batch_size,
        progress=progress,
    )
    scores = shares.mean(0).numpy()
    facts = {"scores": by_label(model.space, scores, prunable), "followed": followed}
    return [from_scores(scores, prunable, facts=facts)] * len(sparsities)


def integrated_gradients(
    model: Classifier,
    data: SearchData,
    classes: Int[Tensor, " example"],
    prunable: Bool[np.ndarray, " unit"],
    *,
    steps: int,
    batch_size: int = 32,
    progress: Progress | None = None,
) -> Float[Tensor, "example unit"]:
    """Integrate each gate's gradient while all prunable gates open together from 0 to 1.

    Args:
        model: The full model; its weights stay frozen.
        data: Examples and ablation values.
        classes: The class followed, for each example.
        prunable: Which gates move; the others stay open.
        steps: Points of the midpoint rule.
        batch_size: Examples a pass.
        progress: Called with (passes of an example done, passes in all) after each batch.

    Returns:
        Shares in nats, in float64, zero for units that are not prunable. An example's shares sum
        to the log-probability with all gates open minus that with the prunable ones shut, up to
        the error of the midpoint rule.
    """
    moving = torch.from_numpy(prunable).double()
    total = torch.zeros(len(data.encoded), len(prunable), dtype=torch.float64)
    for step in range(steps):

        def tell(done: int, of: int, step: int = step) -> None:
            if progress is not None:
                progress(step * of + done, steps * of)

        z = torch.where(moving > 0, (step + 0.5) / steps, 1.0)
        total += gate_gradients(model, data, classes, z, batch_size=batch_size, progress=tell)
    return total / steps * moving
