"""The gradient search: units whose gates the loss hardly feels are dropped first."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from jaxtyping import Bool, Float
from pydantic import Field

from ..models.classifier import Classifier, Progress
from ..units import UnitSpace
from .data import SearchData
from .gate_gradients import GradientSettings, gate_gradients, target_classes
from .ranking import Ranking, by_label, from_scores


class GradientOptions(GradientSettings):
    """Settings of the gradient search."""

    normalise: bool = Field(
        True, description="Divide by the l2 norm over each layer's heads, and over the MLPs."
    )


def gradient(
    model: Classifier,
    data: SearchData,
    sparsities: Sequence[float],
    seed: int,
    prunable: Bool[np.ndarray, " unit"],
    options: GradientOptions,
    progress: Progress | None = None,
) -> list[Ranking]:
    """Score each unit by the mean absolute gradient of the loss with respect to its gate.

    Args:
        model: The full model; its weights stay frozen.
        data: Examples and ablation values.
        sparsities: Shares of the prunable units to drop, rising.
        seed: Which examples are used, where there are more than asked for.
        prunable: Which units may be dropped.
        options: Settings.
        progress: Called with (examples done, examples in all) after each batch.

    Returns:
        The same ranking for every sparsity, the scores among its facts.

    Source:
        Michel, Levy and Neubig (2019), section 4.1, with the normalisation by layer of Molchanov
        et al. (2017). Their heads are scaled towards zero, these towards their ablation values.
    """
    data = data.sample(options.examples, seed)
    classes, followed = target_classes(data, options.target)
    gradients = gate_gradients(
        model,
        data,
        classes,
        torch.ones(len(prunable)),
        batch_size=options.batch_size,
        progress=progress,
    )
    scores = gradients.abs().mean(0).numpy()
    if options.normalise:
        scores = normalise(scores, model.space)
    facts = {"scores": by_label(model.space, scores, prunable), "followed": followed}
    return [from_scores(scores, prunable, facts=facts)] * len(sparsities)


def normalise(scores: Float[np.ndarray, " unit"], space: UnitSpace) -> Float[np.ndarray, " unit"]:
    """Divide scores by their l2 norm over the heads of a layer; MLPs by that over all MLPs.

    An MLP is alone in its layer, and divided by itself it would always score 1.

    Args:
        scores: One score per unit, none negative.
        space: The units.

    Returns:
        The scores with norm 1 in each group; a group of zeros stays zero.
    """
    group_of = np.array([unit.layer if unit.is_head else space.n_layers for unit in space])
    result = scores.copy()
    for group in range(space.n_layers + 1):
        norm = np.linalg.norm(scores[group_of == group])
        if norm > 0:
            result[group_of == group] /= norm
    return result
