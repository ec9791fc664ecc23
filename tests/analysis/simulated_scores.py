"""Simulated scores of adversarial and friendly examples, as both tables that come from them."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
from simulated import simulated

from heuristic_core.tables import DISCRIMINATION, SYSTEM, conform


def scored(
    rng: np.random.Generator,
    distance: np.ndarray,
    lean: np.ndarray,
    *,
    n: int = 50,
    learned: Sequence[int] | None = None,
    checkpoints: Sequence[int] = (300,),
    sparsities: Sequence[float] = (0.5,),
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Draw scores; give rows of ``tables.EVALUATION`` and those of ``tables.DISCRIMINATION``.

    Friendly examples score normally around the lean; those of an adversarial case, on which a
    positive score is right, around lean and distance. A system's cases share its friendly
    examples. At sparsity 0 the rows are the full model's, taken from the first seed.

    Args:
        rng: Where the draws come from.
        distance: Of each (study, checkpoint, seed, sparsity, case).
        lean: One that can be broadcast to it, of length 1 in the last axis.
        n: Examples of a case, and friendly ones.
        learned: Numbers correct in-domain, of n, at each checkpoint.
        checkpoints: The checkpoints.
        sparsities: The sparsities.
    """
    systems = (*distance.shape[:-1], 1)
    adversarial = rng.normal((distance + lean)[..., None], size=(*distance.shape, n))
    friendly = rng.normal(np.broadcast_to(lean, systems)[..., None], size=(*systems, n))
    # In a ranking of both sides the adversarial ones' ranks sum up to what they stand above.
    both = np.concatenate([adversarial, np.broadcast_to(friendly, adversarial.shape)], axis=-1)
    above = both.argsort(-1).argsort(-1)[..., :n].sum(-1) - n * (n - 1) // 2
    known = np.full(systems[1], n - 1) if learned is None else np.array(learned)
    right = [
        np.broadcast_to(known[:, None, None, None], systems),
        (adversarial > 0).sum(-1),
        (friendly < 0).sum(-1),
    ]
    cases = [f"a{i}" for i in range(distance.shape[-1])]
    evaluations = simulated(
        np.concatenate(right, axis=-1), ["i", *cases, "f"], sparsities, n, checkpoints
    )
    areas = simulated(above, cases, sparsities, n, checkpoints)
    areas = areas[[*SYSTEM, "suite", "case", "n"]].assign(
        group="all", n_friendly=n, auc=areas["correct"] / n**2, d_prime=0.0, bias=0.0
    )
    return evaluations, conform(areas, DISCRIMINATION)
