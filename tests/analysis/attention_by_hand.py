"""Tables of attention made by hand."""

from __future__ import annotations

import numpy as np
import pandas as pd

from heuristic_core.tables import ATTENTION, conform

PATTERNS = ("repeated", "same", "previous", "next", "self", "cls", "sep", "punctuation")
N_HEADS = 12


def attention(
    score: np.ndarray,
    error: float | np.ndarray = 0.1,
    n: int = 100,
    patterns: tuple[str, ...] = PATTERNS,
    **model,
) -> pd.DataFrame:
    """Rows of scores (layer, head, pattern)."""
    layer, head, pattern = np.indices(score.shape).reshape(3, -1)
    names = [f"L{i}H{j}" for i, j in zip(layer, head, strict=True)]
    rows = pd.DataFrame(
        {"finetune_seed": 1, "checkpoint": 250, "suite": "id", "weighting": "attention"}
        | {"unit": names, "layer": layer, "head": head}
        | {"pattern": np.array(patterns)[pattern], "n": n, "chance": 0.05}
        | {"attention": 0.05 * score.ravel(), "score": score.ravel()}
        | {"score_se": np.broadcast_to(error, score.shape).ravel(), "wins": 0.7}
        | model
    )
    return conform(rows, ATTENTION)


def flat(n_layers: int = 3, n_heads: int = 4) -> np.ndarray:
    """Scores of chance everywhere."""
    return np.ones((n_layers, n_heads, len(PATTERNS)))
