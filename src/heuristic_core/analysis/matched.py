"""Comparison of the core's heads with the other heads of their layers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float, Int
from scipy import stats

from ..columns import Column
from ..units import Unit
from .covariances import Covariance
from .intervals import EQUAL, Estimate

N_SHUFFLES = 4999


@dataclass(frozen=True, kw_only=True)
class Contrast:
    """A quantity of the core's heads against that of the other heads of their layers.

    Args:
        measure: What is compared.
        n_heads: Core heads with other heads in their layer.
        core: Their mean.
        others: Mean of the other heads; a layer counts as often as it has core heads.
        difference: Core minus others, with a 95 % interval from Student's t and one variance
            for all layers; over examples too where it is known how heads vary together over them.
        p: Two-sided, from permutations of core membership within layers, of the difference or of
            the sum of the core's ranks.
    """

    measure: str
    n_heads: int
    core: float
    others: float
    difference: Estimate
    p: float


#: A contrast is a row of these.
CONTRAST_COLUMNS = (
    Column("measure", "what changes; margins are in nats", "str", "change of", key=True),
    Column("n_heads", "core heads with other heads in their layer", "int", "core heads"),
    Column("core", "mean change over the core's heads", title="core", digits=3, form="signed"),
    Column(
        "others",
        "mean change over the other heads of their layers",
        title="other heads",
        digits=3,
        form="signed",
    ),
    Column(
        "difference",
        "core minus others; interval over heads, and over examples if their scores were kept",
        title="difference",
        digits=3,
        form="signed",
        interval=True,
    ),
    Column(
        "p",
        "p of the difference, from permutations within layers",
        title="p",
        form="probability",
    ),
)


def core_within_layers(
    name: str,
    values: Mapping[str, float],
    core: Sequence[str],
    seed: int,
    *,
    ranks: bool = False,
    covariance: Covariance | None = None,
) -> Contrast | None:
    """Compare one quantity of the core's heads with that of other heads of the same layers.

    Args:
        name: The quantity's name.
        values: The quantity by unit; MLPs are left out.
        core: The core's heads.
        seed: Seed of the permutations.
        ranks: Whether p is that of ranks within layers, for quantities with a floor or a tail.
        covariance: How the quantity varies together over examples, by unit, if that is known.

    Returns:
        The contrast; ``None`` if too few layers have both kinds of heads.
    """
    heads = [unit for label in values if (unit := Unit.parse(label)).is_head]
    if not heads:
        return None
    contrasts = within_layers(
        [name],
        np.array([[values[str(unit)]] for unit in heads]),
        np.array([unit.layer for unit in heads]),
        np.array([str(unit) in core for unit in heads]),
        seed,
        ranks=ranks,
        over_examples=None if covariance is None else covariance.among(map(str, heads)),
    )
    return contrasts[0] if contrasts else None


def within_layers(
    names: Sequence[str],
    values: Float[np.ndarray, "head quantity"],
    layer: Int[np.ndarray, " head"],
    in_core: Bool[np.ndarray, " head"],
    seed: int,
    *,
    ranks: bool = False,
    over_examples: Float[np.ndarray, "head head"] | None = None,
) -> list[Contrast]:
    """Compare core heads with other heads of the same layers, so that depth plays no part.

    Args:
        names: The quantities' names.
        values: One row per head.
        layer: The heads' layers.
        in_core: Which of them are core.
        seed: Seed of the permutations.
        ranks: Whether p is that of the sum of the core's ranks within layers, weighted as by van
            Elteren (1960), rather than that of the difference of means.
        over_examples: How heads' quantities vary together over the examples that all of them are
            measured on, if that is known; the same for all quantities.

    Returns:
        One contrast per quantity; none if too few layers have both kinds of heads.
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
    observed = np.zeros(len(names))
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
        # The layer's difference follows from the distance of its core to the layer's mean.
        scale = (k + m) / (m * n_core)
        difference += scale * centred[here & in_core].sum(0)
        scores = scale * centred[here]
        if ranks:
            scores = stats.rankdata(values[here], axis=0) / (k + m + 1) - 0.5
        drawn = rng.permuted(np.tile(in_core[here], (N_SHUFFLES, 1)), axis=1)
        observed += scores[in_core[here]].sum(0)
        shuffled += drawn @ scores
    slope = membership @ centred / (membership @ membership)
    residual = centred - membership[:, None] * slope
    variance = (residual**2).sum(0) / free * (weights @ weights)
    if over_examples is not None:
        together = over_examples[np.ix_(used, used)]
        variance += _shared(together, weights, layer, membership) * (weights @ weights)
    half = stats.t.ppf(0.975, free) * np.sqrt(variance)
    # Sums of the same numbers in another order are equal but for rounding.
    above = (shuffled >= observed - EQUAL).sum(0) + 1
    below = (shuffled <= observed + EQUAL).sum(0) + 1
    # Ranks that point the other way than the means are no evidence for either.
    tail = np.where(difference > 0, above, below) if ranks else np.minimum(above, below)
    p_value = np.minimum(1.0, 2 * tail / (N_SHUFFLES + 1))
    core = values[in_core].mean(0)
    return [
        Contrast(
            measure=name,
            n_heads=n_core,
            core=float(core[j]),
            others=float(core[j] - d),
            difference=Estimate(float(d), float(d - half[j]), float(d + half[j])),
            p=float(p_value[j]),
        )
        for j, (name, d) in enumerate(zip(names, difference, strict=True))
    ]


def _shared(
    covariance: Float[np.ndarray, "head head"],
    weights: Float[np.ndarray, " head"],
    layer: Int[np.ndarray, " head"],
    membership: Float[np.ndarray, " head"],
) -> float:
    """Compute what examples add to a difference that does not show in how heads differ.

    Args:
        covariance: That of heads over examples.
        weights: Each head's weight in the difference.
        layer: The heads' layers.
        membership: In the core or not, minus the layer's mean.

    Returns:
        A variance for each unit of the sum of squared weights; at least 0.
    """
    fitted = np.column_stack([*(layer == i for i in np.unique(layer)), membership]).astype(float)
    left = np.eye(len(layer)) - fitted @ np.linalg.pinv(fitted)
    in_heads = float(np.trace(left @ covariance) / np.trace(left))
    return max(0.0, float(weights @ covariance @ weights) / float(weights @ weights) - in_heads)
