"""Do the same subnetworks do well in all cases? (paper, section 4, finding 1)"""

from __future__ import annotations

import itertools
from dataclasses import dataclass

import numpy as np
import pandas as pd
from jaxtyping import Float
from scipy import stats

from .accuracies import part_means, subnetworks_of
from .crossings import Crossing, crossings, pairs_of, proportion_z
from .discrimination import discrimination
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
from .separation import auc_z
from .systems import SPARSITY, OfSparsity, SparsityKey, by_system

#: From this concordance on, cases rank subnetworks alike.
ALIKE = 0.7
#: Fewer subnetworks have no ranking worth the name.
ENOUGH_SUBNETWORKS = 4
N_PERMUTATIONS = 4000

Values = Float[np.ndarray, "subnetwork case"]


@dataclass(frozen=True)
class CasePair:
    """How alike two adversarial cases rank the subnetworks.

    Args:
        case: One case.
        other: Another.
        spearman: Spearman's correlation of their areas or accuracies over subnetworks.
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
class Ranks(OfSparsity):
    """How the adversarial cases rank the subnetworks of one sparsity.

    Args:
        measure: What subnetworks are ranked by: ``AUC``, the area under the curve between a case
            and its friendly counterparts, where it was measured, else ``accuracy``.
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
        verdict: On the claim that which subnetwork generalises best depends on the case; from
            accuracies, which a lean to one label moves too, only which is most accurate.
    """

    measure: str
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


def ranks(evaluations: pd.DataFrame, seed: int, apart: pd.DataFrame | None = None) -> list[Ranks]:
    """Compare the adversarial cases' rankings of the subnetworks of each model and sparsity.

    Args:
        evaluations: Rows as in ``tables.EVALUATION``.
        seed: Seed of the permutations.
        apart: Rows as in ``tables.DISCRIMINATION``, where they were measured.

    Returns:
        One result per fine-tuning, checkpoint, method and sparsity with an adversarial case.
    """
    areas = {} if apart is None else dict(by_system(subnetworks_of(apart), SPARSITY))
    return [
        _one(key, group, seed, areas.get(key))
        for key, group in by_system(subnetworks_of(evaluations), SPARSITY)
        if (group["case_kind"] == "adversarial").any()
    ]


def kendall_w(values: Values) -> float:
    """Give Kendall's coefficient of concordance with the correction for ties.

    Args:
        values: What each case (a judge) ranks subnetworks by; no case may be constant.

    Returns:
        W in [0, 1].
    """
    ranked = _centred_ranks(values)
    return float(np.square(ranked.sum(1)).sum() / _most(ranked))


def _one(key: SparsityKey, group: pd.DataFrame, seed: int, areas: pd.DataFrame | None) -> Ranks:
    if areas is None:
        correct, n = (
            _by_case(group[group["case_kind"] == "adversarial"], column)
            for column in ("correct", "n")
        )
        values, z = correct / n, proportion_z(correct.to_numpy(), n.to_numpy())
        differ = True
    else:
        values = _by_case(areas, "auc")
        z = _area_z(values, areas)
        # The cases of a group share friendly examples, so noise alone makes them rank alike.
        (found,) = discrimination(areas)
        differ = any(case.p_value < 0.05 for case in found.cases)
    share = values.to_numpy(dtype=np.float64)
    several = values.columns.get_level_values("suite").nunique() > 1
    names = [f"{suite}: {case}" if several else str(case) for suite, case in values.columns]
    telling = np.flatnonzero(np.ptp(share, axis=0) > 0) if len(share) else np.empty(0, dtype=int)
    cases = tuple(names[i] for i in telling)
    seeds = [int(s) for s in values.index]
    w = by_chance = p = None
    pairs: tuple[CasePair, ...] = ()
    if len(seeds) >= ENOUGH_SUBNETWORKS and len(cases) >= 2:
        w, by_chance, p, pairs = _concordance(share[:, telling], cases, seed)
    crossed = crossings(share, z, seeds, names)
    means = part_means(group)
    measure = "accuracy" if areas is None else "AUC"
    return Ranks(
        *key,
        measure,
        len(seeds),
        cases,
        w,
        by_chance,
        p,
        pairs,
        len(crossed),
        max(crossed, key=lambda c: min(c.points, c.other_points), default=None),
        _association(means, "adversarial"),
        _association(means, "balanced"),
        _verdict(measure, len(seeds), len(cases), w, p, crossed, differ),
    )


def _by_case(rows: pd.DataFrame, column: str) -> pd.DataFrame:
    """Give a column by subnetwork and case, of subnetworks measured on all cases."""
    return rows.pivot(index="seed", columns=["suite", "case"], values=column).dropna()


def _area_z(values: pd.DataFrame, areas: pd.DataFrame) -> Float[np.ndarray, "pair case"]:
    """Give differences of every two subnetworks' areas in standard errors."""
    one, other = pairs_of(len(values))
    sizes = areas.groupby(["suite", "case"])[["n", "n_friendly"]].min()
    variances = areas.pivot(index="seed", columns=["suite", "case"], values="auc_se") ** 2
    z = []
    for case, area in values.items():
        x, v = area.to_numpy(), variances.loc[values.index, case].to_numpy()
        n, n_friendly = (int(size) for size in sizes.loc[case])
        z.append(auc_z(x[one], x[other], n, n_friendly, v[one] + v[other]))
    return np.stack(z, axis=1)


def _centred_ranks(values: Values) -> Values:
    return stats.rankdata(values, axis=0) - (len(values) + 1) / 2


def _most(ranked: Values) -> float:
    """Give the sum of squared rank sums if all cases ranked alike, ties allowed for."""
    return float(ranked.shape[1] * np.square(ranked).sum())


def _concordance(
    values: Values, cases: tuple[str, ...], seed: int
) -> tuple[float, float, float, tuple[CasePair, ...]]:
    ranked = _centred_ranks(values)
    drawn = np.random.default_rng(seed).permuted(
        np.broadcast_to(ranked, (N_PERMUTATIONS, *ranked.shape)), axis=1
    )
    w = kendall_w(values)
    by_chance = np.square(drawn.sum(2)).sum(1) / _most(ranked)
    p_value = _tail((by_chance >= w - 1e-9).sum())
    # Products of centred ranks order permutations as correlations do: lengths stay the same.
    far = np.abs(drawn.transpose(0, 2, 1) @ drawn) >= np.abs(ranked.T @ ranked) - 1e-9
    both = list(itertools.combinations(range(len(cases)), 2))
    corrected = holm(np.array([_tail(far[:, i, j].sum()) for i, j in both]))
    pairs = tuple(
        CasePair(cases[i], cases[j], correlation(values[:, i], values[:, j], rank=True), float(p))
        for (i, j), p in zip(both, corrected, strict=True)
    )
    return w, float(np.quantile(by_chance, 0.95)), p_value, pairs


def _tail(n_as_far: int) -> float:
    """Give a permutation test's p-value; what was observed counts as one of the draws."""
    return float((1 + n_as_far) / (1 + N_PERMUTATIONS))


def _association(means: pd.DataFrame, part: str) -> Association | None:
    if not {"in_domain", part} <= set(means):
        return None
    known = means[["in_domain", part]].dropna()
    x, y = (known[column].to_numpy() for column in known)
    return Association(correlation(x, y), correlation(x, y, rank=True))


def _verdict(
    measure: str,
    n: int,
    n_cases: int,
    w: float | None,
    p: float | None,
    crossed: list[Crossing],
    differ: bool,
) -> Verdict:
    by_area = measure == "AUC"
    best = "generalises best" if by_area else "is most accurate"
    claim = f"which subnetwork {best} depends on the case"
    if w is None or p is None:
        return Verdict(
            claim,
            UNDECIDED,
            f"this takes {ENOUGH_SUBNETWORKS} subnetworks and 2 adversarial cases that tell them "
            f"apart; there are {n} and {n_cases}",
        )
    alike = (
        f"by {measure}, Kendall's W of {n_cases} cases over {n} subnetworks is {w:.2f} "
        f"({p_text(p)})"
    )
    if crossed:
        top = max(crossed, key=lambda c: min(c.points, c.other_points))
        by, beaten = (
            f"{points / 100:.2f} AUC" if by_area else f"{points:.0f} points"
            for points in (top.points, top.other_points)
        )
        return Verdict(
            claim,
            SUPPORTED,
            f"{len(crossed)} of {n * (n - 1) // 2} pairs of subnetworks change places beyond "
            f"sampling noise; subnetwork {top.seed} beats {top.other} by {by} in {top.case} and is "
            f"beaten by {beaten} in {top.other_case}; {alike}",
        )
    if w >= ALIKE and p < 0.05 and differ:
        return Verdict(claim, CONTRADICTED, f"no two subnetworks change places; {alike}")
    return Verdict(
        claim, UNDECIDED, f"no two subnetworks change places beyond sampling noise; {alike}"
    )
