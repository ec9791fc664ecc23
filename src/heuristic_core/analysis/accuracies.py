"""Accuracies of systems as means over cases, as several questions need them."""

from __future__ import annotations

from collections.abc import Container, Iterable, Sequence

import numpy as np
import pandas as pd

from .evidence import Evidence
from .intervals import EQUAL
from .kept import repeated
from .systems import BY_SPARSITY, by_system

#: The columns that name a case.
CASE = ["suite", "case"]
#: The columns of mean accuracies over the cases of a kind, and what these are called on the page.
CASE_KINDS = {
    "in_domain": "in-domain",
    "adversarial": "adversarial",
    "friendly": "friendly",
    "shift": "shift",
}
#: The same with the mean of adversarial and friendly accuracy.
KINDS = CASE_KINDS | {"balanced": "balanced OOD"}
#: What names the subnetworks of one sparsity: the values of ``systems.BY_SPARSITY``.
SparsityKey = tuple[int, int, str, float]


def subnetworks_of(evaluations: pd.DataFrame) -> pd.DataFrame:
    """Return the rows of subnetworks, by seed, so that no rounding depends on the order of rows."""
    return evaluations[evaluations["kind"] == "subnetwork"].sort_values("seed", kind="stable")


def distinct_subnetworks(evidence: Evidence, name: str) -> pd.DataFrame:
    """Return the rows of subnetworks in a table; of those that keep the same units, one's only.

    Args:
        evidence: What was measured.
        name: The table's name.
    """
    rows, same = subnetworks_of(evidence[name]), evidence.once(repeated)
    return rows[~rows.set_index(same.names).index.isin(same)] if len(same) else rows


def full_model(evaluations: pd.DataFrame, finetune_seed: int, checkpoint: int) -> pd.DataFrame:
    """Return the rows of one full model."""
    return evaluations[
        (evaluations["kind"] == "full")
        & (evaluations["finetune_seed"] == finetune_seed)
        & (evaluations["checkpoint"] == checkpoint)
    ]


def means_by_kind(rows: pd.DataFrame, by: str | Sequence[str] = "seed") -> pd.DataFrame:
    """Compute mean accuracies over cases, each case counting once.

    Args:
        rows: Rows as in ``tables.EVALUATIONS``.
        by: The columns that name a system.

    Returns:
        One row per system, with those of the columns ``in_domain``, ``adversarial``, ``friendly``
        and ``shift`` that there are cases for, and ``balanced``, the mean of the last two, where
        there are both: label bias cannot raise it.
    """
    keys = [rows[column] for column in ([by] if isinstance(by, str) else by)]
    kind = pd.Series(np.where(rows["role"] == "id", "in_domain", rows["case_kind"]), rows.index)
    accuracy = rows["correct"] / rows["n"]
    means = accuracy.groupby([*keys, kind.rename("kind")]).mean().unstack("kind")
    if {"adversarial", "friendly"} <= set(means):
        means["balanced"] = (means["adversarial"] + means["friendly"]) / 2
    return means


def worst_groups(rows: pd.DataFrame, by: str = "seed") -> pd.DataFrame:
    """Find the out-of-domain group that each system answers worst.

    Args:
        rows: Rows as in ``tables.EVALUATIONS``.
        by: The column that names a system.

    Returns:
        One row per system with the columns suite, case, label, n, correct and accuracy, of the
        group with the lowest accuracy, and of several such the largest; none for systems of
        versions that did not count groups.

    Source:
        Sagawa et al. 2020 (group DRO), section 2: the worst-group error, here over the groups of
        one case and right label.
    """
    known = rows[(rows["role"] == "ood") & rows["worst_n"].notna()]
    groups = known[[by, *CASE]].assign(
        label=known["worst_label"],
        n=known["worst_n"].astype(int),
        correct=known["worst_correct"].astype(int),
    )
    groups["accuracy"] = groups["correct"] / groups["n"]
    ranked = groups.sort_values(["accuracy", "n"], ascending=[True, False], kind="stable")
    return ranked.drop_duplicates(by).set_index(by).sort_index()


def subnetwork_means(evidence: Evidence) -> dict[SparsityKey, pd.DataFrame]:
    """Compute the mean accuracies of every subnetwork, as :func:`means_by_kind` does.

    Returns:
        One row per seed whose subnetwork no lower seed gave, for each fine-tuning, checkpoint,
        method and sparsity.
    """
    rows = distinct_subnetworks(evidence, "evaluations")
    return {key: means_by_kind(some) for key, some in by_system(rows, BY_SPARSITY)}


def case_labels(cases: Iterable[tuple[str, str]]) -> list[str]:
    """Return the names of cases, with the suite before each if there are several suites.

    Args:
        cases: Suites and cases.
    """
    pairs = list(cases)
    several = len({suite for suite, _ in pairs}) > 1
    return [f"{suite}: {case}" if several else str(case) for suite, case in pairs]


def judged_by(means: Container[str]) -> str | None:
    """Name the kind of cases, or column of means, that generalisation is judged by.

    Returns:
        ``balanced``, else ``adversarial``, else ``shift``: where no heuristic is tested, accuracy
        out of domain is all there is. ``None`` without out-of-domain cases.
    """
    return next((name for name in ("balanced", "adversarial", "shift") if name in means), None)


def sparsest_matching(
    evaluations: pd.DataFrame, finetune_seed: int, checkpoint: int, margin_points: float
) -> float | None:
    """Find the highest sparsity at which subnetworks match the model in-domain on average.

    Args:
        evaluations: Rows as in ``tables.EVALUATIONS``.
        finetune_seed: The model's fine-tuning.
        checkpoint: Its step.
        margin_points: How many points below the full model's accuracy still match.

    Returns:
        The sparsity; ``None`` where none matches or the model was not evaluated.
    """
    full = full_model(evaluations, finetune_seed, checkpoint)
    rows = subnetworks_of(evaluations)
    rows = rows[(rows["finetune_seed"] == finetune_seed) & (rows["checkpoint"] == checkpoint)]
    if full.empty or rows.empty:
        return None
    bar = float(means_by_kind(full)["in_domain"].iloc[0]) - margin_points / 100
    means = means_by_kind(rows, ["sparsity", "seed"])["in_domain"].groupby("sparsity").mean()
    # Sums of shares are rounded.
    return max((float(level) for level in means.index[means >= bar - EQUAL]), default=None)
