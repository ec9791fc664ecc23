"""Simulated tables of removals. The studies of one table differ in their fine-tuning seed."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd

from heuristic_core.analysis.evidence import Evidence
from heuristic_core.analysis.question import Answer
from heuristic_core.tables import DISCRIMINATION, REMOVAL, REMOVAL_DISCRIMINATION, UNDECIDED

KINDS = {"i": "id", "a": "adversarial", "f": "friendly"}
LABELS = {"i": "", "a": "no", "f": "yes"}
CASES = ("i1", "a1", "a2", "f1", "f2")
#: Group, draw, units.
Named = tuple[str, int, str]
NONE: Named = ("none", -1, "")


def heads(n_layers: int, n_heads: int) -> list[str]:
    """Labels of all heads."""
    return [f"L{i}H{j}" for i in range(n_layers) for j in range(n_heads)]


def singles(units: Sequence[str]) -> list[Named]:
    """Each unit alone."""
    return [("single", -1, unit) for unit in units]


def simulate(
    rng: np.random.Generator,
    removals: Sequence[Named],
    *,
    n_studies: int = 1,
    change: np.ndarray | float = 0.0,
    interaction: np.ndarray | float = 0.0,
    auroc: np.ndarray | float = 0.0,
    auroc_interaction: np.ndarray | float = 0.0,
    n: int = 30,
    noise: float = 0.5,
    auroc_noise: float = 0.1,
    cases: Sequence[str] = CASES,
    full_margin: float = 2.0,
    full_auc: float = 0.8,
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Simulate the tables of removals and of AUROC, with normal noise over examples.

    Changes have the shape (study, removal, case), or broadcast to it; those of AUROC have the shape
    (study, removal, 1).
    """
    named = [NONE, *removals]
    shape = (n_studies, len(named), len(cases))
    study, removal, case = np.indices(shape).reshape(3, -1)

    def sampled(mean, sd: float, shape=shape) -> tuple[np.ndarray, np.ndarray]:
        """Means of n normal numbers, and standard errors as estimated from such samples."""
        full = np.zeros(shape)
        full[:, 1:] = mean
        error = sd * np.sqrt(rng.chisquare(n - 1, shape) / (n - 1) / n)
        return full + rng.normal(size=shape) * sd / n**0.5, error

    def columns(study, removal) -> dict:
        group, draw, units = (np.array([x[i] for x in named], dtype=object) for i in range(3))
        return {
            "finetune_seed": study,
            "checkpoint": 100,
            "readout": "model",
            "group": group[removal],
            "draw": draw[removal],
            "removed": units[removal],
        }

    changes, errors = sampled(change, noise)
    interactions, interaction_errors = sampled(interaction, noise)
    is_none = removal == 0
    several = np.array(["+" in x[2] for x in named])[removal]
    names = np.array(cases)[case]
    table = pd.DataFrame(
        columns(study, removal)
        | {
            "suite": np.where(np.char.startswith(names, "i"), "id", "ood"),
            "role": np.where(np.char.startswith(names, "i"), "id", "ood"),
            "case": names,
            "case_kind": [KINDS[name[0]] for name in names],
            "label": [LABELS[name[0]] for name in names],
            "n": n,
            "correct": n // 2,
            "kl": 0.1,
            "margin": full_margin + np.where(is_none, 0, changes.ravel()),
            "margin_change": np.where(is_none, 0, changes.ravel()),
            "margin_change_se": np.where(is_none, 0, errors.ravel()),
            "interaction": np.where(several, interactions.ravel(), np.nan),
            "interaction_se": np.where(several, interaction_errors.ravel(), np.nan),
            "pooled_change": 0.1,
        }
    )
    hard = [name for name in cases if name[0] == "a"]
    shape = (n_studies, len(named), len(hard))
    study, removal, case = np.indices(shape).reshape(3, -1)
    own, own_errors = sampled(auroc, auroc_noise, shape)
    common, common_errors = sampled(0.0, auroc_noise, (n_studies, len(named), 1))
    aurocs = np.where(removal == 0, 0, (own + common).ravel())
    beyond, beyond_errors = sampled(auroc_interaction, auroc_noise, shape)
    several = np.array(["+" in x[2] for x in named])[removal]
    separation = pd.DataFrame(
        columns(study, removal)
        | {
            "suite": "ood",
            "case": np.array(hard)[case],
            "case_group": "all",
            "n": n,
            "n_friendly": n,
            "auc": full_auc + aurocs,
            "d_prime": 1.0,
            "bias": 0.0,
            "auc_change": aurocs,
            "auc_change_se": own_errors.ravel(),
            "auc_change_common_se": np.broadcast_to(common_errors, shape).ravel(),
            "auc_interaction": np.where(several, beyond.ravel(), np.nan),
            "auc_interaction_se": np.where(several, beyond_errors.ravel(), np.nan),
            "auc_interaction_common_se": np.where(several, 0.0, np.nan),
        }
    )
    return REMOVAL.conform(table), REMOVAL_DISCRIMINATION.conform(separation)


def evidence(table: pd.DataFrame, aurocs: pd.DataFrame | None = None, seed: int = 0) -> Evidence:
    """What was measured: margins, and AUROC if given."""
    tables = {"removal": table}
    if aurocs is not None:
        tables["removal_discrimination"] = aurocs
    return Evidence(tables, seed=seed)


def full_aurocs(**aurocs: float) -> pd.DataFrame:
    """The full model's AUROC by case, on many examples."""
    case = {"finetune_seed": 0, "checkpoint": 100, "kind": "full", "method": "", "sparsity": 0.0}
    case |= {"seed": -1, "suite": "ood", "case_group": "all", "n": 900, "n_friendly": 900}
    case |= {"auc_se": 0.01, "d_prime": 1.0, "bias": 0.0}
    return DISCRIMINATION.frame([case | {"case": name, "auc": auc} for name, auc in aurocs.items()])


def decisions(answers: Sequence[Answer]) -> list[str]:
    """The decisions of some answers."""
    return [answer.verdict.decision for answer in answers]


def share_decided(answers: Sequence[Answer]) -> float:
    """Share of answers that decide."""
    return float(np.mean([decision != UNDECIDED for decision in decisions(answers)]))
