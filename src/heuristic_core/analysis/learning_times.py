"""When a task is learned and when the AUROC of a case has risen, each with its error."""

from __future__ import annotations

from typing import Literal

import numpy as np
import pandas as pd
from jaxtyping import Float

from .separation import auc_variance

#: The task is learned at this share of the final in-domain accuracy.
LEARNED = 0.9
#: What lies more standard errors than this away from a limit is clearly above or below it.
CLEAR = 1.96
#: A rise starts here or higher: what lies below is guessing or worse.
_GUESSING = 0.5


def above_learned(rows: pd.DataFrame) -> pd.Series:
    """Compute how far in-domain accuracy is above the share of its last value that is learned.

    Accuracies are treated as independent, which is conservative if all answer the same examples.

    Args:
        rows: Rows of a full model at its trained checkpoints, as in ``tables.EVALUATIONS``.

    Returns:
        By checkpoint, ascending: the difference in standard errors over examples.
    """
    rows = rows[rows["role"] == "id"]
    # With one more right and one more wrong answer an accuracy of 0 or 1 has an error too.
    near = (rows["correct"] + 1) / (rows["n"] + 2)
    cases = rows.assign(share=rows["correct"] / rows["n"], variance=near * (1 - near) / rows["n"])
    by_step = cases.groupby("checkpoint")
    accuracy, last = by_step["share"].mean(), by_step.ngroups - 1
    if last < 0:
        return accuracy
    variance = by_step["variance"].sum() / by_step.size() ** 2
    error = (variance + LEARNED**2 * variance.iloc[last]) ** 0.5
    return (accuracy - LEARNED * accuracy.iloc[last]) / error


def order_of_rise(
    aurocs: pd.DataFrame,
    before: int | None,
    after: int | None,
    alike: Float[np.ndarray, "step step"] | None = None,
) -> Literal["earlier", "later"] | None:
    """Say whether a case clearly rises earlier or later than the task is learned.

    Args:
        aurocs: Its AUROCs at trained checkpoints, ascending, as in ``tables.DISCRIMINATION``.
        before: The last checkpoint at which the task is clearly not learned; ``None`` without one.
        after: The first from which on it clearly is; ``None`` without one.
        alike: How the AUROCs correlate over examples, if known; otherwise they are taken as
            independent, which is conservative if all score the same examples.

    Returns:
        ``earlier`` if more than half of the rise is clearly made at ``before``, ``later`` if
        clearly less is made at ``after``; ``None`` if neither or both.
    """
    r = np.eye(len(aurocs)) if alike is None else alike
    earlier, later = _risen(aurocs, before, r) > CLEAR, _risen(aurocs, after, r) < -CLEAR
    return None if earlier == later else "earlier" if earlier else "later"


def _risen(aurocs: pd.DataFrame, step: int | None, alike: Float[np.ndarray, "step step"]) -> float:
    """Compute how far an AUROC is above the middle of its rise, in standard errors."""
    auc, error = (aurocs[name].to_numpy(dtype=float) for name in ("auc", "auc_se"))
    steps, lowest = aurocs["checkpoint"].tolist(), int(auc.argmin())
    if step not in steps:
        return 0.0
    weights = np.zeros(len(auc))
    weights[steps.index(step)] += 1
    weights[-1] -= 1 / 2
    start = _GUESSING
    if auc[lowest] > _GUESSING:
        weights[lowest] -= 1 / 2
        start = 0.0
    n, n_friendly = (int(aurocs[name].iloc[0]) for name in ("n", "n_friendly"))
    weighted = weights * np.sqrt(np.fmax(error**2, auc_variance(auc, n, n_friendly)))
    variance = weighted @ alike @ weighted
    return float((weights @ auc - start / 2) / variance**0.5) if variance > 0 else 0.0
