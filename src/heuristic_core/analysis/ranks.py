"""Do the same subnetworks do well in all cases? (paper, section 4, finding 1)"""

from __future__ import annotations

import itertools
from dataclasses import dataclass

import numpy as np
import pandas as pd
from jaxtyping import Float
from scipy import stats

from .accuracies import part_means, subnetworks_of
from .intervals import (
    CONTRADICTED,
    SUPPORTED,
    UNDECIDED,
    Estimate,
    Verdict,
    correlation,
    holm,
    p_text,
)
from .systems import SPARSITY, OfSparsity, SparsityKey, by_system

#: From this concordance on, cases rank subnetworks alike.
ALIKE = 0.7
#: Fewer subnetworks have no ranking worth the name.
ENOUGH_SUBNETWORKS = 4
N_PERMUTATIONS = 4000

Accuracy = Float[np.ndarray, "subnetwork case"]


@dataclass(frozen=True)
class CasePair:
    """How alike two adversarial cases rank the subnetworks.

    Args:
        case: One case.
        other: Another.
        spearman: Spearman's correlation of their accuracies over subnetworks.
        p_value: Of a correlation as far from zero if rankings had nothing to do with each other;
            by permutation, Holm-corrected over pairs.
    """

    case: str
    other: str
    spearman: Estimate | None
    p_value: float


@dataclass(frozen=True)
class Association:
    """How ID accuracy goes with accuracy out of domain, over subnetworks; ``None``: no variation.

    Args:
        pearson: Pearson's correlation.
        spearman: Spearman's.
    """

    pearson: Estimate | None
    spearman: Estimate | None


@dataclass(frozen=True)
class Crossing:
    """Two subnetworks of which each is clearly better in one of two cases.

    Args:
        seed: One subnetwork's seed.
        other: The other's.
        case: Where the first is better.
        points: By so much, in points.
        other_case: Where the second is better.
        other_points: By so much.
    """

    seed: int
    other: int
    case: str
    points: float
    other_case: str
    other_points: float


@dataclass(frozen=True)
class Ranks(OfSparsity):
    """How the adversarial cases rank the subnetworks of one sparsity.

    Args:
        n_subnetworks: Subnetworks that were measured on all cases.
        cases: The adversarial cases that tell subnetworks apart at all.
        concordance: Kendall's W over those cases, corrected for ties: 1 if all rank subnetworks
            alike, near 1 / (number of cases) if rankings are unrelated.
        concordance_by_chance: The 95 % quantile of W among unrelated rankings.
        p_value: Probability of as high a W if rankings were unrelated, by permutation.
        pairs: Every two of the cases.
        n_crossings: Pairs of subnetworks of which each is clearly better in some case.
        crossing: The pair that changes places by the most points; ``None`` without one.
        with_adversarial: ID accuracy and adversarial accuracy; ``None`` without ID cases.
        with_balanced: ID accuracy and balanced accuracy; ``None`` without friendly cases.
        verdict: On the claim that which subnetwork generalises best depends on the case.
    """

    n_subnetworks: int
    cases: tuple[str, ...]
    concordance: float | None
    concordance_by_chance: float | None
    p_value: float | None
    pairs: tuple[CasePair, ...]
    n_crossings: int
    crossing: Crossing | None
    with_adversarial: Association | None
    with_balanced: Association | None
    verdict: Verdict


def ranks(evaluations: pd.DataFrame, seed: int) -> list[Ranks]:
    """Compare the adversarial cases' rankings of the subnetworks of each model and sparsity.

    Args:
        evaluations: Rows as in ``tables.EVALUATION``.
        seed: Seed of the permutations.

    Returns:
        One result per fine-tuning, checkpoint, method and sparsity with an adversarial case.
    """
    return [
        _one(key, group, seed)
        for key, group in by_system(subnetworks_of(evaluations), SPARSITY)
        if (group["case_kind"] == "adversarial").any()
    ]


def kendall_w(accuracy: Accuracy) -> float:
    """Give Kendall's coefficient of concordance with the correction for ties.

    Args:
        accuracy: What each case (a judge) ranks subnetworks by; no case may be constant.

    Returns:
        W in [0, 1].
    """
    ranked = _centred_ranks(accuracy)
    return float(np.square(ranked.sum(1)).sum() / _most(ranked))


def _one(key: SparsityKey, group: pd.DataFrame, seed: int) -> Ranks:
    rows = group[group["case_kind"] == "adversarial"]
    correct, n = (
        rows.pivot(index="seed", columns=["suite", "case"], values=column).dropna()
        for column in ("correct", "n")
    )
    share = (correct / n).to_numpy(dtype=np.float64)
    several = rows["suite"].nunique() > 1
    names = [f"{suite}: {case}" if several else str(case) for suite, case in correct.columns]
    telling = np.flatnonzero(np.ptp(share, axis=0) > 0) if len(share) else np.empty(0, dtype=int)
    cases = tuple(names[i] for i in telling)
    seeds = [int(s) for s in correct.index]
    w = by_chance = p = None
    pairs: tuple[CasePair, ...] = ()
    if len(seeds) >= ENOUGH_SUBNETWORKS and len(cases) >= 2:
        w, by_chance, p, pairs = _concordance(share[:, telling], cases, seed)
    crossings = _crossings(correct.to_numpy(), n.to_numpy(), seeds, names)
    means = part_means(group)
    return Ranks(
        *key,
        len(seeds),
        cases,
        w,
        by_chance,
        p,
        pairs,
        len(crossings),
        max(crossings, key=lambda c: min(c.points, c.other_points), default=None),
        _association(means, "adversarial"),
        _association(means, "balanced"),
        _verdict(len(seeds), len(cases), w, p, crossings),
    )


def _centred_ranks(accuracy: Accuracy) -> Accuracy:
    return stats.rankdata(accuracy, axis=0) - (len(accuracy) + 1) / 2


def _most(ranked: Accuracy) -> float:
    """Give the sum of squared rank sums if all cases ranked alike, ties allowed for."""
    return float(ranked.shape[1] * np.square(ranked).sum())


def _concordance(
    accuracy: Accuracy, cases: tuple[str, ...], seed: int
) -> tuple[float, float, float, tuple[CasePair, ...]]:
    ranked = _centred_ranks(accuracy)
    drawn = np.random.default_rng(seed).permuted(
        np.broadcast_to(ranked, (N_PERMUTATIONS, *ranked.shape)), axis=1
    )
    w = kendall_w(accuracy)
    by_chance = np.square(drawn.sum(2)).sum(1) / _most(ranked)
    p_value = _tail((by_chance >= w - 1e-9).sum())
    # Products of centred ranks order permutations as correlations do: lengths stay the same.
    far = np.abs(drawn.transpose(0, 2, 1) @ drawn) >= np.abs(ranked.T @ ranked) - 1e-9
    both = list(itertools.combinations(range(len(cases)), 2))
    corrected = holm(np.array([_tail(far[:, i, j].sum()) for i, j in both]))
    pairs = tuple(
        CasePair(
            cases[i], cases[j], correlation(accuracy[:, i], accuracy[:, j], rank=True), float(p)
        )
        for (i, j), p in zip(both, corrected, strict=True)
    )
    return w, float(np.quantile(by_chance, 0.95)), p_value, pairs


def _tail(n_as_far: int) -> float:
    """Give a permutation test's p-value; what was observed counts as one of the draws."""
    return float((1 + n_as_far) / (1 + N_PERMUTATIONS))


def _crossings(
    correct: Accuracy, n: Accuracy, seeds: list[int], names: list[str]
) -> list[Crossing]:
    """Find pairs of subnetworks that change places between cases, beyond sampling noise.

    Two proportions are compared for each pair of subnetworks and each case, Holm-corrected over
    all; the subnetworks answer the same examples, which makes the test cautious.
    """
    one, other = np.triu_indices(len(seeds), 1)
    if not len(one):
        return []
    n = np.minimum(n[one], n[other]).astype(np.float64)
    pooled = (correct[one] + correct[other]) / (2 * n)
    error = np.sqrt(2 * pooled * (1 - pooled) / n)
    difference = (correct[one] - correct[other]) / n
    z = np.divide(difference, error, out=np.zeros_like(difference), where=error > 0)
    p_values = holm(2 * stats.norm.sf(np.abs(z)).ravel()).reshape(z.shape)
    clear = np.where(p_values < 0.05, 100 * difference, 0.0)
    found = []
    for i in np.flatnonzero((clear.max(1) > 0) & (clear.min(1) < 0)):
        best, worst = int(clear[i].argmax()), int(clear[i].argmin())
        found.append(
            Crossing(
                seeds[one[i]],
                seeds[other[i]],
                names[best],
                float(clear[i, best]),
                names[worst],
                float(-clear[i, worst]),
            )
        )
    return found


def _association(means: pd.DataFrame, part: str) -> Association | None:
    if not {"in_domain", part} <= set(means):
        return None
    known = means[["in_domain", part]].dropna()
    x, y = (known[column].to_numpy() for column in known)
    return Association(correlation(x, y), correlation(x, y, rank=True))


def _verdict(
    n: int, n_cases: int, w: float | None, p: float | None, crossings: list[Crossing]
) -> Verdict:
    claim = "which subnetwork generalises best depends on the case"
    if w is None or p is None:
        return Verdict(
            claim,
            UNDECIDED,
            f"{n} subnetworks and {n_cases} adversarial cases that tell them apart; this takes "
            f"{ENOUGH_SUBNETWORKS} and 2",
        )
    alike = f"Kendall's W of {n_cases} cases over {n} subnetworks is {w:.2f} ({p_text(p)})"
    if crossings:
        top = max(crossings, key=lambda c: min(c.points, c.other_points))
        return Verdict(
            claim,
            SUPPORTED,
            f"{len(crossings)} of {n * (n - 1) // 2} pairs of subnetworks change places beyond "
            f"sampling noise; {top.seed} beats {top.other} by {top.points:.0f} points in "
            f"{top.case} and is beaten by {top.other_points:.0f} in {top.other_case}; {alike}",
        )
    if w >= ALIKE and p < 0.05:
        return Verdict(claim, CONTRADICTED, f"no two subnetworks change places; {alike}")
    return Verdict(
        claim, UNDECIDED, f"no two subnetworks change places beyond sampling noise; {alike}"
    )
