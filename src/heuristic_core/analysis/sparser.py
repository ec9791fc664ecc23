"""Do sparser subnetworks generalise worse? (paper, section 4, finding 2)"""

from __future__ import annotations

import itertools
from dataclasses import dataclass

import numpy as np
import pandas as pd

from .accuracies import part_means, subnetworks_of
from .intervals import CONTRADICTED, SUPPORTED, UNDECIDED, Estimate, Verdict, ends_text, student
from .systems import METHOD, SPARSITY, MethodKey, OfMethod, by_system

#: Fewer pairs of subnetworks decide nothing.
ENOUGH_PAIRS = 3


@dataclass(frozen=True)
class Sparser(OfMethod):
    """How a denser and a sparser set of subnetworks compare, paired by seed.

    Args:
        denser: The lower sparsity.
        sparser: The higher.
        n: Pairs.
        in_domain_points: Mean change of ID accuracy from denser to sparser, in points; ``None``
            without in-domain cases.
        adversarial_points: Mean change of adversarial accuracy, in points.
        friendly_points: The same of friendly accuracy; ``None`` without friendly cases.
        balanced_points: The same of the mean of both, which a bias to one label cannot raise.
        auc_points: The same of the mean area under the curve over adversarial cases, in
            hundredths; ``None`` where it was not measured.
        verdict: On the claim that sparser subnetworks generalise worse (finding 2): from the area
            under the curve where there is one, else from balanced accuracy, else from
            adversarial accuracy.
    """

    denser: float
    sparser: float
    n: int
    in_domain_points: Estimate | None
    adversarial_points: Estimate
    friendly_points: Estimate | None
    balanced_points: Estimate | None
    auc_points: Estimate | None
    verdict: Verdict


def sparser(evaluations: pd.DataFrame, discrimination: pd.DataFrame | None = None) -> list[Sparser]:
    """Compare neighbouring sparsities, each search seed with itself.

    Args:
        evaluations: Rows as in ``tables.EVALUATION``.
        discrimination: Rows as in ``tables.DISCRIMINATION``, where they were measured.

    Returns:
        One result per fine-tuning, checkpoint, method and pair of neighbouring sparsities.
    """
    areas = _areas(discrimination)
    results = []
    for key, group in by_system(subnetworks_of(evaluations), METHOD):
        levels = sorted(group["sparsity"].unique())
        for low, high in itertools.pairwise(levels):
            one, other = (
                part_means(group[group["sparsity"] == level]).join(
                    areas[(areas[SPARSITY] == [*key, level]).all(axis=1)].set_index("seed")["auc"]
                )
                for level in (low, high)
            )
            change = 100 * (other - one)
            if "adversarial" in change:
                change = change.dropna(subset="adversarial")
                results += [_one(key, low, high, change)] if len(change) else []
    return results


def _areas(discrimination: pd.DataFrame | None) -> pd.DataFrame:
    """Give each subnetwork's mean area under the curve over adversarial cases."""
    if discrimination is None:
        return pd.DataFrame(columns=[*SPARSITY, "seed", "auc"])
    found = subnetworks_of(discrimination)
    return found.groupby([*SPARSITY, "seed"], as_index=False)["auc"].mean()


def _one(key: MethodKey, low: float, high: float, change: pd.DataFrame) -> Sparser:
    def estimate(part: str) -> Estimate | None:
        known = change[part].dropna().to_numpy(dtype=float) if part in change else np.empty(0)
        return student(known) if len(known) else None

    parts = {
        "AUC x 100": estimate("auc"),
        "balanced accuracy": estimate("balanced"),
        "adversarial accuracy": estimate("adversarial"),
        "friendly accuracy": estimate("friendly"),
        "in-domain accuracy": estimate("in_domain"),
    }
    known = {name: part for name, part in parts.items() if part is not None}
    (name, judged), *others = known.items()
    claim = f"subnetworks at {high:.0%} sparsity generalise worse than at {low:.0%}"
    reason = f"{name} changes by {judged.value:+.1f} points{ends_text(judged, '+.1f')}" + "".join(
        f", {name} by {part.value:+.1f}" for name, part in others
    )
    n = len(change["auc"].dropna()) if parts["AUC x 100"] else len(change)
    if n < ENOUGH_PAIRS:
        verdict = Verdict(claim, UNDECIDED, f"{reason}; fewer than {ENOUGH_PAIRS} pairs")
    elif judged.high < 0:
        verdict = Verdict(claim, SUPPORTED, reason)
    elif judged.low > 0:
        verdict = Verdict(claim, CONTRADICTED, reason)
    else:
        verdict = Verdict(claim, UNDECIDED, reason)
    return Sparser(
        *key,
        float(low),
        float(high),
        len(change),
        parts["in-domain accuracy"],
        known["adversarial accuracy"],
        parts["friendly accuracy"],
        parts["balanced accuracy"],
        parts["AUC x 100"],
        verdict,
    )
