"""Simulated fine-tunings: when the task is learned, and when the AUROCs of cases rise."""

from __future__ import annotations

import numpy as np
import pandas as pd

from heuristic_core.analysis.separation import auc_variance
from heuristic_core.tables import DISCRIMINATION, EVALUATIONS
from tables_by_hand import FULL

#: Trained checkpoints of the arms, in-domain examples of each development set, and those of an
#: adversarial case and its friendly counterparts.
STEPS, IN_DOMAIN, ADVERSARIAL, FRIENDLY = (250, 500, 1000, 2000, 3000, 4000), 9_820, 1_000, 5_000


def fine_tunings(
    rng: np.random.Generator,
    accuracy: np.ndarray,
    auc: np.ndarray,
    *,
    n: int = ADVERSARIAL,
    n_friendly: int = FRIENDLY,
    alike: float = 0.5,
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Draw the full models' rows of ``tables.EVALUATIONS`` and of ``tables.DISCRIMINATION``.

    Args:
        rng: Where the draws come from.
        accuracy: True in-domain accuracy at each of ``STEPS``, (step,).
        auc: True AUROC, (study, step, case).
        n: Adversarial examples of a case.
        n_friendly: Its friendly counterparts.
        alike: The share of an AUROC's error that all cases and checkpoints have in common, as they
            share examples.
    """
    studies, steps = auc.shape[:2]
    error = auc_variance(auc, n, n_friendly) ** 0.5
    noise = (1 - alike) ** 0.5 * rng.standard_normal(auc.shape)
    noise += alike**0.5 * rng.standard_normal((studies, 1, 1))
    seen = (auc + error * noise).clip(0, 1)
    study, step, case = np.indices(auc.shape).reshape(3, -1)
    areas = pd.DataFrame(
        {
            "finetune_seed": study,
            "checkpoint": np.array(STEPS)[step],
            **FULL,
            "suite": "ood",
            "case": [f"a{i}" for i in case],
            "case_group": "all",
            "n": n,
            "n_friendly": n_friendly,
            "auc": seen.ravel(),
            "auc_se": error.ravel(),
            "d_prime": 0.0,
            "bias": 0.0,
        }
    )
    right = rng.binomial(IN_DOMAIN, accuracy[:, None], size=(studies, steps, 2))
    study, step, suite = np.indices(right.shape).reshape(3, -1)
    known = pd.DataFrame(
        {
            "finetune_seed": study,
            "checkpoint": np.array(STEPS)[step],
            **FULL,
            "suite": [f"i{i}" for i in suite],
            "role": "id",
            "case": [f"i{i}" for i in suite],
            "case_kind": "id",
            "n": IN_DOMAIN,
            "correct": right.ravel(),
            "kl": 0.0,
            "margin": 1.0,
        }
    )
    shared = areas[["finetune_seed", "checkpoint", *FULL, "suite", "case", "n"]]
    ood = shared.assign(role="ood", case_kind="adversarial", correct=0, kl=0.0, margin=0.0)
    evaluations = pd.concat([known, ood])
    return EVALUATIONS.conform(evaluations), DISCRIMINATION.conform(areas)


def at_random(rng: np.random.Generator, studies: int, cases: int, end: float = 0.8) -> np.ndarray:
    """Draw AUROCs that rise from 0.5 at checkpoints drawn one by one, (study, step, case)."""
    first = rng.integers(1, len(STEPS), size=(studies, 1, cases))
    return np.where(np.arange(len(STEPS))[:, None] >= first, end, 0.5)
