"""Many simulated studies in one table, told apart by the seed of their fine-tuning."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd

from heuristic_core.tables import EVALUATIONS

KINDS = {"i": "id", "a": "adversarial", "f": "friendly"}


def simulated(
    correct: np.ndarray,
    cases: Sequence[str],
    sparsities: Sequence[float],
    n: int,
    checkpoints: Sequence[int] = (300,),
) -> pd.DataFrame:
    """Rows of numbers correct, (study, checkpoint, seed, sparsity, case).

    The first letter of a case says its kind. At sparsity 0 the rows are the full model's, taken
    from the first seed.
    """
    index = np.indices(correct.shape).reshape(5, -1)
    study, checkpoint, seed, level, case = index
    sparsity = np.array(sparsities)[level]
    names = np.array(cases)[case]
    full = sparsity == 0
    role = np.where(np.char.startswith(names, "i"), "id", "ood")
    rows = pd.DataFrame(
        {
            "finetune_seed": study,
            "checkpoint": np.array(checkpoints)[checkpoint],
            "kind": np.where(full, "full", "subnetwork"),
            "method": np.where(full, "", "learned"),
            "sparsity": sparsity,
            "seed": np.where(full, -1, seed),
            "suite": role,
            "role": role,
            "case": names,
            "case_kind": [KINDS[name[0]] for name in names],
            "n": n,
            "correct": correct.ravel(),
            "kl": np.where(full, 0.0, 1e-9 * (1 + seed)),  # no two searches are the same
            "margin": 1.0,
        }
    )
    return EVALUATIONS.conform(rows[~full | (seed == 0)])


def decisions(results: Sequence) -> list[str]:
    """The decisions of some results."""
    return [result.verdict.decision for result in results]
