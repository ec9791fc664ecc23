"""The core's heads beside the other heads of their layers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float, Int
from scipy import stats

from .intervals import Estimate

N_SHUFFLES = 4999


@dataclass(frozen=True)
class Contrast:
    """A quantity of the core's heads beside that of the other heads of their layers.

    Args:
        name: What is compared.
        n_heads: Core heads that have other heads in their layer to be compared with.
        core: Their mean.
        others: Mean of the others, each layer counting as often as it has core heads.
        difference: Core less others, with a 95 % interval from Student's t and one variance
            for all layers.
        p_value: Two-sided, from shuffling within layers which heads are core.
    """

    name: str
    n_heads: int
    core: float
    others: float
    difference: Estimate
    p_value: float


def within_layers(
    names: Sequence[str],
    values: Float[np.ndarray, "head quantity"],
    layer: Int[np.ndarray, " head"],
    in_core: Bool[np.ndarray, " head"],
    seed: int,
) -> list[Contrast]:
    """Compare core heads with other heads of the same layers, so that depth plays no part.

    Args:
        names: The quantities' names.
        values: One row per head.
        layer: The heads' layers.
        in_core: Which of them are core.
        seed: Seed of the shuffles.

    Returns:
        One contrast per quantity; none where too few layers have both kinds of heads.
    """
    layers = [i for i in np.unique(layer) if 0 < in_core[layer == i].sum() < (layer == i).sum()]
    used = np.isin(layer, layers)
    values, layer, in_core = values[used], layer[used], in_core[used]
    free = len(layer) - len(layers) - 1
    if free < 1:
        return []
    rng = np.random.default_rng(seed)
    n_core = int(in_core.sum())
    difference = np.zeros(len(names))
    shuffled = np.zeros((N_SHUFFLES, len(names)))
    weights = np.full(len(layer), 1 / n_core)  # of each head in the difference
    centred = np.empty_like(values)
    membership = np.empty(len(layer))
    for i in layers:
        here = layer == i
        k, m = int(in_core[here].sum()), int((~in_core[here]).sum())
        centred[here] = values[here] - values[here].mean(0)
        membership[here] = in_core[here] - k / (k + m)
        weights[here & ~in_core] = -k / (n_core * m)
        # A layer's core less its others follows from the core's distance to the layer's mean.
        scale = (k + m) / (m * n_core)
        difference += scale * centred[here & in_core].sum(0)
        drawn = rng.permuted(np.tile(in_core[here], (N_SHUFFLES, 1)), axis=1)
        shuffled += scale * (drawn @ centred[here])
    slope = membership @ centred / (membership @ membership)
    residual = centred - membership[:, None] * slope
    error = np.sqrt((residual**2).sum(0) / free * (weights @ weights))
    half = stats.t.ppf(0.975, free) * error
    # Sums of the same numbers in another order are equal but for rounding.
    above = (shuffled >= difference - 1e-9).sum(0) + 1
    below = (shuffled <= difference + 1e-9).sum(0) + 1
    p_value = np.minimum(1.0, 2 * np.minimum(above, below) / (N_SHUFFLES + 1))
    core = values[in_core].mean(0)
    return [
        Contrast(
            name,
            n_core,
            float(core[j]),
            float(core[j] - d),
            Estimate(float(d), float(d - half[j]), float(d + half[j])),
            float(p_value[j]),
        )
        for j, (name, d) in enumerate(zip(names, difference, strict=True))
    ]
