"""Simulated falls of balanced accuracy over sparsities, of known shapes."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pandas as pd
from simulated import simulated

#: From positions in the range (0 to 1) and a source of draws to the share of accuracy that is left.
Shape = Callable[[np.ndarray, np.random.Generator], np.ndarray]
#: The sparsities of the paper's grid that all its runs have, and those of the arms.
PAPER, ARMS = (np.round(np.arange(1, n + 1) * 0.05, 2) for n in (13, 16))
#: Friendly examples.
FRIENDLY = 300


def logistic(width: float, middle: tuple[float, float] = (0.3, 0.7)) -> Shape:
    """Fall as a logistic curve whose middle 80 % take a share of the range."""
    # A logistic curve goes from 10 % to 90 % within 2 ln 9 times its scale.
    scale = width / (2 * np.log(9))
    return lambda at, rng: 1 / (1 + np.exp((at - rng.uniform(*middle)) / scale))


def two_steps(share: tuple[float, float] = (0.5, 0.5)) -> Shape:
    """Fall in two steps that lie apart, the first of them by a share of the fall."""

    def shape(at: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        first, second = rng.uniform(0.15, 0.4), rng.uniform(0.6, 0.85)
        part = rng.uniform(*share)
        return (at < first) * part + (at < second) * (1 - part)

    return shape


def half_in_an_eighth(at: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Fall by half within an eighth of the range that ends between levels, else evenly."""
    n_steps = len(at) - 1
    eighth = n_steps / 8
    # An eighth of 12 and of 15 steps is between one and two; both are equally steep.
    inside = 0.5 / eighth
    falls = np.full(n_steps, (1 - 2 * inside) / (n_steps - 2))
    start = rng.integers(2, n_steps - 3)
    falls[start : start + 2] = inside
    return 1 - np.concatenate([[0], np.cumsum(falls)])


#: What is smooth, what is sharp, and where nothing falls.
SHAPES: dict[str, Shape] = {
    "line": lambda at, rng: 1 - at,
    "late line": lambda at, rng: np.minimum(1, (1 - at) / 0.6),
    "wide logistic": logistic(0.6, (0.4, 0.6)),
    "half in an eighth": half_in_an_eighth,
    "two equal steps": two_steps(),
    "two steps": two_steps((0.3, 0.7)),
    "logistic in a fifth": logistic(0.2),
    "step": lambda at, rng: (at < rng.uniform(0.25, 0.75)) * 1.0,
    "flat": lambda at, rng: np.zeros_like(at),
}


def falls(
    rng: np.random.Generator,
    shape: str,
    n_studies: int,
    *,
    points: tuple[float, float] = (15, 50),
    n: tuple[int, int] = (80, 220),
    sparsities: np.ndarray = ARMS,
    n_seeds: int = 3,
    spread: float = 0.0,
    alike: float = 0.0,
) -> pd.DataFrame:
    """Draw rows of ``tables.EVALUATIONS`` for an adversarial and a friendly case.

    Adversarial accuracy falls by 90 points at most, and friendly accuracy by what is left. Searches
    differ most where the model is right most, as they do in the paper's grid.

    Args:
        rng: Where the draws come from.
        shape: One of ``SHAPES``.
        n_studies: How many.
        points: Between which the fall of balanced accuracy is drawn.
        n: Between which the number of adversarial examples is drawn.
        sparsities: The levels.
        n_seeds: Search seeds.
        spread: Standard deviation of balanced accuracy over seeds at the top, in points.
        alike: Correlation of what a seed differs by, at neighbouring levels.
    """
    at = (sparsities - sparsities[0]) / np.ptp(sparsities)
    left = np.stack([SHAPES[shape](at, rng) for _ in range(n_studies)])[:, None]
    fall, top = rng.uniform(*points, size=(n_studies, 1, 1)) / 50, 0.9
    seen = np.minimum(fall, top)
    seeds = rng.standard_normal((n_studies, n_seeds, len(at)))
    for level in range(1, len(at)):
        seeds[..., level] *= (1 - alike**2) ** 0.5
        seeds[..., level] += alike * seeds[..., level - 1]
    adversarial = 0.03 + seen * left + spread / 50 * seeds * (0.5 + 0.5 * left)
    friendly = np.broadcast_to(0.97 - (fall - seen) * (1 - left), adversarial.shape)
    examples = rng.integers(n[0], n[1] + 1, size=(n_studies, 1, 1))
    right = [
        rng.binomial(examples, adversarial.clip(0, 1)),
        rng.binomial(FRIENDLY, friendly),
    ]
    table = simulated(np.stack(right, -1)[:, None], ["a", "f"], list(sparsities), FRIENDLY)
    number = table["finetune_seed"].map(dict(enumerate(examples.ravel())))
    return table.assign(n=table["n"].where(table["case_kind"] == "friendly", number))
