"""Small result tables made by hand."""

from __future__ import annotations

from collections.abc import Mapping

import pandas as pd

from heuristic_core.tables import DISCRIMINATION, EVALUATIONS, SUBNETWORKS

FULL = {"kind": "full", "method": "", "sparsity": 0.0, "seed": -1}


def evaluation(correct: Mapping[str, int], n: int = 100, **system) -> list[dict]:
    """Rows of one system: from case to number correct; a case's first letter says its kind."""
    kinds = {"i": "id", "a": "adversarial", "f": "friendly"}
    base = {"finetune_seed": 1, "checkpoint": 300} | FULL | system
    return [
        base
        | {
            "suite": "id" if case[0] == "i" else "ood",
            "role": "id" if case[0] == "i" else "ood",
            "case": case,
            "case_kind": kinds[case[0]],
            "n": n,
            "correct": k,
            # No two searches are the same.
            "kl": 0.0 if base["kind"] == "full" else 0.01 + 1e-9 * base["seed"],
            "margin": 1.0,
        }
        for case, k in correct.items()
    ]


def found(seed: int, sparsity: float = 0.5) -> dict:
    """The columns that name a subnetwork."""
    return {"kind": "subnetwork", "method": "learned", "sparsity": sparsity, "seed": seed}


def evaluations(*groups: list[dict]) -> pd.DataFrame:
    """Put rows together."""
    rows = [row for group in groups for row in group]
    return EVALUATIONS.frame(rows)


def areas(auc: Mapping[str, float], n: int = 100, **system) -> list[dict]:
    """Rows of one system: from adversarial case to area under the curve."""
    base = {"finetune_seed": 1, "checkpoint": 300} | FULL | system
    what = {
        "suite": "ood",
        "case_group": "all",
        "n": n,
        "n_friendly": n,
        "d_prime": 0.0,
        "bias": 0.0,
    }
    return [base | what | {"case": case, "auc": area} for case, area in auc.items()]


def discriminations(*groups: list[dict]) -> pd.DataFrame:
    """Put rows of areas together."""
    rows = [row for group in groups for row in group]
    return DISCRIMINATION.frame(rows)


def subnetworks(kept: Mapping[tuple[int, float], set[str]], n_layers=2, n_heads=4) -> pd.DataFrame:
    """From (seed, sparsity) to the labels kept."""
    rows = [
        {
            "finetune_seed": 1,
            "checkpoint": 300,
            "kind": "subnetwork",
            "method": "learned",
            "sparsity": sparsity,
            "seed": seed,
            "unit": f"L{layer}MLP" if head < 0 else f"L{layer}H{head}",
            "layer": layer,
            "head": head,
            "kept": (f"L{layer}MLP" if head < 0 else f"L{layer}H{head}") in labels,
            "soft": 0.5,
        }
        for (seed, sparsity), labels in kept.items()
        for layer in range(n_layers)
        for head in [*range(n_heads), -1]
    ]
    return SUBNETWORKS.frame(rows)
