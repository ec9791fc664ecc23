"""Simulated scores of adversarial and friendly examples, as both tables that come from them."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
from simulated import simulated

from heuristic_core.tables import DISCRIMINATION, SYSTEM_NAMES


def scored(
    rng: np.random.Generator,
    distance: np.ndarray,
    lean: np.ndarray,
    *,
    n: int = 50,
    learned: Sequence[int] | None = None,
    checkpoints: Sequence[int] = (300,),
    sparsities: Sequence[float] = (0.5,),
    sure: bool = False,
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Draw scores; give rows of ``tables.EVALUATIONS`` and those of ``tables.DISCRIMINATION``.

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
        sure: Scores are those of a saturated model: adversarial ones lie far on one side or far on
            the other, on the right one in a share that grows with the distance, and friendly ones
            close together in between.
    """
    systems = (*distance.shape[:-1], 1)
    around, about_lean = (distance + lean)[..., None], np.broadcast_to(lean, systems)[..., None]
    adversarial = rng.normal(around, size=(*distance.shape, n))
    friendly = rng.normal(about_lean, size=(*systems, n))
    if sure:
        adversarial = 6 * np.sign(adversarial - lean[..., None]) + lean[..., None]
        adversarial = adversarial + rng.normal(0, 0.1, size=adversarial.shape)
        friendly = about_lean - 3 + (friendly - about_lean) / 2
    # In a ranking of both sides the adversarial ones' ranks sum up to what they stand above.
    both = np.concatenate([adversarial, np.broadcast_to(friendly, adversarial.shape)], axis=-1)
    ranks = both.argsort(-1).argsort(-1)
    below = ranks[..., :n] - adversarial.argsort(-1).argsort(-1)
    behind = ranks[..., n:] - friendly.argsort(-1).argsort(-1)
    above = below.sum(-1)
    error = ((below / n).var(-1, ddof=1) / n + (behind / n).var(-1, ddof=1) / n) ** 0.5
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
    # Through the same reordering as the areas themselves.
    errors = simulated(np.round(1e9 * error).astype(np.int64), cases, sparsities, n, checkpoints)
    areas = areas[[*SYSTEM_NAMES, "suite", "case", "n"]].assign(
        group="all",
        n_friendly=n,
        auc=areas["correct"] / n**2,
        auc_se=errors["correct"] / 1e9,
        d_prime=0.0,
        bias=0.0,
    )
    return evaluations, DISCRIMINATION.conform(areas)
