"""Simulated scores of adversarial and friendly examples, as the tables that come from them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
from simulated import simulated

from heuristic_core.measure.discrimination import packed
from heuristic_core.tables import DISCRIMINATION, PREDICTIONS, SYSTEM_NAMES


def scored(
    rng: np.random.Generator, distance: np.ndarray, lean: np.ndarray, **others: Any
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Draw scores; give rows of ``tables.EVALUATIONS`` and those of ``tables.DISCRIMINATION``."""
    tables = by_example(rng, distance, lean, **others)
    return tables["evaluations"], tables["discrimination"]


def by_example(
    rng: np.random.Generator,
    distance: np.ndarray,
    lean: np.ndarray,
    *,
    n: int = 50,
    n_friendly: int | None = None,
    alike: float = 0.0,
    across: float | None = None,
    learned: Sequence[int] | None = None,
    checkpoints: Sequence[int] = (300,),
    sparsities: Sequence[float] = (0.5,),
    sure: bool = False,
) -> dict[str, pd.DataFrame]:
    """Draw scores; give the tables of evaluations, of discrimination and of predictions.

    Friendly examples score normally around the lean; those of an adversarial case, on which a
    positive score is right, around lean and distance. A system's cases share its friendly
    examples. At sparsity 0 the rows are the full model's, taken from the first seed.

    Args:
        rng: Where the draws come from.
        distance: Of each (study, checkpoint, seed, sparsity, case).
        lean: One that can be broadcast to it, of length 1 in the last axis.
        n: Examples of a case.
        n_friendly: Friendly ones; as many if not given.
        alike: How the scores of a study's systems correlate over the examples of a kind.
        across: The same of systems of different checkpoints or sparsities; as much if not given.
        learned: Numbers correct in-domain, of n, at each checkpoint.
        checkpoints: The checkpoints.
        sparsities: The sparsities.
        sure: Scores are those of a saturated model: adversarial ones lie far on one side or far on
            the other, on the right one in a share that grows with the distance, and friendly ones
            close together in between.
    """
    n_friendly = n if n_friendly is None else n_friendly
    systems = (*distance.shape[:-1], 1)
    around, about_lean = (distance + lean)[..., None], np.broadcast_to(lean, systems)[..., None]

    def noise(shape: tuple[int, ...]) -> np.ndarray:
        own = rng.normal(size=shape)
        if not alike:
            return own
        by_all = alike if across is None else across
        shared = rng.normal(size=(shape[0], 1, 1, 1, *shape[4:]))
        of_level = rng.normal(size=(*shape[:2], 1, *shape[3:]))
        own = (1 - alike) ** 0.5 * own + (alike - by_all) ** 0.5 * of_level
        return by_all**0.5 * shared + own

    adversarial = around + noise((*distance.shape, n))
    friendly = about_lean + noise((*systems, n_friendly))
    if sure:
        adversarial = 6 * np.sign(adversarial - lean[..., None]) + lean[..., None]
        adversarial = adversarial + rng.normal(0, 0.1, size=adversarial.shape)
        friendly = about_lean - 3 + (friendly - about_lean) / 2
    # In a ranking of both sides the adversarial ones' ranks sum up to what they stand above.
    counterparts = np.broadcast_to(friendly, (*distance.shape, n_friendly))
    ranks = np.concatenate([adversarial, counterparts], axis=-1).argsort(-1).argsort(-1)
    below = ranks[..., :n] - adversarial.argsort(-1).argsort(-1)
    behind = ranks[..., n:] - friendly.argsort(-1).argsort(-1)
    above = below.sum(-1)
    error = (
        (below / n_friendly).var(-1, ddof=1) / n + (behind / n).var(-1, ddof=1) / n_friendly
    ) ** 0.5
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
    is_friendly = evaluations["case_kind"] == "friendly"
    evaluations["n"] = evaluations["n"].mask(is_friendly, n_friendly)
    areas = simulated(above, cases, sparsities, n, checkpoints)
    # Through the same reordering as the areas themselves.
    errors = simulated(np.round(1e9 * error).astype(np.int64), cases, sparsities, n, checkpoints)
    areas = areas[[*SYSTEM_NAMES, "suite", "case", "n"]].assign(
        case_group="all",
        n_friendly=n_friendly,
        auc=areas["correct"] / (n * n_friendly),
        auc_se=errors["correct"] / 1e9,
        d_prime=0.0,
        bias=0.0,
    )
    return {
        "evaluations": evaluations,
        "discrimination": DISCRIMINATION.conform(areas),
        "predictions": _predictions(evaluations, adversarial, friendly, sparsities),
    }


def _predictions(
    evaluations: pd.DataFrame,
    adversarial: np.ndarray,
    friendly: np.ndarray,
    sparsities: Sequence[float],
) -> pd.DataFrame:
    """Pack what every system answers to examples out of domain."""
    n_cases = adversarial.shape[-2]
    which = np.indices((*adversarial.shape[:4], n_cases + 1)).reshape(5, -1)
    # The full model is the first seed's.
    of_full = np.array(sparsities)[which[3]] == 0
    rows = evaluations[evaluations["role"] == "ood"].drop(columns="correct")
    bits, scores = [], []
    for study, step, seed, level, case in which[:, ~of_full | (which[2] == 0)].T:
        system = study, step, seed, level
        some = adversarial[(*system, case)] if case < n_cases else friendly[(*system, 0)]
        bits.append(np.packbits(some > 0 if case < n_cases else some < 0).tobytes())
        scores.append(packed(some))
    rows = rows.assign(label="no", case_group="all", correct=bits, scores=scores)
    return PREDICTIONS.conform(rows)
