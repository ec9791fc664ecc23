"""Simulated fine-tunings of which the effective size is known."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import pandas as pd
from scipy.special import ndtri
from simulated import simulated

from heuristic_core.tables import GRID_PREDICTIONS

#: From sparsities, and the sparsity at which 3 points are lost, to the share of accuracy lost.
Fall = Callable[[np.ndarray, float], np.ndarray]
#: Examples of the cases: in-domain, and thirty of twenty out of domain, half of them friendly.
EXAMPLES = {"i": 500, "a": 300, "f": 300}
#: The full model's accuracy at both checkpoints.
FULL = {"i": (0.85, 0.88), "a": (0.40, 0.75), "f": (0.95, 0.92)}


def power(exponent: float) -> Fall:
    """Lose ever more."""
    return lambda sparsities, at: 0.03 * (sparsities / at) ** exponent


def slope(width: float, total: float = 0.3) -> Fall:
    """Lose nearly all of it around one sparsity."""
    middle = width * np.log(total / 0.03 - 1)
    return lambda sparsities, at: total / (1 + np.exp((at + middle - sparsities) / width))


def fine_tunings(
    rng: np.random.Generator,
    n_studies: int,
    n_seeds: int,
    step: float,
    at: tuple[float, float],
    falls: Sequence[Fall],
    spread: float = 0.01,
    alike: tuple[float, float] = (0.3, 0.3),
    n_id: int = 500,
) -> dict[str, pd.DataFrame]:
    """Simulate the grid's tables at two checkpoints, every example answered by all systems.

    Args:
        rng: Where the draws come from.
        n_studies: How many.
        n_seeds: Search seeds.
        step: Of the grid of sparsities, up to 0.8.
        at: The sparsity at which a subnetwork loses 3 points, at each checkpoint.
        falls: How accuracy falls at each.
        spread: Standard deviation of true accuracy over seeds.
        alike: How answers correlate, of a subnetwork with the full model, and with another one.
        n_id: In-domain examples.
    """
    levels = np.round(np.arange(0, 0.8 + step / 2, step), 3)
    to_full, to_others = (np.float32(x) for x in alike)
    lost = np.stack([fall(levels, where) for fall, where in zip(falls, at, strict=True)])
    lost[:, 0] = 0
    shape = (n_studies, 2, n_seeds, len(levels))
    noise = spread * (rng.standard_normal(shape) + 0.5 * rng.standard_normal((*shape[:3], 1)))
    noise[..., 0] = 0
    right, packed = [], []
    for kind, accuracy in FULL.items():
        n = n_id if kind == "i" else EXAMPLES[kind]
        share = np.array(accuracy)[:, None, None] - lost[:, None] + noise
        limits = ndtri(share.clip(0.005, 0.995))[..., None].astype(np.float32)
        counts = np.empty(shape, int)
        for study in range(n_studies):
            hard = rng.standard_normal(n, np.float32)
            shared = rng.standard_normal((2, 1, 1, n), np.float32)
            own = rng.standard_normal((*shape[1:], n), np.float32)
            score = to_full**0.5 * hard + (to_others - to_full) ** 0.5 * shared
            score = score + (1 - to_others) ** 0.5 * own
            score[:, :, 0] = to_full**0.5 * hard + (1 - to_full) ** 0.5 * own[:, :, 0]
            correct = score < limits[study]
            counts[study] = correct.sum(-1)
            packed += [bits.tobytes() for bits in np.packbits(correct.reshape(-1, n), axis=1)]
        right.append(counts)
    table = simulated(np.stack(right, -1), list(FULL), levels, 0, (100, 300))
    table = table.assign(n=table["case"].map(EXAMPLES | {"i": n_id}))
    every = np.array(packed, object).reshape(len(FULL), *shape)
    which = np.indices((*shape, len(FULL))).reshape(5, -1)
    kept = (which[3] > 0) | (which[2] == 0)  # the full model is the first seed's
    by_row = every[which[4], which[0], which[1], which[2], which[3]][kept]
    bits = pd.DataFrame({"correct": by_row}, table.index)
    predictions = (
        table.drop(columns="correct").join(bits).assign(label="", case_group="", scores=None)
    )
    return {"grid": table, "grid_predictions": GRID_PREDICTIONS.conform(predictions)}
