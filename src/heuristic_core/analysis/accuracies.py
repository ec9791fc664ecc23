"""Accuracies of systems as means over cases, as several analyses need them."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd


def subnetworks_of(evaluations: pd.DataFrame) -> pd.DataFrame:
    """Give the rows of subnetworks, by seed, so that no rounding depends on the order of rows."""
    return evaluations[evaluations["kind"] == "subnetwork"].sort_values("seed", kind="stable")


def full_model(evaluations: pd.DataFrame, finetune_seed: int, checkpoint: int) -> pd.DataFrame:
    """Give the rows of one full model."""
    return evaluations[
        (evaluations["kind"] == "full")
        & (evaluations["finetune_seed"] == finetune_seed)
        & (evaluations["checkpoint"] == checkpoint)
    ]


def part_means(rows: pd.DataFrame, by: str | Sequence[str] = "seed") -> pd.DataFrame:
    """Give mean accuracies over cases, each case counting once.

    Args:
        rows: Rows as in ``tables.EVALUATION``.
        by: The columns that tell systems apart.

    Returns:
        One row per system, with those of the columns ``in_domain``, ``adversarial`` and
        ``friendly`` that there are cases for, and ``balanced``, the mean of the last two, where
        there are both: a lean to one label cannot raise it.
    """
    keys = [rows[column] for column in ([by] if isinstance(by, str) else by)]
    part = pd.Series(np.where(rows["role"] == "id", "in_domain", rows["case_kind"]), rows.index)
    accuracy = rows["correct"] / rows["n"]
    means = accuracy.groupby([*keys, part.rename("part")]).mean().unstack("part")
    if {"adversarial", "friendly"} <= set(means):
        means["balanced"] = (means["adversarial"] + means["friendly"]) / 2
    return means


def judged_by(means: pd.DataFrame) -> str | None:
    """Name the column of mean accuracies that speaks for generalisation; ``None`` without one."""
    return next((name for name in ("balanced", "adversarial") if name in means), None)


def sparsest_matching(
    evaluations: pd.DataFrame, finetune_seed: int, checkpoint: int, margin_points: float
) -> float | None:
    """Find the highest sparsity at which subnetworks match the model in-domain in the mean.

    Args:
        evaluations: Rows as in ``tables.EVALUATION``.
        finetune_seed: The model's fine-tuning.
        checkpoint: Its step.
        margin_points: How many points below the full model's accuracy still match.

    Returns:
        The sparsity; ``None`` where none matches or the model was not evaluated.
    """
    full = full_model(evaluations, finetune_seed, checkpoint)
    found = subnetworks_of(evaluations)
    found = found[(found["finetune_seed"] == finetune_seed) & (found["checkpoint"] == checkpoint)]
    if full.empty or found.empty:
        return None
    bar = float(part_means(full)["in_domain"].iloc[0]) - margin_points / 100
    means = part_means(found, ["sparsity", "seed"])["in_domain"].groupby("sparsity").mean()
    # Sums of shares are rounded.
    return max((float(level) for level in means.index[means >= bar - 1e-9]), default=None)
