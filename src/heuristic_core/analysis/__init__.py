"""What is concluded from measurements: one question of the paper a file, pure functions."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

import pandas as pd

from .core import core
from .curves import curves
from .sparser import sparser
from .spread import spread

__all__ = ["analyze"]


def analyze(
    evaluations: pd.DataFrame,
    subnetworks: pd.DataFrame,
    *,
    margin_points: float = 3.0,
    seed: int = 0,
) -> dict[str, Any]:
    """Answer every question that the tables of a study can answer.

    Args:
        evaluations: Rows as in ``tables.EVALUATION``.
        subnetworks: Rows as in ``tables.SUBNETWORKS``.
        margin_points: Points of ID accuracy within which a subnetwork matches the model.
        seed: Seed of bootstrap draws.

    Returns:
        For each analysis (``spread``, ``sparser``, ``core``, ``curves``) a list of results as
        plain dictionaries, each with its verdict.
    """
    answers: dict[str, Sequence[Any]] = {
        "spread": spread(evaluations, margin_points),
        "sparser": sparser(evaluations),
        "core": core(subnetworks),
        "curves": curves(evaluations),
    }
    return {name: [asdict(result) for result in results] for name, results in answers.items()}
