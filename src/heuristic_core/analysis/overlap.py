"""Do subnetworks keep the same heads, or different ones? (paper, section 5, finding 3)"""

from __future__ import annotations

import math

import numpy as np
import pandas as pd
from jaxtyping import Bool, Float
from scipy import stats

from ..columns import Column, Table
from ..writing import p_text
from .agreement import (
    Agreement,
    Frequencies,
    all_levels,
    by_draws,
    frequencies,
    split_frequencies,
)
from .design import Design
from .evidence import Evidence
from .intervals import ENOUGH_POINTS, Estimate, correlation, estimate_text
from .kept import Kept, too_few
from .nulls import Chance, expected_jaccard, relabelled
from .pairs import jaccard, pair_mean
from .power import POWER, least_number, too_few_planned
from .question import Answer, Question, Verdict, decide
from .systems import BY_METHOD, by_system, claim_on

#: The excess of the Jaccard index over chance whose power is reported.
PLANNED_EXCESS = 0.05
#: Both directions are tested, so each takes half of 5 %.
_LEVEL = 0.025
_MEASURE = "mean Jaccard index of heads at the lowest sparsity"


def overlap(evidence: Evidence, n_draws: int = 2000) -> list[Answer]:
    """Ask for each model and method whether its subnetworks overlap more than chance gives.

    Args:
        evidence: What was measured.
        n_draws: Draws of each null model.

    Returns:
        One answer per fine-tuning, checkpoint and method.
    """
    answers = []
    for key, group in by_system(evidence["subnetworks"], BY_METHOD):
        kept = Kept.of(group).distinct()
        levels, neighbours, together, error = _compare(kept, evidence.seed, n_draws)
        n_searches = group["seed"].nunique()
        answers.append(
            Answer(
                subject=dict(zip(BY_METHOD, key, strict=True)),
                verdict=_verdict(key[-1], n_searches, levels, together, error),
                rows={"overlap": levels, "overlap-neighbours": neighbours},
            )
        )
    return answers


def _compare(
    kept: Kept, seed: int, n_draws: int
) -> tuple[list[dict], list[dict], tuple[float, float] | None, float]:
    """Compute the rows of both tables, the p-values of all sparsities, and chance's spread."""
    per_level = kept.table.groupby(level="sparsity").size()
    levels = [float(level) for level in per_level.index[per_level >= 2]]
    if not levels:
        return [], [], None, 0.0
    masks, exists = _by_search(kept, levels)
    layers, anywhere = (
        Agreement.of(relabelled(masks, pools, n_draws, np.random.default_rng(seed)), exists)
        for pools in (kept.layers, np.zeros_like(kept.layers))
    )
    rows = [
        {"sparsity": level} | _level(kept.at(level), i, layers, anywhere)
        for i, level in enumerate(levels)
    ]
    neighbours = [
        {"sparsity": levels[low], "other_sparsity": levels[low + 1]}
        | _correlated("spearman", frequencies(masks[None], exists, low), layers.whole[:, low])
        | _correlated("halves", split_frequencies(masks[None], exists, low), layers.halves[:, low])
        for low in range(len(levels) - 1)
    ]
    together = all_levels(np.array([r["heads_jaccard"].value for r in rows]), layers.mean)
    return rows, neighbours, together, float(layers.mean[:, 0].std())


def _by_search(
    kept: Kept, levels: list[float]
) -> tuple[Bool[np.ndarray, "run level head"], Bool[np.ndarray, "run level"]]:
    """Return the heads kept by search and sparsity, and which of these subnetworks exist."""
    searches = kept.table.index.unique("seed")
    every = pd.MultiIndex.from_product([searches, levels])
    masks = kept.table[list(kept.heads)].reindex(every, fill_value=False).to_numpy()
    shape = len(searches), len(levels)
    return masks.reshape(*shape, -1), every.isin(kept.table.index).reshape(shape)


def _level(kept: Kept, i: int, layers: Agreement, anywhere: Agreement) -> dict:
    """Describe the overlap at the sparsity that is number ``i`` of both null models."""
    similarity = jaccard(kept.masks)
    observed = pair_mean(similarity)
    sizes = kept.masks.sum(1, keepdims=True)
    # Means are known exactly; only the p-values of means over pairs need draws.
    return {
        "n": len(kept.masks),
        "heads_jaccard": observed,
        "units_jaccard": pair_mean(jaccard(kept.table.to_numpy())),
        "anywhere": expected_jaccard((len(kept.heads),), sizes),
        "p_anywhere": by_draws(observed.value, anywhere.mean[:, i]).p_value,
        "in_layers": expected_jaccard(kept.pools, kept.counts(kept.masks)),
        "p_in_layers": by_draws(observed.value, layers.mean[:, i]).p_value,
        "least": float(similarity.min()),
        "least_by_chance": float(layers.least[:, i].mean()),
    }


def _correlated(name: str, pair: Frequencies | None, draws: Float[np.ndarray, " draw"]) -> dict:
    estimate = correlation(pair[0][0], pair[1][0], rank=True) if pair else None
    if estimate is None:
        return {}
    chance: Chance = by_draws(estimate.value, draws)
    return {name: estimate, f"{name}_by_chance": chance.expected, f"p_{name}": chance.p_value}


def _verdict(
    method: str,
    n_searches: int,
    levels: list[dict],
    together: tuple[float, float] | None,
    error: float,
) -> Verdict:
    if not levels:
        # Without two at any sparsity, each has one.
        return decide(QUESTION.claim, too_few(n_searches, 1, 2))
    claim = claim_on(method, QUESTION.claim)
    lowest = levels[0]
    effect: Estimate = lowest["heads_jaccard"]
    if together is None:
        reason = "every layer keeps all of its heads or none, which leaves nothing to chance"
        return decide(claim, reason, measure=_MEASURE, effect=effect)
    p_above, p_below = together
    return decide(
        claim,
        f"at {lowest['sparsity']:.0%} sparsity the mean Jaccard index is "
        f"{estimate_text(effect, '{:.2f}'.format)}, expected by chance "
        f"{lowest['in_layers']:.2f}; over all sparsities, {p_text(p_above)} for so much overlap or "
        f"more and {p_text(p_below)} for so much or less",
        supported=p_above < _LEVEL,
        contradicted=p_below < _LEVEL,
        measure=_MEASURE,
        effect=effect,
        p=p_above,
        power=least_number(
            f"a Jaccard index {PLANNED_EXCESS:g} above chance",
            "searches with different results",
            lowest["n"],
            lambda n: _found(error * (math.comb(lowest["n"], 2) / math.comb(n, 2)) ** 0.5),
        ),
    )


def _found(error: float) -> bool:
    """Check that the planned excess is found in 80 % of studies with an error by chance."""
    quantile = float(stats.norm.isf(_LEVEL) + stats.norm.isf(1 - POWER))
    return quantile * error <= PLANNED_EXCESS


def _plan(design: Design) -> str:
    return too_few_planned(design.different, 2, "searches with different results")


QUESTION = Question(
    key="overlap",
    asks="Do subnetworks overlap more than chance?",
    claim="subnetworks share more heads than chance gives",
    source="section 5, finding 3",
    page="overlap",
    subject=BY_METHOD,
    needs=("subnetworks",),
    answer=overlap,
    tables=(
        Table(
            "overlap",
            "How many heads two subnetworks of one sparsity share. Jaccard index: the heads "
            "in both over the heads in either.",
            Column("sparsity", "sparsity of both", title="sparsity", low=0, high=1, key=True),
            Column("n", "different subnetworks, each from a search of its own", "int", "n"),
            Column(
                "heads_jaccard",
                "mean Jaccard index of heads over pairs",
                formerly="jaccard",
                title="Jaccard of heads",
                interval=True,
                low=0,
                high=1,
            ),
            Column(
                "units_jaccard",
                "the same of all units; MLPs, which are rarely removed, raise it",
                interval=True,
                low=0,
                high=1,
            ),
            Column(
                "anywhere",
                "its mean if each subnetwork kept its number of heads at random",
                title="by chance",
                low=0,
                high=1,
            ),
            Column(
                "p_anywhere",
                "probability of at least as much under this null model",
                title="p",
                form="probability",
            ),
            Column(
                "in_layers",
                "its mean if each subnetwork kept its number of heads in every layer",
                title="in layers",
                low=0,
                high=1,
            ),
            Column(
                "p_in_layers",
                "probability of at least as much under this null model",
                title="p in layers",
                form="probability",
            ),
            Column(
                "least", "Jaccard index of the pair that shares least", title="least", low=0, high=1
            ),
            Column(
                "least_by_chance",
                "mean of the least index by chance within layers",
                title="least by chance",
                low=0,
                high=1,
            ),
            title="Heads that two subnetworks share",
        ),
        Table(
            "overlap-neighbours",
            "How similarly two neighbouring sparsities rank heads by how many subnetworks "
            "keep them. By chance: the heads of each search are permuted within layers, alike at "
            "both sparsities.",
            Column("sparsity", "the lower sparsity", title="from", low=0, high=1, key=True),
            Column("other_sparsity", "the higher sparsity", title="to", low=0, high=1),
            Column(
                "spearman",
                "Spearman's correlation over heads; its interval takes heads for a sample and "
                f"needs {ENOUGH_POINTS}",
                title="Spearman",
                interval=True,
                optional=True,
                low=-1,
                high=1,
            ),
            Column(
                "spearman_by_chance",
                "its mean by chance",
                title="by chance",
                optional=True,
                low=-1,
                high=1,
            ),
            Column(
                "p_spearman",
                "probability of at least as much by chance",
                title="p",
                form="probability",
                optional=True,
            ),
            Column(
                "halves",
                "the same between halves of the searches, one at either sparsity",
                title="between halves",
                interval=True,
                optional=True,
                low=-1,
                high=1,
            ),
            Column(
                "halves_by_chance",
                "its mean by chance",
                title="halves by chance",
                optional=True,
                low=-1,
                high=1,
            ),
            Column(
                "p_halves",
                "probability of at least as much by chance",
                title="p of halves",
                form="probability",
                optional=True,
            ),
            title="How often heads are kept, at one sparsity and at the next",
        ),
    ),
    limits=("Agreement between searches does not show that the model has no other solution.",),
    plan=_plan,
)
