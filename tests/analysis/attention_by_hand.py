"""Tables of attention made by hand."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from typing import Any

import numpy as np
import pandas as pd

from heuristic_core.analysis.cores import supported_cores
from heuristic_core.analysis.evidence import Evidence
from heuristic_core.tables import ATTENTION

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
    return ATTENTION.conform(rows)


def flat(n_layers: int = 3, n_heads: int = 4) -> np.ndarray:
    """Scores of chance everywhere."""
    return np.ones((n_layers, n_heads, len(PATTERNS)))


class WithCores(Evidence):
    """A table of attention with cores that are given, from the fine-tuning's seed to its heads."""

    def __init__(
        self, table: pd.DataFrame, cores: Mapping[int, Collection[str]], seed: int = 0
    ) -> None:
        super().__init__({"attention": table}, seed=seed)
        self._cores = cores

    def once(self, read: Callable[[Evidence], Any]) -> Any:
        """Return the cores as they were given."""
        return self._cores if read is supported_cores else super().once(read)
