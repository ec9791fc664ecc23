"""Does a model hold disjoint subnetworks that each match it? (paper, section 5, finding 3)"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

from .accuracies import full_model, part_means, subnetworks_of
from .intervals import CONTRADICTED, SUPPORTED, UNDECIDED, Estimate, Verdict, student, wilson
from .systems import SPARSITY, OfSparsity, SparsityKey, by_system

#: Fewer pairs decide nothing.
ENOUGH_PAIRS = 3
#: Differences by rounding alone do not count.
_SAME = 1e-9
_PARTS = ("adversarial", "friendly", "balanced")
#: What tells the subnetworks of one model, method and sparsity apart.
_PAIR = ["seed", "forbidden", "other_heads", "heads", "shared_heads"]


#: Differences of accuracies, in points, lie within these.
_POINTS = (-100.0, 100.0)


@dataclass(frozen=True)
class Forbidden:
    """Subnetworks found while a share of another one's heads was forbidden, one per search seed.

    Args:
        forbidden: The share.
        n: Pairs of a subnetwork and the other.
        heads: Mean number of heads kept.
        shared_heads: Mean number of heads that the other keeps too.
        in_domain_points: Mean difference of ID accuracy to the full model, in points.
        kl: Mean KL(full model || subnetwork) in-domain, nats.
        matching: Share of the subnetworks that are within the margin in-domain.
        adversarial_points: Mean difference of adversarial accuracy to the other, in points;
            ``None`` without such cases.
        friendly_points: The same of friendly accuracy.
        balanced_points: The same of the mean of both, which a bias to one label cannot raise.
    """

    forbidden: float
    n: int
    heads: float
    shared_heads: float
    in_domain_points: Estimate
    kl: Estimate
    matching: Estimate
    adversarial_points: Estimate | None
    friendly_points: Estimate | None
    balanced_points: Estimate | None


@dataclass(frozen=True)
class Member:
    """One of a pair of subnetworks: its heads and accuracies, which are means over cases.

    Args:
        heads: Heads kept.
        in_domain_points: ID accuracy less the full model's, in points.
        adversarial: Adversarial accuracy; ``None`` without such cases.
        friendly: Friendly accuracy.
        balanced: The mean of both.
    """

    heads: int
    in_domain_points: float
    adversarial: float | None
    friendly: float | None
    balanced: float | None


@dataclass(frozen=True)
class FaithfulPair:
    """Two subnetworks that are both within the margin in-domain.

    Args:
        seed: The search seed of both.
        forbidden: The share of the other's heads that was forbidden.
        shared_heads: Heads in both.
        jaccard: These over the heads in either.
        found: The subnetwork found under that restriction.
        other: The one whose heads were forbidden.
    """

    seed: int
    forbidden: float
    shared_heads: int
    jaccard: float
    found: Member
    other: Member


@dataclass(frozen=True)
class Disjoint(OfSparsity):
    """How well a model can be matched without the heads of a subnetwork.

    Args:
        margin_points: Subnetworks within so many points of the full model's ID accuracy match it.
        others_points: Mean difference of the ordinary subnetworks' ID accuracy to the full model.
        without_heads_points: The same of subnetworks without any heads; ``None`` where there are
            none. Where they match too, the task needs no heads and disjointness means nothing.
        shares: One entry per share forbidden, in ascending order.
        nearest: The most nearly disjoint pair found of which both are faithful.
        verdict: On the claim that the model holds disjoint subnetworks that match it.
    """

    margin_points: float
    others_points: Estimate
    without_heads_points: float | None
    shares: tuple[Forbidden, ...]
    nearest: FaithfulPair | None
    verdict: Verdict


def disjoint(
    table: pd.DataFrame, evaluations: pd.DataFrame, margin_points: float
) -> list[Disjoint]:
    """Judge the subnetworks that were searched for among what others leave.

    Args:
        table: Rows as in ``tables.DISJOINT``; MLPs may be shared. Rows of a subnetwork without
            heads beside one with heads, of the same seed and share, are a control.
        evaluations: Rows as in ``tables.EVALUATION`` of the full model and the ordinary
            subnetworks, on the same examples.
        margin_points: Points of ID accuracy within which a subnetwork matches the model.

    Returns:
        One result per fine-tuning, checkpoint, method and sparsity for which the full model and
        an ordinary subnetwork were evaluated.
    """
    ordinary = subnetworks_of(evaluations)
    results = []
    for key, rows in by_system(table, SPARSITY):
        full = full_model(evaluations, key[0], key[1])
        others = ordinary[(ordinary[SPARSITY] == list(key)).all(axis=1)]
        rows = rows[rows["seed"].isin(others["seed"])]
        if len(full) and len(rows):
            others = others[others["seed"].isin(rows["seed"])]
            results.append(_one(key, rows, others, full, margin_points))
    return results


def _one(
    key: SparsityKey, rows: pd.DataFrame, others: pd.DataFrame, full: pd.DataFrame, margin: float
) -> Disjoint:
    reference = float(part_means(full)["in_domain"].iloc[0])
    other = _systems(others, ["seed"], reference).set_index("seed")
    found = _systems(rows, _PAIR, reference)
    without_heads = found.loc[found["heads"] == 0, "points"]
    # The control beside a subnetwork has no heads; a subnetwork alone may have none by itself.
    found = found.sort_values("heads").groupby(["forbidden", "seed"], as_index=False).last()
    pairs = found.join(other.add_prefix("other_"), on="seed")
    shares = tuple(_share(float(share), some, margin) for share, some in pairs.groupby("forbidden"))
    ordinary = student(other["points"].to_numpy(), _POINTS)
    control = float(without_heads.mean()) if len(without_heads) else None
    return Disjoint(
        *key,
        margin,
        ordinary,
        control,
        shares,
        _nearest(pairs, margin),
        _verdict(pairs, ordinary, control, shares, margin),
    )


def _systems(rows: pd.DataFrame, by: list[str], reference: float) -> pd.DataFrame:
    """Give a row per subnetwork: what names it, mean accuracies, KL, and points to the model."""
    means = part_means(rows, by).reindex(columns=["in_domain", *_PARTS])
    kl = rows[rows["role"] == "id"].groupby(by)["kl"].mean()
    points = 100 * (means["in_domain"] - reference)
    return means.assign(kl=kl, points=points).reset_index()


def _share(forbidden: float, pairs: pd.DataFrame, margin: float) -> Forbidden:
    def change(part: str) -> Estimate | None:
        known = (100 * (pairs[part] - pairs[f"other_{part}"])).dropna()
        return student(known.to_numpy(dtype=float), _POINTS) if len(known) else None

    return Forbidden(
        forbidden,
        len(pairs),
        float(pairs["heads"].mean()),
        float(pairs["shared_heads"].mean()),
        student(pairs["points"].to_numpy(), _POINTS),
        student(pairs["kl"].to_numpy(), (0.0, np.inf)),
        wilson(int(_within(pairs["points"], margin).sum()), len(pairs)),
        *(change(part) for part in _PARTS),
    )


def _within(points: pd.Series, margin: float) -> pd.Series:
    return points.abs() <= margin + _SAME


def _nearest(pairs: pd.DataFrame, margin: float) -> FaithfulPair | None:
    faithful = pairs[_within(pairs["points"], margin) & _within(pairs["other_points"], margin)]
    if faithful.empty:
        return None
    either = faithful["heads"] + faithful["other_heads"] - faithful["shared_heads"]
    # Two subnetworks without heads have the same ones: none.
    jaccard = (faithful["shared_heads"] / either.clip(lower=1)).where(either > 0, 1.0)
    # Of equally disjoint pairs, the one that matches the model better.
    order = pd.DataFrame({"jaccard": jaccard, "off": faithful["points"].abs()})
    where = order.sort_values(["jaccard", "off"], kind="stable").index[0]
    row = faithful.loc[where]

    def member(heads: str, prefix: str) -> Member:
        parts = (row[f"{prefix}{part}"] for part in _PARTS)
        return Member(
            int(row[heads]),
            float(row[f"{prefix}points"]),
            *(None if pd.isna(part) else float(part) for part in parts),
        )

    return FaithfulPair(
        int(row["seed"]),
        float(row["forbidden"]),
        int(row["shared_heads"]),
        float(jaccard[where]),
        member("heads", ""),
        member("other_heads", "other_"),
    )


def _verdict(
    pairs: pd.DataFrame,
    others: Estimate,
    without_heads: float | None,
    shares: tuple[Forbidden, ...],
    margin: float,
) -> Verdict:
    claim = "the model holds disjoint subnetworks that each match it in-domain"
    apart = pairs[(pairs["forbidden"] == 1) & (pairs["shared_heads"] == 0)]
    if len(apart) < ENOUGH_PAIRS:
        return Verdict(
            claim, UNDECIDED, f"{len(apart)} disjoint pairs are fewer than {ENOUGH_PAIRS}"
        )
    if without_heads is not None and without_heads >= -margin:
        return Verdict(
            claim,
            UNDECIDED,
            f"subnetworks without any heads are {without_heads:+.1f} points off the model "
            "in-domain: the task needs no heads, so it says nothing that none are shared",
        )
    found = student(apart["points"].to_numpy(), _POINTS)
    partly = "".join(
        f", with {share.forbidden:.0%} of them forbidden {share.in_domain_points.value:+.1f}"
        for share in shares
        if share.forbidden < 1
    )
    headless = "" if without_heads is None else f", subnetworks without heads {without_heads:+.1f}"
    reason = (
        f"with all heads of the other forbidden, {len(apart)} subnetworks are {found.value:+.1f} "
        f"points off the model in-domain [{found.low:+.1f}, {found.high:+.1f}]{partly}, the others "
        f"{others.value:+.1f}{headless}; the margin is {margin:g}"
    )
    if others.value < -margin:
        return Verdict(claim, UNDECIDED, f"{reason}; even the others do not match the model")
    if found.high < -margin:
        return Verdict(claim, CONTRADICTED, reason)
    if all(max(-e.low, e.high) <= margin + _SAME for e in (found, others)):
        return Verdict(claim, SUPPORTED, reason)
    return Verdict(claim, UNDECIDED, reason)
