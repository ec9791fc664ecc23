"""Does the core attend to shallow features? (paper, section 5, finding 6)"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd
from jaxtyping import Float, Int
from scipy import special, stats

from .intervals import CONTRADICTED, SUPPORTED, UNDECIDED, Estimate, Verdict, holm, wilson
from .matched import Contrast, within_layers
from .systems import OfModel

#: What the paper sees the core's heads attend to.
SHALLOW = ("repeated", "previous", "next", "sep")

#: A pattern counts where its score is above this beyond noise; chance is 1.
CLEAR = 1.5

_GROUP = ["checkpoint", "suite", "weighting"]


@dataclass(frozen=True)
class HeadPattern:
    """What one head attends to.

    Args:
        unit: The head.
        in_core: Whether it is one of the core's.
        pattern: The pattern with the highest score, or ``none`` where that is not clearly above
            1.5.
        confidence: Share of bootstrap draws of examples in which that pattern scores highest.
        score: The highest score, in multiples of chance.
        attention: Share of attention that goes to its targets.
        follows: All patterns with a score clearly above 1.5, highest first: a head that rests on
            [CLS] may still follow another one with what is left.
    """

    unit: str
    in_core: bool
    pattern: str
    confidence: float
    score: Estimate
    attention: float
    follows: tuple[str, ...]


@dataclass(frozen=True)
class Patterns(OfModel):
    """What the heads of one model attend to.

    Args:
        suite: The examples.
        weighting: ``attention`` or ``value_norm``.
        heads: One entry per head.
        core_types: How many of the core's heads have which type.
        other_types: The same for all other heads.
        core_shallow: Share of the core's heads that clearly follow one of ``SHALLOW``; ``None``
            without a core.
        other_shallow: The same for all other heads.
        shallow: How strongly the core's heads and the others of their layers follow the one of
            ``SHALLOW`` they follow most; ``None`` where no layer has both. Strength is the number
            of doublings of attention above chance, log2 of the score; 0 for a score below 1. The
            p-value is corrected over all checkpoints, suites and weightings of the fine-tuning.
        contrasts: The same for every single pattern, p-values corrected over the patterns.
        verdict: On the claim that the core's heads attend to shallow features more than others.
    """

    suite: str
    weighting: str
    heads: tuple[HeadPattern, ...]
    core_types: dict[str, int]
    other_types: dict[str, int]
    core_shallow: Estimate | None
    other_shallow: Estimate | None
    shallow: Contrast | None
    contrasts: tuple[Contrast, ...]
    verdict: Verdict


def patterns(
    attention: pd.DataFrame, core: Mapping[int, Collection[str]], seed: int = 0
) -> list[Patterns]:
    """Name what every head attends to, and hold the core's heads against others of their layers.

    Args:
        attention: Rows as in ``tables.ATTENTION``.
        core: From the seed of a fine-tuning to the heads of its core.
        seed: Seed of the shuffles.

    Returns:
        One result per fine-tuning, checkpoint, suite and weighting.
    """
    results = []
    known = attention[np.isfinite(attention["score"])]
    for finetune_seed, of_model in known.groupby("finetune_seed"):
        members = frozenset(core.get(int(finetune_seed), ()))
        keys, groups = zip(*of_model.groupby(_GROUP), strict=True)
        found = [_contrasts(group, members, seed) for group in groups]
        corrected = iter(holm(np.array([c[0].p_value for c in found if c])))
        for key, group, contrasts in zip(keys, groups, found, strict=True):
            shallow = None
            if contrasts:
                shallow = replace(contrasts[0], p_value=float(next(corrected)))
            results.append(_one((finetune_seed, *key), group, members, shallow, contrasts[1:]))
    return results


def score_interval(score: float, error: float, n: int) -> Estimate:
    """Give a mean score over examples with its 95 % interval; one example tells no spread."""
    half = float(special.stdtrit(max(n - 1, 1), 0.975)) * error
    return Estimate(float(score), float(score - half), float(score + half))


def p_above(
    score: Float[np.ndarray, " row"],
    error: Float[np.ndarray, " row"],
    n: Int[np.ndarray, " row"],
    bound: float,
) -> Float[np.ndarray, " row"]:
    """Give one-sided p-values for mean scores above a bound.

    Args:
        score: Means over examples.
        error: Their standard errors; where it is NaN, the p-value is 1.
        n: Numbers of examples.
        bound: What the mean is under the null.
    """
    spread = error > 0
    t = (score - bound) / np.where(spread, error, 1.0)
    exact = np.where((error == 0) & (score > bound), 0.0, 1.0)
    return np.where(spread, stats.t.sf(t, np.maximum(n - 1, 1)), exact)


def _one(
    key: tuple,
    group: pd.DataFrame,
    members: frozenset[str],
    shallow: Contrast | None,
    contrasts: list[Contrast],
) -> Patterns:
    heads = _types(group, members)
    of_core = [head for head in heads if head.in_core]
    of_others = [head for head in heads if not head.in_core]
    return Patterns(
        int(key[0]),
        int(key[1]),
        str(key[2]),
        str(key[3]),
        heads,
        dict(Counter(head.pattern for head in of_core).most_common()),
        dict(Counter(head.pattern for head in of_others).most_common()),
        _share_shallow(of_core),
        _share_shallow(of_others),
        shallow,
        tuple(contrasts),
        _verdict(of_core, [name for name in SHALLOW if name in set(group["pattern"])], shallow),
    )


def _types(group: pd.DataFrame, members: frozenset[str]) -> tuple[HeadPattern, ...]:
    score, error, n = (group[name].to_numpy() for name in ("score", "score_se", "n"))
    clear = holm(p_above(score, error, n, CLEAR)) < 0.05
    ordered = group.assign(clear=clear).sort_values("score", ascending=False, kind="stable")
    follows = ordered[ordered["clear"]].groupby("unit")["pattern"].agg(tuple)
    best = ordered.drop_duplicates("unit").set_index("unit").loc[group["unit"].unique()]
    return tuple(
        HeadPattern(
            str(row.Index),
            row.Index in members,
            str(row.pattern) if row.clear else "none",
            float(row.wins),
            score_interval(row.score, row.score_se, row.n),
            float(row.attention),
            follows.get(row.Index, ()),
        )
        for row in best.itertuples()
    )


def _share_shallow(heads: list[HeadPattern]) -> Estimate | None:
    if not heads:
        return None
    return wilson(sum(bool({*head.follows} & {*SHALLOW}) for head in heads), len(heads))


def _contrasts(group: pd.DataFrame, members: frozenset[str], seed: int) -> list[Contrast]:
    """Compare strengths, ``shallow`` first, then every pattern; empty if nothing compares."""
    names = list(dict.fromkeys(group["pattern"]))
    of_shallow = [name for name in names if name in SHALLOW]
    if not of_shallow:
        return []
    scores = group.pivot_table(index=["layer", "unit"], columns="pattern", values="score")[names]
    # Below chance no feature is attended to, however far below.
    strength = np.log2(scores.fillna(1).clip(lower=1))
    strength.insert(0, "shallow", strength[of_shallow].max(axis=1))
    found = within_layers(
        list(strength.columns),
        strength.to_numpy(),
        strength.index.get_level_values("layer").to_numpy(),
        strength.index.get_level_values("unit").isin(list(members)),
        seed,
    )
    corrected = holm(np.array([contrast.p_value for contrast in found[1:]]))
    single = [replace(c, p_value=float(p)) for c, p in zip(found[1:], corrected, strict=True)]
    return [*found[:1], *single]


def _verdict(of_core: list[HeadPattern], measured: list[str], shallow: Contrast | None) -> Verdict:
    claim = "the core's heads attend to shallow features more than other heads of their layers"
    if not of_core:
        return Verdict(claim, UNDECIDED, "this fine-tuning has no supported core")
    if not measured:
        return Verdict(claim, UNDECIDED, "no shallow pattern has a target in these examples")
    clear = sum(bool({*head.follows} & {*SHALLOW}) for head in of_core)
    kinds = " or ".join(", ".join(measured).replace("sep", "[SEP]").rsplit(", ", 1))
    seen = f"{clear} of {len(of_core)} core heads clearly attend to {kinds} tokens"
    if shallow is None:
        return Verdict(claim, UNDECIDED, f"{seen}, but no layer has core heads and others")
    apart = shallow.difference
    reason = (
        f"{seen}; their strongest such pattern is {shallow.core:.2f} doublings above chance, in "
        f"other heads of the same layers {shallow.others:.2f}: a difference of {apart.value:+.2f} "
        f"[{apart.low:+.2f}, {apart.high:+.2f}] (corrected p = {shallow.p_value:.2g})"
    )
    if shallow.p_value < 0.05:
        return Verdict(claim, SUPPORTED if apart.value > 0 else CONTRADICTED, reason)
    return Verdict(claim, UNDECIDED, reason)
