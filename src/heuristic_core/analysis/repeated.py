"""Do the core's heads attend to repeated tokens before fine-tuning? (left open by the paper)"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd
from jaxtyping import Bool

from .intervals import (
    CONTRADICTED,
    SUPPORTED,
    UNDECIDED,
    Estimate,
    Verdict,
    correlation,
    holm,
)
from .patterns import CLEAR, p_above, score_interval

_EXAMPLES = ["suite", "weighting"]


@dataclass(frozen=True)
class RepeatedHead:
    """A core head that attends to repeated tokens after fine-tuning.

    Args:
        unit: The head.
        before: Its score for repeated tokens before fine-tuning, in multiples of chance.
        after: Its score at the last checkpoint.
        already: ``True`` where the score before is clearly above 1.5, ``False`` where it is
            clearly below, ``None`` where neither is clear.
    """

    unit: str
    before: Estimate
    after: Estimate
    already: bool | None


@dataclass(frozen=True)
class Repeated:
    """Attention to repeated tokens before and after fine-tuning.

    Args:
        finetune_seed: Seed of the fine-tuning.
        suite: The examples.
        weighting: ``attention`` or ``value_norm``.
        checkpoint: The last checkpoint, which says which heads attend to repeated tokens.
        heads: The core's heads that do so there.
        n_already: How many of them clearly did before fine-tuning.
        n_not_yet: How many clearly did not.
        n_others: Heads outside the core that attend to repeated tokens at the last checkpoint.
        stability: Rank correlation over all heads of the score before and after; ``None`` where
            there is none.
        verdict: On the claim that most of these heads did so before fine-tuning.
    """

    finetune_seed: int
    suite: str
    weighting: str
    checkpoint: int
    heads: tuple[RepeatedHead, ...]
    n_already: int
    n_not_yet: int
    n_others: int
    stability: Estimate | None
    verdict: Verdict


def repeated(attention: pd.DataFrame, core: Mapping[int, Collection[str]]) -> list[Repeated]:
    """Follow the core's heads for repeated tokens back to the model before fine-tuning.

    Args:
        attention: Rows as in ``tables.ATTENTION``; those of checkpoint 0 are of the pretrained
            model.
        core: From the seed of a fine-tuning to the heads of its core.

    Returns:
        One result per fine-tuning, suite and weighting that has a checkpoint 0 and a later one.
    """
    rows = attention[(attention["pattern"] == "repeated") & np.isfinite(attention["score"])]
    results = []
    for finetune_seed, of_model in rows.groupby("finetune_seed"):
        last = of_model.groupby(_EXAMPLES)["checkpoint"].transform("max")
        later = of_model[(of_model["checkpoint"] == last) & (last > 0)]
        raw = of_model[of_model["checkpoint"] == 0]
        both = later.merge(raw, on=[*_EXAMPLES, "unit"], suffixes=("_after", "_before"))
        if len(both):
            members = core.get(int(finetune_seed), ())
            tested = _tested(both, both["unit"].isin(list(members)).to_numpy())
            results += [
                _one(int(finetune_seed), key, group, bool(members))
                for key, group in tested.groupby(_EXAMPLES)
            ]
    return results


def _tested(both: pd.DataFrame, in_core: Bool[np.ndarray, " row"]) -> pd.DataFrame:
    """Say of each head whether it attends to repeated tokens after and before fine-tuning.

    A head is tested on several suites in several weightings; all these tests are one family.
    """

    def column(name: str) -> np.ndarray:
        return both[name].to_numpy()

    after = column("score_after"), column("score_se_after"), column("n_after")
    follows = holm(p_above(after[0], after[1], after[2], CLEAR)) < 0.05
    chosen = follows & in_core
    score, error, n = (column(f"{x}_before")[chosen] for x in ("score", "score_se", "n"))
    already, not_yet = np.zeros(len(both), bool), np.zeros(len(both), bool)
    # Each head is tested in both directions.
    already[chosen] = holm(p_above(score, error, n, CLEAR)) < 0.025
    not_yet[chosen] = holm(p_above(-score, error, n, -CLEAR)) < 0.025
    return both.assign(follows=follows, chosen=chosen, already=already, not_yet=not_yet)


def _one(finetune_seed: int, key: tuple, group: pd.DataFrame, has_core: bool) -> Repeated:
    heads = tuple(
        RepeatedHead(
            str(row.unit),
            score_interval(row.score_before, row.score_se_before, row.n_before),
            score_interval(row.score_after, row.score_se_after, row.n_after),
            True if row.already else False if row.not_yet else None,
        )
        for row in group[group["chosen"]].itertuples()
    )
    return Repeated(
        finetune_seed,
        str(key[0]),
        str(key[1]),
        int(group["checkpoint_after"].iloc[0]),
        heads,
        int(group["already"].sum()),
        int(group["not_yet"].sum()),
        int((group["follows"] & ~group["chosen"]).sum()),
        correlation(group["score_before"].to_numpy(), group["score_after"].to_numpy(), rank=True),
        _verdict(heads, has_core),
    )


def _verdict(heads: tuple[RepeatedHead, ...], has_core: bool) -> Verdict:
    claim = "most of the core's heads for repeated tokens attend to them before fine-tuning"
    if not has_core:
        return Verdict(claim, UNDECIDED, "this fine-tuning has no supported core")
    if not heads:
        return Verdict(
            claim, UNDECIDED, "no core head clearly attends to repeated tokens after fine-tuning"
        )
    already = sum(head.already is True for head in heads)
    not_yet = sum(head.already is False for head in heads)
    scores = ", ".join(
        f"{head.unit} {head.before.value:.1f} before, {head.after.value:.1f} after"
        for head in heads
    )
    reason = (
        f"of {len(heads)} such head{'s' * (len(heads) > 1)} {already} clearly did so before and "
        f"{not_yet} clearly did not (times chance: {scores})"
    )
    if already > len(heads) / 2:
        return Verdict(claim, SUPPORTED, reason)
    if not_yet >= len(heads) / 2:
        return Verdict(claim, CONTRADICTED, reason)
    return Verdict(claim, UNDECIDED, reason)
